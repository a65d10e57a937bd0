"""The ledger on hand-made numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Leg, Universe
from funding_pipeline.validation.accounting import Ledger

COSTS = LegCosts(
    fee=np.full(2, 5e-4), half_spread=np.full(2, 1e-4), impact_per_root_usd=np.zeros(2),
    thin=np.zeros(2, dtype=bool),
)  # fmt: skip


def _ledger(*, inverse: bool = False) -> Ledger:
    universe = Universe.of(
        [Leg("a", "BTC/USD:BTC", "BTC", is_inverse=inverse), Leg("b", "BTC/USDT:USDT", "BTC")]
    )
    return Ledger(capital_usd=10_000.0, universe=universe, open_venues=np.ones(2, dtype=bool))


def test_a_pair_by_hand() -> None:
    ledger = _ledger()
    ledger.mark(np.array([100.0, 101.0]))
    fills = ledger.trade_to(np.array([10.0, -10.0]), COSTS)
    assert fills.price == pytest.approx([100.01, 101 * (1 - 1e-4)])
    assert fills.fee_usd == pytest.approx([0.5, 0.505])
    ledger.settle(np.array([100 * 0.0001, 101 * 0.0003]))
    ledger.mark(np.array([110.0, 110.0]))
    assert ledger.funding == pytest.approx(-0.1 + 0.303)
    assert ledger.basis == pytest.approx(100 - 90)
    assert ledger.slippage == pytest.approx(-0.1 - 0.101)
    assert ledger.equity == pytest.approx(10_000 + 0.203 + 10 - 1.005 - 0.201)
    assert ledger.venue_equity_usd == pytest.approx(
        [5_000 + 100 - 0.1 - 0.5 - 0.1, 5_000 - 90 + 0.303 - 0.505 - 0.101]
    )
    ledger.check()


def test_capital_starts_on_the_open_venues() -> None:
    universe = Universe.of([Leg(venue, "BTC/USDT:USDT", "BTC") for venue in "abc"])
    some = Ledger(capital_usd=900.0, universe=universe, open_venues=np.array([True, False, True]))
    assert some.venue_equity_usd.tolist() == [450.0, 0.0, 450.0]
    none = Ledger(capital_usd=900.0, universe=universe, open_venues=np.zeros(3, dtype=bool))
    assert none.venue_equity_usd.tolist() == [300.0, 300.0, 300.0]


def test_impact_is_paid_in_the_price_and_grows_with_the_root_of_the_trade() -> None:
    ledger = _ledger()
    ledger.mark(np.array([100.0, 100.0]))
    costs = LegCosts(COSTS.fee, COSTS.half_spread, np.full(2, 1e-6), COSTS.thin)
    fills = ledger.trade_to(np.array([100.0, -400.0]), costs)  # 10,000 and 40,000 USD
    assert fills.price == pytest.approx([100 * (1 + 1e-4 + 1e-4), 100 * (1 - 1e-4 - 2e-4)])
    assert -ledger.slippage == pytest.approx(10_000 * 2e-4 + 40_000 * 3e-4)
    assert costs.total_usd(np.array([10_000.0, -40_000.0])) == pytest.approx(-ledger.slippage - ledger.fees)


def test_a_missing_price_keeps_the_last_mark() -> None:
    ledger = _ledger()
    ledger.mark(np.array([100.0, 100.0]))
    ledger.trade_to(np.array([1.0, -1.0]), COSTS)
    ledger.mark(np.array([np.nan, 90.0]))
    assert ledger.basis == pytest.approx(10.0)


def test_inverse_contracts_are_restruck_at_a_fee() -> None:
    ledger = _ledger(inverse=True)
    ledger.mark(np.array([50_000.0, 50_000.0]))
    ledger.trade_to(np.array([0.1, -0.1]), COSTS)
    ledger.mark(np.array([55_000.0, 55_000.0]))
    held = ledger.trade_to(np.array([0.1, -0.1]), COSTS)
    assert ledger.basis == pytest.approx(0.0)
    assert held.quantity.tolist() == [0.0, 0.0]
    assert held.fee_usd == pytest.approx([500 * (5e-4 + 1e-4), 0.0])  # 5,000 -> 5,500 USD of contracts
    assert held.happened.tolist() == [True, False]
    closed = ledger.trade_to(np.array([0.0, 0.0]), COSTS)
    assert closed.fee_usd == pytest.approx([5_500 * 5e-4, 5_500 * 5e-4])
    ledger.check()


def test_a_liquidation_takes_the_loss_in_the_price_and_leaves_the_other_venue_alone() -> None:
    ledger = _ledger()
    ledger.mark(np.array([100.0, 100.0]))
    ledger.trade_to(np.array([60.0, -60.0]), COSTS)
    ledger.mark(np.array([30.0, 30.0]))
    before = ledger.venue_equity_usd
    fills = ledger.liquidate(0, equity_after_usd=700.0)
    assert ledger.venue_equity_usd == pytest.approx([700.0, before[1]])
    assert ledger.liquidation == pytest.approx(700.0 - before[0])
    assert fills.quantity.tolist() == [-60.0, 0.0]
    assert fills.price[0] == pytest.approx(30 - (before[0] - 700) / 60)
    assert ledger.quantity.tolist() == [0.0, -60.0]
    ledger.check()


def test_moving_collateral_keeps_the_total() -> None:
    ledger = _ledger()
    ledger.move(np.array([-1_000.0, 1_000.0]))
    assert ledger.venue_equity_usd.tolist() == [4_000.0, 6_000.0]
    ledger.check()
    with pytest.raises(AccountingError, match="moving collateral"):
        ledger.move(np.array([-1_000.0, 999.0]))


@pytest.mark.parametrize("capital", [1e6, 1e10])
def test_a_large_account_closes_too(capital: float) -> None:
    """At 1e9 USD the last digits of doubles are worth more than a millionth of a dollar."""
    rng = np.random.default_rng(3)
    universe = _ledger()._universe
    ledger = Ledger(capital_usd=capital, universe=universe, open_venues=np.ones(2, dtype=np.bool_))
    price = np.array([4e4, 4e4])
    for _ in range(2_000):
        price = price * np.exp(rng.normal(0, 0.01, 2))
        ledger.mark(price)
        ledger.settle(rng.normal(0, 1e-4, 2) * price)
        ledger.trade_to(rng.normal(0, 0.3 * capital, 2) / price, COSTS)
        ledger.check()
    ledger.funding += 1e-9 * capital
    with pytest.raises(AccountingError):
        ledger.check()


def test_a_lost_dollar_is_an_error() -> None:
    ledger = _ledger()
    ledger.funding += 1e-5
    with pytest.raises(AccountingError, match="profit by source is"):
        ledger.check()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), inverse=st.booleans())
def test_sources_always_add_up(seed: int, inverse: bool) -> None:
    rng = np.random.default_rng(seed)
    ledger = _ledger(inverse=inverse)
    price = rng.uniform(1, 1e5, 2)
    for number in range(20):
        price = price * np.exp(rng.normal(0, 0.05, 2))
        ledger.settle(rng.normal(0, 1e-4, 2) * price)
        ledger.mark(price)
        if number % 7 == 6:
            ledger.liquidate(int(rng.integers(2)), equity_after_usd=float(rng.uniform(0, 1e4)))
        if number % 5 == 4:
            moved = float(rng.normal(0, 1e4))
            ledger.move(np.array([moved, -moved]))
        ledger.check()
        ledger.trade_to(rng.normal(0, 1e5, 2) / price, COSTS)
        ledger.check()
    assert ledger.fees <= 0
    assert ledger.slippage <= 0
    assert ledger.venue_equity_usd.sum() == pytest.approx(ledger.equity)
