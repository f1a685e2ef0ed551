"""Every verb has a help of its own; versions and completion are for machines too."""

from __future__ import annotations

import json
import re

import pytest

from daemon.cli import MODULES, build_parser, json_notice, main


@pytest.mark.parametrize("verb", MODULES)
def test_every_verb_has_a_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: callboard {verb}")
    assert len(shown.splitlines()) > 3


def test_the_help_names_every_verb_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for verb in MODULES:
        assert re.search(rf"^ +{verb}( |$)", shown, re.MULTILINE), verb
    for code in ("0 ok", "2 usage", "3 unreachable", "7 outcome unknown", "64 check failed", "78 configuration"):
        assert code in shown


def test_a_verb_that_does_not_exist_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["sumbit"])
    assert left.value.code == 2
    assert "sumbit" in capsys.readouterr().err


def test_version_names_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= {"callboard", "wire", "python", "trio", "msgspec"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_the_verbs(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    shown = capsys.readouterr().out
    assert "callboard" in shown
    assert all(verb in shown for verb in MODULES)
    assert build_parser().prog == "callboard"


def test_what_a_daemon_notices_is_json_where_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) in (0, 64)
    assert set(json.loads(capsys.readouterr().out)) == {"home", "foreign"}
    json_notice("ready", "fact 3")
    assert json.loads(capsys.readouterr().err) == {"event": "ready", "text": "fact 3"}
