"""The page of a strategy, as Markdown, from its entry in the catalogue and its worked example. Words only."""

from __future__ import annotations

from decimal import Decimal

from actors.options.catalogue import BY_KEY, CATALOGUE, ExitRules, LegRole, Strategy
from actors.options.contracts import Contract, parse_symbol
from actors.options.payoff import Amount, Unlimited
from actors.options.targets import default_targets
from tools._strategy_example import AT, Example

_RISK = {
    "defined": "defined: every short option is covered",
    "undefined": "undefined: a short option is uncovered",
}
_VIEW = {
    "high": "high: sells volatility that is rich",
    "low": "low: buys volatility that is cheap",
    "any": "any: lives of direction or price, not of volatility",
}
_PAYS = {"credit": "a credit", "debit": "a debit", "either": "a credit or a debit, depending on the strikes"}
_RANK_OUT = "Rank is the guide's threshold; percentile is shown beside it by the desk."


def page(each: Example) -> str:
    """The Markdown text of one page."""
    strategy = each.strategy
    parts = [
        f"# {strategy.name}",
        _about(strategy),
        "\n".join(["## Legs", "", *_legs(strategy)]),
        f"![Profit and loss of the worked example](drawings/{strategy.key}.svg)",
        "\n".join(["## At expiry", "", *_expiry(strategy)]),
        f"## When\n\n{strategy.when}",
        "\n".join(["## Entry", "", *_entry(strategy)]),
        "\n".join(["## Exit", "", *_exit(strategy, each)]),
        "\n".join(["## Margin", "", *_margin(strategy, each)]),
        "\n".join(["## What can go wrong", "", strategy.wrong, *_expiry_risk(strategy)]),
        "\n".join(["## Worked example", "", *_example(each)]),
        "\n".join(["## On an index", "", *_index(strategy)]),
        "[All strategies](README.md). Made from the catalogue by `make docs`; not advice.",
    ]
    return "\n\n".join(parts) + "\n"


def _about(strategy: Strategy) -> str:
    rows = [
        f"- **Outlook**: {strategy.outlook}",
        f"- **Volatility**: {_VIEW[strategy.volatility]}",
        f"- **Usually pays**: {_PAYS[strategy.pays]}",
        f"- **Risk**: {_RISK[strategy.risk]}",
    ]
    if strategy.factory:
        arguments = ", ".join(("canonical", *strategy.arguments))
        rows.append(f"- **LEAN**: `OptionStrategies.{strategy.factory}({arguments})`")
    else:
        rows.append("- **LEAN**: no factory; sent as a custom combo, margined by LEAN in parts")
    if strategy.aliases:
        rows.append(f"- **Also called**: {', '.join(strategy.aliases)}")
    if strategy.family != strategy.key:
        rows.append(f"- **Variant of**: [{BY_KEY[strategy.family].name}]({strategy.family}.md)")
    relatives = [x for x in CATALOGUE if x.family == strategy.family and x.key not in (strategy.key, strategy.family)]
    if relatives:
        rows.append(f"- **Relatives**: {', '.join(f'[{x.name}]({x.key}.md)' for x in relatives)}")
    return "\n".join(rows)


def _legs(strategy: Strategy) -> list[str]:
    rows = ["| Leg | Does | Default strike | Expiry |", "|---|---|---|---|"]
    targets = default_targets(strategy).strikes
    for number, leg in enumerate(strategy.legs, 1):
        if leg.kind == "S":
            rows.append(f"| {number} | {leg.words} | | |")
            continue
        lead = next(other for other in strategy.legs if other.strike == leg.strike)
        right = "call" if lead.kind == "C" else "put"
        target = strategy.picks[leg.strike - 1]
        where = (
            str(targets[leg.strike - 1])
            if target.delta is None
            else f"{target.delta:.2f} delta of the {right}, within 0.05"
        )
        rows.append(f"| {number} | {leg.words} | {where} | {'T2' if leg.far else 'T1'} |")
    if strategy.constraints:
        rows += ["", f"Constraints: {'; '.join(f'`{each}`' for each in strategy.constraints)}."]
    return rows


# --- at expiry ------------------------------------------------------------------------------------------------------


def _expiry(strategy: Strategy) -> list[str]:
    if strategy.expiries == 2:
        return [
            "The legs expire apart: what the far legs are worth at T1 depends on volatility then, so maximum profit, "
            "maximum loss and break-evens are estimates by the model. After T1 the far legs go on alone.",
        ]
    stock = " (shares included)" if strategy.stock else ""
    rows = [
        f"Per share of one unit; `p` is the net price{stock}, positive paid. Straight lines between the rows.",
        "",
        "| Spot at expiry | Profit or loss |",
        "|---|---|",
        f"| 0 | `{_value(strategy.legs, 0)}` |",
    ]
    rows += [f"| K{rank} | `{_value(strategy.legs, rank)}` |" for rank in range(1, strategy.strikes + 1)]
    slope = sum(leg.ratio for leg in strategy.legs if leg.kind != "P")
    beyond = "no change" if slope == 0 else f"{slope:+} a dollar, {'gains' if slope > 0 else 'loses'} without bound"
    rows.append(f"| above K{strategy.strikes} | {beyond} |")
    return rows


def _value(legs: tuple[LegRole, ...], rank: int) -> str:
    """Profit at the strike of this rank (0: at a spot of 0) as a formula."""
    weights: dict[int, int] = {}
    for leg in legs:
        if leg.kind == "S":
            weights[rank] = weights.get(rank, 0) + leg.ratio
        elif leg.kind == "C" and leg.strike < rank:
            weights[rank] = weights.get(rank, 0) + leg.ratio
            weights[leg.strike] = weights.get(leg.strike, 0) - leg.ratio
        elif leg.kind == "P" and leg.strike > rank:
            weights[leg.strike] = weights.get(leg.strike, 0) + leg.ratio
            weights[rank] = weights.get(rank, 0) - leg.ratio
    weights.pop(0, None)
    terms = sorted(((k, w) for k, w in weights.items() if w), key=lambda term: (term[1] < 0, -term[0]))
    text = ""
    for strike, weight in terms:
        size = "" if abs(weight) == 1 else f"{abs(weight)} "
        sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
        text += f"{sign}{size}K{strike}"
    return f"{text} - p" if text else "-p"


# --- rules ------------------------------------------------------------------------------------------------------------


def _entry(strategy: Strategy) -> list[str]:
    rules = strategy.entry
    rows = [
        f"- T{number}: {low} to {high} days to last trade, nearest to {aim}, monthly series first"
        for number, (low, aim, high) in enumerate(rules.days, 1)
    ]
    if rules.rank_at_least is not None:
        rows.append(f"- IV rank at least {rules.rank_at_least}. {_RANK_OUT}")
    if rules.rank_at_most is not None:
        rows.append(f"- IV rank at most {rules.rank_at_most}. {_RANK_OUT}")
    if not rules.through_earnings:
        rows.append("- Not through earnings before T1")
    rows.append(
        "- Liquidity: bid above 0, leg spread at most 0.05 or 10 % of its middle, open interest at least 100 (500 for "
        "index options and SPY, QQQ, IWM, DIA), not in the first 15 minutes (10 for those)"
    )
    rows.append("- A DAY limit order, never a market order")
    return rows


def _exit(strategy: Strategy, each: Example) -> list[str]:
    rules = strategy.exit_at(each.natural, _share(each.maximum_loss), _share(each.maximum_profit))
    usual = {"credit": "the credit", "debit": "the debit", "either": "the price"}[strategy.pays]
    rows = ["Default:", "", *_rules(strategy.exit, usual)]
    if rules.ladder or rules.stop_gain is not None:
        real = "the credit" if each.natural < 0 else "the debit"
        same = "" if rules == strategy.exit else ", with what could never fire replaced"
        rows += ["", f"In the example ({_net(each.natural)}){same}:", "", *_rules(rules, real, each)]
    return rows


def _rules(rules: ExitRules, entry: str, each: Example | None = None) -> list[str]:
    """The rules in words; in dollars a unit too where an example is given."""
    of = {
        "entry": entry,
        "premium": "the options' net premium",
        "maximum loss": "the maximum loss",
        "requirement": "the initial requirement",
    }[rules.basis]
    base = None if each is None else _base(rules, each)

    def money(part: Decimal, amount: Amount | None) -> str:
        return "" if amount is None or isinstance(amount, Unlimited) else f" ({_dollars(part * amount)})"

    rows: list[str] = []
    for gain, part in rules.ladder:
        size = "all of the position" if part == 1 else f"{_percent(part)} of the position"
        rows.append(f"- Target: {size} at a gain of {_percent(gain)} of {of}{money(gain, base)}")
    if rules.stop_gain is not None:
        rows.append(
            f"- Stop: a loss of {_percent(-rules.stop_gain)} of {of}{money(-rules.stop_gain, base)}, on the mark"
        )
    elif rules.stop_max_loss is not None:
        most = None if each is None else each.maximum_loss
        part = rules.stop_max_loss
        rows.append(f"- Stop: a loss of {_percent(part)} of the maximum loss{money(part, most)}, on the mark")
    elif rules.close_days is not None:
        rows.append("- No stop: the stock is held anyway, the options are its protection")
    if rules.close_days is None:
        rows.append("- Held to expiry: a locked price has no target and no stop")
    else:
        rows.append(f"- Managed or rolled at {rules.manage_days} days to last trade, closed at {rules.close_days}")
    return rows


def _base(rules: ExitRules, each: Example) -> Amount:
    """Dollars a unit that the rules' gains are fractions of."""
    if rules.basis == "maximum loss":
        return each.maximum_loss
    if rules.basis == "requirement":
        return each.regt.total
    if rules.basis == "entry":
        return abs(each.natural) * 100
    options = [quote for quote in each.quotes if isinstance(parse_symbol(quote.symbol), Contract)]
    net = sum(quote.quantity * (quote.ask if quote.quantity > 0 else quote.bid) for quote in options)
    return abs(Decimal(repr(round(net, 4)))) * 100


def _margin(strategy: Strategy, each: Example) -> list[str]:
    rows = [f"- Reg-T initial, one unit of the example: **{_dollars(each.regt.total)}**"]
    rows += [f"  - {part.name}: {part.words}" for part in each.regt.parts]
    rows.append(f"- LEAN's default model shows {_dollars(each.lean_margin)} for it")
    if strategy.pays == "debit" or each.natural > 0:
        rows.append("- A debit is paid in full: long options have no loan value")
    rows.append("- A broker may ask more; its own preview counts where it is larger")
    return rows


def _expiry_risk(strategy: Strategy) -> list[str]:
    """What delivery can do to legs that settle in shares."""
    shorts = [leg for leg in strategy.legs if leg.kind != "S" and leg.ratio < 0]
    rows = [""]
    if any(leg.kind == "C" for leg in shorts):
        rows.append("- A short call in the money may be assigned the day before an ex-date")
    if any(leg.kind == "P" for leg in shorts):
        rows.append("- A short put deep in the money may be assigned on any day")
    rows.append(
        "- Shares settle this: within an hour of the last trade whatever is near the money is closed whole, and "
        "nothing that may be in the money is held in the last half hour"
    )
    return rows


# --- example ----------------------------------------------------------------------------------------------------------


def _example(each: Example) -> list[str]:
    rows = [
        f"GOOG on {AT:%Y-%m-%d}, 10:00 New York, spot {each.spot}; one unit, filled at the natural price (asks paid, "
        "bids hit).",
        "",
        "| Leg | Bid | Ask | Volatility | Delta | Open interest |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for quote in each.quotes:
        parsed = parse_symbol(quote.symbol)
        name = f"{quote.quantity:+} shares"
        if isinstance(parsed, Contract):
            right = "call" if parsed.right == "C" else "put"
            name = f"{quote.quantity:+} {parsed.expiry} {parsed.strike.normalize():f} {right}"
        if isinstance(parsed, Contract):
            open_interest = "none told" if quote.open_interest != quote.open_interest else f"{quote.open_interest:.0f}"
            rows.append(
                f"| {name} | {quote.bid:.2f} | {quote.ask:.2f} | {100 * quote.volatility:.1f} % | {quote.delta:.2f} | "
                f"{open_interest} |"
            )
        else:
            rows.append(f"| {name} | {quote.bid:.2f} | {quote.ask:.2f} | | 1.00 | |")
    about = "about " if each.estimate else ""
    zeros = ", ".join(f"{even:.2f}" for even in each.break_evens) or "none"
    rows += [
        "",
        f"- **Net price**: {_net(each.natural)} ({_dollars(abs(each.natural) * 100)} a unit) at natural, "
        f"{_net(each.middle)} in the middle; fees {_dollars(each.fees)} one way",
        f"- **Maximum profit**: {_amount(each.maximum_profit, about)}",
        f"- **Maximum loss**: {_amount(each.maximum_loss, about)}",
        f"- **Break-evens**: {about if each.break_evens else ''}{zeros}",
        f"- **Probability of profit**: {100 * each.probability:.0f} %, held to {'T1' if each.estimate else 'expiry'}, "
        "risk-neutral, fees not counted" + (", an estimate" if each.estimate else ""),
        "",
        "| At entry | Delta | Gamma | Theta a day | Vega a point |",
        "|---|---:|---:|---:|---:|",
        f"| one unit | {_greek(each.greeks['delta'], 0)} shares | {_greek(each.greeks['gamma'], 2)} | "
        f"{_money_greek(each.greeks['theta'])} | {_money_greek(each.greeks['vega'])} |",
    ]
    if each.maximum_profit is not Unlimited.UNLIMITED and each.maximum_profit <= 0:
        rows += [
            "",
            "At natural prices this cannot win: the quotes' width is more than what there is to lock in. It is shown "
            "as it was quoted.",
        ]
    if each.failed:
        words = "; ".join(f"{gate.name} {gate.value:.6g} (limit {gate.limit:.6g})" for gate in each.failed)
        rows += ["", f"The entry gates would refuse it at this minute: {words}."]
    rows += ["", "How the strikes were chosen:", "", *(f"- {reason}" for reason in each.candidate.reasons)]
    return rows


def _index(strategy: Strategy) -> list[str]:
    if strategy.stock:
        return [
            "There is none: an index can't be held. Long or short shares can be replaced by a synthetic "
            "([long](synthetic_long_stock.md), [short](synthetic_short_stock.md)).",
        ]
    extra = ""
    if strategy.outlook == "locked" and strategy.expiries == 1:
        extra = " For this strategy that is the only sound form: without early exercise the lock holds."
    return [
        "The same trade in XSP or SPXW is cash-settled, European and a section 1256 contract: no shares are delivered, "
        "no leg is assigned early, and gains are taxed 60/40 and marked to market (US). XSP is a tenth of SPX. "
        f"SPX itself (third Friday) is fixed by the morning print and trades last on the day before.{extra}",
    ]


# --- words ------------------------------------------------------------------------------------------------------------


def _share(amount: Amount) -> Amount:
    return amount if isinstance(amount, Unlimited) else amount / 100


def _net(price: Decimal) -> str:
    return f"a debit of {price:.2f}" if price > 0 else f"a credit of {-price:.2f}" if price < 0 else "even money"


def _amount(amount: Amount, about: str) -> str:
    if isinstance(amount, Unlimited):
        return "unlimited"
    return f"{about}{_dollars(amount)}" if amount >= 0 else f"{about}{_dollars(amount)} (below zero)"


def _dollars(amount: Decimal) -> str:
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def _percent(part: Decimal) -> str:
    return f"{part * 100:.0f} %"


def _greek(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _money_greek(value: float) -> str:
    text = _greek(value, 0)
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"
