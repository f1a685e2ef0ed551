"""`callboard config` and the settings of `run`, as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daemon.cli.run import secret_of
from tests.processes.kit import Process


def callboard(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CALLBOARD")}
    return subprocess.run(
        [sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())", *arguments],
        capture_output=True, text=True, timeout=60, env=kept | environment, check=False,
    )  # fmt: skip


def test_show_tells_what_is_in_force_and_where_it_came_from(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[risk]\ndaily_loss = "2 %"\n')
    done = callboard("config", "show", "--changed", "--json", CALLBOARD_CONFIG=str(mine))
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["settings"] == {"risk": {"daily_loss": "2%"}}
    assert shown["sources"]["risk.daily_loss"] == str(mine)


def test_check_refuses_a_file_with_78_and_its_mistake(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[risk]\ndaly_loss = 0.02\n")
    done = callboard("config", "check", str(mine))
    assert done.returncode == 78
    assert "nearest is risk.daily_loss" in done.stderr
    mine.write_text("[risk]\ndaily_loss = 0.02\n")
    assert "sets 1 of" in callboard("config", "check", str(mine)).stdout


def test_diff_leaves_with_64_where_a_running_daemon_may_not_follow(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[risk]\ndaily_loss = "2 %"\n')
    tighter = callboard("config", "diff", "-", str(mine))
    assert (tighter.returncode, tighter.stdout) == (0, 'tighter  risk.daily_loss: "3%" -> "2%"\n')
    looser = callboard("config", "diff", str(mine), str(tmp_path / "none.toml"))
    assert looser.returncode == 78
    other = tmp_path / "other.toml"
    other.write_text('[risk]\ndaily_loss = "4 %"\n')
    looser = callboard("config", "diff", str(mine), str(other))
    assert looser.returncode == 64
    assert "restart it for risk.daily_loss" in looser.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "bridge.address=x:y"], "port 'y'"),
        (["--set", "risk.daly_loss=1"], "nearest is risk.daily_loss"),
        (["--bridge", "127.0.0.1:0"], "16 bytes or more"),
        (["--api", "127.0.0.1:0"], "no token is set"),
        (["--bridge", "x" * 108], "has 108 bytes; 107"),
        (["--dead-man", "never"], "bridge.dead_man"),
        (["--speed", "0"], "above 0"),
    ],
)
def test_run_refuses_what_it_cannot_use_before_it_starts(arguments: list[str], words: str) -> None:
    done = callboard("run", *arguments)
    assert done.returncode == 78
    assert words in done.stderr


def test_a_secret_comes_from_the_environment_else_its_file_else_the_service_managers_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("A_SECRET", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret_of("A_SECRET", "", "given") == ""
    (tmp_path / "given").write_text("from systemd\n")
    assert secret_of("A_SECRET", "", "given") == "from systemd"
    own = tmp_path / "own"
    own.write_text("from a file\n")
    own.chmod(0o644)
    with pytest.raises(ValueError, match="read by others"):
        secret_of("A_SECRET", str(own), "given")
    own.chmod(0o600)
    assert secret_of("A_SECRET", str(own), "given") == "from a file"
    monkeypatch.setenv("A_SECRET", "from the environment")
    assert secret_of("A_SECRET", str(own), "given") == "from the environment"


def test_a_hangup_takes_what_is_tighter_and_refuses_the_rest(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[risk]\ndaily_loss = "3 %"\n')
    daemon = Process(
        tmp_path, "run", "run", "--journal", str(tmp_path / "j"), "--bridge", str(tmp_path / "b"), "--config", str(mine)
    )
    try:
        daemon.wait_for("ready: ")
        mine.write_text('[risk]\ndaily_loss = "4 %"\n')
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reload refused: risk.daily_loss from 3% to 4% is looser: that needs a restart")
        mine.write_text('[risk]\ndaly_loss = "2 %"\n')
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("nearest is risk.daily_loss")
        assert daemon.said.count("ready: ") == 1
        mine.write_text('[risk]\ndaily_loss = "2 %"\n')
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reload: risk.daily_loss 3% -> 2%")
        until = time.monotonic() + 30
        while daemon.said.count("ready: ") < 2:
            assert time.monotonic() < until, daemon.said
            time.sleep(0.02)
        assert daemon.stop() == 0
    finally:
        daemon.kill()
