"""Documents lead where they say: each relative link, and each file of the repository that one names as its test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemon.cli import MODULES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "tests").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:actors|algorithm|bench|bridge|config|daemon|docs|tests|tools)/[\w./-]+)`")


def headings(document: Path) -> set[str]:
    """The anchors that a page shows for its headings."""
    found = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in found}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_that_is_named_is_there(document: Path) -> None:
    for name in NAMED.findall(document.read_text()):
        assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), name


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for document in (ROOT / "docs").glob("*.md"):
        assert document.name == "README.md" or f"]({document.name})" in index, document.name


def test_every_verb_is_in_the_operations_document() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [verb for verb in MODULES if not re.search(rf"`(callboard )?{verb}\b", text)] == []
