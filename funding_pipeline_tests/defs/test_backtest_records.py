"""What MLflow fails at never fails a back-test: it is told, in the log and in the metadata."""

from pathlib import Path

import dagster as dg

from funding_pipeline.defs.backtest_records import logged, params_of, verdict_metadata
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.validation.backtest import BacktestConfig
from funding_pipeline_tests.portfolio import synthetic


def log(tracking: ModelTracking) -> str:
    return logged(
        dg.build_asset_context(),
        tracking,
        kind="backtest",
        params={"capital_usd": 1e6},
        summary={"net_return_annual": 0.01},
        pictures={},
        tables={},
        tags={},
    )


def test_a_store_that_cannot_be_written_is_a_warning_and_no_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "mlflow"
    blocked.write_text("a file where the folder should be", "utf-8")
    assert log(ModelTracking(blocked)).startswith("none: ")


def test_a_later_store_works_after_a_broken_one(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "mlflow.db").write_text("no database", "utf-8")
    assert log(ModelTracking(broken)).startswith("none: ")
    assert len(log(ModelTracking(tmp_path / "good"))) == 32


def test_settings_are_told_by_name_without_the_limits() -> None:
    config = BacktestConfig(start=synthetic.START, end=synthetic.START.replace(year=2030), trials=7)
    told = params_of(config)
    assert told["trials"] == 7
    assert told["cost_scenario"] == "base"
    assert "risk_limits" not in told


def test_the_verdict_is_shown_with_what_would_kill_it() -> None:
    told = {"word": "no edge", "sentences": ["It lost."], "kills": ["Costs."]}
    shown = verdict_metadata({"verdict": told})
    assert shown["verdict"] == "no edge"
    assert "- Costs." in str(shown["verdict_in_words"].value)
