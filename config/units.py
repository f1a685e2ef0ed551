"""Durations and fractions as people write them in settings: '30s', '1h30m', '3 %'. No settings here."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import Any

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


class Duration(dt.timedelta):
    """A length of time, at least 0. Written as '250ms', '30s', '1h30m', or as a number of seconds."""


class Fraction(Decimal):
    """A part of a whole. Written as '3 %', '3%', or as 0.03."""


def read_duration(value: object) -> Duration:
    """A duration as written. Raises ValueError for anything else and for one below 0."""
    if isinstance(value, Duration):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a duration like '30s' or '1h30m'")
    if isinstance(value, str):
        text = value.strip().lower()
        try:
            seconds = float(text)
        except ValueError:
            parts = _PART.findall(text)
            if not parts or _PART.sub("", text).strip():
                raise ValueError(f"{value!r} is not a duration like '30s' or '1h30m'") from None
            seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    else:
        seconds = float(value)
    if not 0 <= seconds < 1e9:
        raise ValueError(f"a duration of {seconds:g} s is not between 0 and 1e9 s")
    return Duration(seconds=seconds)


def read_fraction(value: object) -> Fraction:
    """A fraction as written. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{value!r} is not a fraction like '3 %' or 0.03")
    text = str(value).strip()
    percent = text.endswith("%")
    try:
        number = Decimal(text.removesuffix("%").strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a fraction like '3 %' or 0.03") from None
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite fraction")
    return Fraction(number / 100 if percent else number)


def show_duration(value: dt.timedelta) -> str:
    """The shortest spelling that `read_duration` reads back to the same."""
    millis = round(value.total_seconds() * 1000)
    if not millis:
        return "0s"
    parts: list[str] = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, millis = divmod(millis, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def show_fraction(value: Decimal) -> str:
    """As a percentage without needless zeros, as `read_fraction` reads it."""
    percent = (value * 100).normalize()
    return f"{percent:f}%"


def decode_unit(kind: type, value: Any) -> Any:
    """msgspec's hook for the types of this module."""
    if kind is Duration:
        return read_duration(value)
    if kind is Fraction:
        return read_fraction(value)
    raise NotImplementedError(f"no way to read {kind.__name__}")


def encode_unit(value: Any) -> Any:
    """The other way round."""
    if isinstance(value, dt.timedelta):
        return show_duration(value)
    if isinstance(value, Decimal):
        return show_fraction(value)
    raise NotImplementedError(f"no way to write {type(value).__name__}")
