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
    REGIMES,
    REGIMES_SCHEMA,
    STRESS,
    market_regime,
    regime_features,
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


def test_stress_by_volatility_or_dispersion_for_two_days_at_least() -> None:
    calm = [1e-5] * 13
    volatile = [0.01] * 8 + [0.04, 0.018, 0.012, 0.01, 0.01]
    assert regimes(market(calm, list(volatile)))[7:] == [CALM_CARRY, STRESS, STRESS] + [CALM_CARRY] * 3
    one_day = [0.01] * 8 + [0.04, 0.01, 0.01, 0.01, 0.01]
    assert regimes(market(calm, list(one_day)))[7:] == [CALM_CARRY, STRESS, STRESS] + [CALM_CARRY] * 3
    assert regimes(market(calm, None, [1e-6] * 9 + [4e-6] * 4))[8:10] == [CALM_CARRY, STRESS]


def test_a_move_of_a_market_that_was_asleep_is_no_stress() -> None:
    quiet = [0.002] * 10 + [0.01, 0.002]
    assert set(regimes(market([1e-5] * 12, list(quiet)))) == {CALM_CARRY}


def test_venues_that_differ_where_longs_pay_much_are_no_stress() -> None:
    dispersion = [1e-6] * 9 + [8e-6] * 3
    assert regimes(market([1e-5] * 12, None, dispersion))[-1] == STRESS
    assert regimes(market([1e-5] * 9 + [4e-5] * 3, None, dispersion))[-1] == CROWDED_LONGS


def test_stress_outlives_missing_prices_by_three_days_and_no_more() -> None:
    volatile: list[float | None] = [0.01] * 8 + [0.04] + [None] * 6
    found = regimes(market([1e-5] * 15, volatile))
    assert found[8:] == [STRESS] * 4 + [CALM_CARRY] * 3


def test_inputs_for_models_are_one_flag_and_two_ratios() -> None:
    weekly = [1e-5, 2.6e-5, -2e-6, -2e-6]
    found = regime_features(market(weekly, [0.01] * 4))
    flags = [name for name in found.columns if name.startswith("regime_")]
    assert flags == [f"regime_{name.replace(' ', '_')}" for name in REGIMES]
    assert found.select(pl.sum_horizontal(flags)).to_series().to_list() == [1.0] * 4
    assert found["regime_inverted"].to_list() == [0.0, 0.0, 1.0, 1.0]


@settings(max_examples=30, deadline=None)
@given(
    rates=st.lists(st.floats(-1e-4, 1e-4), min_size=2, max_size=40),
    cut=st.integers(min_value=1, max_value=40),
)
def test_later_rows_and_their_order_never_change_a_regime(rates: list[float], cut: int) -> None:
    volatility = [None if r > 5e-5 else 0.01 + 200 * abs(r) for r in rates]  # also without prices
    frame = market(rates, volatility, [abs(r) + 1e-7 for r in rates])
    full = market_regime(frame.sample(fraction=1.0, shuffle=True, seed=2))
    part = market_regime(frame.head(cut))
    assert_frame_equal(part, full.head(cut), check_exact=True)


def test_the_panel_cut_at_any_time_has_the_same_regimes(panel: pl.DataFrame) -> None:
    full = market_regime(panel)
    for at in full["as_of"].gather_every(15):
        cut = market_regime(panel.filter(pl.col("as_of") <= at))
        assert_frame_equal(cut, full.filter(pl.col("as_of") <= at), check_exact=True)


def test_the_panel_of_a_whole_market(panel: pl.DataFrame) -> None:
    found = market_regime(panel)
    assert dict(found.schema) == REGIMES_SCHEMA
    assert found.height == panel["as_of"].n_unique()
    assert found["regime"].null_count() == 0
    assert market_regime(panel.clear()).is_empty()
