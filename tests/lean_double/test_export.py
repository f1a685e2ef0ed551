"""`callboard lean export` writes all that LEAN needs, and the wrappers of lean-cli say what is missing."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from daemon.cli import CONFIGURATION, main
from daemon.cli.lean import live, seconds_until
from daemon.journal import file_hash, verify
from daemon.replay import ReplayRequest, replay
from tests.processes.kit import CHAIN, DATA, SCRIPT, Process

DAY = dt.date(2015, 12, 24)


def test_the_exported_folder_runs_on_the_double_with_nothing_else_of_ours(tmp_path: Path) -> None:
    project, bridge = tmp_path / "project", str(tmp_path / "bridge")
    assert main(["lean", "export", str(project), "--bridge", bridge, "--from", str(DAY), "--to", str(DAY)]) == 0
    daemon = Process(
        tmp_path, "run", "run", "--journal", str(tmp_path / "journal"), "--bridge", bridge, "--clock", "market",
        "--risk", "lean", "--script", str(SCRIPT), "--once", *CHAIN,
    )  # fmt: skip
    daemon.wait_for("ready")
    runner = Path(__file__).with_name("exported.py")
    ran = subprocess.run(
        [sys.executable, str(runner), str(project), bridge, str(DAY), str(DAY)], cwd=project, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr + daemon.said
    print(ran.stdout)
    assert "bridge.lean_end" in ran.stdout
    assert "paper" not in ran.stdout
    assert daemon.end() == 0, daemon.said
    report = replay(
        ReplayRequest(
            data=DATA / "lean", first=DAY, last=DAY, underlyings=("GOOG",), subscribe=(CHAIN[3],), script=SCRIPT
        )
    )
    assert verify(tmp_path / "journal").problem is None
    assert file_hash(tmp_path / "journal") == report.journal_hash


_BARE = """
import sys
sys.path[:0] = sys.argv[1:]
before = set(sys.modules)
import main
found = {name: getattr(module, "__file__", None) for name, module in sys.modules.items() if name not in before}
print(main.Callboard.__mro__[1].__name__)
print(*sorted(name for name, path in found.items() if path and path.startswith(sys.argv[1])))
print(*sorted({name.partition(".")[0] for name, path in found.items() if path and path.startswith(sys.argv[2])}))
"""


def test_the_exported_folder_needs_the_standard_library_and_msgspec_alone(tmp_path: Path) -> None:
    project, installed = tmp_path / "project", tmp_path / "installed"
    assert main(["lean", "export", str(project), "--bridge", str(tmp_path / "bridge")]) == 0
    installed.mkdir()
    package = importlib.util.find_spec("msgspec")
    assert package is not None
    assert package.submodule_search_locations is not None
    (installed / "msgspec").symlink_to(package.submodule_search_locations[0])
    (installed / "AlgorithmImports.py").write_text("def __getattr__(name):\n    return type(name, (), {})\n")
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _BARE, str(project), str(installed)], cwd=tmp_path, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    base, ours, others = ran.stdout.splitlines()
    assert base == "QCAlgorithm"
    written = {str(path.relative_to(project).with_suffix("")).replace("/", ".") for path in project.rglob("*.py")}
    assert set(ours.split()) == {name.removesuffix(".__init__") for name in written}  # no more and no less is copied
    assert others.split() == ["AlgorithmImports", "msgspec"]


def test_the_wiring_of_a_socket_is_a_folder_and_of_tcp_an_address(tmp_path: Path) -> None:
    assert main(["lean", "export", str(tmp_path / "unix"), "--bridge", "/run/callboard/bridge.sock"]) == 0
    wiring = json.loads((tmp_path / "unix" / "lean-cli.json").read_text())
    assert wiring["volumes"] == {"/run/callboard": {"bind": "/bridge", "mode": "rw"}}
    assert wiring["environment"] == {"CALLBOARD_BRIDGE": "/bridge/bridge.sock"}
    assert main(["lean", "export", str(tmp_path / "tcp"), "--bridge", "host.docker.internal:7777"]) == 0
    wiring = json.loads((tmp_path / "tcp" / "lean-cli.json").read_text())
    assert wiring == {"environment": {"CALLBOARD_BRIDGE": "host.docker.internal:7777"}}
    pins = (tmp_path / "tcp" / "requirements.txt").read_text().splitlines()
    assert pins[0] == f"msgspec=={version('msgspec')}"
    parameters = json.loads((tmp_path / "tcp" / "config.json").read_text())["parameters"]
    assert parameters["bridge"] == "host.docker.internal:7777"


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "main.py").write_text("mine")
    assert main(["lean", "export", str(tmp_path)]) == CONFIGURATION
    assert "was not written by callboard" in capsys.readouterr().err
    assert (tmp_path / "main.py").read_text() == "mine"


def test_without_lean_cli_the_wrappers_say_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for verb in ("backtest", "live"):
        assert main(["lean", verb, str(tmp_path / "nothing")]) == CONFIGURATION
        said = capsys.readouterr().err
        assert "callboard lean export" in said
        assert "pip install lean" in said
        assert "docker is missing" in said


def _command(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)


def test_lean_cli_is_given_the_project_the_wiring_and_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["lean", "export", str(tmp_path / "p"), "--bridge", "/run/callboard/bridge.sock"]) == 0
    _command(
        tmp_path,
        "lean",
        "import json, sys; print('given', json.dumps(sys.argv[1:])); sys.exit(3 if 'bad' in sys.argv else 0)",
    )
    _command(tmp_path, "docker", "")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLBOARD_BRIDGE_SECRET", "a secret of enough bytes")
    capfd.readouterr()
    assert main(["lean", "backtest", str(tmp_path / "p"), "--", "--backtest-name", "one"]) == 0
    given = json.loads(capfd.readouterr().out.split("given ")[1])
    assert given[:3] == ["backtest", str(tmp_path / "p"), "--extra-docker-config"]
    assert json.loads(given[3])["environment"]["CALLBOARD_BRIDGE_SECRET"] == "a secret of enough bytes"
    assert given[4:] == ["--backtest-name", "one"]
    assert main(["lean", "live", "--restart-at", "never", str(tmp_path / "p"), "--", "bad"]) == 1
    assert json.loads(capfd.readouterr().out.split("given ")[1])[:2] == ["live", "deploy"]


def test_live_starts_lean_anew_at_its_time_and_ends_as_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import daemon.cli.lean as module

    log = tmp_path / "log"
    _command(
        tmp_path, "lean",
        f"import pathlib, signal, sys, time\nlog = pathlib.Path({str(log)!r})\n"
        "before = log.read_text() if log.exists() else ''\nlog.write_text(before + 'started ')\n"
        "if 'stopped' in before: sys.exit(0)\n"
        "def stop(*_):\n    log.write_text(log.read_text() + 'stopped ')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGINT, stop)\ntime.sleep(60)",
    )  # fmt: skip
    monkeypatch.setattr(module, "seconds_until", lambda at, now: 2.0)
    assert live([str(tmp_path / "lean")], dt.time(8, 15)) == 0
    assert log.read_text() == "started stopped started "


def test_live_ends_lean_when_the_service_manager_ends_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    _command(
        tmp_path, "lean",
        f"import pathlib, signal, sys, time\nlog = pathlib.Path({str(log)!r})\n"
        "def stop(*_):\n    log.write_text('stopped')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGINT, stop)\nlog.write_text('started')\ntime.sleep(60)",
    )  # fmt: skip
    program = f"import sys\nfrom daemon.cli.lean import live\nsys.exit(live([{str(tmp_path / 'lean')!r}], None))"
    wrapper = subprocess.Popen([sys.executable, "-c", program])
    for _ in range(3000):
        if log.exists() and log.read_text() == "started":
            break
        time.sleep(0.01)
    wrapper.terminate()
    assert wrapper.wait(60) == 0
    assert log.read_text() == "stopped"


def test_the_time_of_a_restart_is_new_york_s() -> None:
    winter = dt.datetime(2026, 12, 1, 12, 0, tzinfo=dt.UTC)
    assert seconds_until(dt.time(8, 15), winter) == 75 * 60
    assert seconds_until(dt.time(7, 0), winter) == 24 * 3600


def test_the_script_for_a_lean_from_source_merges_its_commented_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "p"
    assert main(["lean", "export", str(project), "--bridge", "/run/callboard/bridge.sock", "--from", "2015-12-24"]) == 0
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "config.json").write_text(
        '{\n  // a comment, with "quotes"\n  "environment": "live-paper", // another\n  "api": "http://x.y/z",\n'
        '  "environments": {"backtesting": {"live-mode": false,},},\n}\n'
    )
    _command(tmp_path, "dotnet", "import json, sys; print('given', json.dumps(sys.argv[1:]))")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONNET_PYDLL", "/usr/lib/libpython3.11.so")
    script, data, results = project / "run-lean-from-source.sh", tmp_path, tmp_path / "results"
    ran = subprocess.run([script, binaries, data, results], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    given = json.loads(ran.stdout.split("given ")[1])
    assert given[:3] == ["QuantConnect.Lean.Launcher.dll", "--config", str(results / "config.json")]
    merged = json.loads((results / "config.json").read_text())
    assert (merged["environment"], merged["api"]) == ("backtesting", "http://x.y/z")
    assert merged["algorithm-location"] == str(project / "main.py")
    assert merged["parameters"]["from"] == "2015-12-24"
