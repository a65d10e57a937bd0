"""Margins of the plan's rules from the tiers that a venue has told by then, up to the largest position."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.tables import LEVERAGE_TIERS
from funding_pipeline.portfolio.legs import Leg, Universe
from funding_pipeline.portfolio.tier_margins import tier_fractions
from funding_pipeline_tests.portfolio.situations import AS_OF

SYMBOL = "BTC/USDT:USDT"
PAIR = Universe.of(
    [Leg("a", SYMBOL, "BTC"), Leg("b", SYMBOL, "BTC"), Leg("a", "BTC/USD:BTC", "BTC", is_inverse=True)]
)


def _tiers(*rows: tuple[float, float, int]) -> pl.LazyFrame:
    """(floor, rate, days after AS_OF) of venue a, and a tier of its inverse contract."""
    found = [
        {"venue": "a", "symbol": symbol, "floor_notional": floor, "cap_notional": None,
         "maintenance_rate": rate, "deduction": 0.0, "max_leverage": 10.0,
         "effective_from": AS_OF + timedelta(days=days), "effective_to": None,
         "known_at": AS_OF + timedelta(days=days)}
        for symbol in (SYMBOL, "BTC/USD:BTC") for floor, rate, days in rows
    ]  # fmt: skip
    return pl.DataFrame(found, schema=dict(LEVERAGE_TIERS.columns)).lazy()


def _told(tiers: pl.LazyFrame, *, largest_usd: float = 85_000.0) -> np.ndarray:
    found = tier_fractions(tiers, universe=PAIR, as_of=AS_OF, largest_usd=largest_usd)
    return found[[i for i, leg in enumerate(PAIR.legs) if leg.symbol == SYMBOL]]


def test_the_highest_tier_that_a_position_can_reach_counts() -> None:
    tiers = _tiers((0, 0.004, -1), (50_000, 0.005, -1), (250_000, 0.01, -1))
    assert _told(tiers) == pytest.approx([0.005, np.nan], nan_ok=True)
    assert _told(tiers, largest_usd=1e6)[0] == 0.01


def test_only_tiers_known_by_then_count_and_the_last_of_them() -> None:
    assert np.isnan(_told(_tiers((0, 0.004, 1)))).all()
    assert _told(_tiers((0, 0.004, -9), (0, 0.02, -1), (0, 0.3, 1)))[0] == 0.02


def test_sizes_in_coins_are_not_guessed() -> None:
    found = tier_fractions(_tiers((0, 0.004, -1)), universe=PAIR, as_of=AS_OF, largest_usd=1e5)
    assert np.isnan(found[[leg.is_inverse for leg in PAIR.legs]]).all()
