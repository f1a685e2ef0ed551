"""Lints of our own: code in actors/ calls no clock and no chance, and iterates over no set.

A line ending in `# lint: allow <why>` is passed over.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

_CALLS = re.compile(
    r"(.*\.)?(utcnow|today|uuid1|uuid4|urandom|sleep)|(dt|datetime)(\.datetime)?\.now|(time|random|secrets)\..+"
)
_ALLOWED = re.compile(r"# lint: allow \S+")


def problems(source: str) -> list[tuple[int, str]]:
    """Line and text of each problem, in line order. Sets are known only where written as such."""
    lines = source.splitlines()
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _CALLS.fullmatch(ast.unparse(node.func)):
            found.append((node.lineno, f"calls {ast.unparse(node.func)}"))
        elif isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter):
            found.append((node.iter.lineno, "iterates over a set"))
    return sorted(row for row in found if not _ALLOWED.search(lines[row[0] - 1]))


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("set", "frozenset")
    return isinstance(node, ast.Set | ast.SetComp)


if __name__ == "__main__":
    rows = [(path, *row) for path in sorted(Path("actors").rglob("*.py")) for row in problems(path.read_text())]
    for path, line, text in rows:
        print(f"{path}:{line}: {text}")
    sys.exit(1 if rows else 0)
