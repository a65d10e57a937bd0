"""Contributions add up to the forecast, and reasons tell them in numbers that are in the panel."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.features.panel import build_features
from funding_pipeline.models.baseline_forecaster import fit_baseline
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.contribution_summary import contribution_summary
from funding_pipeline.models.explanation import (
    contributions,
    feature_columns,
    forecast_reasons,
    with_reasons,
)
from funding_pipeline.models.forecaster import FundingForecaster, train
from funding_pipeline.models.point_model import BIAS
from funding_pipeline_tests.features.synthetic_market import every, synthetic_market, until

PERCENT = 100 * 24 * 365


@pytest.fixture(scope="module")
def newest(panel: pl.DataFrame) -> datetime:
    return panel["as_of"].max()  # type: ignore[return-value]


@pytest.fixture(scope="module")
def forecaster(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig, newest: datetime
) -> FundingForecaster:
    return train(panel, labels, horizon_hours=24, train_end=newest, config=config)


def _summed(contributed: pl.DataFrame) -> np.ndarray:
    return contributed.select([*feature_columns(contributed), BIAS]).sum_horizontal().to_numpy()


@pytest.mark.parametrize("trust", [1.0, 0.5, 0.0])
def test_contributions_add_up_to_the_forecast(
    forecaster: FundingForecaster, panel: pl.DataFrame, trust: float
) -> None:
    trusted = replace(forecaster, point=replace(forecaster.point, trust=trust))
    contributed = contributions(trusted, panel)
    forecast = trusted.predict(panel)
    assert contributed.select("as_of", "venue", "symbol").equals(forecast.select("as_of", "venue", "symbol"))
    assert np.abs(_summed(contributed) - forecast["rate_per_hour"].to_numpy()).max() < 1e-9
    assert contributed.null_count().sum_horizontal().item() == 0


def test_what_is_not_trusted_adds_nothing(forecaster: FundingForecaster, panel: pl.DataFrame) -> None:
    """All of the forecast is the baseline: half of the 336 h mean."""
    contributed = contributions(replace(forecaster, point=replace(forecaster.point, trust=0.0)), panel)
    others = contributed.select(pl.exclude("as_of", "venue", "symbol", "rate_336h_per_hour"))
    assert np.abs(others.to_numpy()).max() == 0.0
    known = panel["rate_336h_per_hour"].is_not_null()
    half = 0.5 * panel.filter(known)["rate_336h_per_hour"].to_numpy()
    assert contributed.filter(known)["rate_336h_per_hour"].to_numpy() == pytest.approx(half)


def test_every_reason_adds_up_in_percent_a_year(forecaster: FundingForecaster, panel: pl.DataFrame) -> None:
    now = panel.tail(9)
    forecasts = forecaster.predict(now)["rate_per_hour"].to_list()
    for forecast, reason in zip(forecasts, forecast_reasons(forecaster, now)["reason"], strict=True):
        pulls = re.findall(r"\((?:pulls )?([+-][\d.]+)\)|(?:usual level|all else) ([+-][\d.]+)", reason)
        assert len(pulls) == 5
        assert sum(float(a or b) for a, b in pulls) == pytest.approx(forecast * PERCENT, abs=0.3)


def test_the_numbers_of_a_reason_are_in_the_panel(forecaster: FundingForecaster, panel: pl.DataFrame) -> None:
    now = panel.tail(9)
    told = 0
    for row, reason in zip(
        now.iter_rows(named=True), forecast_reasons(forecaster, now)["reason"], strict=True
    ):
        for window, value in re.findall(r"(?:^|, )(\d+) h mean ([+-][\d.]+) %/yr", reason):
            told += 1
            assert float(value) == pytest.approx(row[f"rate_{window}h_per_hour"] * PERCENT, abs=0.051)
    assert told >= 9


def test_the_families_told_are_the_strongest_first(
    forecaster: FundingForecaster, panel: pl.DataFrame
) -> None:
    for reason in forecast_reasons(forecaster, panel.tail(9))["reason"]:
        sizes = [abs(float(x)) for x in re.findall(r"\((?:pulls )?([+-][\d.]+)\)", reason)]
        assert sizes == sorted(sizes, reverse=True)


def test_later_rows_do_not_change_a_reason(forecaster: FundingForecaster) -> None:
    days, moment = 30, every(8, days=30)[-1]
    whole = synthetic_market(days=days + 5)
    times = every(8, days=days)
    early = build_features(until(whole, moment), as_of=times).filter(pl.col("as_of") == moment)
    later = build_features(whole, as_of=every(8, days=days + 5))
    assert early.height == 9
    told = forecast_reasons(forecaster, later).filter(pl.col("as_of") == moment)
    assert told.equals(forecast_reasons(forecaster, early))


def test_the_order_and_number_of_rows_do_not_matter(
    forecaster: FundingForecaster, panel: pl.DataFrame
) -> None:
    some = panel.tail(60)
    mixed = some.sample(fraction=1.0, shuffle=True, seed=4)
    assert contributions(forecaster, mixed).equals(contributions(forecaster, some))
    assert forecast_reasons(forecaster, mixed).equals(forecast_reasons(forecaster, some))
    alone = some.filter(pl.col("venue") == "beta")
    told = forecast_reasons(forecaster, some).filter(pl.col("venue") == "beta")
    assert told.equals(forecast_reasons(forecaster, alone))


def test_an_unknown_feature_is_called_unknown(forecaster: FundingForecaster, panel: pl.DataFrame) -> None:
    own = [c for c in panel.columns if re.fullmatch(r"rate_\d+h_per_hour", c)]
    blank = panel.tail(9).with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in own)
    reasons = forecast_reasons(forecaster, blank)["reason"].to_list()
    assert any(re.search(r"h mean unknown, last settlement [+-][\d.]+ %/yr \(", text) for text in reasons)
    assert not any("nan" in text or "None" in text for text in reasons)


def test_the_baseline_tells_its_formula(panel: pl.DataFrame, labels: pl.DataFrame, newest: datetime) -> None:
    baseline = fit_baseline(panel, labels, horizon_hours=24, train_end=newest)
    now = panel.tail(2).with_columns(
        pl.Series("rate_336h_per_hour", [None, -0.05 / 8760]), rate_last_per_hour=pl.lit(0.064 / 8760)
    )
    told = forecast_reasons(baseline, now)
    assert told["reason"].to_list() == [
        "baseline: half of the last settlement of +6.4 %/yr",
        "baseline: half of the 336 h mean of -5.0 %/yr",
    ]
    assert told["horizon_hours"].to_list() == [24, 24]


def test_only_forecasts_of_the_forecasters_own_horizon_get_its_reason(
    forecaster: FundingForecaster, panel: pl.DataFrame
) -> None:
    made = forecaster.predict(panel.tail(9))
    other = made.with_columns(pl.lit(168, dtype=pl.Int64).alias("horizon_hours"))
    mixed = pl.concat([other, made]).sample(fraction=1.0, shuffle=True, seed=1)
    told = with_reasons(mixed, forecaster, panel.tail(9))
    assert told.drop("reason").equals(mixed)
    assert told.filter(pl.col("horizon_hours") == 168)["reason"].null_count() == 9
    assert told.filter(pl.col("horizon_hours") == 24)["reason"].str.contains("pulls").all()


def test_no_row_no_reason(forecaster: FundingForecaster, panel: pl.DataFrame) -> None:
    assert forecast_reasons(forecaster, panel.clear()).is_empty()


def test_the_summary_is_of_training_rows_and_seeded(
    forecaster: FundingForecaster, panel: pl.DataFrame, labels: pl.DataFrame
) -> None:
    summary = contribution_summary(forecaster, panel, labels)
    again = contribution_summary(forecaster, panel.sample(fraction=1.0, shuffle=True, seed=1), labels)
    assert summary.table.equals(again.table)
    assert summary.points.equals(again.points)
    assert summary.rows == min(2000, forecaster.span.rows)
    sizes = summary.table["mean_absolute_pct_yr"].to_list()
    assert sizes == sorted(sizes, reverse=True)
    assert summary.table["correlation"].drop_nulls().is_between(-1.0000001, 1.0000001).all()
    assert set(summary.families["family"]) == set(summary.table["family"])


def test_labels_known_after_training_change_nothing_in_the_summary(
    forecaster: FundingForecaster, panel: pl.DataFrame, labels: pl.DataFrame, newest: datetime
) -> None:
    early = labels.filter(pl.col("known_at") < newest)
    before = panel.filter(pl.col("as_of") < newest - timedelta(hours=24))
    assert labels.height > early.height
    whole, cut = (
        contribution_summary(forecaster, panel, labels),
        contribution_summary(forecaster, before, early),
    )
    assert whole.table.equals(cut.table)


def test_a_higher_mean_that_raises_the_forecast_has_a_positive_correlation(
    forecaster: FundingForecaster, panel: pl.DataFrame, labels: pl.DataFrame
) -> None:
    table = contribution_summary(forecaster, panel, labels).table
    first = table.filter(pl.col("feature").str.contains(r"^rate_\d+h")).row(0, named=True)
    assert first["correlation"] > 0.5
