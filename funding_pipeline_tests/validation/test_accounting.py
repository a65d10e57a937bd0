"""The ledger on hand-made numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.validation.accounting import Ledger


def _ledger(*, inverse: bool = False) -> Ledger:
    costs = LegCosts(
        fee=np.full(2, 5e-4), half_spread=np.full(2, 1e-4), impact_per_usd=np.zeros(2),
        thin=np.zeros(2, dtype=bool),
    )  # fmt: skip
    return Ledger(capital_usd=10_000.0, costs=costs, inverse=np.array([inverse, False]))


def test_a_pair_by_hand() -> None:
    ledger = _ledger()
    ledger.mark(np.array([100.0, 101.0]))
    fills = ledger.trade_to(np.array([10.0, -10.0]))
    assert fills.price == pytest.approx([100.01, 101 * (1 - 1e-4)])
    assert fills.fee_usd == pytest.approx([0.5, 0.505])
    ledger.settle(np.array([100 * 0.0001, 101 * 0.0003]))
    ledger.mark(np.array([110.0, 110.0]))
    assert ledger.funding == pytest.approx(-0.1 + 0.303)
    assert ledger.basis == pytest.approx(100 - 90)
    assert ledger.slippage == pytest.approx(-0.1 - 0.101)
    assert ledger.equity == pytest.approx(10_000 + 0.203 + 10 - 1.005 - 0.201)
    ledger.check()


def test_a_missing_price_keeps_the_last_mark() -> None:
    ledger = _ledger()
    ledger.mark(np.array([100.0, 100.0]))
    ledger.trade_to(np.array([1.0, -1.0]))
    ledger.mark(np.array([np.nan, 90.0]))
    assert ledger.basis == pytest.approx(10.0)


def test_inverse_contracts_are_restruck_at_a_fee() -> None:
    ledger = _ledger(inverse=True)
    ledger.mark(np.array([50_000.0, 50_000.0]))
    ledger.trade_to(np.array([0.1, -0.1]))
    ledger.mark(np.array([55_000.0, 55_000.0]))
    held = ledger.trade_to(np.array([0.1, -0.1]))
    assert ledger.basis == pytest.approx(0.0)
    assert held.quantity.tolist() == [0.0, 0.0]
    assert held.fee_usd == pytest.approx([500 * (5e-4 + 1e-4), 0.0])  # 5,000 -> 5,500 USD of contracts
    assert held.happened.tolist() == [True, False]
    closed = ledger.trade_to(np.array([0.0, 0.0]))
    assert closed.fee_usd == pytest.approx([5_500 * 5e-4, 5_500 * 5e-4])
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
    for _ in range(20):
        price = price * np.exp(rng.normal(0, 0.05, 2))
        ledger.settle(rng.normal(0, 1e-4, 2) * price)
        ledger.mark(price)
        ledger.trade_to(rng.normal(0, 1e5, 2) / price)
        ledger.check()
    assert ledger.fees <= 0
    assert ledger.slippage <= 0
