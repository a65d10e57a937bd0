"""The forecaster: schema, purge, look-ahead, order of rows, small and odd markets."""

import pickle
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.errors import InsufficientHistoryError, SchemaError
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import FEATURE_COLUMNS, build_features
from funding_pipeline.models.baseline import baseline_forecast
from funding_pipeline.models.baseline_forecaster import fit_baseline
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.forecaster import FundingForecaster, train
from funding_pipeline.models.training_rows import training_rows
from funding_pipeline_tests.features.synthetic_market import (
    START,
    every,
    market_of,
    settled_rows,
    synthetic_market,
)

TRAIN_END = START + timedelta(days=90)


@pytest.fixture(scope="module")
def model(panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig) -> FundingForecaster:
    return train(panel, labels, horizon_hours=24, train_end=TRAIN_END, config=config)


def test_forecasts_keep_the_schema_and_quantiles_never_cross(
    model: FundingForecaster, panel: pl.DataFrame
) -> None:
    forecasts = model.predict(panel)
    assert_frame_equal(forecasts, FORECASTS.conform(forecasts))
    assert forecasts.height == panel.height
    assert (
        forecasts.select((pl.col("q10") <= pl.col("q50")) & (pl.col("q50") <= pl.col("q90")))
        .to_series()
        .all()
    )
    assert forecasts["rate_per_hour"].is_between(forecasts["q10"], forecasts["q90"]).all()
    assert forecasts["rate_per_hour"].is_finite().all()
    assert forecasts["model"].unique().to_list() == [model.name]
    plain = baseline_forecast(panel)["rate_per_hour"]
    assert forecasts["baseline_rate_per_hour"].to_list() == plain.to_list()


def test_a_label_unknown_at_train_end_is_never_used(
    model: FundingForecaster, panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    late = pl.col("known_at") > TRAIN_END
    poisoned = labels.with_columns(pl.when(late).then(9.9).otherwise("rate_per_hour").alias("rate_per_hour"))
    again = train(panel, poisoned, horizon_hours=24, train_end=TRAIN_END, config=config)
    assert_frame_equal(again.predict(panel), model.predict(panel), check_exact=True)
    rows = training_rows(panel, labels, horizon_hours=24, train_end=TRAIN_END, max_rows=10**6)
    assert rows["as_of"].max() == TRAIN_END - timedelta(hours=24 + 8)  # known before, not at, train_end


def test_later_features_and_order_of_rows_do_not_matter(
    model: FundingForecaster, panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    past = panel.filter(pl.col("as_of") <= TRAIN_END)
    known = labels.filter(pl.col("known_at") <= TRAIN_END)
    mixed = train(
        past.sample(fraction=1.0, shuffle=True, seed=5),
        known.sample(fraction=1.0, shuffle=True, seed=6),
        horizon_hours=24,
        train_end=TRAIN_END,
        config=config,
    )
    test = panel.filter(pl.col("as_of") > TRAIN_END)
    shuffled = test.sample(fraction=1.0, shuffle=True, seed=7)
    assert_frame_equal(mixed.predict(shuffled), model.predict(test), check_exact=True)
    one = test.filter(pl.col("as_of") == test["as_of"].max())
    assert_frame_equal(
        model.predict(one), model.predict(test).filter(pl.col("as_of") == one["as_of"][0]), check_exact=True
    )


def test_it_pickles_and_tells_what_it_is_made_of(model: FundingForecaster, panel: pl.DataFrame) -> None:
    copy = pickle.loads(pickle.dumps(model))
    assert_frame_equal(copy.predict(panel), model.predict(panel), check_exact=True)
    importances = model.feature_importances()
    assert importances["gain_share"].sum() == pytest.approx(1.0)
    assert set(model.feature_names) <= set(FEATURE_COLUMNS)
    assert not any(name in model.feature_names for name in ("venue", "symbol", "base"))
    assert model.span.train_end == TRAIN_END
    assert model.span.last_as_of <= TRAIN_END - timedelta(hours=24)
    assert model.linear_coefficients().height > 0


def test_skill_on_a_predictable_market(
    model: FundingForecaster, panel: pl.DataFrame, labels: pl.DataFrame
) -> None:
    """Reverting to 1e-5 per hour, not to zero: halving the trailing mean must be beaten clearly."""
    test = model.predict(panel.filter(pl.col("as_of") >= TRAIN_END))
    truth = labels.filter(pl.col("horizon_hours") == 24).drop_nulls("rate_per_hour")
    joined = test.join(truth.rename({"rate_per_hour": "y"}), on=["as_of", "venue", "symbol", "horizon_hours"])
    mae, base = ((joined["y"] - joined[c]).abs().mean() for c in ("rate_per_hour", "baseline_rate_per_hour"))
    assert mae < 0.7 * base
    assert 0.6 < joined["y"].is_between(joined["q10"], joined["q90"]).mean() < 0.97


def test_a_new_coin_with_five_days_of_history(model: FundingForecaster) -> None:
    rows = [(START + timedelta(hours=8 * i), 3e-4, 8.0) for i in range(1, 16)]
    panel = build_features(
        market_of(settled_rows("omega", "NEW/USDT:USDT", rows)), as_of=pl.Series([START + timedelta(days=5)])
    )
    forecast = model.predict(panel)
    recent = 3e-4 / 8
    assert forecast["baseline_rate_per_hour"].item() == pytest.approx(recent / 2)
    assert 0 < forecast["rate_per_hour"].item() < 1.5 * recent
    assert forecast["q90"].is_finite().all()


def test_rates_a_thousand_times_as_large_scale_the_ridge_alike(model: FundingForecaster) -> None:
    """The ridge knows no unit: what it learnt on calm coins holds for wild ones."""
    linear = replace(model.point, config=model.config.model_copy(update={"linear_weight": 1.0}))
    forecasts = []
    for unit in (1.0, 1000.0):
        rows = [(START + timedelta(hours=8 * i), 1e-4 * unit * (1 + i % 3), 8.0) for i in range(1, 60)]
        panel = build_features(
            market_of(settled_rows("omega", "NEW/USDT:USDT", rows)),
            as_of=pl.Series([START + timedelta(days=15)]),
        )
        forecasts.append(linear.predict(panel).item() / unit)
    assert forecasts[0] == pytest.approx(forecasts[1])


def test_single_venue_and_single_coin_markets(config: ForecasterConfig) -> None:
    tables = synthetic_market(days=100, bases=("BTC",))
    one = tables.settled_funding.filter(pl.col("venue") == "alpha").collect()
    times = every(8, days=100)
    panel = build_features(market_of(one), as_of=times)
    labels = realised_funding(one.lazy(), as_of=times, horizons_hours=[24])
    lonely = train(panel, labels, horizon_hours=24, train_end=START + timedelta(days=90), config=config)
    assert lonely.predict(panel)["rate_per_hour"].is_finite().all()


def test_too_little_history_is_refused_by_name(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    early: datetime = START + timedelta(days=4)
    with pytest.raises(InsufficientHistoryError, match="labelled rows known by 2024-01-05"):
        train(panel, labels, horizon_hours=24, train_end=early, config=config)
    with pytest.raises(InsufficientHistoryError):
        train(panel.clear(), labels.clear(), horizon_hours=24, train_end=early, config=config)
    with pytest.raises(SchemaError, match="rate_8h_per_hour"):
        train(panel.drop("rate_8h_per_hour"), labels, horizon_hours=24, train_end=TRAIN_END, config=config)


def test_baseline_forecaster_without_any_label(panel: pl.DataFrame, labels: pl.DataFrame) -> None:
    made = fit_baseline(panel, labels, horizon_hours=24, train_end=START)
    forecasts = made.predict(panel)
    assert forecasts["model"].unique().to_list() == ["baseline"]
    assert (forecasts["q10"] <= forecasts["rate_per_hour"]).all()
    assert (forecasts["rate_per_hour"] <= forecasts["q90"]).all()
