"""What differs between two settings, and which way: a running daemon may take what is tighter, never what is looser."""

from __future__ import annotations

import typing
from typing import Any, Literal

import msgspec

from config.loading import dump, fields_of, sections
from config.settings import ProfitThreshold, Settings, Tighter
from config.units import Duration, Fraction

Way = Literal["tighter", "looser", "other"]


class Change(msgspec.Struct, frozen=True):
    """One key that differs. `way` is 'other' where neither side is the safer one: that needs a restart."""

    key: str
    before: Any
    after: Any
    way: Way


def changes(before: Settings, after: Settings) -> tuple[Change, ...]:
    """Every key that differs, in the order of the shipped file."""
    found: list[Change] = []
    shown = dump(before), dump(after)
    for section, kind in sections().items():
        for key, annotated in fields_of(kind).items():
            old, new = (getattr(getattr(each, section), key) for each in (before, after))
            if old != new:
                was, becomes = (each[section][key] for each in shown)
                found.append(Change(f"{section}.{key}", was, becomes, _way(_tighter_way(annotated), old, new)))
    return tuple(found)


def _tighter_way(annotated: Any) -> Tighter | None:
    """Which way of a key is the safer one; None where neither is."""
    for extra in typing.get_args(annotated)[1:]:
        if isinstance(extra, msgspec.Meta) and extra.extra and "tighter" in extra.extra:
            return extra.extra["tighter"]
    return None


def _way(tighter: Tighter | None, old: Any, new: Any) -> Way:
    match tighter:
        case None:
            return "other"
        case "lower":
            return "tighter" if new < old else "looser"
        case "higher":
            return "tighter" if new > old else "looser"
        case "on":
            return "tighter" if new else "looser"
        case "off":
            return "looser" if new else "tighter"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a settings file, in which every section and key may be left out."""
    found = msgspec.json.schema(Settings, schema_hook=_unit_schema)
    for definition in found["$defs"].values():
        if definition.get("title") != ProfitThreshold.__name__:
            definition.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Callboard settings", **found}


def _unit_schema(kind: type) -> dict[str, Any]:
    pattern = {Fraction: "%", Duration: "(ms|s|m|h|d)"}[kind]
    return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": pattern}]}
