"""What the broker's ledger is made of: each change of orders, executions, holdings and cash. Data only."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec

from bridge.paper.orders import BrokerOrder, Execution


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The account's first cash, in dollars."""

    cash: Decimal


class Placed(msgspec.Struct, frozen=True, tag=True):
    """An order came to the broker; 'invalid' as its status: it was refused, for its reason."""

    order: BrokerOrder


class Executed(msgspec.Struct, frozen=True, tag=True):
    """What happened at once."""

    executions: tuple[Execution, ...]


class Amended(msgspec.Struct, frozen=True, tag=True):
    """A working order is another from here on."""

    broker_id: str
    at: dt.datetime
    quantity: int
    limit_price: Decimal | None
    stop_price: Decimal | None
    leg_limits: list[Decimal] | None


class Canceled(msgspec.Struct, frozen=True, tag=True):
    """What had not filled of an order is gone."""

    broker_id: str
    at: dt.datetime
    reason: str = ""


class CashPaid(msgspec.Struct, frozen=True, tag=True):
    """Cash came in (+) or went out (-) without a trade; of a dividend also whose, dollars a share and shares held."""

    id: str
    at: dt.datetime
    amount: Decimal
    reason: str
    symbol: str = ""
    per_share: Decimal = Decimal(0)
    quantity: int = 0


class Played(msgspec.Struct, frozen=True, tag=True):
    """The feed's instants up to this one, counted from 1, were played."""

    number: int
    at: dt.datetime


class Began(msgspec.Struct, frozen=True, tag=True):
    """A client's session of this name began."""

    session: str
    at: dt.datetime


Record = Opened | Placed | Executed | Amended | Canceled | CashPaid | Played | Began
