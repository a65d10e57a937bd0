"""What a whole run leaves behind: tables, checks, models, plan, report."""

import json

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.core.horizons import HORIZONS_HOURS
from funding_pipeline.core.tables import FORECASTS, NORMALIZED
from funding_pipeline.defs.validation import report_dir
from funding_pipeline.features.panel import FEATURES_SCHEMA
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import CHALLENGER, CHAMPION

PLOTTED = (
    "instruments", "funding_intervals", "funding_features", "realised_funding_rates",
    "forecast_skill", "funding_forecaster", "market_regimes", "funding_anomalies", "portfolio_plan",
    "backtest", "validation_studies",
)  # fmt: skip


@pytest.fixture(scope="module")
def lake(finished_run: Settings) -> Lake:
    return Lake(str(finished_run.state_dir / "lake"))


@pytest.mark.parametrize("schema", NORMALIZED, ids=lambda schema: schema.name)
def test_tables_are_filled_and_keep_their_schema(lake: Lake, schema) -> None:
    frame = lake.scan(schema.name).select(*schema.columns).collect()
    assert frame.height > 0
    assert schema.conform(frame).height == frame.select(schema.key).unique().height


def test_nothing_is_known_before_it_happened(lake: Lake) -> None:
    for name in ("settled_funding", "prices", "trade_flow", "order_book_depth"):
        schema = next(schema for schema in NORMALIZED if schema.name == name)
        early = lake.scan(name).filter(pl.col("known_at") < pl.col(schema.event_time)).collect()
        assert early.is_empty()


def test_the_plan_is_neutral(lake: Lake) -> None:
    legs = lake.scan("portfolio_plan").collect()
    assert legs.height > 0
    gross = legs["notional_target_usd"].abs().sum()
    per_base = legs.group_by("base").agg(pl.col("quantity_target").sum(), pl.col("price").first())
    assert (per_base["quantity_target"] * per_base["price"]).abs().max() < 1e-6 * gross
    per_venue = legs.group_by("venue").agg(
        (pl.col("notional_target_usd") * pl.col("beta")).sum().alias("beta")
    )
    budget = 1_000_000 / 5
    assert per_venue["beta"].abs().max() <= 0.10 * budget + 1.0


def test_orders_reach_the_plan(lake: Lake) -> None:
    legs, orders = lake.scan("portfolio_plan").collect(), lake.scan("planned_orders").collect()
    signed = pl.when(pl.col("side") == "buy").then(pl.col("quantity")).otherwise(-pl.col("quantity"))
    joined = legs.join(orders.select("venue", "symbol", signed.alias("ordered")), on=["venue", "symbol"])
    assert joined.height == legs.height
    assert (joined["ordered"] - joined["quantity_target"]).abs().max() < 1e-9


def test_every_horizon_is_forecast_and_the_plan_is_made_from_its_own(lake: Lake) -> None:
    latest = lake.scan("latest_forecasts").collect()
    assert FORECASTS.conform(latest).height == 42 * len(HORIZONS_HOURS)
    assert set(latest["horizon_hours"]) == set(HORIZONS_HOURS)
    week = latest.filter(horizon_hours=168).select("venue", "symbol", "rate_per_hour")
    legs = lake.scan("portfolio_plan").collect().join(week, on=["venue", "symbol"])
    assert (legs["expected_rate_per_hour"] - legs["rate_per_hour"]).abs().max() < 1e-15


def test_history_and_skill_cover_every_horizon(lake: Lake) -> None:
    for table in ("realised_funding_rates", "walk_forward_forecasts", "forecast_skill"):
        found = lake.scan(table).select(pl.col("horizon_hours").unique()).collect()
        assert set(found["horizon_hours"]) == set(HORIZONS_HOURS), table


def test_the_challenger_was_judged_and_a_refused_one_does_not_forecast(
    finished_run: Settings, lake: Lake
) -> None:
    """Ten months leave too few weeks of forecasts to prove anything: the baseline forecasts."""
    (row,) = lake.scan("model_promotions").collect().to_dicts()
    assert (row["version"], row["action"], row["champion"]) == ("1", "refused", "baseline")
    assert "13 are needed" in row["reasons"]
    assert {"net profit", "skill of differentials, 168 h"} <= {one["what"] for one in row["comparisons"]}
    latest = lake.scan("latest_forecasts").collect()
    assert set(latest["model"]) == {"baseline"}
    assert set(latest["fallback_reason"]) == {"no model is champion: see the asset model_promotions"}
    registry = ModelTracking(finished_run.state_dir / "mlflow").registry
    assert registry.of_alias(CHAMPION) is None
    challenger = registry.of_alias(CHALLENGER)
    assert challenger is not None
    assert challenger.tags["verdict"] == "refused"
    assert registry.evidence(challenger) is not None
    newest = lake.scan("funding_features").filter(pl.col("as_of") == pl.col("as_of").max()).drop("quarter")
    forecasts = registry.load(challenger.version).predict(newest.collect())
    assert forecasts["rate_per_hour"].is_finite().all()
    assert set(forecasts["horizon_hours"]) == set(HORIZONS_HOURS)


def test_the_registered_model_carries_its_skill_and_what_it_was_made_of(finished_run: Settings) -> None:
    import mlflow

    tracking = ModelTracking(finished_run.state_dir / "mlflow")
    challenger = tracking.registry.of_alias(CHALLENGER)
    assert challenger is not None
    run = mlflow.MlflowClient(tracking.uri).get_run(challenger.run_id)
    assert {"differential_168h_r2", "differential_24h_mae_improvement"} <= set(run.data.metrics)
    card = challenger.card
    assert {"delta_funding_features", "delta_settled_funding"} <= set(card.data_versions)
    assert card.horizons_hours == HORIZONS_HOURS
    assert set(card.inputs) <= set(FEATURES_SCHEMA)


def test_the_report_stands_alone_and_says_simulated(finished_run: Settings) -> None:
    page = (report_dir(finished_run) / "report.html").read_text("utf-8")
    assert "SIMULATED" in page
    assert "<script src=" not in page
    assert "<link " not in page


def test_summary_has_what_is_promised(finished_run: Settings) -> None:
    summary = json.loads((report_dir(finished_run) / "summary.json").read_text("utf-8"))
    figures = {"net_return_annual", "sharpe", "max_drawdown", "turnover", "costs", "pnl"}
    assert figures <= set(summary)
    assert summary["simulated"] is True
    for name, baseline in summary["baselines"].items():
        assert figures <= set(baseline), name


def test_the_sources_add_up_to_equity(lake: Lake) -> None:
    equity = lake.scan("backtest_equity").collect().sort("time")
    total = equity.select(
        pl.sum_horizontal("pnl_funding", "pnl_basis", "pnl_fees", "pnl_slippage")
    ).to_series()
    assert (equity["equity"] - 1_000_000 - total).abs().max() < 1e-6


def test_studies_are_stored_and_the_verdict_knows_them(finished_run: Settings, lake: Lake) -> None:
    folder = report_dir(finished_run)
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    studies = json.loads((folder / "studies.json").read_text("utf-8"))
    runs = lake.scan("studies_runs").collect()
    assert set(runs["study"]) == {"band", "costs", "capacity"}
    assert len(studies["runs"]) == runs.height
    assert set(lake.scan("studies_regimes").collect()["kind"]) == {"trend", "volatility", "funding"}
    assert set(lake.scan("replays").collect()["note"]) == {"not in this history"}
    assert summary["verdict"] == studies["verdict"]
    assert summary["verdict"]["word"] in ("edge", "weak edge", "no edge")
    checks = {check["name"]: check["passed"] for check in summary["verdict"]["checks"]}
    assert checks["net return at stress costs"] is not None
    page = (folder / "report.html").read_text("utf-8")
    assert f'<div class="word">{summary["verdict"]["word"]}' in page


def test_the_back_test_and_its_studies_are_runs_in_mlflow(finished_run: Settings) -> None:
    import mlflow

    tracking = ModelTracking(finished_run.state_dir / "mlflow")
    client = mlflow.MlflowClient(tracking.uri)
    experiment = client.get_experiment_by_name("backtests")
    runs = {run.data.tags["kind"]: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"backtest", "studies"}
    run = runs["backtest"]
    files = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"summary.json", "equity.png", "stress.png", "rivals.png", "neutrality.png"} <= files
    assert {"net_return_annual", "max_drawdown", "pnl_funding"} <= set(run.data.metrics)
    assert run.data.params["cost_scenario"] == "base"


def test_every_level_of_the_profit_adds_up_to_the_equity(lake: Lake) -> None:
    split = lake.scan("backtest_attribution").filter(pl.col("year").is_null()).collect()
    end = lake.scan("backtest_equity").collect().sort("time").row(-1, named=True)
    totals = dict(split.group_by("level").agg(pl.col("total_usd").sum()).iter_rows())
    assert set(totals) == {"book", "venue", "base", "venue_pair", "pair", "leg"}
    assert all(abs(total - (end["equity"] - 1_000_000)) < 1e-4 for total in totals.values())


def test_every_blocking_check_ran_and_passed(finished_run: Settings) -> None:
    with dg.DagsterInstance.from_config(str(finished_run.state_dir / "dagster")) as instance:
        records = [
            event.asset_check_evaluation
            for run in instance.get_runs()
            for event in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        ]
    assert len(records) >= 8
    assert all(r.passed for r in records if r.severity == dg.AssetCheckSeverity.ERROR)


def test_materializations_carry_rows_and_plots(finished_run: Settings) -> None:
    with dg.DagsterInstance.from_config(str(finished_run.state_dir / "dagster")) as instance:
        plotted = {name: instance.get_latest_materialization_event(dg.AssetKey(name)) for name in PLOTTED}
        settled = instance.get_latest_materialization_event(dg.AssetKey("settled_funding"))
    for name, event in plotted.items():
        assert event is not None
        values = [str(value.value) for value in event.asset_materialization.metadata.values()]
        assert any("data:image/png;base64" in value for value in values), name
    assert settled is not None
    assert settled.asset_materialization.metadata["dagster/row_count"].value > 0
