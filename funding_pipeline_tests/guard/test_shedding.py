"""The verdict by which the guard reduces: exactly what is not hedged, nothing on a guess, nothing opened."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.core.governance import IntentRecord, OrderIntent, RiskVerdict, client_order_id
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.core.trading import OrderRequest
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Finding
from funding_pipeline.guard.seen import Seen
from funding_pipeline.guard.shedding import shed_verdict
from funding_pipeline_tests.execution.books import NOW, PRICES, allowed, limits, symbol
from funding_pipeline_tests.guard.test_assessment import TIGHT, seen, without


def due(*bases: str, limit: str = "max_base_delta_usd") -> Finding:
    return Finding("k", "critical", "t", "shed", "do", NOW, bases=frozenset(bases), limits=frozenset({limit}))


def verdict(one: Seen, *findings: Finding, under: RiskLimits = TIGHT) -> RiskVerdict:
    found = shed_verdict(one, findings, limits=under, config=GuardConfig(), at=NOW)
    assert found is not None
    return found


def test_the_heavier_side_is_cut_and_the_hedged_rest_stays() -> None:
    one = seen({("a", "BTC"): "1", ("b", "BTC"): "-0.6", ("a", "ETH"): "3", ("b", "ETH"): "-3"})
    found = verdict(one, due("BTC"))
    assert allowed(found) == {("a", "BTC"): Decimal("0.6"), ("b", "BTC"): Decimal("-0.6")}
    assert (found.state, found.rebalance[:6]) == ("REDUCING", "guard ")
    assert found.expires_at > NOW


def test_of_several_legs_on_the_heavier_side_the_largest_is_cut_first() -> None:
    one = seen({("a", "BTC"): "1", ("b", "BTC"): "0.2", ("c", "BTC"): "-0.7"})
    assert allowed(verdict(one, due("BTC")))["a", "BTC"] == Decimal("0.5")


def test_a_lone_leg_is_closed_whole() -> None:
    assert allowed(verdict(seen({("a", "BTC"): "1"}), due("BTC"))) == {("a", "BTC"): Decimal(0)}


def test_a_reduction_is_about_what_was_found_alone() -> None:
    """Another limit that is broken, but not yet due, costs no fees."""
    one = seen({("a", "BTC"): "1", ("a", "ETH"): "30", ("b", "ETH"): "-30"})
    under = limits(max_base_delta_usd=5_000, max_venue_notional_usd=10_000)
    assert {leg.target.base for leg in verdict(one, due("BTC"), under=under).legs} == {"BTC"}
    both = verdict(one, due("BTC"), due("ETH", limit="max_venue_notional_usd"), under=under)
    assert abs(allowed(both)["b", "ETH"]) * PRICES["ETH"] <= 10_000


def test_what_was_beyond_its_limit_ends_well_inside() -> None:
    """Cut to the very limit, the next tick would break it again: one small order and its fees each minute."""
    one = seen({("a", "ETH"): "30", ("b", "ETH"): "-30"})
    for name in ("max_venue_notional_usd", "max_instrument_notional_usd", "max_base_notional_usd"):
        under = limits(**{name: 10_000})
        left = abs(allowed(verdict(one, due("ETH", limit=name), under=under))["b", "ETH"]) * PRICES["ETH"]
        legs = 2 if name == "max_base_notional_usd" else 1
        assert 8_000 < left * legs <= 9_000, name


def test_a_base_in_doubt_is_left_out() -> None:
    held = {("a", "BTC"): "1", ("b", "BTC"): "-0.2", ("c", "ETH"): "10"}
    found = verdict(without("b", held), due("BTC", "ETH"))
    assert {leg.target.base for leg in found.legs} == {"ETH"}


def test_no_other_base_pays_for_a_delta_that_is_in_doubt() -> None:
    """What looks naked may be hedged on the silent venue: ETH is not cut bit by bit to make up for it."""
    held = {("a", "BTC"): "1", ("b", "BTC"): "-0.2", ("a", "ETH"): "30", ("c", "ETH"): "-29.9"}
    finding = due("BTC", "ETH", limit="max_portfolio_delta_usd")
    under = limits(max_portfolio_delta_usd=1_000)
    answered = seen(held)
    assert shed_verdict(answered, [finding], limits=under, config=GuardConfig(), at=NOW) is not None
    silent = without("b", held)
    assert shed_verdict(silent, [finding], limits=under, config=GuardConfig(), at=NOW) is None
    open_eth = without("b", {**held, ("c", "ETH"): "-20"})
    assert {leg.target.base for leg in verdict(open_eth, finding, under=under).legs} == {"ETH"}


def test_nothing_to_do_is_no_verdict() -> None:
    assert shed_verdict(seen(), [due("BTC")], limits=TIGHT, config=GuardConfig(), at=NOW) is None


def test_an_instrument_whose_order_is_unknown_is_held_as_it_is() -> None:
    name = client_order_id("carry", "r1", f"a {symbol('ETH')}", 1)
    request = OrderRequest("a", symbol("ETH"), "buy", "limit", Decimal(1), name, Decimal(2_000))
    intent = OrderIntent("carry", "r1", f"a {symbol('ETH')}", 1, "open", "v", request, NOW)
    one = replace(seen(), unresolved=(IntentRecord(intent, "unknown"),))
    found = verdict(one, due(limit="none"))
    assert allowed(found) == {("a", "ETH"): Decimal(0)}


sizes = st.decimals(-5, 5, places=3)


@given(st.lists(sizes, min_size=3, max_size=3), st.lists(sizes, min_size=3, max_size=3))
def test_nothing_ever_grows_and_a_naked_base_ends_hedged(btc: list[Decimal], eth: list[Decimal]) -> None:
    held = {(v, "BTC"): q for v, q in zip("abc", btc, strict=True)}
    held |= {(v, "ETH"): q for v, q in zip("abc", eth, strict=True)}
    held = {key: quantity for key, quantity in held.items() if quantity}
    one = replace(seen(held), at=NOW + timedelta(seconds=1))
    found = shed_verdict(one, [due("BTC", "ETH")], limits=TIGHT, config=GuardConfig(), at=NOW)
    if found is None:
        return
    for leg in found.legs:
        before = held.get((leg.target.venue, leg.target.base), Decimal(0))
        assert min(before, Decimal(0)) <= leg.allowed <= max(before, Decimal(0))
    for base in {leg.target.base for leg in found.legs}:
        net = sum(leg.allowed for leg in found.legs if leg.target.base == base)
        assert abs(net) <= Decimal("0.001") * 3
