"""Regimes: thresholds with hysteresis by hand, and states that never change afterwards."""

from datetime import timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from funding_pipeline.models.regimes import (
    CALM_CARRY,
    CROWDED_LONGS,
    INVERTED,
    REGIMES_SCHEMA,
    STRESS,
    market_regime,
)
from funding_pipeline_tests.features.synthetic_market import START


def market(
    weekly: list[float], volatility: list[float | None] | None = None, dispersion: list[float] | None = None
) -> pl.DataFrame:
    """Features of one instrument, one row per day."""
    days = len(weekly)
    return pl.DataFrame(
        {
            "as_of": [START + timedelta(days=i) for i in range(days)],
            "base": ["BTC"] * days,
            "market_rate_24h_per_hour": weekly,
            "market_rate_168h_per_hour": weekly,
            "volatility_24h_per_sqrt_hour": volatility or [None] * days,
            "base_dispersion_168h_per_hour": dispersion or [1e-6] * days,
        },
        schema_overrides={"volatility_24h_per_sqrt_hour": pl.Float64},
    )


def regimes(frame: pl.DataFrame) -> list[str]:
    return market_regime(frame)["regime"].to_list()


def test_funding_regimes_hold_between_their_thresholds() -> None:
    weekly = [1e-5, 2.6e-5, 2.0e-5, 1.7e-5, 1e-6, -2e-6, 1e-6, 3e-6]
    assert regimes(market(weekly)) == [
        CALM_CARRY,
        CROWDED_LONGS,
        CROWDED_LONGS,
        CALM_CARRY,
        CALM_CARRY,
        INVERTED,
        INVERTED,
        CALM_CARRY,
    ]


def test_stress_by_volatility_or_dispersion_and_without_prices() -> None:
    calm = [1e-5] * 12
    volatile = [0.005] * 8 + [0.02, 0.009, 0.006, 0.005]
    assert regimes(market(calm, list(volatile)))[7:] == [CALM_CARRY, STRESS, STRESS, CALM_CARRY, CALM_CARRY]
    assert regimes(market(calm, None, [1e-6] * 9 + [4e-6] * 3))[8:10] == [CALM_CARRY, STRESS]


@settings(max_examples=30, deadline=None)
@given(
    rates=st.lists(st.floats(-1e-4, 1e-4), min_size=2, max_size=40),
    cut=st.integers(min_value=1, max_value=40),
)
def test_later_rows_and_their_order_never_change_a_regime(rates: list[float], cut: int) -> None:
    frame = market(rates, dispersion=[abs(r) + 1e-7 for r in rates])
    full = market_regime(frame.sample(fraction=1.0, shuffle=True, seed=2))
    part = market_regime(frame.head(cut))
    assert_frame_equal(part, full.head(cut), check_exact=True)


def test_the_panel_of_a_whole_market(panel: pl.DataFrame) -> None:
    found = market_regime(panel)
    assert dict(found.schema) == REGIMES_SCHEMA
    assert found.height == panel["as_of"].n_unique()
    assert found["regime"].null_count() == 0
    assert market_regime(panel.clear()).is_empty()
