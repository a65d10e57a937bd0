"""The verdict by properties: limits are recomputed here by another way, from plain loops."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funding_pipeline.core.governance import RiskVerdict, TradingState
from funding_pipeline.core.risk_limits import RiskLimits, tighter_direction
from funding_pipeline.execution.book import BookState
from funding_pipeline.execution.market_facts import MarketFacts
from funding_pipeline.execution.market_state import MarketState, Unusual, calm_state
from funding_pipeline.models.regimes import REGIMES
from funding_pipeline_tests.execution.books import (
    BETAS,
    NOW,
    PRICES,
    VENUES,
    WIDE,
    allowed,
    book,
    facts,
    market,
    symbol,
    tiers,
    verdict_of,
)

Legs = dict[tuple[str, str], Decimal]
KEYS = [(venue, base) for venue in VENUES for base in PRICES]
SLOW = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
_AMOUNTS = {
    "max_portfolio_delta_usd": 20_000, "max_venue_beta_usd": 60_000, "max_base_delta_usd": 20_000,
    "max_gross_notional_usd": 600_000, "max_venue_notional_usd": 250_000, "max_base_notional_usd": 300_000,
    "max_instrument_notional_usd": 90_000, "max_daily_turnover_usd": 500_000,
    "max_depth_participation_fraction": 1.0, "max_open_interest_fraction": 0.01, "max_margin_fraction": 0.05,
}  # fmt: skip
_NETTING = ("max_portfolio_delta_usd", "max_venue_beta_usd", "max_base_delta_usd")


@dataclass(frozen=True)
class Situation:
    """A plan, a book, what is known of the market, the limits and the state."""

    targets: Mapping[tuple[str, str], Decimal]
    on: BookState
    knowing: MarketFacts
    under: RiskLimits
    state: TradingState = "ACTIVE"

    def verdict(self, **changed: Any) -> RiskVerdict:
        """What `judge` says of it."""
        one = replace(self, **changed)
        return verdict_of(dict(one.targets), one.on, under=one.under, knowing=one.knowing, state=one.state)


@st.composite
def _quantities(draw: st.DrawFn, *, is_balanced: bool) -> Legs:
    """Per base three legs of up to some 100,000 USD, in steps; balanced: they sum to zero."""
    out: Legs = {}
    for base, price in PRICES.items():
        most = int(100_000 / price * 10)
        first, second = (draw(st.integers(-most, most)) for _ in range(2))
        third = -first - second if is_balanced else draw(st.integers(-most, most))
        for venue, tenths in zip(VENUES, (first, second, third), strict=True):
            out[venue, base] = Decimal(tenths) / 10
    return out


@st.composite
def _limits(draw: st.DrawFn, *, without: tuple[str, ...] = ()) -> RiskLimits:
    given = {
        name: most * draw(st.sampled_from([0.0, 0.02, 0.3, 1.0])) + 1e-9
        for name, most in _AMOUNTS.items()
        if name not in without and draw(st.booleans())
    }
    if draw(st.booleans()):
        given |= {"survival_move_fraction": 0.35, "collateral_haircut_fraction": 0.05}
    return WIDE.tightened(given)


_SEVERITIES = st.sampled_from([None, "none", "none", "notice", "warning", "alarm"])


@st.composite
def _state(draw: st.DrawFn) -> MarketState | None:
    """The market's state: unknown, old, calm, in stress, a warning, an alarm; some instruments unusual."""
    if draw(st.integers(0, 9)) == 0:
        return None
    unusual = {
        (venue, symbol(base)): Unusual(draw(_SEVERITIES))
        for venue, base in KEYS
        if draw(st.integers(0, 4)) == 0
    }
    age = timedelta(hours=draw(st.sampled_from([0, 0, 0, 20])))
    return MarketState(NOW - age, draw(st.sampled_from(REGIMES)), Unusual(draw(_SEVERITIES)), unusual)


@st.composite
def _market(draw: st.DrawFn, *, step: str | None = None) -> MarketFacts:
    changed = []
    for venue, base in KEYS:
        values: dict[str, Any] = {
            "quantity_step": Decimal(step or draw(st.sampled_from(["0.001", "0.01", "0.1", "0.3"]))),
            "bid_depth_10bp_usd": Decimal(draw(st.sampled_from([20_000, 1_000_000]))),
            "open_interest_usd": Decimal(draw(st.sampled_from([3_000_000, 10**9]))),
        }
        if draw(st.integers(0, 9)) == 0:
            values[draw(st.sampled_from(sorted(values)))] = None
        changed.append(facts(venue, base, **values))
    return replace(market(*changed), state=draw(_state()))


@st.composite
def _situations(
    draw: st.DrawFn, *, is_balanced: bool = False, without: tuple[str, ...] = (), step: str | None = None
) -> Situation:
    held: Legs = {}
    if step is None and draw(st.booleans()):
        held = draw(_quantities(is_balanced=draw(st.booleans())))
    money = {venue: str(draw(st.sampled_from([30_000, 100_000, 1_000_000]))) for venue in VENUES}
    return Situation(
        targets=draw(_quantities(is_balanced=is_balanced or draw(st.booleans()))),
        on=book({key: str(q) for key, q in held.items() if q}, equity=money),
        knowing=draw(_market(step=step)),
        under=draw(_limits(without=without)),
        state=draw(st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "REDUCING"])),
    )


def _held(one: Situation) -> Legs:
    return {(v, base): one.on.venues[v].held(symbol(base)) for v, base in KEYS}


def _total(numbers: Iterable[Decimal]) -> Decimal:
    return sum(numbers, Decimal(0))


def _is_between(value: Decimal, end: Decimal) -> bool:
    return 0 <= value <= end or end <= value <= 0


@SLOW
@given(_situations())
def test_never_more_than_the_target_nor_the_other_sign(one: Situation) -> None:
    held = _held(one)
    for key, quantity in allowed(one.verdict()).items():
        assert _is_between(quantity, one.targets[key])
        if one.state == "REDUCING":
            assert _is_between(quantity, held[key])


@SLOW
@given(_situations())
def test_every_limit_holds_on_the_book_that_results(one: Situation) -> None:
    result = allowed(one.verdict())
    limits = one.under
    usd = {(v, base): quantity * PRICES[base] for (v, base), quantity in result.items()}
    assert abs(_total(usd.values())) <= limits.max_portfolio_delta_usd
    assert _total(map(abs, usd.values())) <= limits.max_gross_notional_usd
    assert all(abs(n) <= limits.max_instrument_notional_usd for n in usd.values())
    for base in PRICES:
        legs = [n for (_, b), n in usd.items() if b == base]
        assert abs(_total(legs)) <= limits.max_base_delta_usd
        assert _total(map(abs, legs)) <= limits.max_base_notional_usd
    for venue in VENUES:
        own = {base: n for (v, base), n in usd.items() if v == venue}
        beta = _total(n * Decimal(str(BETAS[base])) for base, n in own.items())
        assert abs(beta) <= limits.max_venue_beta_usd
        assert _total(map(abs, own.values())) <= limits.max_venue_notional_usd
        _assert_margin(one, venue, own)


def _assert_margin(one: Situation, venue: str, legs: Mapping[str, Decimal]) -> None:
    """Maintenance by plain brackets, now and with each leg alone moved against itself."""
    equity = one.on.venues[venue].equity_usd
    assert equity is not None
    collateral = float(equity) * (1 - one.under.collateral_haircut_fraction)
    total = sum(_maintenance(float(abs(n))) for n in legs.values())
    assert total <= one.under.max_margin_fraction * collateral + 1e-6
    move = one.under.survival_move_fraction
    for notional in map(float, legs.values()):
        size = abs(notional)
        after = size * (1 + move) if notional < 0 else size * (1 - move)
        assert size * move + _maintenance(after) + total - _maintenance(size) <= collateral + 1e-6 or not size


def _maintenance(notional: float) -> float:
    return max(0.004 * notional, 0.005 * notional - 50, 0.01 * notional - 1_300)


@SLOW
@given(_situations())
def test_what_grows_is_known_and_within_depth_and_open_interest(one: Situation) -> None:
    held = _held(one)
    for (venue, base), quantity in allowed(one.verdict()).items():
        if abs(quantity) > abs(held[venue, base]) or quantity * held[venue, base] < 0:
            known = one.knowing.instruments[venue, symbol(base)]
            assert not known.missing()
            assert known.depth_usd is not None
            assert known.open_interest_usd is not None
            size = float(abs(quantity) * PRICES[base])
            depth, interest = float(known.depth_usd), float(known.open_interest_usd)
            assert size <= one.under.max_depth_participation_fraction * depth + 1e-6
            assert size <= one.under.max_open_interest_fraction * interest + 1e-6


@SLOW
@given(_situations())
def test_a_base_stays_as_hedged_as_planned_up_to_one_coarse_step(one: Situation) -> None:
    result = allowed(one.verdict())
    for base in PRICES:
        steps = [one.knowing.instruments[v, symbol(base)].quantity_step or Decimal(0) for v in VENUES]
        planned = abs(_total(one.targets[v, base] for v in VENUES))
        assert abs(_total(result[v, base] for v in VENUES)) <= planned + max(steps)


@SLOW
@given(_situations())
def test_a_verdict_on_what_it_allows_passes(one: Situation) -> None:
    result = allowed(one.verdict())
    again = one.verdict(targets=result)
    assert allowed(again) == result


@SLOW
@given(_situations(is_balanced=True, without=_NETTING), st.data())
def test_no_leg_gets_more_under_a_tighter_limit(one: Situation, data: st.DataObject) -> None:
    tighter = one.under.tightened_where_tighter(_tightening(data, without=_NETTING))
    _assert_no_leg_has_more(one, one.verdict(), one.verdict(under=tighter))


@SLOW
@given(_situations(is_balanced=True, step="0.000001"), st.data())
def test_the_book_gets_no_larger_under_a_tighter_limit(one: Situation, data: st.DataObject) -> None:
    """With nets a leg may get more, where another that needed room gets less; all together never."""
    tighter = one.under.tightened_where_tighter(_tightening(data))
    assert _gross(one.verdict(under=tighter)) <= _gross(one.verdict()) + 5


def _tightening(data: st.DataObject, *, without: tuple[str, ...] = ()) -> dict[str, float]:
    name = data.draw(st.sampled_from([n for n in _AMOUNTS if n not in without] + ["survival_move_fraction"]))
    if tighter_direction(name) == "higher":
        return {name: 0.6}
    return {name: _AMOUNTS[name] * data.draw(st.sampled_from([0.0, 0.01, 0.1, 0.5]))}


def _gross(verdict: RiskVerdict) -> float:
    return float(sum(abs(q) * PRICES[base] for (_, base), q in allowed(verdict).items()))


def _assert_no_leg_has_more(
    one: Situation, before: RiskVerdict, after: RiskVerdict, *, in_steps: int = 1
) -> None:
    """Up to the coarser step, by which a base may be trimmed on one leg or the other."""
    less, more = allowed(after), allowed(before)
    for key, quantity in less.items():
        steps = [one.knowing.instruments[v, symbol(key[1])].quantity_step or Decimal(0) for v in VENUES]
        assert abs(quantity) <= abs(more[key]) + in_steps * max(steps)


@SLOW
@given(
    _situations(is_balanced=True, without=_NETTING),
    st.sampled_from(KEYS),
    st.sampled_from(
        ["observed_at", "price", "bid_depth_10bp_usd", "open_interest_usd", "quantity_step", "tiers"]
    ),
)
def test_knowing_less_of_an_instrument_never_allows_more(
    one: Situation, key: tuple[str, str], name: str
) -> None:
    known = one.knowing.instruments[key[0], symbol(key[1])]
    changed: dict[str, Any] = {name: () if name == "tiers" else None}
    nothing = replace(known, **changed)
    less = replace(one.knowing, instruments={**one.knowing.instruments, (key[0], symbol(key[1])): nothing})
    rounding = (
        3 if name == "quantity_step" else 1
    )  # an unknown step is not rounded to, on any leg of the base
    _assert_no_leg_has_more(one, one.verdict(), one.verdict(knowing=less), in_steps=rounding)


@SLOW
@given(_situations())
def test_what_is_gated_grows_no_further_than_its_share(one: Situation) -> None:
    """Recomputed from sums: where gross or a leg has grown, it is within the share that the state allows."""
    held, result, state = _held(one), allowed(one.verdict()), one.knowing.state
    before, after = (_sizes(legs) for legs in (held, result))
    grown = {key for key in KEYS if abs(result[key]) > abs(held[key]) or result[key] * held[key] < 0}
    shares = {None: 0.5, "warning": 0.5, "alarm": 0.0}
    severity = None if state is None else state.market.severity
    if grown and (state is None or severity in shares):
        most = shares[severity] * one.under.max_gross_notional_usd
        assert sum(after.values()) <= max(most, sum(before.values())) + 1e-6
    for key in grown if state is not None else ():
        assert state is not None
        found = state.of((key[0], symbol(key[1]))).severity
        if found in ("warning", "alarm"):
            assert after[key] <= shares[found] * one.under.max_instrument_notional_usd + 1e-6
    if severity == "alarm":
        assert not grown


@SLOW
@given(_situations(is_balanced=True, without=_NETTING), _state())
def test_no_state_of_the_market_allows_more_than_a_calm_one(
    one: Situation, state: MarketState | None
) -> None:
    calm = one.verdict(knowing=replace(one.knowing, state=calm_state(NOW)))
    _assert_no_leg_has_more(one, calm, one.verdict(knowing=replace(one.knowing, state=state)))


def _sizes(legs: Mapping[tuple[str, str], Decimal]) -> dict[tuple[str, str], float]:
    return {key: float(abs(quantity) * PRICES[key[1]]) for key, quantity in legs.items()}


@pytest.mark.parametrize("venue", VENUES)
@SLOW
@given(one=_situations(is_balanced=True, without=_NETTING))
def test_what_is_not_known_of_a_venue_never_allows_growth(venue: str, one: Situation) -> None:
    untold = replace(one.on.venues[venue], equity_usd=None)
    held = _held(one)
    verdict = one.verdict(on=replace(one.on, venues={**one.on.venues, venue: untold}))
    for key, quantity in allowed(verdict).items():
        assert _is_between(quantity, held[key])


def test_the_tiers_here_are_those_of_the_tests() -> None:
    edges = [50_000.0, 250_000.0]
    stated = [(float(t.maintenance_rate), float(t.deduction)) for t in tiers("a", "BTC")]
    for (rate, taken), (higher, more), edge in zip(stated, stated[1:], edges, strict=False):
        assert rate * edge - taken == pytest.approx(higher * edge - more) == _maintenance(edge)
    assert NOW.tzinfo is not None
