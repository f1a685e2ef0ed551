"""Regular sessions from LEAN's market-hours database. Reading that file is all the I/O here."""

from __future__ import annotations

import datetime as dt
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from actors.options.contracts import Contract, is_index, parse_symbol

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class HoursError(ValueError):
    """A market-hours database that can't be used."""


class MarketHours:
    """Opens and closes by symbol and date.

    An entry of an own name inherits holidays and early closes of its market's '[*]' entry; options inherit those
    of what they are written on, for the database has none of their own.
    """

    def __init__(self, entries: dict[str, Any]) -> None:
        self._entries = entries
        self._session = lru_cache(maxsize=65536)(self._find)

    @classmethod
    def load(cls, data: Path) -> MarketHours:
        """The database of a LEAN data folder. Raises HoursError where it is missing or unreadable."""
        path = data / "market-hours" / "market-hours-database.json"
        try:
            return cls(msgspec.json.decode(path.read_bytes())["entries"])
        except OSError as error:
            raise HoursError(f"{path}: {error.strerror}") from error
        except (msgspec.DecodeError, KeyError) as error:
            raise HoursError(f"{path} is not a market-hours database: {error!r}") from error

    def zone(self, symbol: str) -> ZoneInfo:
        """The exchange's time zone."""
        return _zone(self._entry(*_keys(symbol)[0])["exchangeTimeZone"])

    def data_zone(self, symbol: str) -> ZoneInfo:
        """The time zone of the files."""
        return _zone(self._entry(*_keys(symbol)[0])["dataTimeZone"])

    def session(self, symbol: str, date: dt.date) -> tuple[dt.datetime, dt.datetime] | None:
        """Open and close of the regular session in UTC, or None on a day without one."""
        return self._session(_keys(symbol), date)

    def _entry(self, kind: str, name: str) -> dict[str, Any]:
        entry = self._entries.get(f"{kind}-usa-{name}") or self._entries.get(f"{kind}-usa-[*]")
        if entry is None:
            raise HoursError(f"no market hours for {kind}-usa-{name}")
        return entry

    def _find(self, keys: tuple[tuple[str, str], ...], date: dt.date) -> tuple[dt.datetime, dt.datetime] | None:
        own = self._entry(*keys[0])
        family = [own, *(self._entry(kind, name) for kind, name in keys[1:])]
        family += [self._entries[f"{kind}-usa-[*]"] for kind, _ in keys if f"{kind}-usa-[*]" in self._entries]
        day = f"{date.month}/{date.day}/{date.year}"
        if any(day in _set(entry, "holidays") for entry in family):
            return None
        spans = [span for span in own.get(_DAYS[date.weekday()], ()) if span["state"] == "market"]
        if not spans:
            return None
        zone = _zone(own["exchangeTimeZone"])
        opens, closes = _time(spans[0]["start"]), _time(spans[-1]["end"])
        for entry in family:
            early = entry.get("earlyCloses", {}).get(day)
            if early is not None:
                local = dt.datetime.combine(date, _time(early), _zone(entry["exchangeTimeZone"])).astimezone(zone)
                closes = min(closes, local.time())
                break
        begin = dt.datetime.combine(date, opens, zone).astimezone(dt.UTC)
        return begin, dt.datetime.combine(date, closes, zone).astimezone(dt.UTC)


def _set(entry: dict[str, Any], name: str) -> frozenset[str]:
    cached = entry.get(f"_{name}")
    if cached is None:
        cached = entry[f"_{name}"] = frozenset(entry.get(name, ()))
    return cached


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=65536)
def _keys(symbol: str) -> tuple[tuple[str, str], ...]:
    """Database keys of a symbol: its own first, then what it inherits from."""
    parsed = parse_symbol(symbol)
    if isinstance(parsed, Contract):
        if is_index(parsed.underlying):
            return (("IndexOption", parsed.root), ("Index", parsed.underlying))
        return (("Option", parsed.root), ("Equity", parsed.underlying))
    return (("Index", symbol),) if is_index(symbol) else (("Equity", symbol),)


def _time(text: str) -> dt.time:
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return dt.time(hours, minutes, seconds)
