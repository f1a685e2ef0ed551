"""Runs an exported project on the double in a process of its own: of ours the project sees only its own folder.

    python exported.py PROJECT BRIDGE FIRST LAST

The double and the embedded market are loaded first and then put out of reach: whatever the project imports must come
from its folder, the standard library, or an installed package.
"""

from __future__ import annotations

import sys
from pathlib import Path

OURS = ("actors", "algorithm", "bridge", "config", "daemon")


def main(project: Path, bridge: str, first: str, last: str) -> None:
    repository = Path(__file__).parents[2]
    sys.path.insert(0, str(repository))
    from tests.lean_double.engine import Engine
    from tests.lean_double.kit import lean_market, load

    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    sys.path[:] = [str(project), *(path for path in sys.path if Path(path or ".").resolve() != repository)]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
    algorithm = load(project / "main.py")
    for name in OURS:
        found = [module for each, module in sys.modules.items() if each.split(".")[0] == name]
        assert all(str(module.__file__).startswith(str(project)) for module in found), name
    names = sorted(name for name in sys.modules if name.split(".")[0] in OURS)
    parameters = {
        "bridge": bridge, "from": first, "to": last, "cash": "100000", "session": "1", "brokerage": "paper",
        "patience": "20",
    }  # fmt: skip
    Engine(lean_market, parameters).backtest(algorithm)
    print("of ours:", ", ".join(names))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5])
