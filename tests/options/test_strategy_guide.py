"""The committed strategy guide is what its generator makes, whole and without dead links."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from actors.options.catalogue import CATALOGUE
from tools.strategy_guide import GUIDE, pages

NUMBER = re.compile(r"\d+\.\d+|\d+")


def same(made: str, committed: str) -> bool:
    """Equal to the letter; numbers to one unit of their last digit, which another processor may round the other way."""
    if made == committed:
        return True
    if NUMBER.sub("#", made) != NUMBER.sub("#", committed):
        return False
    for mine, theirs in zip(NUMBER.findall(made), NUMBER.findall(committed), strict=True):
        digits = len(mine.partition(".")[2])
        if len(theirs.partition(".")[2]) != digits or abs(float(mine) - float(theirs)) > 1.01 * 10**-digits:
            return False
    return True


def test_what_is_taken_for_the_same_is_the_same_but_for_a_last_digit() -> None:
    assert same("delta -0.16, $345.00", "delta -0.16, $345.01")
    assert not same("delta -0.16", "delta 0.16")
    assert not same("delta 0.16", "delta 0.18")
    assert not same("delta 0.16", "delta 0.160")
    assert not same("K1 665", "K1 670")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def test_the_committed_pages_are_what_the_generator_makes(made: dict[str, str]) -> None:
    committed = {
        str(path.relative_to(GUIDE)): path.read_text(encoding="utf-8")
        for path in (*GUIDE.glob("*.md"), *GUIDE.glob("drawings/*.svg"))
    }
    assert sorted(committed) == sorted(made), "run `make docs` and commit what it writes"
    different = [name for name in made if not same(made[name], committed[name])]
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
