"""The strategies known, as one tuple and by key. Adding one is one entry in `lean` or `others`."""

from __future__ import annotations

from actors.options.catalogue.lean import LEAN
from actors.options.catalogue.model import (
    EntryRules,
    ExitRules,
    LegRole,
    RuleError,
    Strategy,
    check_exit,
    usable_exit,
)
from actors.options.catalogue.others import OTHERS

CATALOGUE: tuple[Strategy, ...] = LEAN + OTHERS
BY_KEY: dict[str, Strategy] = {each.key: each for each in CATALOGUE}

__all__ = [
    "BY_KEY",
    "CATALOGUE",
    "LEAN",
    "OTHERS",
    "EntryRules",
    "ExitRules",
    "LegRole",
    "RuleError",
    "Strategy",
    "check_exit",
    "usable_exit",
]
