"""The options by which every verb that plays a LEAN folder says what to play. No verb lives here."""

from __future__ import annotations

import argparse
import datetime as dt
from decimal import Decimal, InvalidOperation
from pathlib import Path


def add_data(parser: argparse.ArgumentParser) -> None:
    """Folder, underlyings, subscriptions, dates and cash; dates come as `first` and `last`."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a folder in LEAN's layout")
    parser.add_argument(
        "--underlying", action="append", default=[], metavar="U", help="stock or index; may be repeated"
    )
    parser.add_argument(
        "--subscribe", action="append", default=[], metavar="F",
        help="contracts, e.g. 'GOOG:weeklys,strikes=-30..30,days=0..60'; may be repeated",
    )  # fmt: skip
    parser.add_argument("--from", dest="first", type=_date, required=True, metavar="D", help="first date")
    parser.add_argument("--to", dest="last", type=_date, required=True, metavar="D", help="last date, inclusive")
    parser.add_argument(
        "--cash", type=_money, default=Decimal(100000), metavar="X", help="dollars at the start (100000)"
    )


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2015-12-24") from None


def _money(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None
    if not value.is_finite() or value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not an amount of 0 or more")
    return value
