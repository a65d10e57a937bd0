"""Back-tests in MLflow: a run each with figures, files and pictures, in the store that the models use."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from funding_pipeline.tracking.backtests import EXPERIMENT, log_backtest, metrics
from funding_pipeline.tracking.forecasters import ModelTracking

PNG = b"\x89PNG\r\n\x1a\n"
SUMMARY: dict[str, Any] = {
    "net_return_annual": 0.0131,
    "sharpe": None,
    "max_drawdown": 0.0005,
    "pnl": {"funding": 22678.0, "fees": -2819.0, "liquidation": 0.0},
    "overfitting": None,
    "value_added_by_ai": {"net_annual": 0.0056, "low": 0.004, "high": float("nan"), "ratio": 1.7},
    "verdict": {"word": "weak edge"},
}


@pytest.fixture
def tracking(tmp_path: Path) -> ModelTracking:
    return ModelTracking(tmp_path / "mlflow")


def log(tracking: ModelTracking, kind: str = "backtest", **changes: Any) -> str:
    return log_backtest(
        tracking,
        kind=kind,
        params={"capital_usd": 1e6, "cost_scenario": "base"},
        summary=SUMMARY | changes,
        pictures={"equity": PNG},
        tables={"stress": pl.DataFrame({"scenario": ["a"], "loss_usd": [1.0]})},
        tags={"market": "SIMULATED, seed 7", "recipe": "abc"},
    )


def test_a_run_has_settings_figures_verdict_and_files(tracking: ModelTracking) -> None:
    import mlflow

    run_id = log(tracking)
    client = mlflow.MlflowClient(tracking.uri)
    run = client.get_run(run_id)
    assert client.get_experiment(run.info.experiment_id).name == EXPERIMENT
    assert run.info.status == "FINISHED"
    assert run.data.params == {"capital_usd": "1000000.0", "cost_scenario": "base"}
    assert run.data.metrics["pnl_funding"] == 22678.0
    assert run.data.metrics["value_added_by_ai_low"] == 0.004
    assert {run.data.tags[name] for name in ("kind", "verdict", "market")} == {
        "backtest", "weak edge", "SIMULATED, seed 7",
    }  # fmt: skip
    files = {item.path for item in client.list_artifacts(run_id)}
    assert files == {"summary.json", "equity.png", "stress.csv"}
    kept = Path(client.download_artifacts(run_id, "summary.json"))
    assert json.loads(kept.read_text("utf-8"))["verdict"] == {"word": "weak edge"}
    assert Path(client.download_artifacts(run_id, "equity.png")).read_bytes() == PNG


def test_every_materialization_is_a_run_of_its_own_and_apart_from_the_models(tracking: ModelTracking) -> None:
    import mlflow

    with tracking.run("walk_forward_168h", tags={}):
        pass
    assert len({log(tracking), log(tracking), log(tracking, kind="studies")}) == 3
    client = mlflow.MlflowClient(tracking.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags["kind"] for run in found) == ["backtest", "backtest", "studies"]


def test_what_is_not_known_is_no_metric() -> None:
    found = dict(metrics(SUMMARY))
    assert set(found) == {
        "net_return_annual", "max_drawdown", "pnl_funding", "pnl_fees", "pnl_liquidation",
        "value_added_by_ai_net_annual", "value_added_by_ai_low",
    }  # fmt: skip
    assert dict(metrics({})) == {}
