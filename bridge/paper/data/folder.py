"""A LEAN data folder: where its files are and how their rows read. One day and one member at a time, nothing ahead."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from actors.options.contracts import Contract, is_index, parse_symbol
from bridge.paper.bars import QuoteBar, TradeBar
from bridge.paper.data.universe import Listed

_NAN = float("nan")
_UNIVERSE_AGE = dt.timedelta(days=7)
_MEMBER = re.compile(r"_(?P<right>call|put)_(?P<strike>\d+)_(?P<expiry>\d{8})\.csv$")


class LeanFolder:
    """Minute data, universes and open interest in LEAN's layout, read-only. A file that is not there has no rows."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(f"{path} is not a folder")
        self.path = path

    def rows(self, symbol: str, date: dt.date, what: str) -> list[bytes]:
        """Raw rows of a symbol's 'quote', 'trade' or 'openinterest' of one day, in file order."""
        parsed = parse_symbol(symbol)
        root = parsed.root if isinstance(parsed, Contract) else symbol
        archive = self._archive(parsed, date, what)
        if archive is None:
            return []
        if not isinstance(parsed, Contract):
            names = archive.namelist()
            return archive.read(names[0]).splitlines() if names else []
        right = "call" if parsed.right == "C" else "put"
        strike = int(parsed.strike * 10000)
        name = f"{date:%Y%m%d}_{root.lower()}_minute_{what}_{parsed.style}_{right}_{strike}_{parsed.expiry:%Y%m%d}.csv"
        try:
            return archive.read(name).splitlines()
        except KeyError:
            return []

    def _archive(self, parsed: Contract | str, date: dt.date, what: str) -> zipfile.ZipFile | None:
        if isinstance(parsed, Contract):
            kind = "indexoption" if is_index(parsed.underlying) else "option"
            name = f"{date:%Y%m%d}_{what}_{parsed.style}.zip"
            path = self.path / kind / "usa" / "minute" / parsed.root.lower() / name
        else:
            kind = "index" if is_index(parsed) else "equity"
            path = self.path / kind / "usa" / "minute" / parsed.lower() / f"{date:%Y%m%d}_{what}.zip"
        opened = self._open.get(path)
        if opened is None and path.exists():
            opened = self._open[path] = zipfile.ZipFile(path)
        return opened

    @property
    def _open(self) -> dict[Path, zipfile.ZipFile]:
        return self.__dict__.setdefault("_archives", {})

    def first_quotes(self, root: str, date: dt.date) -> dict[Contract, bytes]:
        """The first quote row of every contract of a root that has one on this day. Look at a row's time before telling
        of its contract: before it nobody knew of it."""
        archive = self._archive(Contract(root, date, "C", Decimal(1)), date, "quote")
        found: dict[Contract, bytes] = {}
        for name in sorted(archive.namelist()) if archive is not None else ():
            match = _MEMBER.search(name)
            if match is None:
                continue
            with archive.open(name) as member:  # pyright: ignore[reportOptionalMemberAccess]
                row = member.readline().strip()
            if row:
                expiry = dt.datetime.strptime(match["expiry"], "%Y%m%d").date()
                right = "C" if match["right"] == "call" else "P"
                found[Contract(root, expiry, right, Decimal(match["strike"]) / 10000)] = row
        return found

    def dividend(self, ticker: str, last: dt.date) -> Decimal:
        """Dollars a share that are paid to who holds a stock after its session of `last`, to the cent; else 0.

        A factor file has a row for that session: price factor, split factor, close. Its price factor is the next row's
        times 1 - dividend / close. Raises ValueError for a row that is none.
        """
        rows = self._factors.get(ticker)
        if rows is None:
            rows = self._factors[ticker] = self._read_factors(ticker)
        found = next((place for place, row in enumerate(rows[:-1]) if row[0] == last), None)
        if found is None:
            return Decimal(0)
        (_, factor, close), (_, after, _) = rows[found], rows[found + 1]
        return round(close * (1 - factor / after), 2)

    @property
    def _factors(self) -> dict[str, list[tuple[dt.date, Decimal, Decimal]]]:
        return self.__dict__.setdefault("_factor_rows", {})

    def _read_factors(self, ticker: str) -> list[tuple[dt.date, Decimal, Decimal]]:
        """Date, price factor and close of each row, oldest first. None where there is no file."""
        path = self.path / "equity" / "usa" / "factor_files" / f"{ticker.lower()}.csv"
        rows: list[tuple[dt.date, Decimal, Decimal]] = []
        for line in path.read_text().splitlines() if path.is_file() else ():
            fields = line.strip().split(",")
            try:
                date = dt.datetime.strptime(fields[0], "%Y%m%d").date()
                rows.append((date, Decimal(fields[1]), Decimal(fields[3] if len(fields) > 3 else 0)))
            except (ValueError, IndexError, ArithmeticError) as error:
                raise ValueError(f"{path}: {line!r} is not a row of a factor file") from error
        return sorted(rows)

    def close_day(self) -> None:
        """Close the archives of the day that is over."""
        for archive in self._open.values():
            archive.close()
        self._open.clear()

    def listed(self, root: str, date: dt.date) -> Listed | None:
        """The contracts of a root known on the morning of `date`: the newest universe file of the seven days before
        it (the longest weekend is shorter). None where there is none: an older one lists other contracts."""
        folder = self._universes(root)
        if not folder.is_dir():
            return None
        oldest, stem = f"{date - _UNIVERSE_AGE:%Y%m%d}", f"{date:%Y%m%d}"
        names = sorted(path.name for path in folder.glob("*.csv") if oldest <= path.stem < stem)
        return None if not names else _universe(root, (folder / names[-1]).read_bytes())

    def _universes(self, root: str) -> Path:
        kind = "indexoption" if is_index(Contract(root, dt.date(2000, 1, 1), "C", Decimal(1)).underlying) else "option"
        return self.path / kind / "usa" / "universes" / root.lower()


def _universe(root: str, text: bytes) -> Listed:
    """A universe file: first row the underlying, then one contract a row (expiry, strike, right, …)."""
    spot, contracts = _NAN, list[Contract]()
    for raw in text.decode().splitlines():
        if not raw or raw.startswith("#"):
            continue
        fields = raw.split(",")
        if not fields[0]:
            spot = float(fields[6])
            continue
        expiry = dt.datetime.strptime(fields[0], "%Y%m%d").date()
        right = "C" if fields[2] == "C" else "P"
        contracts.append(Contract(root, expiry, right, Decimal(fields[1])))
    return Listed(spot, tuple(contracts))


def minute_of(row: bytes) -> int:
    """Milliseconds after midnight of the files' time zone at which a row's bar begins."""
    return int(row[: row.index(b",")])


def quote_bar(row: bytes, scale: float) -> QuoteBar:
    """A quote row: time, bid o h l c size, ask o h l c size. Prices are `scale` times the file's."""
    fields = row.split(b",")
    bid = _side(fields[1:5], scale)
    ask = _side(fields[6:10], scale)
    return QuoteBar(*bid, float(fields[5] or 0), *ask, float(fields[10] or 0))


def _side(fields: list[bytes], scale: float) -> tuple[float, float, float, float]:
    if not fields[3]:
        return _NAN, _NAN, _NAN, _NAN
    if scale == 1:
        return float(fields[0]), float(fields[1]), float(fields[2]), float(fields[3])
    # Whole ten-thousandths divide exactly to the nearest float, as LEAN's decimals do.
    return int(fields[0]) / 10000, int(fields[1]) / 10000, int(fields[2]) / 10000, int(fields[3]) / 10000


def trade_bar(row: bytes, scale: float) -> TradeBar:
    """A trade row: time, o h l c, volume."""
    fields = row.split(b",")
    return TradeBar(*_side(fields[1:5], scale), float(fields[5]))


def scale_of(symbol: str) -> float:
    """What a file's prices are multiplied by: index files hold prices as they are, all others ten-thousandths."""
    parsed = parse_symbol(symbol)
    return 1.0 if isinstance(parsed, str) and is_index(parsed) else 0.0001


def dates(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Every calendar date of a run, both ends included."""
    for days in range((last - first).days + 1):
        yield first + dt.timedelta(days=days)
