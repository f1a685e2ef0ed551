"""The names of LEAN's that an algorithm uses, as plain Python: enumerations, symbols, legs, fields. No behaviour."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from actors.options.contracts import INDEX_ROOTS, Contract, is_index, parse_symbol


class ArgumentException(Exception):
    """What LEAN throws at bad arguments."""


class InvalidOperationException(Exception):
    """What LEAN throws at what can't be done now."""


EXCEPTIONS = {each.__name__: each for each in (ArgumentException, InvalidOperationException)}


class OrderStatus(IntEnum):
    NEW = 0
    SUBMITTED = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELED = 5
    NONE = 6
    INVALID = 7
    CANCEL_PENDING = 8
    UPDATE_SUBMITTED = 9


class OrderType(IntEnum):
    MARKET = 0
    LIMIT = 1
    STOP_MARKET = 2
    STOP_LIMIT = 3
    MARKET_ON_OPEN = 4
    MARKET_ON_CLOSE = 5
    OPTION_EXERCISE = 6
    LIMIT_IF_TOUCHED = 7
    COMBO_MARKET = 8
    COMBO_LIMIT = 9
    COMBO_LEG_LIMIT = 10


class SecurityType(IntEnum):
    EQUITY = 1
    OPTION = 2
    INDEX = 9
    INDEX_OPTION = 10


class Resolution(IntEnum):
    TICK = 0
    SECOND = 1
    MINUTE = 2


class OptionStyle(IntEnum):
    AMERICAN = 0
    EUROPEAN = 1


class SettlementType(IntEnum):
    PHYSICAL_DELIVERY = 0
    CASH = 1


class DelistingType(IntEnum):
    WARNING = 0
    DELISTED = 1


class DataNormalizationMode(IntEnum):
    RAW = 0


class AccountType(IntEnum):
    MARGIN = 0


class BrokerageName(IntEnum):
    DEFAULT = 0
    CHARLES_SCHWAB = 1


class BrokerageMessageType(IntEnum):
    INFORMATION = 0
    WARNING = 1
    ERROR = 2
    RECONNECT = 3
    DISCONNECT = 4
    ACTION_REQUIRED = 5


class Market:
    USA = "usa"


@dataclass(frozen=True)
class _Identifier:
    date: dt.datetime
    option_style: OptionStyle


@dataclass(frozen=True)
class Symbol:
    """Equal by `value`, the OCC spelling; a canonical one begins with '?'."""

    value: str

    @staticmethod
    def create(ticker: str, kind: SecurityType, market: str) -> Symbol:
        return Symbol(ticker)

    def is_canonical(self) -> bool:
        return self.value.startswith("?")

    @property
    def root(self) -> str:
        return self.value[1:] if self.is_canonical() else self.value[:6].strip()

    @property
    def underlying(self) -> Symbol:
        return Symbol(INDEX_ROOTS.get(self.root, self.root))

    @property
    def security_type(self) -> SecurityType:
        if self.is_canonical() or len(self.value) > 15:
            return SecurityType.INDEX_OPTION if self.root in INDEX_ROOTS else SecurityType.OPTION
        return SecurityType.INDEX if is_index(self.value) else SecurityType.EQUITY

    @property
    def id(self) -> _Identifier:
        contract = parse_symbol(self.value)
        assert isinstance(contract, Contract)
        style = OptionStyle.EUROPEAN if contract.style == "european" else OptionStyle.AMERICAN
        return _Identifier(dt.datetime.combine(contract.expiry, dt.time()), style)


class SymbolRepresentation:
    @staticmethod
    def parse_option_ticker_osi(ticker: str, kind: SecurityType, market: str) -> Symbol:
        return Symbol(ticker)


class TimeInForce:
    GOOD_TIL_CANCELED = "gtc"
    DAY = "day"


@dataclass
class OrderProperties:
    time_in_force: str = TimeInForce.GOOD_TIL_CANCELED


@dataclass(frozen=True)
class Leg:
    symbol: Symbol
    quantity: int
    order_price: float | None = None

    @staticmethod
    def create(symbol: Symbol, quantity: int, limit_price: float | None = None) -> Leg:
        return Leg(symbol, quantity, limit_price)


@dataclass
class UpdateOrderFields:
    quantity: float | None = None
    limit_price: float | None = None
    stop_price: float | None = None
    tag: str | None = None


@dataclass(frozen=True)
class OrderResponse:
    """Success where `text` is empty."""

    text: str = ""

    @property
    def is_error(self) -> bool:
        return bool(self.text)

    @property
    def is_success(self) -> bool:
        return not self.text

    def __str__(self) -> str:
        return self.text or "Success"


@dataclass(frozen=True)
class CashAmount:
    amount: float
    currency: str = "USD"


@dataclass(frozen=True)
class OrderFee:
    value: CashAmount


@dataclass(frozen=True)
class OrderEvent:
    order_id: int
    id: int
    symbol: Symbol
    utc_time: dt.datetime
    status: OrderStatus
    order_fee: OrderFee
    fill_price: float
    fill_quantity: float
    quantity: float
    message: str
    is_assignment: bool
    is_in_the_money: bool
    limit_price: float | None


@dataclass(frozen=True)
class GroupOrderManager:
    id: int
    quantity: float
    count: int
    limit_price: float
    order_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Delisting:
    symbol: Symbol
    type: DelistingType


@dataclass(frozen=True)
class Dividend:
    symbol: Symbol
    distribution: float


@dataclass(frozen=True)
class SubmitOrderRequest:
    symbol: Symbol
    quantity: float


@dataclass(frozen=True)
class BrokerageMessageEvent:
    type: BrokerageMessageType
    code: str
    message: str


@dataclass
class SecurityChanges:
    added_securities: list[Any] = field(default_factory=list)
    removed_securities: list[Any] = field(default_factory=list)


class LeanDictionary(dict[Any, Any]):
    """LEAN's dictionaries take a symbol or its text."""

    def __missing__(self, key: Any) -> Any:
        if isinstance(key, str):
            return dict.__getitem__(self, Symbol(key))
        raise KeyError(key)
