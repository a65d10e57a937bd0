"""Skill by hand: levels, differentials, plateau rows, coverage, the block bootstrap."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.features.labels import LABELS_SCHEMA
from funding_pipeline.models.bootstrap import ratio_interval
from funding_pipeline.models.evaluation import SKILL_SCHEMA, forecast_skill
from funding_pipeline_tests.features.synthetic_market import START


def judged(rows: list[tuple[int, str, float, float, float, float]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecasts and labels from (day, venue, forecast, baseline, realised, plateau share) of BTC."""
    raw = pl.DataFrame(rows, schema=["day", "venue", "rate", "baseline", "realised", "share"], orient="row")
    keyed = raw.with_columns(
        (pl.lit(START) + pl.duration(days=pl.col("day"))).alias("as_of"),
        pl.lit("BTC/USDT:USDT").alias("symbol"),
        pl.lit(24).alias("horizon_hours"),
    )
    forecasts = keyed.with_columns(
        pl.col("rate").alias("rate_per_hour"),
        (pl.col("rate") - 1).alias("q10"),
        pl.col("rate").alias("q50"),
        (pl.col("rate") + 1).alias("q90"),
        pl.col("baseline").alias("baseline_rate_per_hour"),
        pl.lit("m").alias("model"),
    )
    labels = keyed.select(
        "as_of",
        "venue",
        "symbol",
        "horizon_hours",
        pl.col("realised").alias("rate_per_hour"),
        pl.col("share").alias("plateau_share"),
        (pl.col("as_of") + timedelta(hours=24)).alias("known_at"),
    )
    return FORECASTS.conform(forecasts), labels.cast(LABELS_SCHEMA)


def row(skill: pl.DataFrame, quantity: str, plateau: str = "all") -> dict[str, float]:
    return skill.filter(quantity=quantity, plateau=plateau, group="overall").row(0, named=True)


def test_errors_by_hand() -> None:
    rows = [(0, "a", 3.0, 1.0, 4.0, 0.0), (0, "b", 1.0, 0.0, 3.0, 1.0), (1, "a", 2.0, 0.0, 2.0, 1.0)]
    rows += [(1, "b", 5.0, 3.0, 5.0, 1.0)]
    skill = forecast_skill(*judged(rows))
    assert dict(skill.schema) == SKILL_SCHEMA
    level = row(skill, "level")
    assert level["mae_per_hour"] == pytest.approx(3 / 4)
    assert level["baseline_mae_per_hour"] == pytest.approx((3 + 3 + 2 + 2) / 4)
    assert level["mae_improvement"] == pytest.approx(1 - 3 / 10)
    assert level["r2"] == pytest.approx(1 - 5 / 5)
    assert level["coverage_80"] == pytest.approx(3 / 4)
    assert level["width_80_per_hour"] == pytest.approx(2.0)
    # Three outcomes inside lose 0.1 x their distance to both ends; 3 is 1 above q90 = 2 and 3 above q10 = 0.
    losses = [0.1 * 2, (0.1 * 3 + 0.9 * 1), 0.1 * 2, 0.1 * 2]
    assert level["pinball_per_hour"] == pytest.approx(sum(losses) / 8)
    pair = row(skill, "differential")
    # Realised a - b: 1 and -3; forecast 2 and -3; baseline 1 and -3.
    assert pair["mae_per_hour"] == pytest.approx(0.5)
    assert pair["r2"] == pytest.approx(1 - 1 / 8)
    assert pair["r2_about_zero"] == pytest.approx(1 - 1 / 10)
    assert pair["coverage_80"] is None
    assert pair["pinball_per_hour"] is None
    assert row(skill, "level", "without")["rows"] == 1
    assert row(skill, "differential", "without")["rows"] == 1


def test_groups_and_null_labels() -> None:
    forecasts, labels = judged([(d, v, 1.0, 1.0, 1.5, 0.0) for d in range(4) for v in "abc"])
    holes = labels.with_columns(pl.when(pl.col("venue") != "c").then("rate_per_hour").alias("rate_per_hour"))
    skill = forecast_skill(forecasts, holes)
    assert skill.filter(group="venue_pair", plateau="all")["value"].to_list() == ["a - b"]
    assert skill.filter(group="year", quantity="level", plateau="all")["value"].to_list() == ["2024"]
    assert row(skill, "level")["rows"] == 8
    assert forecast_skill(forecasts.clear(), labels).is_empty()


def test_coverage_by_regime() -> None:
    rows = [(d, v, 1.0, 1.0, 1.5 if d < 2 else 3.5, 0.0) for d in range(3) for v in "ab"]
    regimes = pl.DataFrame(
        {"as_of": [START + timedelta(days=d) for d in (0, 2)], "regime": ["calm carry", "stress"]}
    ).cast({"as_of": pl.Datetime("us", "UTC")})
    skill = forecast_skill(*judged(rows), regimes=regimes).filter(group="regime", plateau="all")
    levels = skill.filter(quantity="level")
    assert dict(levels.select("value", "coverage_80").iter_rows()) == {
        "calm carry": 1.0,
        "stress": 0.0,
        "unknown": 1.0,
    }
    assert levels["rows"].to_list() == [2, 2, 2]
    assert skill.filter(quantity="differential")["rows"].to_list() == [1, 1, 1]
    assert forecast_skill(*judged(rows)).filter(group="regime").is_empty()


def test_interval_of_the_improvement_needs_blocks_and_covers_it() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (d, v, float(rng.normal(0, 0.5)), float(rng.normal(0, 1)), 0.0, 0.0) for d in range(120) for v in "ab"
    ]
    found = row(forecast_skill(*judged(rows)), "level")
    assert found["mae_improvement_low"] < found["mae_improvement"] < found["mae_improvement_high"]
    assert row(forecast_skill(*judged(rows[:20])), "level")["mae_improvement_low"] is None


def test_bootstrap_is_seeded_and_exact_where_nothing_varies() -> None:
    ones = np.ones(10)
    assert ratio_interval(0.9 * ones, ones) == pytest.approx((0.1, 0.1))
    noisy = np.arange(1.0, 11.0)
    assert ratio_interval(noisy, ones) == ratio_interval(noisy, ones)
    assert ratio_interval(ones[:4], ones[:4]) is None
    assert ratio_interval(ones, 0 * ones) is None
