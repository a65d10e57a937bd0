"""Margin tiers and the liquidation price, against worked examples and by plugging the answer back in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.testnet.engine.tiers import (
    default_tiers,
    liquidation_price,
    maintenance,
    tier_at,
    tiers_of,
)
from funding_pipeline.testnet.engine.values import MarginTier
from funding_pipeline_tests.testnet.engine.fake_quotes import D

BINANCE = tiers_of(
    [(D(50_000), D("0.004"), 125), (D(250_000), D("0.005"), 100), (D(1_000_000), D("0.01"), 50)]
)
BASES = st.sampled_from(["BTC", "SOL", "PEPE"])


def test_binance_brackets_have_their_published_deductions() -> None:
    assert [tier.deduction for tier in BINANCE] == [0, 50, 1300]


@pytest.mark.parametrize("base", ["BTC", "ETH", "SOL", "PEPE"])
def test_maintenance_is_continuous_at_every_edge(base: str) -> None:
    tiers = default_tiers(base)
    for tier, above in pairwise(tiers):
        assert tier.cap is not None
        at_edge = tier.cap * above.maintenance_rate - above.deduction
        assert maintenance(tiers, tier.cap) == at_edge
    assert tiers[-1].cap is None


def test_hyperliquid_tiers_of_200_million() -> None:
    # Half the initial margin at the highest leverage: 40x up to $150M, 20x above.
    tiers = tiers_of([(D(150_000_000), D("0.0125"), 40), (None, D("0.025"), 20)])
    assert maintenance(tiers, D(200_000_000)) == D(3_125_000)


def test_dydx_short_is_liquidated_at_its_published_price() -> None:
    tiers = (MarginTier(None, D("0.05"), D(0), 10),)
    price = liquidation_price(D(-3), D(3000), D(1000), tiers)
    assert price is not None
    assert round(price, 2) == D("3174.60")


def test_caps_are_inclusive_and_the_last_tier_has_no_end() -> None:
    assert tier_at(BINANCE, D(50_000)).max_leverage == 125
    assert tier_at(BINANCE, D("50000.01")).max_leverage == 100
    assert tier_at(BINANCE, D(5_000_000)).max_leverage == 50


def test_long_with_enough_collateral_is_never_liquidated() -> None:
    assert liquidation_price(D(1), D(100), D(100), BINANCE) is None


def test_brackets_that_jump_liquidate_at_their_edge() -> None:
    tiers = (MarginTier(D(1000), D("0.01"), D(0), 50), MarginTier(None, D("0.1"), D(0), 10))
    # Short 10 at 90: equity at 100 is 20, enough for 10 below the edge of 1,000, not for 100 above it.
    assert liquidation_price(D(-10), D(90), D(120), tiers) == D(100)


@given(
    base=BASES,
    size=st.decimals("0.001", "5000", places=3),
    entry=st.decimals("1", "50000", places=2),
    share=st.decimals("0.01", "3", places=4),
    is_long=st.booleans(),
)
def test_at_the_liquidation_price_equity_is_the_maintenance(
    base: str, size: D, entry: D, share: D, is_long: bool
) -> None:
    tiers, quantity, collateral = default_tiers(base), size if is_long else -size, size * entry * share
    price = liquidation_price(quantity, entry, collateral, tiers)
    if price is None:
        assert is_long
        assert collateral - size * entry >= 0
        return
    left = collateral + quantity * (price - entry) - maintenance(tiers, size * price)
    assert abs(left) < D("1e-9") * (1 + size * price)
