"""Reads ```console blocks of a document: commands with the output and exit code that they must give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^\[(\d+)\]$")


class Said(NamedTuple):
    """One command, what it must print, and its exit code. `…` in `output` stands for anything; alone on a line, for
    any lines."""

    command: str
    output: str
    code: int

    def matches(self, printed: str) -> bool:
        """Whether this is what was printed, spaces at line ends apart."""
        pattern = ""
        for line in self.output.splitlines():
            words = re.escape(line.rstrip()).replace("…", ".*")
            pattern += "(?:.*\n)*?" if line.strip() == "…" else f"{words}\n"
        lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
        return re.fullmatch(pattern, lines) is not None


def commands(path: Path) -> list[Said]:
    """Every command of a document, in order."""
    found: list[Said] = []
    for block in _BLOCK.findall(path.read_text()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            lines = output.splitlines()
            code = _CODE.match(lines[-1]) if lines else None
            kept = lines[:-1] if code else lines
            found.append(Said(command, "\n".join(kept), int(code[1]) if code else 0))
    return found
