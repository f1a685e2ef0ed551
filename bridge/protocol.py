"""The wire vocabulary that LEAN's end (or the embedded market) and the daemon share: structs and their version.

Standard library and msgspec only, because it is copied into LEAN projects. No socket, no translation, no decision.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

VERSION = 2
MAX_FRAME = 16 * 1024 * 1024

Mode = Literal["backtest", "live"]
OrderType = Literal["market", "limit", "stop", "market_on_close"]
TimeInForce = Literal["day", "gtc"]


class Frame(msgspec.Struct, frozen=True, array_like=True, tag=True, tag_field="frame"):
    """Anything that crosses the wire. Tagged by class name; fields are appended, never reordered."""


class Holding(msgspec.Struct, frozen=True, array_like=True):
    """What the other end believes it holds: `quantity` signed, `average` and `price` per share."""

    symbol: str
    quantity: Decimal
    average: Decimal
    price: Decimal


class Account(msgspec.Struct, frozen=True, array_like=True):
    """The other end's account in dollars. `seen` is the event number up to which it is current."""

    cash: Decimal
    unsettled: Decimal
    value: Decimal
    margin_used: Decimal
    margin_remaining: Decimal
    fees: Decimal
    holdings: tuple[Holding, ...]
    seen: int = 0


class Leg(msgspec.Struct, frozen=True, array_like=True):
    """One leg of an order: `ratio` is signed, + buys and - sells."""

    symbol: str
    ratio: int


class OpenOrder(msgspec.Struct, frozen=True, array_like=True):
    """An order that works at the other end. `order_id` is '' where it is not known to be ours."""

    order_id: str
    legs: tuple[Leg, ...]
    quantity: int
    filled: tuple[int, ...]
    type: OrderType
    limit_price: Decimal | None
    tag: str
    lean_ids: tuple[int, ...]
    broker_ids: tuple[str, ...]


class BrokerExecution(msgspec.Struct, frozen=True, array_like=True):
    """An execution that the broker tells of when a session begins; fields as in OrderEvent.

    `execution_id` is the broker's own, the same in every session and in the events that told of it, if any did.
    `order_id` is '' where the broker does not keep it: then `broker_id` says whose it is.
    """

    execution_id: str
    at: dt.datetime
    kind: Literal["order", "assignment", "exercise", "expiry", "margin_call", "external"]
    order_id: str
    leg: int
    symbol: str
    quantity: int
    price: Decimal
    fee: Decimal
    settlement: Decimal
    broker_id: str
    batch: int
    message: str = ""
    tag: str = ""


class BrokerPayment(msgspec.Struct, frozen=True, array_like=True):
    """Cash that came in (+) or went out (-) without a trade, as the broker tells of it when a session begins; of a
    dividend also whose, dollars a share and the signed shares that were held."""

    payment_id: str
    at: dt.datetime
    amount: Decimal
    reason: str
    symbol: str = ""
    per_share: Decimal = Decimal(0)
    quantity: int = 0


# --- events: what LEAN reports, each numbered n within its session -----------------------------------------


class OrderEvent(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One event of one leg of one order, as LEAN fires it.

    `order_id` is '' for orders that the other end made itself (assignment, exercise by exception, margin call,
    a manual trade); `leg` is the index into the order's legs, -1 where there is none. `fill_quantity` is signed,
    `fill_price` per share, `fee` in dollars. `kind` says why the order exists. `batch` is the same for all events
    that the other end applied to its portfolio at once. `generation` is the amend's that an
    `update_submitted` speaks of.
    """

    n: int
    at: dt.datetime
    kind: Literal["order", "assignment", "exercise", "expiry", "margin_call", "external"]
    order_id: str
    leg: int
    symbol: str
    status: Literal[
        "new",
        "submitted",
        "partially_filled",
        "filled",
        "canceled",
        "invalid",
        "cancel_pending",
        "update_submitted",
    ]
    fill_price: Decimal
    fill_quantity: int
    quantity: int
    fee: Decimal
    execution_id: str
    message: str
    tag: str
    lean_id: int
    event_id: int
    batch: int
    broker_ids: tuple[str, ...] = ()
    order_type: str = ""
    limit_price: Decimal | None = None
    in_the_money: bool = False
    settlement: Decimal = Decimal(0)
    generation: int = 0


class CallReturned(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A call for our order came back: `ok` says LEAN took it; `lean_ids` per leg, -10 where LEAN gave none.

    `ok=False` with `raised` set: LEAN threw. `denied=True`: this end never called LEAN, and never will for this
    attempt (a promise). For an exercise `order_id` is the exercise's id. `attempt` is the one that the call named.

    `generation` is the amend's that the call named, `amend` what a query's answer says of it: it `stands`, was
    `refused`, is with LEAN (`pending`), or `never` came here and, as a promise, never will be taken; '' proves nothing.
    """

    n: int
    at: dt.datetime
    call: Literal["place", "amend", "cancel", "exercise", "query"]
    order_id: str
    attempt: int
    ok: bool
    status: str
    lean_ids: tuple[int, ...]
    message: str
    raised: str = ""
    denied: bool = False
    known_here: bool = True
    generation: int = 0
    amend: Literal["", "stands", "refused", "pending", "never"] = ""


class CashMoved(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Cash came into (+) or left (-) the account without a trade."""

    n: int
    at: dt.datetime
    amount: Decimal
    reason: str
    payment_id: str = ""


class MarginCalled(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """LEAN is about to send orders of its own to meet a margin call: (symbol, signed quantity) each."""

    n: int
    at: dt.datetime
    orders: tuple[tuple[str, int], ...]


class Delisted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A security was announced to leave (`warning`) or left the market."""

    n: int
    at: dt.datetime
    symbol: str
    warning: bool


class DividendPaid(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A dividend of `amount` dollars a share on its ex-date.

    Where it moved the account's cash: the signed shares held, the cash (negative: short shares pay), and the payment's
    id, which is the same for whoever tells of it. Without an id no cash moved.
    """

    n: int
    at: dt.datetime
    symbol: str
    amount: Decimal
    quantity: int = 0
    cash: Decimal = Decimal(0)
    payment_id: str = ""


class Split(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A split by `factor` (new shares = old / factor), announced (`warning`) or done."""

    n: int
    at: dt.datetime
    symbol: str
    factor: Decimal
    warning: bool


class Notice(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A message, relayed as it came: the brokerage's where `source` says so, else the engine's or LEAN's end's own."""

    n: int
    at: dt.datetime
    severity: Literal["information", "warning", "error", "disconnect", "reconnect", "action_required"]
    code: str
    text: str
    source: Literal["", "brokerage"] = ""


def dividend_id(symbol: str, at: dt.datetime) -> str:
    """The payment id of a symbol's dividend: its ex-date begins at `at` (aware UTC, New York's midnight)."""
    return f"dividend {symbol} {at:%Y-%m-%d}"


Event = OrderEvent | CallReturned | CashMoved | MarginCalled | Delisted | DividendPaid | Split | Notice


# --- LEAN's end to daemon ---------------------------------------------------------------------------------


class Challenge(Frame, frozen=True, array_like=True):
    """First frame on TCP, from the daemon: prove that you know the secret."""

    nonce: bytes


class Proof(Frame, frozen=True, array_like=True):
    """Answer to Challenge: HMAC-SHA256 of the nonce under the shared secret."""

    digest: bytes


class Hello(Frame, frozen=True, array_like=True):
    """First frame of a session. `placed` holds (order id, highest attempt) of all that this session was asked.

    A session that read the broker at its start says what was executed and paid there lately: the daemon books what no
    session before had told it.
    """

    version: int
    session: str
    mode: Mode
    brokerage: str
    fresh_from_broker: bool
    at: dt.datetime
    account: Account
    orders: tuple[OpenOrder, ...]
    placed: tuple[tuple[str, int], ...]
    last_event: int
    executions: tuple[BrokerExecution, ...] = ()
    payments: tuple[BrokerPayment, ...] = ()


class Security(msgspec.Struct, frozen=True, array_like=True):
    """Identity of a security, told once; afterwards its `number` stands for it.

    `last_trade` and `settles_at` are None for stocks and indexes. `tick` is the smallest price step LEAN knows.
    """

    number: int
    symbol: str
    kind: Literal["equity", "index", "option", "index_option"]
    underlying: str
    multiplier: int
    style: Literal["", "american", "european"]
    settlement: Literal["", "physical", "cash"]
    tick: Decimal
    last_trade: dt.datetime | None = None
    settles_at: dt.datetime | None = None


class AskSubscribe(Frame, frozen=True, array_like=True):
    """Instead of a Hello: what data is wanted? Answered by Subscribe or Refused, and the connection is closed.

    LEAN subscribes before it knows its account, which a Hello must tell.
    """

    version: int


class Listing(Frame, frozen=True, array_like=True):
    """Securities that appear (`added`) or leave (`removed`, by number)."""

    at: dt.datetime
    added: tuple[Security, ...]
    removed: tuple[int, ...] = ()


class Quotes(msgspec.Struct, frozen=True, array_like=True):
    """Columns of what changed in a step, one row a security. NaN where there is none; prices per share.

    `last` is the last trade (an index's level), `volume` the day's since its start, `open_interest` the morning's.
    """

    number: list[int]
    bid: list[float]
    ask: list[float]
    bid_size: list[float]
    ask_size: list[float]
    last: list[float]
    volume: list[float]
    open_interest: list[float]


class Step(Frame, frozen=True, array_like=True):
    """A moment of the market: LEAN's events since the last frame, the account after them, what changed in quotes.

    The first step of a connection is `full`. `rounds` is how many command rounds this step still admits (0 when live).
    `open` names the underlyings whose regular session is open now; the feed covers them alive at this instant, but for
    those that `stale` names too: nothing new came of them lately, only what was known is told again.
    """

    number: int
    at: dt.datetime
    rounds: int
    full: bool
    events: tuple[Event, ...]
    account: Account | None
    quotes: Quotes
    open: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


class Settle(Frame, frozen=True, array_like=True):
    """Backtest: what the commands of one Done did, in LEAN's order, and the account after them."""

    number: int
    at: dt.datetime
    rounds: int
    events: tuple[Event, ...]
    account: Account | None


class Events(Frame, frozen=True, array_like=True):
    """Live: events as they came, outside of steps."""

    events: tuple[Event, ...]
    account: Account | None = None


class Heartbeat(Frame, frozen=True, array_like=True):
    """Alive, and the feed too for the underlyings named in `alive`."""

    at: dt.datetime
    alive: tuple[str, ...] = ()


class StoredObject(Frame, frozen=True, array_like=True):
    """Answer to StoreObject (`content` None, `ok` told) or FetchObject (`content` None where the key is absent)."""

    key: str
    ok: bool
    content: bytes | None
    message: str = ""


class Goodbye(Frame, frozen=True, array_like=True):
    """LEAN's end ends on purpose. After it nothing comes; in lock-step the daemon answers with a last Ack."""

    at: dt.datetime
    reason: str
    account: Account | None = None


# --- daemon to LEAN's end ---------------------------------------------------------------------------------


class Welcome(Frame, frozen=True, array_like=True):
    """Answer to Hello: highest event number of that session that is durable here, and the dead-man's time."""

    version: int
    acknowledged: int
    dead_man_seconds: float


class Refused(Frame, frozen=True, array_like=True):
    """The connection is refused and closed: why. `retry`: the same hello may be welcome a moment later."""

    reason: str
    retry: bool = False


class Ack(Frame, frozen=True, array_like=True):
    """Every event up to n of this session is on the daemon's disk."""

    n: int


class ChainFilter(msgspec.Struct, frozen=True, array_like=True):
    """Contracts of one option root to subscribe: strikes counted from the money, days to expiry, both inclusive."""

    root: str
    expiries: Literal["weeklys", "standards"]
    min_strike: int
    max_strike: int
    min_days: int
    max_days: int


class Subscribe(Frame, frozen=True, array_like=True):
    """What data the daemon wants: underlyings, whole chains by filter, and single symbols.

    `index_roots` holds (option root, index) of every root that is written on an index; all others are stocks' own.
    """

    underlyings: tuple[str, ...]
    chains: tuple[ChainFilter, ...] = ()
    symbols: tuple[str, ...] = ()
    index_roots: tuple[tuple[str, str], ...] = ()


class PlaceOrder(Frame, frozen=True, array_like=True):
    """Place an order. `quantity` > 0, ratios carry the side; prices per share of one unit, net paid positive.

    `leg_limits` (one price a leg, positive) replaces `limit_price`. `sell_group` asks LEAN's end to express a combo
    as the sale of the mirrored unit, which only changes which end of each bar LEAN's backtest fill model looks at.
    """

    order_id: str
    attempt: int
    legs: tuple[Leg, ...]
    quantity: int
    type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    leg_limits: tuple[Decimal, ...] | None
    time_in_force: TimeInForce
    tag: str
    combo: bool
    sell_group: bool = False


class AmendOrder(Frame, frozen=True, array_like=True):
    """Change a working order. None leaves a field as it is; `quantity` is the new total, what filled included.

    `leg` addresses one leg's ticket where LEAN amends legs apart (leg limits).
    """

    order_id: str
    attempt: int
    generation: int
    quantity: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: tuple[Decimal, ...] | None = None
    tag: str | None = None


class CancelOrder(Frame, frozen=True, array_like=True):
    """Cancel this attempt of an order, never another one (0: whichever works). `tag` '' leaves the order's own tag."""

    order_id: str
    tag: str = ""
    attempt: int = 0


class Exercise(Frame, frozen=True, array_like=True):
    """Exercise `quantity` long contracts of `symbol`. `exercise_id` names the request as an order id does."""

    exercise_id: str
    attempt: int
    symbol: str
    quantity: int
    tag: str


class QueryOrder(Frame, frozen=True, array_like=True):
    """What became of this attempt, and of its amend `generation` (0: of none)? CallReturned(call='query') answers."""

    order_id: str
    attempt: int
    generation: int = 0


class MoveCash(Frame, frozen=True, array_like=True):
    """Backtests only: pay in (+) or withdraw (-) cash, once for each `transfer_id`; its CashMoved carries that id."""

    amount: Decimal
    reason: str
    transfer_id: str = ""


class StoreObject(Frame, frozen=True, array_like=True):
    """Save `content` under `key` in LEAN's Object Store."""

    key: str
    content: bytes


class FetchObject(Frame, frozen=True, array_like=True):
    """Read `key` from LEAN's Object Store."""

    key: str


class Plot(Frame, frozen=True, array_like=True):
    """Draw a point on a chart of LEAN's."""

    chart: str
    series: str
    value: float


class Quit(Frame, frozen=True, array_like=True):
    """End the run."""

    reason: str


class Done(Frame, frozen=True, array_like=True):
    """Backtest: the commands of this round, to be run one after another; `more` asks for another round after them."""

    commands: tuple[
        PlaceOrder | AmendOrder | CancelOrder | Exercise | QueryOrder | MoveCash | Subscribe | Plot | Quit,
        ...,
    ]
    more: bool


ToDaemon = Proof | Hello | AskSubscribe | Listing | Step | Settle | Events | Heartbeat | StoredObject | Goodbye
Command = PlaceOrder | AmendOrder | CancelOrder | Exercise | QueryOrder | MoveCash | Subscribe | Plot | Quit
ToLean = (
    Challenge | Welcome | Refused | Ack | Subscribe | PlaceOrder | AmendOrder | CancelOrder | Exercise | QueryOrder
    | MoveCash | StoreObject | FetchObject | Plot | Quit | Done
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder()
_to_daemon = msgspec.msgpack.Decoder(ToDaemon)
_to_lean = msgspec.msgpack.Decoder(ToLean)


class ProtocolError(ValueError):
    """Bytes or frames that break the protocol; the message says how."""


class FrameBuffer:
    """Bytes as they arrive, given back as bodies of frames. A length is looked at before its body is kept."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, data: bytes) -> None:
        """What the socket gave."""
        self._bytes += data

    def take(self) -> bytes | None:
        """The body of the next frame, None where it is not all there. Raises ProtocolError above MAX_FRAME."""
        if len(self._bytes) < 4:
            return None
        size = int.from_bytes(self._bytes[:4], "big")
        if size > MAX_FRAME:
            raise ProtocolError(f"a frame of {size} bytes is above the limit of {MAX_FRAME}")
        if len(self._bytes) < 4 + size:
            return None
        body = bytes(self._bytes[4 : 4 + size])
        del self._bytes[: 4 + size]
        return body


def encode(frame: Frame) -> bytes:
    """The frame's bytes, four-byte big-endian length first. Raises ProtocolError beyond MAX_FRAME."""
    body = _encoder.encode(frame)
    if len(body) > MAX_FRAME:
        raise ProtocolError(f"{type(frame).__name__} of {len(body)} bytes is above the limit of {MAX_FRAME}")
    return len(body).to_bytes(4, "big") + body


def decode_to_daemon(body: bytes) -> ToDaemon:
    """The frame that LEAN's end sent. Raises ProtocolError with the path of what was wrong."""
    try:
        return _to_daemon.decode(body)
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise ProtocolError(f"unreadable frame from lean: {error}") from error


def decode_to_lean(body: bytes) -> ToLean:
    """The frame that the daemon sent. Raises ProtocolError with the path of what was wrong."""
    try:
        return _to_lean.decode(body)
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise ProtocolError(f"unreadable frame from the daemon: {error}") from error
