"""Whole lots: every limit holds after rounding, and bases net to less than a lot."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.portfolio.legs import Floats, Leg, Universe
from funding_pipeline.portfolio.limits import limits_for
from funding_pipeline.portfolio.lots import as_lots_allow, exact_quantities, in_lots, with_room_for_lots
from funding_pipeline_tests.portfolio.situations import inputs_of, loose, plan_of, universe_of

REAL = Universe.of(
    [
        Leg("binance", "BTC/USDT:USDT", "BTC", quantity_step=0.001, min_quantity=0.001, min_notional=100),
        Leg("binance", "1000PEPE/USDT:USDT", "PEPE", 1000.0, quantity_step=1, min_quantity=1, min_notional=5),
        Leg("binance", "SOL/USDT:USDT", "SOL", quantity_step=0.01, min_quantity=0.01, min_notional=5),
        Leg("hyperliquid", "BTC/USDC:USDC", "BTC", currency="USDC", quantity_step=1e-5, min_notional=10),
        Leg("hyperliquid", "kPEPE/USDC:USDC", "PEPE", 1000.0, currency="USDC", quantity_step=1),
        Leg("hyperliquid", "SOL/USDC:USDC", "SOL", currency="USDC", quantity_step=0.01, min_notional=10),
        Leg("okx", "BTC/USDT:USDT", "BTC", quantity_step=0.0001, min_quantity=0.0001),
        Leg("okx", "PEPE/USDT:USDT", "PEPE", quantity_step=1_000_000, min_quantity=1_000_000),
        Leg("okx", "SOL/USDT:USDT", "SOL", quantity_step=0.01, min_quantity=0.01),
    ]
)  # steps of the venues in quoted units, 2025
USD = {"BTC": 60_000.0, "PEPE": 1e-5, "SOL": 150.0}
PRICE = np.array([USD[leg.base] * leg.multiplier for leg in REAL.legs])


def _whole(quantity: Floats, steps: Floats) -> Floats:
    return np.abs(quantity / steps - np.round(quantity / steps))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_plans_in_the_steps_of_real_venues_keep_every_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    price = PRICE * np.exp(rng.normal(0, 1e-3, len(REAL)))
    config = loose(
        venue_beta_band_fraction=float(rng.choice([0.02, 0.1])), currency_band_fraction=0.05,
        capital_usd=float(rng.choice([1e5, 1e6])),
    )  # fmt: skip
    held = rng.normal(0, 2_000, (3, 3))
    held -= held.mean(axis=0)
    quantities = in_lots(held.ravel() / PRICE, quantities=np.zeros(9), price=price, universe=REAL)
    plan = plan_of(
        inputs_of(REAL, rate=rng.normal(0, 3e-5, len(REAL)), price=price, reference_price=PRICE),
        universe=REAL, held_usd=quantities * price, config=config,
    )  # fmt: skip
    assert plan.status == "optimal", plan.status_reason
    traded = plan.trade_quantity != 0
    assert _whole(plan.quantity_target, REAL.quantity_steps)[traded].max(initial=0.0) < 1e-6
    assert plan.limits.violations(plan.notional_target, tolerance_usd=plan.limits.tolerance_usd) == ()
    worth = REAL.quantity_steps * PRICE
    coarsest = np.array([worth[REAL.base_index == base].max() for base in range(3)])
    net = np.abs(REAL.base_matrix @ (plan.quantity_target * PRICE))
    assert (net <= coarsest * 1.01).all()


def _cut(**target: float) -> dict[str, float]:
    """Quantities of a new book in whole lots, by venue and base."""
    names = [f"{leg.venue}_{leg.base}" for leg in REAL.legs]
    wanted = np.array([target.get(name, 0.0) for name in names])
    out = in_lots(wanted, quantities=np.zeros(9), price=PRICE, universe=REAL)
    return {name: float(value) for name, value in zip(names, out, strict=True) if value}


def test_both_sides_are_cut_to_the_coarser_lot() -> None:
    assert _cut(binance_BTC=0.123456, hyperliquid_BTC=-0.123456) == pytest.approx(
        {"binance_BTC": 0.123, "hyperliquid_BTC": -0.123}
    )


def test_a_thousandfold_contract_is_matched_in_base_units() -> None:
    """23,250 contracts of a thousand coins against whole contracts of a million."""
    assert _cut(hyperliquid_PEPE=23_250, okx_PEPE=-23_250_000) == {
        "hyperliquid_PEPE": 23_000, "okx_PEPE": -23_000_000
    }  # fmt: skip


def test_what_is_below_the_least_order_is_not_opened_and_neither_is_its_hedge() -> None:
    """72 USD where the least order is 100."""
    assert _cut(binance_BTC=0.0012, okx_BTC=-0.0012) == {}


def test_a_leg_that_is_not_traded_keeps_a_quantity_that_is_no_whole_lot() -> None:
    held = np.zeros(9)
    held[0], held[3] = 123.4, -7.7
    assert (in_lots(held, quantities=held, price=PRICE, universe=REAL) == held).all()


def test_steps_that_are_not_known_take_up_what_others_leave() -> None:
    pair = Universe.of([Leg("a", "X", "BTC", quantity_step=0.1), Leg("b", "X", "BTC")])
    out = in_lots(np.array([1.2345, -1.2345]), quantities=np.zeros(2), price=np.full(2, 100.0), universe=pair)
    assert out == pytest.approx([1.2, -1.2])


def test_room_is_at_most_half_of_a_band_and_a_narrow_band_is_as_wide_as_its_lots() -> None:
    pair = Universe.of([Leg(venue, "X", "BTC", quantity_step=10.0) for venue in "ab"])
    inputs = inputs_of(pair, rate=0.0, beta=np.array([-1.0, 2.0]))
    limits = limits_for(
        pair, inputs=inputs, thin=np.zeros(2, dtype=bool), current_usd=np.zeros(2),
        config=loose(venue_beta_band_fraction=0.01),
    )  # fmt: skip
    assert limits.venue_beta == pytest.approx([5_000, 5_000])
    assert limits.base_net == pytest.approx([1_000])
    assert with_room_for_lots(limits, price=inputs.price).venue_beta == pytest.approx([3_000, 2_500])
    assert as_lots_allow(limits, price=inputs.price).venue_beta == pytest.approx([5_000, 5_000])
    narrow = replace(limits, venue_beta=np.zeros(2))
    assert as_lots_allow(narrow, price=inputs.price).venue_beta == pytest.approx([1_000, 2_000])


def test_lots_that_are_too_large_for_the_limits_are_a_reason() -> None:
    """A lot of 40,000 USD: the hedge in lots of 100 cannot follow within a currency band of 10,000."""
    pair = Universe.of(
        [
            Leg("a", "X", "BTC", quantity_step=1.0, min_notional=120_000.0),
            Leg("b", "X", "BTC", quantity_step=1.0),
            Leg("b", "Y", "ETH", quantity_step=1.0),
            Leg("c", "Y", "ETH", quantity_step=1.0, min_notional=20_000.0),
        ]
    )
    rate = np.array([0.0, 5e-5, -5e-5, 0.0])
    config = loose(venue_beta_band_fraction=0.03)
    plan = plan_of(inputs_of(pair, rate=rate), universe=pair, config=config)
    assert plan.status in ("optimal", "held")
    broken = plan.limits.violations(plan.notional_target, tolerance_usd=plan.limits.tolerance_usd)
    assert broken == ()
    assert (plan.status == "optimal") == (plan.status_reason == "")


def test_the_solvers_rounding_is_put_on_the_most_traded_leg() -> None:
    universe = universe_of("ab", ("BTC",))
    inputs = inputs_of(universe, rate=0.0)
    limits = limits_for(
        universe, inputs=inputs, thin=np.zeros(2, dtype=bool), current_usd=np.zeros(2), config=loose()
    )
    out = exact_quantities(
        np.array([1_000.0, -1_000.01]), quantities=np.zeros(2), price=inputs.price, limits=limits
    )
    assert out.sum() == 0
    naked = exact_quantities(
        np.array([1_000.0, -700.0]), quantities=np.zeros(2), price=inputs.price, limits=limits
    )
    assert naked == pytest.approx([10.0, -7.0]), "what is no rounding is not covered up"
