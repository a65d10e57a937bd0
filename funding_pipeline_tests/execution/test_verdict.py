"""The verdict by worked examples: each limit in turn, by hand."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.checks import loss_breaches
from funding_pipeline_tests.execution.books import (
    FLAT,
    HELD,
    NOW,
    PAIR,
    PRICES,
    allowed,
    book,
    facts,
    limits,
    market,
    numbers,
    plan,
    position,
    symbol,
    verdict_of,
)


def test_a_plan_within_all_limits_passes_untouched() -> None:
    verdict = verdict_of(PAIR)
    assert verdict.decision == "pass"
    assert allowed(verdict) == numbers(PAIR)
    assert not verdict.breaches
    assert verdict.expires_at == NOW + timedelta(seconds=900)


def test_defaults_let_a_plan_of_a_million_on_five_venues_pass() -> None:
    venues = "abcde"
    one = book()
    template = one.venues["a"]
    venue_books = {
        v: replace(
            template,
            venue=v,
            equity_usd=Decimal(200_000),
            balances=(replace(template.balances[0], venue=v, currency="USDC" if v == "e" else "USDT"),),
        )
        for v in venues
    }
    million = Decimal(1_000_000)
    whole = replace(one, venues=venue_books, equity_at_day_start_usd=million, peak_equity_usd=million)
    known = market(*(facts(v, base) for v in venues for base in PRICES))
    legs = plan({("a", "BTC"): "1.2", ("b", "BTC"): "-1.2", ("a", "ETH"): "-20", ("b", "ETH"): "20"})
    passed = verdict_of(legs, whole, under=RiskLimits(), knowing=known)
    assert passed.decision == "pass", passed.breaches
    alone = verdict_of(legs[:2], whole, under=RiskLimits(), knowing=known)  # 60,000 of beta on two venues
    assert allowed(alone)["a", "BTC"] == Decimal("0.5")


def test_halted_refuses_everything_and_allows_what_is_held() -> None:
    verdict = verdict_of(FLAT, book(HELD), state="HALTED")
    assert verdict.decision == "refuse"
    assert allowed(verdict) == numbers(HELD)
    assert verdict.legs[0].reasons == ("state HALTED",)


def test_reducing_keeps_what_the_plan_keeps_and_opens_nothing() -> None:
    grown = verdict_of(PAIR, book(HELD), state="REDUCING")
    assert allowed(grown) == numbers(HELD)
    assert grown.decision == "refuse"
    assert grown.legs[0].reasons == ("state REDUCING: only what reduces exposure",)
    half = {("a", "BTC"): "0.5", ("b", "BTC"): "-0.5"}
    assert allowed(verdict_of(half, book(HELD), state="REDUCING")) == numbers(half)
    turned = {("a", "BTC"): "-1", ("b", "BTC"): "1"}
    assert allowed(verdict_of(turned, book(HELD), state="REDUCING")) == FLAT


def test_reducing_closes_a_leg_whose_other_leg_may_not_be_opened() -> None:
    naked = verdict_of(HELD, book({("a", "BTC"): "1"}), state="REDUCING")
    assert allowed(naked) == FLAT
    moved = {("a", "BTC"): "0", ("b", "BTC"): "-1", ("c", "BTC"): "1"}  # the long leg moves to c
    assert set(allowed(verdict_of(moved, book(HELD), state="REDUCING")).values()) == {Decimal(0)}


def test_instrument_cap_cuts_both_legs_alike() -> None:
    verdict = verdict_of(PAIR, under=limits(max_instrument_notional_usd=60_000))
    assert allowed(verdict) == {("a", "BTC"): Decimal("1.2"), ("b", "BTC"): Decimal("-1.2")}
    assert verdict.decision == "cut"
    assert verdict.legs[0].reasons == (
        "max_instrument_notional_usd of a BTC/USDT:USDT: 100,000 USD, limit 60,000",
        "max_instrument_notional_usd of b BTC/USDT:USDT: 100,000 USD, limit 60,000",
    )


def test_a_cut_is_rounded_to_the_coarser_step_of_the_base() -> None:
    coarse = market(facts("b", "BTC", quantity_step=Decimal("0.1")))
    verdict = verdict_of(PAIR, under=limits(max_instrument_notional_usd=62_499), knowing=coarse)
    assert allowed(verdict) == {("a", "BTC"): Decimal("1.2"), ("b", "BTC"): Decimal("-1.2")}


def test_three_legs_stay_in_balance_after_rounding() -> None:
    legs = {("a", "BTC"): "5.9", ("b", "BTC"): "-2.95", ("c", "BTC"): "-2.95"}
    ones = market(*(facts(v, "BTC", quantity_step=Decimal(1)) for v in "abc"))
    verdict = verdict_of(legs, under=limits(max_base_notional_usd=589_000), knowing=ones)
    assert sum(allowed(verdict).values()) == 0
    assert allowed(verdict) == {("a", "BTC"): 4, ("b", "BTC"): -2, ("c", "BTC"): -2}


def test_a_cut_below_the_venue_minimum_opens_nothing() -> None:
    known = market(facts("b", "BTC", min_quantity=Decimal("0.5")))
    verdict = verdict_of(PAIR, under=limits(max_instrument_notional_usd=20_000), knowing=known)
    assert allowed(verdict) == FLAT
    small = verdict_of({("a", "BTC"): "0.4", ("b", "BTC"): "-0.4"}, knowing=known)
    assert allowed(small) == FLAT
    assert small.breaches[0].limit_name == "venue_minimum"


def test_participation_stops_growth_and_keeps_what_is_held() -> None:
    thin = market(facts("b", "BTC", bid_depth_10bp_usd=Decimal(5_000)))  # -90 %
    verdict = verdict_of(PAIR, book(HELD), under=limits(max_depth_participation_fraction=2), knowing=thin)
    assert allowed(verdict) == numbers(HELD)
    less = market(facts("b", "BTC", open_interest_usd=Decimal(7_500_000)))
    verdict = verdict_of(PAIR, book(HELD), under=limits(max_open_interest_fraction=0.01), knowing=less)
    assert allowed(verdict) == {("a", "BTC"): Decimal("1.5"), ("b", "BTC"): Decimal("-1.5")}
    assert verdict.breaches[0].text().startswith("max_open_interest_fraction of b BTC/USDT:USDT: 0.0133333")


def test_base_and_unhedged_caps() -> None:
    verdict = verdict_of(PAIR, under=limits(max_base_notional_usd=150_000))
    assert allowed(verdict) == {("a", "BTC"): Decimal("1.5"), ("b", "BTC"): Decimal("-1.5")}
    naked = verdict_of({("a", "BTC"): "2"}, under=limits(max_base_delta_usd=5_000))
    assert allowed(naked) == {("a", "BTC"): Decimal("0.1")}
    assert naked.breaches[0].text() == "max_base_delta_usd of BTC: 100,000 USD, limit 5,000"


@pytest.mark.parametrize(
    ("held", "left"), [("0", "-0.1"), ("-0.06", "-0.1"), ("-1.5", "-0.1"), ("1", "-0.1")]
)
def test_a_naked_short_is_cut_to_the_cap_wherever_it_comes_from(held: str, left: str) -> None:
    on = book({("a", "BTC"): held} if held != "0" else {})
    naked = verdict_of({("a", "BTC"): "-2"}, on, under=limits(max_base_delta_usd=5_000))
    assert allowed(naked) == {("a", "BTC"): Decimal(left)}


def test_venue_notional_is_shared_by_the_bases_in_proportion() -> None:
    legs = {**PAIR, ("a", "ETH"): "-50", ("c", "ETH"): "50"}
    verdict = verdict_of(legs, under=limits(max_venue_notional_usd=100_000))
    assert allowed(verdict) == numbers(
        {("a", "BTC"): "1", ("b", "BTC"): "-1", ("a", "ETH"): "-25", ("c", "ETH"): "25"}
    )


def test_gross_counts_positions_outside_the_plan() -> None:
    on = book({("a", "ETH"): "50", ("b", "ETH"): "-50"})
    verdict = verdict_of(PAIR, on, under=limits(max_gross_notional_usd=300_000))
    # growth may use half of what it asks for: 200,000 are held, 200,000 wanted, 100,000 left
    assert allowed(verdict)["a", "BTC"] == 1
    assert allowed(verdict)["a", "ETH"] == 50


def test_one_leg_alone_must_survive_the_move_on_its_venue() -> None:
    # short 2 BTC at 50,000 with 30,000 less 5 %: loss 35,000, maintenance of 135,000: 625
    poor = book(equity={"b": "30000"})
    verdict = verdict_of(
        PAIR, poor, under=limits(survival_move_fraction=0.35, collateral_haircut_fraction=0.05)
    )
    left = Decimal("28500") / (Decimal("35000") + Decimal("625")) * 2
    size = allowed(verdict)["a", "BTC"]
    assert size == left.quantize(Decimal("0.001"), rounding="ROUND_FLOOR") == Decimal("1.600")
    breach = verdict.breaches[0]
    assert breach.limit_name == "survival_move_fraction"
    # (28,500 - 100,000 x 0.005 + 50) / (100,000 x 1.005)
    assert breach.value == pytest.approx(28_050 / 100_500)


def test_survival_counts_the_maintenance_of_the_venues_other_legs() -> None:
    # short 2 BTC: 35,625 at +35 %; beside it long 100 ETH, 200,000 USD: 950
    legs = {**PAIR, ("b", "ETH"): "100", ("c", "ETH"): "-100"}
    tight = limits(survival_move_fraction=0.35)
    for equity, cut in (("71050", False), ("71049", True)):  # the ETH leg needs 70,000 + 600 beside 450
        poor = book(equity={"b": equity})
        assert (allowed(verdict_of(legs, poor, under=tight))["b", "ETH"] < 100) is cut


def test_where_reducing_one_leg_is_not_enough_the_venue_is_cut_alike() -> None:
    held = {**PAIR, ("b", "ETH"): "10", ("c", "ETH"): "-10"}  # need 35,625 + 80
    verdict = verdict_of(held, book(held, equity={"b": "17852.5"}), under=limits(survival_move_fraction=0.35))
    assert allowed(verdict) == numbers(
        {("a", "BTC"): "1", ("b", "BTC"): "-1", ("b", "ETH"): "5", ("c", "ETH"): "-5"}
    )


def test_margin_fraction_of_a_venue() -> None:
    poor = book(equity={"a": "1000"})  # maintenance of 100,000: 450
    verdict = verdict_of(PAIR, poor, under=limits(max_margin_fraction=0.3))
    assert allowed(verdict)["a", "BTC"] == Decimal("1.333")
    assert verdict.breaches[0].value == pytest.approx(0.45)


def test_collateral_concentration_stops_growth_there_only() -> None:
    rich = book({("b", "ETH"): "1", ("c", "ETH"): "-1"}, equity={"a": "4000000"})
    legs = {**PAIR, ("b", "ETH"): "2", ("c", "ETH"): "-2"}
    verdict = verdict_of(legs, rich, under=limits(max_venue_collateral_fraction=0.5))
    assert allowed(verdict)["a", "BTC"] == 0
    assert allowed(verdict)["b", "ETH"] == 2
    verdict = verdict_of(legs, rich, under=limits(max_currency_collateral_fraction=0.9))
    assert allowed(verdict)["b", "ETH"] == 1
    assert verdict.breaches[0].subject == "USDT"


def test_a_leg_first_in_the_queue_of_deleveraging_does_not_grow() -> None:
    on = book(HELD)
    queued = replace(on.venues["b"], positions=(position("b", "BTC", "-1", adl_rank=0.9),))
    on = replace(on, venues={**on.venues, "b": queued})
    verdict = verdict_of(PAIR, on, under=limits(max_adl_rank=0.8))
    assert allowed(verdict) == numbers(HELD)
    assert allowed(verdict_of(PAIR, on)) == numbers(PAIR)
    untold = verdict_of(PAIR, book(HELD), under=limits(max_adl_rank=0.4))
    assert "assumed, not told" in untold.breaches[0].subject


def test_turnover_stops_growth_but_no_reduction() -> None:
    tight = limits(max_daily_turnover_usd=150_000)
    verdict = verdict_of(PAIR, replace(book(), turnover_today_usd=Decimal(50_000)), under=tight)
    assert allowed(verdict)["a", "BTC"] == 1
    used = replace(book(HELD), turnover_today_usd=Decimal(150_000))
    assert allowed(verdict_of(FLAT, used, under=tight)) == FLAT
    assert allowed(verdict_of(PAIR, used, under=tight)) == numbers(HELD)


@pytest.mark.parametrize(
    ("name", "value", "changed"),
    [
        ("max_daily_loss_usd", 20_000, {"equity_at_day_start_usd": Decimal(3_020_001)}),
        ("max_drawdown_fraction", 0.05, {"peak_equity_usd": Decimal(3_200_000)}),
    ],
)
def test_after_a_loss_only_reductions(name: str, value: float, changed: dict[str, Any]) -> None:
    on = replace(book(HELD), **changed)
    verdict = verdict_of(PAIR, on, under=limits(**{name: value}))
    assert allowed(verdict) == numbers(HELD)
    assert verdict.breaches[0].limit_name == name
    assert allowed(verdict_of(FLAT, on, under=limits(**{name: value}))) == FLAT
    assert [breach.limit_name for breach in loss_breaches(on, limits(**{name: value}))] == [name]


def test_a_position_outside_the_plan_is_held_and_counted() -> None:
    verdict = verdict_of(FLAT, book({**HELD, ("c", "SOL"): "100"}))
    outside = next(leg for leg in verdict.legs if leg.target.base == "SOL")
    assert [outside.decision, outside.allowed] == ["pass", Decimal(100)]
    cut = verdict_of(FLAT, book({**HELD, ("c", "SOL"): "100"}), under=limits(max_base_delta_usd=5_000))
    assert allowed(cut)["c", "SOL"] == 50


def test_multipliers_balance_in_base_units() -> None:
    name = "1000SOL/USDT:USDT"
    legs = plan({("a", "SOL"): "2500"})
    legs.append(replace(legs[0], venue="b", symbol=name, multiplier=Decimal(1000), quantity=Decimal("-2.5")))
    known = market(facts("b", "SOL", symbol=name, price=Decimal(100_000), quantity_step=Decimal("0.1")))
    verdict = verdict_of(legs, under=limits(max_instrument_notional_usd=125_000), knowing=known)
    assert allowed(verdict) == {("a", "SOL"): Decimal(1200), ("b", "SOL"): Decimal("-1.2")}


def test_planned_twice_is_an_error_and_the_id_is_a_function_of_the_plan() -> None:
    with pytest.raises(GovernanceError, match="planned twice"):
        verdict_of([*plan(PAIR), *plan(PAIR)])
    assert verdict_of(PAIR).verdict_id == verdict_of(PAIR).verdict_id != verdict_of(HELD).verdict_id
    assert verdict_of(PAIR).legs[0].target.symbol == symbol("BTC")
