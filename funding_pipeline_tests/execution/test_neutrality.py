"""Netting limits by worked examples: what has to go with a leg that was cut."""

from dataclasses import replace
from decimal import Decimal

from funding_pipeline.execution.market_facts import InstrumentFacts, LegKey, MarketFacts
from funding_pipeline_tests.execution.books import (
    FLAT,
    HELD,
    allowed,
    book,
    facts,
    limits,
    market,
    symbol,
    verdict_of,
)


def test_a_refused_base_takes_along_what_it_balanced_on_the_venue() -> None:
    """ALT pair balanced by a BTC pair on both venues: 2 x 25,000 against 1 x 50,000 of beta."""
    legs = {("a", "SOL"): "250", ("b", "SOL"): "-250", ("a", "BTC"): "-1", ("b", "BTC"): "1"}
    tight = limits(max_venue_beta_usd=10_000)
    assert verdict_of(legs, under=tight).decision == "pass"
    known = market(facts("a", "SOL", open_interest_usd=None))
    verdict = verdict_of(legs, under=tight, knowing=known)
    assert allowed(verdict) == {
        ("a", "BTC"): Decimal("-0.2"), ("b", "BTC"): Decimal("0.2"),
        ("a", "SOL"): Decimal(0), ("b", "SOL"): Decimal(0),
    }  # fmt: skip
    reasons = {leg.target.base: leg.reasons for leg in verdict.legs}
    assert reasons["SOL"] == ("unknown: open interest of a SOL/USDT:USDT",)
    assert reasons["BTC"][0] == "max_venue_beta_usd of a: 50,000 USD, limit 10,000"


def test_nets_are_kept_where_one_leg_has_coarse_steps() -> None:
    """SOL is capped at 600 of 750 (beta 120,000); BTC goes in whole coins: two, and then SOL to 550."""
    legs = {("a", "SOL"): "750", ("b", "SOL"): "-750", ("a", "BTC"): "-3", ("b", "BTC"): "3"}
    known = market(*(facts(v, "BTC", quantity_step=Decimal(1)) for v in "ab"))
    tight = limits(max_venue_beta_usd=10_000)
    cap = market(*(facts(v, "SOL", open_interest_usd=Decimal(60_000)) for v in "ab"))
    known = replace(known, instruments={**known.instruments, **_of(cap, "SOL")})
    verdict = allowed(verdict_of(legs, under=tight, knowing=known))
    assert [verdict["a", "BTC"], verdict["b", "BTC"]] == [Decimal(-2), Decimal(2)]
    assert verdict["a", "SOL"] == 550


def test_a_base_whose_steps_do_not_fit_is_closed_where_its_net_cannot_be_kept() -> None:
    known = market(
        facts("a", "BTC", quantity_step=Decimal(1)), facts("b", "BTC", quantity_step=Decimal("0.3"))
    )
    legs = {("a", "BTC"): "3", ("b", "BTC"): "-3"}
    tight = limits(max_instrument_notional_usd=125_000, max_base_delta_usd=4_000)
    assert allowed(verdict_of(legs, under=tight, knowing=known)) == FLAT  # 2 and 1.8 are 10,000 USD apart


def _of(known: MarketFacts, base: str) -> dict[LegKey, InstrumentFacts]:
    return {key: one for key, one in known.instruments.items() if key[1] == symbol(base)}


def test_a_frozen_base_counts_and_what_balances_it_may_come() -> None:
    """1 BTC is stuck on a (beta 50,000, limit 10,000): a short SOL there may come, a long one may not."""
    stuck = {("a", "BTC"): Decimal("NaN")}
    tight = limits(max_venue_beta_usd=10_000)
    for side, left in (("-200", "-200"), ("-400", "-300"), ("100", "0")):
        legs = {**stuck, ("a", "SOL"): side, ("c", "SOL"): str(-int(side))}
        under = tight if side != "-400" else limits(max_venue_notional_usd=80_000)
        verdict = verdict_of(legs, book(HELD), under=under)
        assert allowed(verdict)["a", "BTC"] == 1
        if side == "-200":  # 50,000 - 40,000; on c, where nothing balances it, 40,000
            assert allowed(verdict)["c", "SOL"] == 50
        else:
            assert allowed(verdict)["a", "SOL"] == Decimal(left)


def test_portfolio_delta_is_kept_by_cutting_the_least() -> None:
    legs = {("a", "BTC"): "1", ("b", "ETH"): "-20"}  # long 50,000, short 40,000
    verdict = verdict_of(legs, under=limits(max_portfolio_delta_usd=5_000))
    assert allowed(verdict)["b", "ETH"] == -20
    assert allowed(verdict)["a", "BTC"] == Decimal("0.9")
