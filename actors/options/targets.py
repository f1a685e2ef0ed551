"""What a strike or an expiry is wanted to be, before any chain is looked at. Data and words only."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec

from actors.options.catalogue import Pick, Strategy

#: How far from its target a delta may be.
DELTA_TOLERANCE = 0.05


class FixedStrike(msgspec.Struct, frozen=True, tag=True):
    """Exactly this strike."""

    strike: Decimal

    def __str__(self) -> str:
        return f"strike {self.strike} as given"


class DeltaTarget(msgspec.Struct, frozen=True, tag=True):
    """The strike whose delta's magnitude (0 to 1) is nearest, within `tolerance`."""

    delta: float
    tolerance: float = DELTA_TOLERANCE

    def __str__(self) -> str:
        return f"delta {self.delta} within {self.tolerance}"


class OffsetTarget(msgspec.Struct, frozen=True, tag=True):
    """The strike nearest to spot + `offset` dollars, within `tolerance` dollars."""

    offset: Decimal
    tolerance: Decimal

    def __str__(self) -> str:
        return f"spot {self.offset:+} within {self.tolerance}"


class WidthTarget(msgspec.Struct, frozen=True, tag=True):
    """Exactly `width` dollars (signed) from another role's strike; that role follows no other itself."""

    role: int
    width: Decimal

    def __str__(self) -> str:
        return f"{self.width:+} from K{self.role}"


class GapTarget(msgspec.Struct, frozen=True, tag=True):
    """Exactly K_base + K_plus - K_minus, of roles that follow no other themselves: equal wings."""

    base: int
    plus: int
    minus: int

    def __str__(self) -> str:
        return f"K{self.base} + K{self.plus} - K{self.minus}"


FreeTarget = FixedStrike | DeltaTarget | OffsetTarget
FollowingTarget = WidthTarget | GapTarget
StrikeTarget = FreeTarget | FollowingTarget


class ExpiryTarget(msgspec.Struct, frozen=True):
    """An expiry by calendar days to its last trade (lowest, target, highest).

    A `preferred` date inside the window comes first, then, with `monthly`, a standard monthly one, then the nearest.
    """

    days: tuple[int, int, int]
    preferred: tuple[dt.date, ...] = ()
    monthly: bool = False


class Targets(msgspec.Struct, frozen=True):
    """A target for each strike role (K1 first) and each expiry (near first); `root` where several share an expiry;
    `minimum_width` in dollars is the least gap between neighbouring strikes."""

    strikes: tuple[StrikeTarget, ...]
    expiries: tuple[dt.date | ExpiryTarget, ...]
    root: str | None = None
    minimum_width: Decimal = Decimal(0)


def default_targets(strategy: Strategy, *, monthly: bool = True) -> Targets:
    """The targets of the catalogue's entry: its picks and its windows of days, monthly series first."""
    return Targets(
        tuple(_target(pick) for pick in strategy.picks),
        tuple(ExpiryTarget(days, monthly=monthly) for days in strategy.days),
    )


def _target(pick: Pick) -> StrikeTarget:
    return GapTarget(*pick.gap) if pick.gap is not None else DeltaTarget(pick.delta or 0.0)
