"""The committed strategy guide is what its generator makes, whole and without dead links."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from actors.options.catalogue import CATALOGUE
from tools.strategy_guide import GUIDE, pages


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def test_the_committed_pages_are_what_the_generator_makes(made: dict[str, str]) -> None:
    committed = {
        str(path.relative_to(GUIDE)): path.read_text(encoding="utf-8")
        for path in (*GUIDE.glob("*.md"), *GUIDE.glob("drawings/*.svg"))
    }
    assert sorted(committed) == sorted(made), "run `make docs` and commit what it writes"
    different = [name for name in made if made[name] != committed[name]]
    assert not different, f"run `make docs` and commit what it writes: {different}"


def test_there_is_a_page_and_a_drawing_a_strategy_and_every_link_leads_somewhere(made: dict[str, str]) -> None:
    assert len(CATALOGUE) >= 61
    for each in CATALOGUE:
        for part in ("Legs", "At expiry", "When", "Entry", "Exit", "Margin", "What can go wrong", "Worked example"):
            assert f"\n## {part}\n" in made[f"{each.key}.md"], (each.key, part)
        assert f"]({each.key}.md)" in made["README.md"]
    for name, text in made.items():
        for link in re.findall(r"\]\(([^)]+)\)", text):
            assert link in made, (name, link)


def test_every_page_without_stock_says_what_an_index_changes(made: dict[str, str]) -> None:
    for each in CATALOGUE:
        text = made[f"{each.key}.md"]
        assert ("cash-settled, European and a section 1256 contract" in text) != each.stock


def test_drawings_are_well_formed_and_stand_alone(made: dict[str, str]) -> None:
    for name, text in made.items():
        if name.endswith(".svg"):
            root = ElementTree.fromstring(text)
            assert root.tag.endswith("svg")
            assert "prefers-color-scheme: dark" in text
            assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
