"""Orders in one line, as people type and read them: '2 GOOG 2016-01-15 +735P -745P -755C +765C'. No requests here."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

_LEG = re.compile(r"^([+-])(?:(\d+)x)?(\d+(?:\.\d{1,3})?)([CPcp])$")
_SHARES = re.compile(r"^([+-])(\d+)sh$")
_SYMBOL = re.compile(r"^(.{6})(\d{6})([CP])(\d{8})$")


class OrderTextError(ValueError):
    """A one-line order that can't be read; the message says which word and what is expected."""


def parse_order(text: str) -> tuple[int, list[dict[str, Any]]]:
    """Quantity and legs of '2 GOOG 2016-01-15 +735P -745P'. Raises OrderTextError.

    A ratio above 1 is written -2x750C, stock of a combination +100sh; a second date starts legs of that expiry.
    """
    words = text.split()
    if len(words) < 3:
        raise OrderTextError(f"{text!r} is not like '2 GOOG 2016-01-15 +735P -745P'")
    quantity, root, *rest = words
    if not quantity.isdecimal() or int(quantity) == 0:
        raise OrderTextError(f"quantity {quantity!r} is not a whole number above 0")
    if not re.fullmatch(r"[A-Za-z.]{1,6}", root):
        raise OrderTextError(f"{root!r} is not a ticker")
    expiry: dt.date | None = None
    found: list[dict[str, Any]] = []
    for word in rest:
        if word[0].isdigit():
            expiry = _date(word)
        elif match := _SHARES.match(word):
            sign, shares = match.groups()
            found.append({"symbol": root.upper(), "ratio": _signed(sign, shares)})
        elif match := _LEG.match(word):
            if expiry is None:
                raise OrderTextError(f"leg {word!r} stands before any expiry: write the date first, like 2016-01-15")
            sign, ratio, strike, right = match.groups()
            thousandths = int(Decimal(strike) * 1000)
            symbol = f"{root.upper():<6}{expiry:%y%m%d}{right.upper()}{thousandths:08d}"
            found.append({"symbol": symbol, "ratio": _signed(sign, ratio or "1")})
        else:
            raise OrderTextError(f"{word!r} is not an expiry like 2016-01-15, a leg like +735P or -2x750C, or +100sh")
    if not found:
        raise OrderTextError(f"{text!r} has no legs, like +735P or -2x750C")
    return int(quantity), found


def legs_text(legs: Iterable[tuple[str, int]]) -> str:
    """(symbol, signed count) pairs as `parse_order` reads them, without the quantity: 'GOOG 2016-01-15 +735P -745P'."""
    root, expiry, words = "", "", list[str]()
    for symbol, count in legs:
        match = _SYMBOL.match(symbol)
        sign, size = ("+" if count > 0 else "-"), abs(count)
        if match is None:
            root = root or symbol
            words.append(f"{sign}{size}sh")
            continue
        root = root or match[1].strip()
        date = dt.datetime.strptime(match[2], "%y%m%d").date().isoformat()
        if date != expiry:
            expiry = date
            words.append(date)
        strike = f"{(Decimal(match[4]) / 1000).normalize():f}"
        words.append(f"{sign}{'' if size == 1 else f'{size}x'}{strike}{match[3]}")
    return " ".join([root, *words])


def _date(word: str) -> dt.date:
    try:
        return dt.date.fromisoformat(word)
    except ValueError:
        raise OrderTextError(f"expiry {word!r} is not a date like 2016-01-15") from None


def _signed(sign: str, size: str) -> int:
    if int(size) == 0:
        raise OrderTextError(f"{sign}{size} trades nothing")
    return int(size) if sign == "+" else -int(size)
