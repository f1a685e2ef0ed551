"""Writes the project that LEAN runs: our algorithm and LEAN's end of the wire, and how to start either kind of LEAN."""

from __future__ import annotations

import datetime as dt
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from bridge.client import tcp_address

#: What is copied, by folder; `bridge` in the project is the part of ours that needs the standard library and msgspec.
_COPIED = {
    "": ("algorithm/main.py",),
    "algorithm": (
        "algorithm/__init__.py", "algorithm/brokerage.py", "algorithm/calls.py", "algorithm/reading.py",
    ),
    "bridge": (
        "bridge/__init__.py", "bridge/protocol.py", "bridge/client.py", "bridge/lean_words.py", "bridge/lean_end.py",
        "bridge/lean_limits.py", "bridge/lean_link.py", "bridge/lean_live.py",
        "bridge/lean_orders.py", "bridge/lean_quotes.py",
    ),
}  # fmt: skip
#: Where the folder of the daemon's socket is seen from inside LEAN's container.
MOUNT = "/bridge"


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """What a project is told. `bridge` is a unix socket's path on this machine, or host:port as LEAN reaches it."""

    bridge: str
    first: dt.date | None = None
    last: dt.date | None = None
    cash: float = 100000.0
    resolution: str = "minute"
    brokerage_model: str = ""
    patience: float = 60.0

    @property
    def tcp(self) -> bool:
        """Whether LEAN comes over TCP."""
        return tcp_address(self.bridge) is not None

    @property
    def socket(self) -> Path:
        """The unix socket."""
        return Path(self.bridge).absolute()


def export(folder: Path, project: Project) -> list[Path]:
    """Write the project and give back its files. Raises FileExistsError where the folder holds something else."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "lean-cli.json").exists():
        raise FileExistsError(f"{folder} is not empty and was not written by callboard")
    root = Path(__file__).parents[1]
    written: list[Path] = []

    def write(name: str, text: str, executable: bool = False) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if executable else 0o644)
        written.append(path)

    for into, names in _COPIED.items():
        for name in names:
            write(str(Path(into) / Path(name).name), (root / name).read_text())
    write("config.json", _json({"algorithm-language": "Python", "parameters": _parameters(project), "description": ""}))
    write("requirements.txt", f"msgspec=={version('msgspec')}\ntzdata=={version('tzdata')}\n")
    write("lean-cli.json", _json(docker_config(project)))
    write("lean-source.json", _json(_source_config(folder, project)))
    write("run-lean-from-source.sh", _SOURCE, executable=True)
    write("README.md", _README)
    return written


def docker_config(project: Project) -> dict[str, Any]:
    """What lean-cli's --extra-docker-config needs: the socket's folder, or the daemon's address over TCP."""
    if project.tcp:
        return {"environment": {"CALLBOARD_BRIDGE": project.bridge}}
    return {
        "volumes": {str(project.socket.parent): {"bind": MOUNT, "mode": "rw"}},
        "environment": {"CALLBOARD_BRIDGE": f"{MOUNT}/{project.socket.name}"},
    }


def _parameters(project: Project) -> dict[str, str]:
    parameters = {
        "bridge": project.bridge if project.tcp else str(project.socket), "cash": f"{project.cash:g}",
        "resolution": project.resolution, "patience": f"{project.patience:g}",
    }  # fmt: skip
    if project.first is not None:
        parameters["from"] = project.first.isoformat()
    if project.last is not None:
        parameters["to"] = project.last.isoformat()
    if project.brokerage_model:
        parameters["brokerage-model"] = project.brokerage_model
    return parameters


def _source_config(folder: Path, project: Project) -> dict[str, Any]:
    return {
        "environment": "backtesting", "algorithm-language": "Python", "algorithm-type-name": "main",
        "algorithm-location": str((folder / "main.py").absolute()), "close-automatically": True,
        "parameters": _parameters(project),
    }  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, indent=4) + "\n"


_SOURCE = """\
#!/bin/sh
# Run this project in a LEAN built from source: run-lean-from-source.sh LEAN_BIN DATA_FOLDER RESULTS_FOLDER
# LEAN_BIN is .../Launcher/bin/Debug; PYTHONNET_PYDLL must name libpython3.11.so, and that Python have msgspec.
set -eu
bin=$(realpath "$1") data=$(realpath "$2") results=$3
here=$(dirname "$(realpath "$0")")
mkdir -p "$results" && results=$(realpath "$results")
: "${PYTHONNET_PYDLL:?must be the full path of libpython3.11.so}"
merged="$results/config.json"
python3 - "$bin/config.json" "$here/lean-source.json" "$merged" <<'END'
import json, re, sys
text = re.sub(r"^\\s*//.*$", "", open(sys.argv[1]).read(), flags=re.M)
merged = json.loads(re.sub(r",(\\s*[}\\]])", r"\\1", re.sub(r"(?<!:)//[^\\n\\"]*$", "", text, flags=re.M)))
merged.update(json.load(open(sys.argv[2])))
json.dump(merged, open(sys.argv[3], "w"), indent=4)
END
cd "$bin"
exec dotnet QuantConnect.Lean.Launcher.dll --config "$merged" --data-folder "$data" \\
    --results-destination-folder "$results" --algorithm-location "$here/main.py" --close-automatically true
"""

_README = """\
# Callboard inside LEAN

Written by `callboard lean export`; export again rather than edit. `main.py` connects to the daemon, subscribes what it
asks for, relays, and obeys. It decides nothing.

- lean-cli: `callboard lean backtest .` or `callboard lean live . -- --environment NAME`, or by hand
  `lean backtest . --extra-docker-config "$(cat lean-cli.json)"`.
- LEAN from source: `./run-lean-from-source.sh LEAN_BIN DATA RESULTS`.

The daemon must run first: `callboard run --bridge ...`, for a backtest with `--clock market`. Over TCP both ends need
the same CALLBOARD_BRIDGE_SECRET.
"""
