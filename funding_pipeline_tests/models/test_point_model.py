"""The point model: its contributions add up, and it needs nothing but funding."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import GAP_FEATURES, KEYS, LINEAR_FEATURES, LOG_SCALE, MODEL_FEATURES
from funding_pipeline.models.point_model import BIAS, PointModel, fit_point_model


@pytest.fixture(scope="module")
def rows(panel: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    known = labels.filter((pl.col("horizon_hours") == 24) & pl.col("rate_per_hour").is_not_null())
    return panel.join(known.select(*KEYS, pl.col("rate_per_hour").alias("target")), on=KEYS).sort(KEYS)


@pytest.fixture(scope="module")
def point(rows: pl.DataFrame, config: ForecasterConfig) -> PointModel:
    return fit_point_model(rows, rows["target"].to_numpy(), features=MODEL_FEATURES, config=config)


@pytest.mark.parametrize("trust", [1.0, 0.25])
def test_contributions_add_up_to_the_forecast(point: PointModel, panel: pl.DataFrame, trust: float) -> None:
    trusted = replace(point, trust=trust)
    parts = trusted.contributions(panel)
    assert set(parts.columns) == {*MODEL_FEATURES, *LINEAR_FEATURES, *GAP_FEATURES, LOG_SCALE, BIAS}
    assert np.abs(parts.sum_horizontal().to_numpy() - trusted.predict(panel)).max() < 1e-9


def test_contributions_of_no_row(point: PointModel, panel: pl.DataFrame) -> None:
    parts = point.contributions(panel.clear())
    assert parts.height == 0
    assert BIAS in parts.columns


def test_only_own_and_other_venues_funding_is_read(point: PointModel, panel: pl.DataFrame) -> None:
    other = [name for name in panel.columns if name.startswith(("basis", "momentum", "volatility", "book"))]
    blind = panel.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in other)
    assert point.predict(blind).tolist() == point.predict(panel).tolist()


def test_an_instrument_is_forecast_alike_alone_and_among_others(
    point: PointModel, panel: pl.DataFrame
) -> None:
    one = panel.filter(pl.col("venue") == panel["venue"][0]).tail(5)
    among = panel.with_columns(pl.Series("made", point.predict(panel))).join(one.select(KEYS), on=KEYS)
    assert point.predict(one).tolist() == among.sort(KEYS)["made"].to_list()


def test_caution_takes_back_part_of_a_gap_where_settlements_are_rare(
    point: PointModel, panel: pl.DataFrame
) -> None:
    plain = replace(point, config=point.config.model_copy(update={"gap_caution": 0.0}))
    seldom = panel["interval_hours"].to_numpy() >= 4
    taken = plain.predict(panel) - point.predict(panel)
    gaps = (
        panel.select(pl.col(GAP_FEATURES).fill_null(0.0)).to_numpy() @ point.coefficients[: len(GAP_FEATURES)]
    )
    assert taken == pytest.approx(np.where(seldom, 0.15 * gaps, 0.0), abs=1e-15)
    assert 0 < seldom.mean() < 1
