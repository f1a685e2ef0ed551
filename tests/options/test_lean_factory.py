"""LEAN's own factory, as its published stubs declare it, against the catalogue's entries: no count is trusted."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from actors.options.catalogue import FACTORY_ALIASES, LEAN

RANKS = {"lower": 0, "middle": 1, "higher": 2}


def declared() -> dict[str, list[tuple[str, str]]]:
    """Name and (argument, type) of every method of OptionStrategies, the canonical symbol left out."""
    found = importlib.util.find_spec("QuantConnect")
    assert found is not None
    assert found.submodule_search_locations is not None
    path = Path(next(iter(found.submodule_search_locations))) / "Securities" / "Option" / "__init__.pyi"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    factory = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "OptionStrategies")
    return {
        node.name: [
            (each.arg, "strike" if ast.unparse(each.annotation or each) == "float" else "expiry")
            for each in node.args.args[1:]
        ]
        for node in factory.body
        if isinstance(node, ast.FunctionDef)
    }


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


DECLARED = declared()
ALIASES = {snake(alias): snake(name) for alias, name in FACTORY_ALIASES.items()}


def test_the_catalogue_has_every_method_of_leans_factory_and_no_other() -> None:
    assert {snake(each.factory) for each in LEAN} | set(ALIASES) == set(DECLARED)
    for alias, name in ALIASES.items():
        assert [kind for _, kind in DECLARED[alias]] == [kind for _, kind in DECLARED[name]]


@pytest.mark.parametrize("each", LEAN, ids=lambda each: each.key)
def test_arguments_come_in_leans_order(each) -> None:
    arguments = DECLARED[snake(each.factory)]
    assert [kind for _, kind in arguments] == [
        "strike" if role.startswith("K") else "expiry" for role in each.arguments
    ]
    ranked = [
        (RANKS[name.split("_")[0]], role)
        for (name, _), role in zip(arguments, each.arguments, strict=True)
        if name.split("_")[0] in RANKS
    ]
    assert [role for _, role in sorted(ranked)] == sorted(role for _, role in ranked)
