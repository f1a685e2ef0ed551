"""The unit of `callboard service`: what systemd makes of it where it is here, and what it must hold anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli import main
from daemon.cli.service import unit


def test_a_system_call_that_is_filtered_fails_and_does_not_kill() -> None:
    # OpenBLAS asks for `mbind` when numpy is imported, and does not mind a no; a SIGSYS would end every start.
    text = unit(Path("/opt/callboard/bin/callboard"))
    assert "SystemCallFilter=~@privileged @resources\nSystemCallErrorNumber=EPERM\n" in text


@pytest.mark.parametrize(
    ("program", "quoted"),
    [
        ("/opt/callboard/bin/callboard", "/opt/callboard/bin/callboard"),
        ("/opt/100% my $HOME/callboard", '"/opt/100%% my $HOME/callboard"'),
    ],
)
def test_a_path_stands_in_the_unit_as_systemd_reads_it(program: str, quoted: str) -> None:
    assert f"ExecStart={quoted} run " in unit(Path(program))


@pytest.mark.long  # it asks systemd-analyze, which a test machine may not have
def test_a_program_in_a_folder_of_any_name_is_what_systemd_finds(tmp_path: Path) -> None:
    folder = tmp_path / "100% my $HOME"
    folder.mkdir()
    program = folder / "callboard"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "callboard.service"
    path.write_text(unit(program))
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    program.unlink()
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert str(program) in done.stderr


def test_what_can_not_be_run_by_its_path_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert main(["service", "install", "--directory", str(tmp_path)]) == 1
    assert "can't be run by a service" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_it_installs_where_nothing_can_check_it_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [sys.executable])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["service", "install", "--directory", str(tmp_path)]) == 0
    assert "was not checked" in capsys.readouterr().err
    assert f"ExecStart={Path(sys.executable).resolve()} run " in (tmp_path / "callboard.service").read_text()
