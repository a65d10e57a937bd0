"""Margin followed hour by hour: worked examples by hand, and the venues' own formulas."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.tables import LEVERAGE_TIERS
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.portfolio.legs import Leg, Universe
from funding_pipeline.validation.liquidation import MarginWatch, used_fraction
from funding_pipeline.validation.maintenance import maintenance_history
from funding_pipeline.validation.payoffs import (
    MarginBracket,
    bracket_maintenance_margin,
    inverse_pnl_coin,
    leverage_brackets,
    liquidation_price,
)
from funding_pipeline_tests.validation.margin_paths import START, flat_margin, opened, path_of, two_venues


def test_a_long_is_liquidated_in_the_hour_its_equity_is_short() -> None:
    """10 ETH at 100 with 200 USD and 5 %: short of margin below 84.21; 1 % of 840 is the fee."""
    universe = two_venues()
    ledger = opened(universe, quantity=[10, -10], price=100, equity=[200, 5_000])
    path = path_of([[100, 100], [90, 90], [85, 85], [84, 84], [120, 120]], steps=[0, 4])
    watch = MarginWatch(universe, path=path)
    use = watch.follow(ledger, step=1, maintenance=flat_margin(universe, 0.05))
    ledger.settle(watch.remaining(1))
    ledger.mark(path.price[4])
    ledger.check()
    (found,) = watch.liquidations
    assert (found.point, found.venue, found.step) == (3, 0, 1)
    assert found.fills.quantity.tolist() == [-10, 0]
    assert found.fills.price[0] == pytest.approx(84 * 0.99)
    assert ledger.liquidation == pytest.approx(-8.4)
    assert ledger.basis == pytest.approx(10 * (84 - 100) - 10 * (120 - 100))
    assert ledger.venue_equity_usd == pytest.approx([200 - 160 - 8.4, 5_000 - 200])
    assert ledger.quantity.tolist() == [0, -10]  # unhedged until the next decision
    assert use.used == pytest.approx([42 / 40, 0.05 * 1_200 / 4_800])


def test_the_price_coming_back_later_does_not_bring_the_position_back() -> None:
    universe = two_venues()
    prices = [[100, 100], [83, 83], [100, 100]]
    path = path_of(prices, steps=[0, 2])
    watch = MarginWatch(universe, path=path)
    ledger = opened(universe, quantity=[10, -10], price=100, equity=[200, 5_000])
    watch.follow(ledger, step=1, maintenance=flat_margin(universe, 0.05))
    ledger.mark(path.price[2])
    assert ledger.equity == pytest.approx(5_200 - 170 - 8.3)
    without = opened(universe, quantity=[10, -10], price=100, equity=[200, 5_000])
    steady = MarginWatch(universe, path=path_of([prices[0], prices[2], prices[2]], steps=[0, 2]))
    steady.follow(without, step=1, maintenance=flat_margin(universe, 0.05))
    assert not steady.liquidations


def test_a_gap_beyond_bankruptcy_costs_the_venues_equity_and_no_more() -> None:
    universe = two_venues()
    ledger = opened(universe, quantity=[10, -10], price=100, equity=[200, 5_000])
    path = path_of([[100, 100], [70, 70]], steps=[0, 1])
    watch = MarginWatch(universe, path=path)
    watch.follow(ledger, step=1, maintenance=flat_margin(universe, 0.05))
    ledger.check()
    assert ledger.basis == pytest.approx(-300 + 300)
    assert ledger.liquidation == pytest.approx(100)  # the part of the loss that the venue bears
    assert ledger.venue_equity_usd == pytest.approx([0, 5_300])
    assert watch.liquidations[0].fills.price[0] == pytest.approx(80)  # the bankruptcy price


def test_a_closed_leg_pays_no_later_funding_and_the_open_one_does() -> None:
    universe = two_venues()
    ledger = opened(universe, quantity=[10, -10], price=100, equity=[200, 5_000])
    funding = np.array([[0, 0], [0.1, 0.1], [0, 0], [0.2, 0.2]])
    path = path_of([[100, 100], [90, 90], [83, 83], [83, 83]], steps=[0, 3], funding=funding)
    watch = MarginWatch(universe, path=path)
    watch.follow(ledger, step=1, maintenance=flat_margin(universe, 0.05))
    ledger.settle(watch.remaining(1))
    assert ledger.funding == pytest.approx(-1 + 1 + 2)
    ledger.check()


def test_funding_counts_in_the_equity_that_margin_is_compared_with() -> None:
    """At 85 the equity of the first example is 50 against 42.5; 10 USD of funding make it short."""
    universe = two_venues()
    ledger = opened(universe, quantity=[10, -10], price=100, equity=[200, 5_000])
    path = path_of([[100, 100], [85, 85]], steps=[0, 1], funding=np.array([[0, 0], [1.0, 0]]))
    watch = MarginWatch(universe, path=path)
    watch.follow(ledger, step=1, maintenance=flat_margin(universe, 0.05))
    assert [item.venue for item in watch.liquidations] == [0]
    assert ledger.funding == pytest.approx(-10)
    assert watch.remaining(1).tolist() == [0, 0]


def test_both_venues_may_fall_at_different_hours() -> None:
    universe = two_venues()
    ledger = opened(universe, quantity=[10, -10], price=100, equity=[200, 300])
    path = path_of([[100, 100], [83, 83], [128, 128], [140, 140]], steps=[0, 3])
    watch = MarginWatch(universe, path=path)
    watch.follow(ledger, step=1, maintenance=flat_margin(universe, 0.05))
    assert [(item.point, item.venue) for item in watch.liquidations] == [(1, 0), (2, 1)]
    assert not ledger.quantity.any()
    ledger.check()


def test_wicks_inside_the_hour_are_reported_and_do_not_liquidate() -> None:
    universe = two_venues()
    ledger = opened(universe, quantity=[10, -10], price=100, equity=[200, 5_000])
    path = path_of([[100, 100], [95, 95]], steps=[0, 1])
    path.low[1, 0] = 81.0
    watch = MarginWatch(universe, path=path)
    use = watch.follow(ledger, step=1, maintenance=flat_margin(universe, 0.05))
    assert not watch.liquidations
    assert use.used[0] == pytest.approx(0.05 * 950 / 150)
    assert use.worst[0] == pytest.approx(0.05 * 810 / 10)


def test_margin_used_is_capped_where_equity_is_gone() -> None:
    used = used_fraction(np.array([100.0, 0.0, -5.0, 0.0]), np.array([5.0, 5.0, 5.0, 0.0]))
    assert used.tolist() == pytest.approx([0.05, 10.0, 10.0, 0.0])


@pytest.mark.parametrize(
    ("quantity", "entry", "equity", "fraction", "expected"),
    [(-3.0, 3_000.0, 1_000.0, 0.05, 3174.60), (10.0, 100.0, 200.0, 0.05, 84.21)],
)
def test_liquidation_comes_at_the_published_price(
    quantity: float, entry: float, equity: float, fraction: float, expected: float
) -> None:
    """dYdX v4: short 3 ETH at 3,000, equity 1,000, maintenance 5 %: 3,174.60."""
    price = liquidation_price(quantity=quantity, entry=entry, equity=equity, maintenance_fraction=fraction)
    assert price == pytest.approx(expected, abs=0.005)
    universe = two_venues()
    for last, falls in (
        (price * (1 + np.sign(quantity) * 1e-6), 0),
        (price * (1 - np.sign(quantity) * 1e-6), 1),
    ):
        ledger = opened(universe, quantity=[quantity, 0], price=entry, equity=[equity, 0])
        watch = MarginWatch(universe, path=path_of([[entry] * 2, [last] * 2], steps=[0, 1]))
        watch.follow(ledger, step=1, maintenance=flat_margin(universe, fraction))
        assert len(watch.liquidations) == falls


def _tiers(leg: Leg, brackets: tuple[MarginBracket, ...], *, days: int = 0) -> pl.DataFrame:
    known = START + timedelta(days=days)
    return LEVERAGE_TIERS.conform(
        pl.DataFrame(
            {
                "venue": leg.venue, "symbol": leg.symbol,
                "floor_notional": [bracket.floor_usd for bracket in brackets],
                "cap_notional": [*(bracket.floor_usd for bracket in brackets[1:]), None],
                "maintenance_rate": [bracket.rate for bracket in brackets],
                "deduction": [bracket.deduction_usd for bracket in brackets],
                "max_leverage": [1 / (2 * bracket.rate) for bracket in brackets],
                "effective_from": known, "effective_to": None, "known_at": known,
            }
        )
    )  # fmt: skip


BINANCE = (
    MarginBracket(0.0, 0.004, 0.0),
    MarginBracket(50_000.0, 0.005, 50.0),
    MarginBracket(250_000.0, 0.01, 1_300.0),
)
HYPERLIQUID = leverage_brackets([(0.0, 40.0), (150e6, 20.0)])


def test_margins_follow_the_venues_tiers_once_they_are_known() -> None:
    universe = Universe.of(
        [Leg("binance", "BTC/USDT:USDT", "BTC"), Leg("hyperliquid", "BTC/USDC:USDC", "BTC")]
    )
    tiers = pl.concat(
        [_tiers(leg, own, days=2) for leg, own in zip(universe.legs, (BINANCE, HYPERLIQUID), strict=True)]
    )
    history = maintenance_history(universe, terms=load_venue_terms(), tiers=tiers.lazy())
    price = np.array([100.0, 100.0])
    assumed = history.at(START + timedelta(days=1)).margin_usd(np.array([-500.0, 1.0]), price)
    assert assumed == pytest.approx([0.01 * 50_000, 0.0125 * 100])
    known = history.at(START + timedelta(days=2))
    for notional in (10.0, 49_999, 50_000, 50_001, 250_000, 900_000):
        sizes = np.array([notional / 100, -2e6])
        margin = known.margin_usd(sizes, price)
        assert margin[0] == pytest.approx(bracket_maintenance_margin(notional, BINANCE))
        assert margin[1] == pytest.approx(3.125e6)  # domain.md: 200M on Hyperliquid


def test_a_later_observation_replaces_all_tiers_of_its_leg() -> None:
    universe = two_venues()
    first, second = (_tiers(universe.legs[0], own, days=day) for own, day in ((BINANCE, 0), (BINANCE[:1], 5)))
    tiers = pl.concat([second, first]).lazy()
    history = maintenance_history(universe, terms=load_venue_terms(), tiers=tiers)
    size, price = np.array([1_000.0, 0.0]), np.array([100.0, 100.0])
    before, after = (history.at(START + timedelta(days=day)).margin_usd(size, price)[0] for day in (4, 6))
    assert before == pytest.approx(bracket_maintenance_margin(100_000, BINANCE))
    assert after == pytest.approx(100_000 * 0.004)


def test_inverse_tiers_are_in_the_coin() -> None:
    universe = Universe.of(
        [Leg("a", "BTC/USD:BTC", "BTC", is_inverse=True), Leg("b", "BTC/USDT:USDT", "BTC")]
    )
    coin = (MarginBracket(0.0, 0.01, 0.0), MarginBracket(5, 0.02, 0.05))
    history = maintenance_history(
        universe, terms=load_venue_terms(), tiers=_tiers(universe.legs[0], coin).lazy()
    )
    margin = history.at(START).margin_usd(np.array([8.0, 0.0]), np.array([50_000.0, 50_000.0]))
    assert margin[0] == pytest.approx((8 * 0.02 - 0.05) * 50_000)


def test_an_inverse_position_held_at_its_base_quantity_profits_as_the_venue_says() -> None:
    """Contracts of q P0 USD earn q P0 (1/P0 - 1/P1) coin, at P1 exactly q (P1 - P0) USD."""
    coin = inverse_pnl_coin(contracts=0.1 * 50_000, contract_value=1.0, entry=50_000, exit_price=55_000)
    assert coin * 55_000 == pytest.approx(0.1 * 5_000)
