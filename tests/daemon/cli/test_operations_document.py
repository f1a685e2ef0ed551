"""The sessions of docs/operations.md, typed into a shell against a daemon and a market that really run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs_console import commands
from tests.processes.kit import CHAIN, DATA, DAY, Process

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"
TOKEN = "admin-0123456789-abcdefghij"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    bridge = str(tmp_path / "bridge")
    # A shell finds the command as users have it.
    command = tmp_path / "callboard"
    command.write_text(f"#!{sys.executable}\nimport sys\nfrom daemon.cli import main\nsys.exit(main())\n")
    command.chmod(0o755)
    daemon = Process(
        tmp_path, "run", "run", "--journal", str(tmp_path / "journal"), "--bridge", bridge, "--clock", "market",
        "--speed", "60", "--api", "127.0.0.1:0", "--set", "risk.legs_fill_apart=false", CALLBOARD_AUTH_TOKEN=TOKEN,
    )  # fmt: skip
    daemon.wait_for("api: ")
    address = daemon.said.split("api: ")[1].split()[0]
    market = Process(
        tmp_path, "market", "market", "--bridge", bridge, "--data", str(DATA / "lean"), *CHAIN, *DAY, "--speed", "60"
    )
    try:
        daemon.wait_for("connected: session")
        yield {
            **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path),
            "CALLBOARD_API": address, "CALLBOARD_TOKEN": TOKEN,
        }  # fmt: skip
    finally:
        daemon.kill()
        market.kill()


def test_what_the_document_types_gives_what_it_shows(environment: dict[str, str]) -> None:
    said = commands(DOCUMENT)
    assert len(said) > 20
    for _ in range(200):
        shown = subprocess.run(["callboard", "chain"], env=environment, capture_output=True, text=True, check=False)
        if "704" in shown.stdout and "  -  " not in shown.stdout:
            break
        time.sleep(0.1)
    for each in said:
        done = subprocess.run(each.command, shell=True, env=environment, capture_output=True, text=True, timeout=60)
        printed = done.stdout + done.stderr
        assert each.matches(printed), (
            f"$ {each.command}\nprinted (exit code {done.returncode}):\n{printed}\nnot:\n{each.output}"
        )
        assert done.returncode == each.code, f"$ {each.command}: exit code {done.returncode}, not {each.code}"
