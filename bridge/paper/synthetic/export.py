"""Writes stretches of the synthetic market as a LEAN data folder: what LEAN plays is what the daemon plays.

Formats: LEAN's own sample data (minute quotes, trades and open interest in zips a day, universes, factor and map files,
hours and symbol properties). Files only; what is in them is the exchange's.
"""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from actors.options.contracts import Contract, parse_symbol
from actors.options.pricing import black76_greeks, years
from actors.options.settlement import settles_at
from bridge.paper.data import select
from bridge.paper.data.folder import dates
from bridge.paper.synthetic.exchange import Chunk, Exchange
from bridge.paper.synthetic.instruments import (
    INSTRUMENTS,
    RATE,
    SESSIONS,
    Instrument,
    dividend_on,
    dividends_between,
)
from bridge.paper.synthetic.path import FIRST_DATE, index_number
from bridge.paper.synthetic.sessions import hours_entries
from bridge.paper.synthetic.surface import at_the_money, forward, total_variance, value
from bridge.protocol import ChainFilter

Progress = Callable[[dt.date, int], None]

_PROPERTIES = """market,symbol,type,description,quote_currency,contract_multiplier,minimum_price_variation,lot_size,\
market_ticker,minimum_order_size,price_magnifier,strike_multiplier
usa,[*],option,,USD,100,0.01,1
usa,[*],equity,,USD,1,0.01,1
usa,[*],index,,USD,1,0.01,1
usa,[*],indexoption,,USD,100,0.05,1
"""
_UNIVERSE = (
    "#expiry,strike,right,open,high,low,close,volume,open_interest,implied_volatility,delta,gamma,vega,theta,rho"
)
#: 06:30, when LEAN's files date the morning's open interest; and the open of shares, both New York, as milliseconds.
_INTEREST_AT, _OPEN_AT = 23400000, 34200000
#: Index files are dated in Chicago's time.
_CHICAGO = 3600000


def export(
    exchange: Exchange, folder: Path, first: dt.date, last: dt.date, chains: Iterable[ChainFilter] = (),
    symbols: Iterable[str] = (), progress: Progress | None = None,
) -> int:  # fmt: skip
    """Write all sessions from `first` to `last` into an empty or new folder; how many there were.

    With `chains` or `symbols` only these contracts are written, those that a filter selects on some day from that day
    to their expiry; the universes list all. `progress` is called after each session with the contracts written. Raises
    SyntheticError for dates or symbols it does not have, FileExistsError where the folder holds anything, OSError.
    """
    symbols = tuple(symbols)
    exchange.check(first, last, symbols)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: an export would mix with what is there")
    filters = tuple(chains)
    _write_fixed(folder, first, last, exchange)
    _write_universes(exchange, folder, SESSIONS.previous(first))
    parsed = [parse_symbol(symbol) for symbol in symbols]
    named = {each: None for each in parsed if isinstance(each, Contract)}
    chosen = dict(named)
    sessions = [date for date in dates(first, last) if SESSIONS.is_session(date)]
    for date in sessions:
        chosen = {contract: None for contract in chosen if contract.expiry >= date}
        for root in _roots():
            listed = exchange.listed(root, date)
            wanted = [select(listed, each, date) for each in filters if each.root == root]
            for group in wanted if filters or named else [listed.contracts]:
                chosen |= dict.fromkeys(group)
        here = tuple(each for each in chosen if each in exchange.known(each.root, date))
        _write_session(exchange, folder, date, here)
        _write_universes(exchange, folder, date)
        if progress is not None:
            progress(date, len(here))
    return len(sessions)


def _roots() -> Iterator[str]:
    for instrument in INSTRUMENTS:
        yield from instrument.roots


# --- what does not change by the day ----------------------------------------------------------------------------


def _write_fixed(folder: Path, first: dt.date, last: dt.date, exchange: Exchange) -> None:
    hours = {"entries": hours_entries()}
    _text(
        folder / "market-hours" / "market-hours-database.json", msgspec.json.format(msgspec.json.encode(hours)).decode()
    )
    _text(folder / "symbol-properties" / "symbol-properties-database.csv", _PROPERTIES)
    rate = f"DATE,PCREDIT8\n2003-01-09,{100 * RATE:g}\n"
    _text(folder / "alternative" / "interest-rate" / "usa" / "interest-rate.csv", rate)
    for instrument in INSTRUMENTS:
        name = instrument.ticker.lower()
        _write_daily(exchange, folder, instrument, first, last)
        if not instrument.is_index:
            stocks = folder / "equity" / "usa"
            _text(stocks / "map_files" / f"{name}.csv", f"{FIRST_DATE:%Y%m%d},{name},P\n20501231,{name},P\n")
            _text(stocks / "factor_files" / f"{name}.csv", _factors(exchange, instrument, first, last))


def _write_daily(exchange: Exchange, folder: Path, instrument: Instrument, first: dt.date, last: dt.date) -> None:
    kind = "index" if instrument.is_index else "equity"
    rows: list[str] = []
    for date in (SESSIONS.previous(first), *dates(first, last)):
        if SESSIONS.is_session(date):
            prices = [_price(instrument, price) for price in _day_prices(exchange, instrument, date)]
            rows.append(f"{date:%Y%m%d} 00:00,{','.join(prices)},{int(390 * instrument.share_volume)}")
    name = instrument.ticker.lower()
    _zip(folder / kind / "usa" / "daily" / f"{name}.zip", {f"{name}.csv": "\n".join(rows)})


def _day_prices(exchange: Exchange, instrument: Instrument, date: dt.date) -> tuple[float, float, float, float]:
    logs = exchange.path.session(date).logs[index_number(instrument.ticker)]
    cents = np.rint(np.exp(np.array([logs[0], logs.max(), logs.min(), logs[-1]])) * 100) / 100
    opens, high, low, close = cents.tolist()
    return opens, high, low, close


def _factors(exchange: Exchange, instrument: Instrument, first: dt.date, last: dt.date) -> str:
    """LEAN's factor file: one row for the session before each ex-date, its price factor without what is paid later."""
    rows, factor = ["20501231,1,1,0"], 1.0
    for date in sorted(dates(first, last), reverse=True):
        paid = float(dividend_on(instrument.ticker, date))
        if paid:
            before = SESSIONS.previous(date)
            close = exchange.close(instrument.ticker, before)
            factor *= 1.0 - paid / close
            rows.append(f"{before:%Y%m%d},{factor:.9f},1,{close:g}")
    rows.append(f"{FIRST_DATE:%Y%m%d},{factor:.9f},1,0")
    return "\n".join(reversed(rows)) + "\n"


# --- a session --------------------------------------------------------------------------------------------------


def _write_session(exchange: Exchange, folder: Path, date: dt.date, contracts: tuple[Contract, ...]) -> None:
    by_symbol = {contract.symbol: contract for contract in contracts}
    quotes: dict[str, list[str]] = {}
    trades: dict[str, list[str]] = {}
    tickers = [instrument.ticker for instrument in INSTRUMENTS]
    # A quarter of an hour beyond the close of shares for what trades later.
    minutes = exchange.path.session(date).minutes + 15
    for _, chunks in exchange.session(date, (*tickers, *by_symbol), 60, minutes):
        for chunk in chunks:
            _add_rows(chunk, quotes, trades)
    for instrument in INSTRUMENTS:
        kind = "index" if instrument.is_index else "equity"
        name = instrument.ticker.lower()
        for what, rows in (("quote", quotes), ("trade", trades)):
            lines = rows.get(instrument.ticker)
            if lines:
                path = folder / kind / "usa" / "minute" / name / f"{date:%Y%m%d}_{what}.zip"
                _zip(path, {f"{date:%Y%m%d}_{name}_minute_{what}.csv": "\n".join(lines)})
        for root in instrument.roots:
            mine = [contract for contract in contracts if contract.root == root]
            _write_contracts(exchange, folder, date, root, mine, quotes, trades)


def _write_contracts(
    exchange: Exchange, folder: Path, date: dt.date, root: str, contracts: list[Contract],
    quotes: dict[str, list[str]], trades: dict[str, list[str]],
) -> None:  # fmt: skip
    if not contracts:
        return
    style = contracts[0].style
    kind = "indexoption" if style == "european" else "option"
    interest = {each.symbol: [f"{_INTEREST_AT},{exchange.interest(each, date)}"] for each in contracts}
    for what, rows in (("quote", quotes), ("trade", trades), ("openinterest", interest)):
        members: dict[str, str] = {}
        for contract in contracts:
            lines = rows.get(contract.symbol)
            if lines:
                right = "call" if contract.right == "C" else "put"
                tail = f"{style}_{right}_{int(contract.strike * 10000)}_{contract.expiry:%Y%m%d}.csv"
                members[f"{date:%Y%m%d}_{root.lower()}_minute_{what}_{tail}"] = "\n".join(lines)
        path = folder / kind / "usa" / "minute" / root.lower() / f"{date:%Y%m%d}_{what}_{style}.zip"
        _zip(path, members)


def _add_rows(chunk: Chunk, quotes: dict[str, list[str]], trades: dict[str, list[str]]) -> None:
    symbols = chunk.symbols
    level = chunk.quotes is None
    if chunk.quotes is not None:
        rows = chunk.quotes
        columns = [
            rows.which.tolist(), (_OPEN_AT + rows.bar * 60000).tolist(), *rows.bids.tolist(), rows.sizes[0].tolist(),
            *rows.asks.tolist(), rows.sizes[1].tolist(),
        ]  # fmt: skip
        for which, at, bo, bh, bl, bc, bs, ao, ah, al, ac, asz in zip(*columns, strict=True):
            line = f"{at},{bo},{bh},{bl},{bc},{bs},{ao},{ah},{al},{ac},{asz}"
            quotes.setdefault(symbols[which], []).append(line)
    rows = chunk.trades
    shift = _CHICAGO if level else 0
    columns = [rows.which.tolist(), (_OPEN_AT - shift + rows.bar * 60000).tolist(), *rows.prices.tolist()]
    for which, at, opens, high, low, close, volume in zip(*columns, rows.volume.tolist(), strict=True):
        if level:
            line = f"{at},{_cents(opens)},{_cents(high)},{_cents(low)},{_cents(close)},{volume}"
        else:
            line = f"{at},{opens},{high},{low},{close},{volume}"
        trades.setdefault(symbols[which], []).append(line)


def _cents(units: int) -> str:
    return f"{units // 10000}.{units // 100 % 100:02d}"


# --- universes --------------------------------------------------------------------------------------------------


def _write_universes(exchange: Exchange, folder: Path, date: dt.date) -> None:
    """After a session's close: what is listed on the next morning, at closing values."""
    morning = SESSIONS.next(date)
    for instrument in INSTRUMENTS:
        prices = _day_prices(exchange, instrument, date)
        spot = f",,,{','.join(f'{price:.2f}' for price in prices)},{int(390 * instrument.share_volume)},,,,,,,"
        kind = "indexoption" if instrument.is_index else "option"
        for root in instrument.roots:
            contracts = exchange.listed(root, morning).contracts
            rows = [_UNIVERSE, spot, *_universe_rows(exchange, instrument, date, prices, contracts)]
            path = folder / kind / "usa" / "universes" / root.lower() / f"{date:%Y%m%d}.csv"
            _text(path, "\n".join(rows) + "\n")


def _universe_rows(
    exchange: Exchange, instrument: Instrument, date: dt.date, prices: tuple[float, float, float, float],
    contracts: tuple[Contract, ...],
) -> Iterator[str]:  # fmt: skip
    close = SESSIONS.close(date)
    time = np.array([max(years(close, settles_at(each, SESSIONS)), 1e-6) for each in contracts])
    paid = np.array([dividends_between(instrument.ticker, date, each.expiry) for each in contracts])
    strikes = np.array([float(each.strike) for each in contracts])
    is_call = np.array([each.right == "C" for each in contracts])
    factor = exchange.path.session(date).volatility[-1:]
    spots = np.array(prices)[:, np.newaxis]
    worth = value(instrument, spots, strikes, is_call, time, paid, factor)
    ahead = forward(instrument, np.array(prices[3:]), time, paid)
    variance = total_variance(instrument, np.log(strikes / ahead), at_the_money(instrument, factor, time))
    volatility = np.sqrt(variance / time)
    greeks = black76_greeks(ahead, strikes, time, volatility, np.exp(-RATE * time), is_call, spot=spots[3])
    columns = [
        worth[0], worth.max(axis=0), worth.min(axis=0), worth[3], volatility, greeks.delta, greeks.gamma, greeks.vega,
        greeks.theta, greeks.rho,
    ]  # fmt: skip
    for contract, *numbers in zip(contracts, *(column.tolist() for column in columns), strict=True):
        interest = exchange.interest(contract, SESSIONS.next(date))
        values = ",".join(f"{number:.4f}" for number in numbers[:4])
        rest = ",".join(f"{number:.7f}" for number in numbers[4:])
        yield f"{contract.expiry:%Y%m%d},{contract.strike:f},{contract.right},{values},0,{interest},{rest}"


# --- files ------------------------------------------------------------------------------------------------------


def _price(instrument: Instrument, price: float) -> str:
    return f"{price:.2f}" if instrument.is_index else str(round(price * 10000))


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _zip(path: Path, members: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in members.items():
            # A fixed date: the same seed gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED, 1)
