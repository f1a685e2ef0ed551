"""The strategies known, as one tuple and by key. Adding one is one entry in `lean`, `others` or `variants`."""

from __future__ import annotations

from actors.options.catalogue.lean import FACTORY_ALIASES, LEAN
from actors.options.catalogue.model import Condition, LegRole, Pick, Strategy, key_of
from actors.options.catalogue.others import OTHERS
from actors.options.catalogue.rules import EntryRules, ExitRules, RuleError, check_exit, usable_exit
from actors.options.catalogue.variants import VARIANTS

CATALOGUE: tuple[Strategy, ...] = LEAN + OTHERS + VARIANTS
BY_KEY: dict[str, Strategy] = {each.key: each for each in CATALOGUE}
_BY_NAME: dict[str, Strategy] = {key_of(name): each for each in CATALOGUE for name in (each.name, *each.aliases)}


def find(name: str) -> Strategy | None:
    """The strategy of this key, name or alias, in any case: `iron_condor`, `Iron Condor`, `PMCC`. None for none."""
    return _BY_NAME.get(key_of(name))


__all__ = [
    "BY_KEY",
    "CATALOGUE",
    "FACTORY_ALIASES",
    "LEAN",
    "OTHERS",
    "VARIANTS",
    "Condition",
    "EntryRules",
    "ExitRules",
    "LegRole",
    "Pick",
    "RuleError",
    "Strategy",
    "check_exit",
    "find",
    "key_of",
    "usable_exit",
]
