"""Trading costs by hand, and what the three scenarios assume."""

import numpy as np
import pytest

from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.cost_scenarios import CostScenario, cost_panel, volume_or_assumed
from funding_pipeline.portfolio.costs import CostPanel, LegCosts
from funding_pipeline.portfolio.liquidity import LiquidityPanel
from funding_pipeline_tests.portfolio import synthetic
from funding_pipeline_tests.portfolio.situations import universe_of

UNIVERSE = universe_of("ac", ("BTC", "SOL"))  # SOL is thin on c
UNKNOWN = np.full((2, 4), np.nan)


def _liquidity(volume: np.ndarray) -> LiquidityPanel:
    return LiquidityPanel(daily_volume_usd=volume, depth_usd=UNKNOWN, open_interest_usd=UNKNOWN)


def _costs(scenario: CostScenario | None = None, *, volume: np.ndarray = UNKNOWN) -> CostPanel:
    return cost_panel(
        UNIVERSE, terms=synthetic.terms(), price_sd=np.full((2, 4), 0.02), liquidity=_liquidity(volume),
        config=PortfolioConfig(), scenario=scenario,
    )  # fmt: skip


def test_a_taker_trade_by_hand() -> None:
    volume = np.array([[1e10, 1e8, 1e8, 1e6], [4e10, 1e8, 1e8, 1e6]])
    costs = _costs(volume=volume).at(0)
    assert costs.linear == pytest.approx([5e-4, 5e-4, 5e-4, 9e-4])
    assert costs.thin.tolist() == [False, False, False, True]
    daily = 0.02 * np.sqrt(3)
    trade = np.array([100_000.0, 0, 0, -10_000.0])
    impact = 0.15 * daily * np.array([np.sqrt(1e5 / 1e10), 0, 0, np.sqrt(1e4 / 1e6)])
    assert costs.slippage_fraction(trade) - costs.half_spread == pytest.approx(impact)
    by_hand = 100_000 * (5e-4 + impact[0]) + 10_000 * (9e-4 + impact[3])
    assert costs.total_usd(trade) == pytest.approx(by_hand)
    later = _costs(volume=volume).at(1)
    assert later.impact_per_root_usd[0] == pytest.approx(costs.impact_per_root_usd[0] / 2)


def test_the_coefficient_is_what_the_recorded_book_gives() -> None:
    """100,000 USD in ETH on Binance, 1e10 USD a day at 5 % a day: 0.25 bp were measured."""
    coefficient = PortfolioConfig().impact_coefficient
    impact_bp = coefficient * 0.05 * np.sqrt(1e5 / 1e10) * 1e4
    assert 0.2 < impact_bp < 0.3


def test_low_is_seven_tenths_maker_and_the_rest_taken() -> None:
    base, low = _costs("base").at(0), _costs("low").at(0)
    assert low.fee == pytest.approx([0.7 * 1e-4 + 0.3 * 4e-4] * 4)
    assert low.half_spread == pytest.approx(0.3 * base.half_spread)
    trade = np.array([50_000.0, -20_000.0, 0.0, 1_000.0])
    taken = 0.3 * trade
    by_hand = taken @ (np.sign(taken) * base.slippage_fraction(taken))  # the maker part: no spread, no impact
    assert np.abs(trade) @ low.slippage_fraction(trade) == pytest.approx(by_hand)


def test_stress_is_three_times_the_spread_and_the_impact_at_the_same_fee() -> None:
    base, stress = _costs("base").at(0), _costs("stress").at(0)
    assert stress.fee == pytest.approx(base.fee)
    trade = np.array([50_000.0, -20_000.0, 0.0, 1_000.0])
    assert stress.slippage_fraction(trade) == pytest.approx(3 * base.slippage_fraction(trade))


def test_scenarios_are_ordered_and_the_configured_one_is_taken() -> None:
    trade = np.array([50_000.0, -20_000.0, 10_000.0, 1_000.0])
    low, base, stress = (_costs(name).at(0).total_usd(trade) for name in ("low", "base", "stress"))
    assert low < base < stress
    assert _costs().at(0).total_usd(trade) == base


def test_a_rebate_never_makes_trading_an_income() -> None:
    terms = {
        name: own.model_copy(update={"maker_fee_bp": -5.0, "taker_fee_bp": 1.0})
        for name, own in synthetic.terms().items()
    }
    panel = cost_panel(
        UNIVERSE, terms=terms, price_sd=np.full((2, 4), 0.02), liquidity=_liquidity(UNKNOWN),
        config=PortfolioConfig(), scenario="low",
    )  # fmt: skip
    assert (panel.fee == 0).all()


def test_an_unknown_volume_is_assumed_and_said() -> None:
    volume = np.array([[1e9, np.nan, 0.0, np.nan]])
    panel = LiquidityPanel(volume, UNKNOWN[:1], UNKNOWN[:1])
    thin = np.array([False, False, False, True])
    assert panel.volume_assumed.tolist() == [[False, True, False, True]]
    filled = volume_or_assumed(panel, thin=thin, config=PortfolioConfig())
    assert filled.tolist() == [[1e9, 1e8, 1e4, 1e6]]


def test_some_legs_alone_cost_the_same() -> None:
    panel, some = _costs(), np.array([1, 3])
    one, other = panel.of(some).at(1), panel.at(1).of(some)
    assert isinstance(one, LegCosts)
    for name in ("fee", "half_spread", "impact_per_root_usd", "thin"):
        assert (getattr(one, name) == getattr(other, name)).all()


def test_every_venue_states_its_volume_unit_and_its_margins() -> None:
    terms = load_venue_terms()
    assert terms["okx"].volume_unit(is_inverse=False) == "contracts"
    assert terms["deribit"].volume_unit(is_inverse=True) == "base"
    assert terms["binance"].volume_unit(is_inverse=True) == "contracts"
    assert terms["default"].volume_unit(is_inverse=False) == "unknown"
    assert terms["hyperliquid"].maintenance_fraction("BTC") == 0.0125
    assert terms["deribit"].maintenance_fraction("SOL") == 0.025
    assert all(0.004 <= own.maintenance_fraction("BTC") <= 0.05 for own in terms.values())
