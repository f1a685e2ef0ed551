"""The options by which every verb that plays a market says what to play. No verb lives here."""

from __future__ import annotations

import argparse
import datetime as dt
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.fills import FillChoice
    from daemon.source import MarketSource

#: The first date of a synthetic market where none is named, and the last that one may have.
SYNTHETIC_FIRST, SYNTHETIC_LAST = dt.date(2026, 1, 5), dt.date(2045, 12, 29)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Folder or seed, underlyings, subscriptions, dates and cash; `source_of` reads them."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="a folder in LEAN's layout")
    source.add_argument(
        "--synthetic", type=int, metavar="SEED", help="no data: the market that a seed makes (SPX, ACME, NOVA)"
    )
    parser.add_argument(
        "--underlying", action="append", default=[], metavar="U", help="stock or index; may be repeated"
    )
    parser.add_argument(
        "--subscribe", action="append", default=[], metavar="F",
        help="contracts, e.g. 'GOOG:weeklys,strikes=-30..30,days=0..60'; may be repeated",
    )  # fmt: skip
    parser.add_argument("--from", dest="first", type=_date, metavar="D", help="first date")
    parser.add_argument("--to", dest="last", type=_date, metavar="D", help="last date, inclusive")
    parser.add_argument("--step", type=int, default=60, metavar="S", help="synthetic: seconds between steps (60)")
    parser.add_argument(
        "--cash", type=_money, default=Decimal(100000), metavar="X", help="dollars at the start (100000)"
    )


def source_of(args: argparse.Namespace, *, endless: bool = False) -> MarketSource:
    """What these options name. A synthetic market may leave the dates out: it begins on 2026-01-05 and plays that day,
    or with `endless` goes on. Raises SourceError where dates are missing or the wrong way round."""
    from daemon.source import MarketSource, SourceError

    first, last = args.first, args.last
    if args.synthetic is not None:
        first = SYNTHETIC_FIRST if first is None else first
        last = (SYNTHETIC_LAST if endless else first) if last is None else last
    if first is None or last is None:
        raise SourceError("a folder needs --from and --to")
    if last < first:
        raise SourceError(f"--to {last} is before --from {first}")
    return MarketSource(
        data=args.data, synthetic=args.synthetic, underlyings=tuple(args.underlying), subscribe=tuple(args.subscribe),
        first=first, last=last, step=args.step,
    )  # fmt: skip


def add_fills(parser: argparse.ArgumentParser) -> None:
    """How orders fill; `fills_of` reads it."""
    parser.add_argument(
        "--fills", choices=("lean", "realistic"), default="lean",
        help="lean: its default backtest, optimistic; realistic: by chance between far and natural (lean)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, metavar="N", help="realistic: the seed of chance (1)")
    parser.add_argument(
        "--legs-apart", action="store_true", help="realistic: the venue fills a combo's legs one by one"
    )


def fills_of(args: argparse.Namespace) -> FillChoice:
    """What these options name. Raises SourceError for options that `lean` has no use for."""
    from daemon.fills import FillChoice
    from daemon.source import SourceError

    if args.fills == "lean" and (args.seed is not None or args.legs_apart):
        raise SourceError("--seed and --legs-apart belong to --fills realistic")
    return FillChoice(args.fills, 1 if args.seed is None else args.seed, args.legs_apart)


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
