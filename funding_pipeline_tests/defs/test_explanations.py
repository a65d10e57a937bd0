"""Explanations where they are looked for: MLflow's artifacts and the metadata of assets."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.defs.explanations import forecasts_with_reasons, log_contributions
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.baseline_forecaster import fit_baseline
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.forecaster_set import ForecasterSet, train_set
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.validation.research import ResearchPanel
from funding_pipeline_tests.features.synthetic_market import START, every, synthetic_market

DAYS = 60
TRAIN_END: datetime = START + timedelta(days=DAYS)
CONFIG = ForecasterConfig(trees=20, spread_trees=10, min_rows=200, leaf_weight=20)


@pytest.fixture(scope="module")
def panel() -> ResearchPanel:
    tables, times = synthetic_market(days=DAYS), every(8, days=DAYS)
    labels = realised_funding(tables.settled_funding, as_of=times, horizons_hours=[24, 72])
    return ResearchPanel(build_features(tables, as_of=times), labels)


@pytest.fixture(scope="module")
def models(panel: ResearchPanel) -> ForecasterSet:
    return train_set(
        panel.features, panel.labels, horizons_hours=[24, 72], train_end=TRAIN_END, config=CONFIG
    )


def test_what_the_models_look_at_is_in_mlflow_and_in_the_metadata(
    tmp_path: Path, panel: ResearchPanel, models: ForecasterSet
) -> None:
    import mlflow

    tracking = ModelTracking(tmp_path / "mlflow")
    with tracking.run("test", tags={}) as run:
        shown = log_contributions(run, models, panel, planning_hours=72, suffix="  SIMULATED MARKET")
    client = mlflow.MlflowClient(tracking.uri)
    names = {artifact.path for artifact in client.list_artifacts(run.run_id)}
    assert names == {"contributions_24h.csv", "contributions_72h.csv", "contributions_72h.png"}
    table = pl.read_csv(client.download_artifacts(run.run_id, "contributions_72h.csv"))
    assert table.columns == ["feature", "family", "mean_absolute_pct_yr", "correlation"]
    assert set(models.forecasters[72].point.features) <= set(table["feature"])
    picture = Path(client.download_artifacts(run.run_id, "contributions_72h.png")).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert "data:image/png;base64" in str(shown["contributions_plot"].value)
    assert table["feature"][0] in str(shown["contributions"].value)


def test_forecasts_of_the_planning_horizon_tell_their_reason(
    panel: ResearchPanel, models: ForecasterSet
) -> None:
    now = panel.features.tail(9)
    warnings: list[str] = []
    told = forecasts_with_reasons(models.predict(now), models.forecasters[72], now, warn=warnings.append)
    assert warnings == []
    assert told.height == 18
    planned = told.filter(pl.col("horizon_hours") == 72)
    assert planned["reason"].str.contains(r"\(pulls [+-][\d.]+\).*usual level").all()
    assert told.filter(pl.col("horizon_hours") == 24)["reason"].null_count() == 9


def test_a_forecast_is_not_lost_for_want_of_its_reason(panel: ResearchPanel, models: ForecasterSet) -> None:
    now, good = panel.features.tail(9), models.forecasters[72]
    broken = replace(good, point=replace(good.point, booster=None))
    warnings: list[str] = []
    told = forecasts_with_reasons(models.predict(now), broken, now, warn=warnings.append)
    assert warnings[0].startswith("forecasts without reasons: AttributeError")
    assert told.height == 18
    assert told["reason"].null_count() == 18
    assert told.schema["reason"] == pl.String


def test_the_baseline_tells_its_formula(panel: ResearchPanel) -> None:
    now = panel.features.tail(9)
    baseline = fit_baseline(panel.features, panel.labels, horizon_hours=72, train_end=TRAIN_END)
    told = forecasts_with_reasons(baseline.predict(now), baseline, now, warn=pytest.fail)
    assert told["reason"].str.starts_with("baseline: half of the 336 h mean of +").all()


def _metadata(settings: Settings, asset: str) -> dict[str, str]:
    with dg.DagsterInstance.from_config(str(settings.state_dir / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: str(value.value) for name, value in event.asset_materialization.metadata.items()}


def test_every_leg_of_the_plan_tells_why_its_forecast_is_what_it_is(finished_run: Settings) -> None:
    lake = Lake(str(finished_run.state_dir / "lake"))
    legs, latest = lake.scan("portfolio_plan").collect(), lake.scan("latest_forecasts").collect()
    week = latest.filter(horizon_hours=168).select("venue", "symbol", pl.col("reason").alias("why"))
    assert week["why"].null_count() == 0
    assert latest.filter(pl.col("horizon_hours") != 168)["reason"].null_count() == latest.height - week.height
    told = legs.join(week, on=["venue", "symbol"], how="left")
    assert told.height == legs.height > 0
    shown = _metadata(finished_run, "portfolio_plan")["legs"]
    for reason, why in told.select("reason", "why").iter_rows():
        assert reason.startswith(("open long: expects", "open short: expects"))
        assert reason.endswith(f"; because {why}")
        assert reason in shown


def test_pictures_and_reasons_are_beside_the_forecasts_and_the_models(finished_run: Settings) -> None:
    latest, trained = (_metadata(finished_run, name) for name in ("latest_forecasts", "funding_forecaster"))
    assert "data:image/png;base64" in latest["forecasts_plot"]
    assert "baseline: half of the" in latest["forecasts"]
    assert "data:image/png;base64" in trained["contributions_plot"]
    assert "own funding, long mean" in trained["contributions"]
