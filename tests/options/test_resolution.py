"""Targets on the whole GOOG chain: the nearest is chosen and said, what does not fit is refused with its reasons."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from actors.options.catalogue import BY_KEY, CATALOGUE
from actors.options.chain import ChainSnapshot, Series, smiles_of, with_smiles
from actors.options.contracts import Contract, parse_symbol
from actors.options.liquidity import Limits
from actors.options.resolution import Candidate, Refusal, resolve
from actors.options.targets import (
    DeltaTarget,
    ExpiryTarget,
    FixedStrike,
    GapTarget,
    OffsetTarget,
    StrikeTarget,
    Targets,
    WidthTarget,
    default_targets,
)
from tools.goog_chain import SESSIONS, goog_chain

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)
FEBRUARY = dt.date(2016, 2, 19)
JANUARY = dt.date(2016, 1, 15)
#: Gates that ask nothing, to switch single ones on.
OPEN = Limits(0, 0, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 0)


@pytest.fixture(scope="module")
def chain() -> ChainSnapshot:
    made = goog_chain(AT)
    assert len(made.contracts) == 2192
    return made


def row_of(chain: ChainSnapshot, right: str, strike: Decimal | int, expiry: dt.date = FEBRUARY) -> int:
    return chain.contracts.index(Contract("GOOG", expiry, right, Decimal(strike)))  # type: ignore[arg-type]


def with_delta(chain: ChainSnapshot, changes: dict[int, float]) -> ChainSnapshot:
    assert chain.delta is not None
    delta = chain.delta.copy()
    for row, value in changes.items():
        delta[row] = value
    return msgspec.structs.replace(chain, delta=delta)


def found(key: str, chain: ChainSnapshot, strikes: list[StrikeTarget], *expiries: Any, **rest: Any) -> Candidate:
    made = resolve(BY_KEY[key], chain, Targets(tuple(strikes), expiries or (FEBRUARY,)), sessions=SESSIONS, **rest)
    assert isinstance(made, Candidate), made
    return made


def refused(key: str, chain: ChainSnapshot, strikes: list[StrikeTarget], *expiries: Any, **rest: Any) -> str:
    made = resolve(BY_KEY[key], chain, Targets(tuple(strikes), expiries or (FEBRUARY,)), sessions=SESSIONS, **rest)
    assert isinstance(made, Refusal), made
    return " | ".join(made.reasons)


def strikes_of(made: Candidate) -> list[Decimal]:
    contracts = [parse_symbol(leg.symbol) for leg in made.legs]
    return sorted({each.strike for each in contracts if isinstance(each, Contract)})


def test_every_strategy_resolves_at_its_default_targets_as_its_roles_say(chain: ChainSnapshot) -> None:
    for each in CATALOGUE:
        made = resolve(each, chain, default_targets(each), sessions=SESSIONS)
        assert isinstance(made, Candidate), (each.name, made)
        strikes = strikes_of(made)
        assert len(strikes) == each.strikes
        for leg, role in zip(made.legs, each.legs, strict=True):
            contract = parse_symbol(leg.symbol)
            if isinstance(contract, Contract):
                assert (contract.right, contract.strike) == (role.kind, strikes[role.strike - 1])
                assert leg.quantity == role.ratio
        assert made.far <= made.natural
        assert len(made.reasons) == each.strikes + each.expiries


# --- deltas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [0.05, 0.16, 0.30, 0.50, 0.75, 0.85])
@pytest.mark.parametrize("key", ["naked_put", "naked_call", "long_call"])
def test_a_delta_is_the_nearest_of_all_listed(chain: ChainSnapshot, key: str, target: float) -> None:
    right = "P" if key == "naked_put" else "C"
    assert chain.delta is not None
    naive = min(
        (abs(abs(chain.delta[row]) - target), contract.strike)
        for row, contract in enumerate(chain.contracts)
        if contract.expiry == FEBRUARY and contract.right == right
    )
    assert strikes_of(found(key, chain, [DeltaTarget(target)])) == [naive[1]]


def test_a_condor_at_16_delta_by_hand(chain: ChainSnapshot) -> None:
    wanted: list[StrikeTarget] = [WidthTarget(2, Decimal(-50)), DeltaTarget(0.16), DeltaTarget(0.16)]
    made = found("iron_condor", chain, [*wanted, WidthTarget(3, Decimal(50))])
    assert strikes_of(made) == [615, 665, 835, 885]
    assert [(leg.symbol[-9], leg.quantity) for leg in made.legs] == [("P", 1), ("P", -1), ("C", -1), ("C", 1)]
    assert made.reasons[2].startswith("K2 665: delta 0.16 within 0.05, is -0.1")


def test_no_delta_within_tolerance_is_refused(chain: ChainSnapshot) -> None:
    row = row_of(chain, "P", 665)
    assert chain.delta is not None
    away = abs(abs(float(chain.delta[row])) - 0.1620)
    assert "no listed strike fits delta 0.162" in refused("naked_put", chain, [DeltaTarget(0.1620, away / 2)])
    assert strikes_of(found("naked_put", chain, [DeltaTarget(0.1620, away * 1.01)])) == [665]


def test_a_chain_without_deltas_or_an_expiry_without_a_smile_is_refused(chain: ChainSnapshot) -> None:
    bare = msgspec.structs.replace(chain, delta=None)
    assert "this chain has none" in refused("naked_put", bare, [DeltaTarget(0.16)])
    january = with_smiles(chain, smiles_of(chain, AT, SESSIONS, [Series(JANUARY, "GOOG")]))
    assert "no smile" in refused("naked_put", january, [DeltaTarget(0.16)])
    assert found("naked_put", january, [DeltaTarget(0.16)], JANUARY)


def test_smiles_give_deltas_like_those_lean_recorded(chain: ChainSnapshot) -> None:
    assert chain.delta is not None
    call, put = chain.delta[row_of(chain, "C", 740, JANUARY)], chain.delta[row_of(chain, "P", 740, JANUARY)]
    assert call == pytest.approx(0.5866432, abs=0.03)
    assert call - put == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("key", "right", "low", "high", "chosen"),
    [
        ("naked_put", "P", 665, 670, 665),
        ("naked_call", "C", 830, 835, 835),
        ("long_put", "P", 665, 670, 670),
        ("long_call", "C", 830, 835, 830),
    ],
)
def test_a_tie_goes_farther_out_when_sold_and_nearer_the_money_when_bought(
    chain: ChainSnapshot, key: str, right: str, low: int, high: int, chosen: int
) -> None:
    sign = 1 if right == "C" else -1
    far, near = (high, low) if right == "C" else (low, high)
    tied = with_delta(chain, {row_of(chain, right, far): sign * 0.155, row_of(chain, right, near): sign * 0.165})
    for rows in (slice(None), slice(None, None, -1)):
        order = np.arange(len(tied.contracts))[rows]
        assert tied.delta is not None
        turned = msgspec.structs.replace(
            tied, contracts=tuple(tied.contracts[n] for n in order), bid=tied.bid[order], ask=tied.ask[order],
            delta=tied.delta[order],
        )  # fmt: skip
        assert strikes_of(found(key, turned, [DeltaTarget(0.16, 0.006)])) == [chosen]


def test_two_roles_at_one_delta_take_different_strikes_in_order(chain: ChainSnapshot) -> None:
    made = found("bull_put_spread", chain, [DeltaTarget(0.16), DeltaTarget(0.16)])
    assert strikes_of(made) in ([660, 665], [665, 670])
    assert "must rise strictly" in refused("bull_put_spread", chain, [DeltaTarget(0.30), DeltaTarget(0.10)])


# --- offsets, widths, gaps -------------------------------------------------------------------------------------------


def test_an_offset_is_nearest_to_spot_plus_it(chain: ChainSnapshot) -> None:
    assert chain.spot == Decimal("746.89")
    assert strikes_of(found("naked_put", chain, [OffsetTarget(Decimal(-50), Decimal(5))])) == [695]
    assert strikes_of(found("naked_call", chain, [OffsetTarget(Decimal(50), Decimal(5))])) == [795]
    assert "spot +51 within 0.5" in refused("naked_call", chain, [OffsetTarget(Decimal(51), Decimal("0.5"))])


def test_an_offset_halfway_between_two_strikes_goes_farther_out_when_sold(chain: ChainSnapshot) -> None:
    middle = Decimal("747.5") - chain.spot
    assert strikes_of(found("naked_put", chain, [OffsetTarget(middle, Decimal(5))])) == [745]
    assert strikes_of(found("naked_call", chain, [OffsetTarget(middle, Decimal(5))])) == [750]
    assert strikes_of(found("long_call", chain, [OffsetTarget(middle, Decimal(5))])) == [745]


def test_a_width_is_exact_or_the_anchor_moves_within_its_tolerance(chain: ChainSnapshot) -> None:
    made = found("bull_put_spread", chain, [WidthTarget(2, Decimal(-35)), DeltaTarget(0.16)])
    assert strikes_of(made) == [630, 665]
    assert "is not listed" in refused("bull_put_spread", chain, [WidthTarget(2, Decimal("-7.5")), DeltaTarget(0.16)])
    fixed: list[StrikeTarget] = [WidthTarget(2, Decimal(-5)), FixedStrike(Decimal(665))]
    assert strikes_of(found("bull_put_spread", chain, fixed)) == [660, 665]


def test_a_width_from_itself_or_from_a_follower_is_refused(chain: ChainSnapshot) -> None:
    chained: list[StrikeTarget] = [WidthTarget(2, Decimal(-5)), WidthTarget(1, Decimal(5))]
    assert "K1 follows K2" in refused("bull_put_spread", chain, chained)


def test_equal_wings_are_the_nearest_pair_whose_mirror_is_listed(chain: ChainSnapshot) -> None:
    assert chain.delta is not None
    listed = {c.strike: row for row, c in enumerate(chain.contracts) if (c.expiry, c.right) == (FEBRUARY, "C")}
    targets = {1: 0.75, 2: 0.50}
    naive: list[tuple[float, tuple[Decimal, ...]]] = []
    for low, middle in itertools.combinations(sorted(listed), 2):
        away = [
            round(abs(float(chain.delta[listed[strike]]) - targets[role]), 9) / 0.05
            for role, strike in ((1, low), (2, middle))
        ]
        if max(away) <= 1 and 2 * middle - low in listed:
            naive.append((round(sum(away), 9), (low, middle, 2 * middle - low)))
    wanted: list[StrikeTarget] = [DeltaTarget(0.75), DeltaTarget(0.50), GapTarget(2, 2, 1)]
    assert tuple(strikes_of(found("butterfly_call", chain, wanted))) == min(naive)[1]


def test_equal_wings_can_come_from_three_deltas_too(chain: ChainSnapshot) -> None:
    made = strikes_of(found("butterfly_call", chain, [DeltaTarget(0.75), DeltaTarget(0.50), DeltaTarget(0.25)]))
    assert made[1] - made[0] == made[2] - made[1]
    uneven = strikes_of(
        found("broken_wing_call_butterfly", chain, [DeltaTarget(0.75), DeltaTarget(0.50), DeltaTarget(0.25)])
    )
    assert uneven[1] - uneven[0] != uneven[2] - uneven[1]


def test_a_search_that_grows_too_large_is_refused_rather_than_cut_short() -> None:
    # A Sidon set: no two pairs have the same difference, so no wings are equal and nothing bounds the search.
    strikes = [Decimal(106 * n + n * n % 53 + 1) for n in range(53)]
    contracts = tuple(Contract("GOOG", FEBRUARY, "C", strike) for strike in strikes)
    quotes = np.full(len(contracts), 1.0)
    listed = ChainSnapshot("GOOG", Decimal(3000), AT.date(), contracts, quotes, quotes, quotes * 0.5)
    wide: list[StrikeTarget] = [DeltaTarget(0.5, 0.5)] * 4
    assert "more than 100000 choices" in refused("call_condor", listed, wide)
    assert "needs equal" in refused("butterfly_call", listed, wide[:3])


def test_neighbouring_strikes_keep_a_least_width(chain: ChainSnapshot) -> None:
    both = (DeltaTarget(0.16), DeltaTarget(0.16))
    for width in (10, 15):
        made = resolve(BY_KEY["bull_put_spread"], chain, Targets(both, (FEBRUARY,), minimum_width=Decimal(width)))
        assert isinstance(made, Candidate)
        low, high = strikes_of(made)
        assert high - low >= width
    far = resolve(BY_KEY["bull_put_spread"], chain, Targets(both, (FEBRUARY,), minimum_width=Decimal(100)))
    assert isinstance(far, Refusal)
    assert "less than 100 apart" in far.reasons[0]


# --- expiries ---------------------------------------------------------------------------------------------------------


def expiry_of(made: Candidate, leg: int = 0) -> dt.date:
    contract = parse_symbol(made.legs[leg].symbol)
    assert isinstance(contract, Contract)
    return contract.expiry


@pytest.mark.parametrize(
    ("target", "expiry", "words"),
    [
        (ExpiryTarget((30, 45, 60)), dt.date(2016, 2, 5), "43 days to last trade, nearest to 45"),
        (ExpiryTarget((30, 45, 60), monthly=True), FEBRUARY, "monthly, 57 days"),
        (ExpiryTarget((30, 45, 60), preferred=(dt.date(2016, 1, 29),)), dt.date(2016, 1, 29), "preferred, 36 days"),
        (ExpiryTarget((30, 45, 50), preferred=(FEBRUARY,)), dt.date(2016, 2, 5), "43 days"),
        (ExpiryTarget((0, 0, 3)), dt.date(2015, 12, 24), "0 days"),
        (ExpiryTarget((7, 11, 15)), dt.date(2015, 12, 31), "7 days"),
        (ExpiryTarget((8, 11, 15)), dt.date(2016, 1, 8), "15 days"),
    ],
)
def test_an_expiry_is_nearest_inside_its_window(
    chain: ChainSnapshot, target: ExpiryTarget, expiry: dt.date, words: str
) -> None:
    made = found("naked_put", chain, [OffsetTarget(Decimal(-10), Decimal(10))], target)
    assert expiry_of(made) == expiry
    assert words in made.reasons[0]


def test_no_expiry_inside_the_window_is_refused(chain: ChainSnapshot) -> None:
    words = refused("naked_put", chain, [DeltaTarget(0.3)], ExpiryTarget((10, 11, 12)))
    assert words == "T1: no expiry between 10 and 12 days to last trade"
    assert "2016-02-20 is not listed" in refused("naked_put", chain, [DeltaTarget(0.3)], dt.date(2016, 2, 20))


def test_two_expiries_must_rise_and_no_calendar_is_said(chain: ChainSnapshot) -> None:
    both = (ExpiryTarget((30, 45, 60)), ExpiryTarget((30, 45, 60)))
    assert "must be before" in refused("call_calendar_spread", chain, [DeltaTarget(0.5)], *both)
    made = resolve(BY_KEY["naked_put"], chain, Targets((DeltaTarget(0.3),), (ExpiryTarget((1, 2, 3)),)))
    assert isinstance(made, Refusal)
    assert "calendar" in made.reasons[0]


def test_days_count_to_the_last_trade_of_morning_settled_series() -> None:
    third = dt.date(2016, 1, 15)
    contracts = tuple(Contract(root, third, right, Decimal(2000)) for root in ("SPX", "SPXW") for right in ("C", "P"))
    quotes = np.full(4, 10.0)
    chain = ChainSnapshot("SPX", Decimal(2000), dt.date(2016, 1, 4), contracts, quotes, quotes)
    near = OffsetTarget(Decimal(0), Decimal(1))
    for root, days in (("SPX", 10), ("SPXW", 11)):
        targets = Targets((near,), (ExpiryTarget((1, 12, 30)),), root)
        made = resolve(BY_KEY["long_call"], chain, targets, sessions=SESSIONS)
        assert isinstance(made, Candidate)
        assert made.legs[0].symbol.startswith(f"{root:<6}")
        assert f"{days} days to last trade" in made.reasons[0]
    made = resolve(BY_KEY["long_call"], chain, Targets((near,), (third,)), sessions=SESSIONS)
    assert isinstance(made, Refusal)
    assert "several roots: SPX, SPXW" in made.reasons[0]


# --- adjusted contracts, conflicts, gates, conditions ----------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [Contract("GOOG1", FEBRUARY, "P", Decimal(672)), Contract("GOOG", FEBRUARY, "P", Decimal(672), 10)],
    ids=["root", "multiplier"],
)
def test_adjusted_contracts_are_never_chosen(chain: ChainSnapshot, odd: Contract) -> None:
    assert chain.delta is not None
    more = msgspec.structs.replace(
        chain, contracts=(*chain.contracts, odd), bid=np.append(chain.bid, 5.0), ask=np.append(chain.ask, 5.1),
        delta=np.append(chain.delta, -0.16),
    )  # fmt: skip
    made = found("naked_put", more, [DeltaTarget(0.16)])
    assert strikes_of(made) == [665]
    assert "1 adjusted contracts left out" in made.reasons
    assert "672 is not listed" in refused("naked_put", more, [FixedStrike(Decimal(672))])


def test_a_leg_against_a_holding_is_passed_over_and_said(chain: ChainSnapshot) -> None:
    symbol = Contract("GOOG", FEBRUARY, "P", Decimal(665)).symbol
    made = found("naked_put", chain, [DeltaTarget(0.16)], held={symbol: 2})
    assert strikes_of(made) == [670]
    assert any("665 passed over: leg conflict" in reason for reason in made.reasons)
    assert strikes_of(found("naked_put", chain, [DeltaTarget(0.16)], held={symbol: -2})) == [665]
    assert "leg conflict" in refused("naked_put", chain, [FixedStrike(Decimal(665))], held={symbol: 2})


def test_a_strike_that_fails_a_gate_is_passed_over_and_said(chain: ChainSnapshot) -> None:
    limits = msgspec.structs.replace(OPEN, open_interest=40)
    assert chain.open_interest is not None
    made = found("naked_put", chain, [DeltaTarget(0.16)], limits=limits)
    row = row_of(chain, "P", strikes_of(made)[0])
    assert chain.open_interest[row] >= 40
    thin = chain.open_interest.copy()
    thin[row] = 3
    other = found("naked_put", msgspec.structs.replace(chain, open_interest=thin), [DeltaTarget(0.16)], limits=limits)
    assert strikes_of(other) != strikes_of(made)
    assert any("open interest 3, limit 40: not met" in reason for reason in other.reasons)
    none = msgspec.structs.replace(chain, open_interest=None)
    assert "open interest unknown" in refused("naked_put", none, [DeltaTarget(0.16)], limits=limits)


@pytest.mark.parametrize(
    ("limits", "change", "word"),
    [
        ({"since_open": 900}, {"since_open": 600.0}, "seconds since open 600, limit 900"),
        ({"underlying_spread": 0.0005}, {}, "underlying spread"),
        ({"combo_spread_of_mid": 0.05, "combo_spread_of_width": 0.0}, {}, "combo spread"),
    ],
)
def test_the_whole_is_refused_by_gates_of_the_whole(
    chain: ChainSnapshot, limits: dict[str, float], change: dict[str, Any], word: str
) -> None:
    strict = msgspec.structs.replace(OPEN, **limits)
    targets: list[StrikeTarget] = [DeltaTarget(0.16), DeltaTarget(0.30)]
    assert word in refused("bull_put_spread", msgspec.structs.replace(chain, **change), targets, limits=strict)
    assert found("bull_put_spread", chain, targets, limits=OPEN).gates[0].passed


def test_the_displayed_size_covers_the_order_by_ratio(chain: ChainSnapshot) -> None:
    assert chain.ask_size is not None
    targets: list[StrikeTarget] = [FixedStrike(Decimal(695)), FixedStrike(Decimal(755))]
    shown = int(chain.ask_size[row_of(chain, "P", 695)])
    bid = int(chain.bid_size[row_of(chain, "P", 755)])  # type: ignore[index]
    most = min(shown // 2, bid)
    assert most >= 1
    assert found("put_backspread", chain, targets, limits=OPEN, quantity=most)
    assert "displayed size" in refused("put_backspread", chain, targets, limits=OPEN, quantity=most + 1)


def test_a_name_that_depends_on_the_price_is_refused_where_the_price_denies_it(chain: ChainSnapshot) -> None:
    near, far = FEBRUARY, dt.date(2017, 1, 20)
    close: list[StrikeTarget] = [FixedStrike(Decimal(740)), FixedStrike(Decimal(750))]
    assert "net debit below the width 10" in refused("poor_mans_covered_call", chain, close, near, far)
    assert found("diagonal_spread", chain, close, near, far)
    wide: list[StrikeTarget] = [FixedStrike(Decimal(k)) for k in (710, 795, 850)]
    assert "net credit of at least 55" in refused("jade_lizard", chain, wide)
    assert found("poor_mans_covered_call", chain, [DeltaTarget(0.80), DeltaTarget(0.30)], near, far)


def test_a_missing_quote_gives_no_price_and_no_refusal_of_its_own(chain: ChainSnapshot) -> None:
    bid = chain.bid.copy()
    bid[row_of(chain, "P", 665)] = np.nan
    made = found("naked_put", msgspec.structs.replace(chain, bid=bid), [DeltaTarget(0.16)])
    assert np.isnan(made.natural)
    assert "bid unknown" in refused(
        "naked_put", msgspec.structs.replace(chain, bid=bid), [FixedStrike(Decimal(665))], limits=OPEN
    )
