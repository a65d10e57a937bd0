"""The files of a back-test: complete or absent, and studies never outlive the back-test they are about."""

import json
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.core.errors import StorageError
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.storage.backtest_files import (
    STUDIES,
    read_summary,
    studies_not_run,
    write_backtest,
    write_no_backtest,
    write_no_studies,
    write_studies,
)
from funding_pipeline.validation.backtest import BacktestResult
from funding_pipeline.validation.studies import Studies
from funding_pipeline_tests.reporting import report_frames
from funding_pipeline_tests.validation.conftest import (  # noqa: F401  (fixtures)
    backtest_config,
    forecasts,
    result,
    tables,
)

FILES = {"equity", "trades", "positions", "funding", "neutrality", "margin", "attribution", "stress"}


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket()


@pytest.fixture
def studies() -> Studies:
    return Studies(
        runs=report_frames.studies_runs(),
        regimes=report_frames.studies_regimes(),
        overfitting={"pbo": 0.1, "settings": ["a", "b"]},
        capacity={"capital_usd": 3e6, "is_largest_studied": False},
    )


def test_every_frame_is_a_file(result: BacktestResult, market: SimulatedMarket, tmp_path: Path) -> None:  # noqa: F811
    write_backtest(result, tmp_path, market=market)
    assert {path.stem for path in tmp_path.glob("*.parquet")} == FILES
    assert pl.read_parquet(tmp_path / "stress.parquet").equals(result.stress)
    assert studies_not_run(tmp_path) == "they have not been run since the back-test"


def test_studies_change_the_verdict_of_the_summary(
    result: BacktestResult,  # noqa: F811
    market: SimulatedMarket,
    studies: Studies,
    tmp_path: Path,
) -> None:
    before = write_backtest(result, tmp_path, market=market)
    unknown = {check["name"] for check in before["verdict"]["checks"] if check["passed"] is None}
    assert {"net return at stress costs", "probability of over-fitting"} <= unknown
    summary = write_studies(studies, tmp_path, replays=report_frames.replays(), stress=result.stress)
    assert summary == read_summary(tmp_path)
    known = {check["name"]: check["passed"] for check in summary["verdict"]["checks"]}
    assert known["net return at stress costs"] is True
    assert known["probability of over-fitting"] is True
    assert summary["capacity"]["capital_usd"] == 3e6
    assert studies_not_run(tmp_path) is None
    kept = json.loads((tmp_path / STUDIES).read_text("utf-8"))
    assert [row["variant"] for row in kept["runs"]] == studies.runs["variant"].to_list()
    assert kept["verdict"] == summary["verdict"]
    assert kept["replays"][0]["event"] == "2022-11 FTX"


def test_a_new_back_test_has_no_studies_yet(
    result: BacktestResult,  # noqa: F811
    market: SimulatedMarket,
    studies: Studies,
    tmp_path: Path,
) -> None:
    write_backtest(result, tmp_path, market=market)
    write_studies(studies, tmp_path, replays=report_frames.replays(), stress=result.stress)
    write_backtest(result, tmp_path, market=market)
    assert studies_not_run(tmp_path) is not None
    assert "overfitting" not in read_summary(tmp_path)
    write_no_studies("too few days", tmp_path)
    assert studies_not_run(tmp_path) == "too few days"
    write_no_backtest("no venue", tmp_path, market=market)
    assert not (tmp_path / STUDIES).exists()


def test_unreadable_studies_are_an_error_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / STUDIES).write_text("{", "utf-8")
    with pytest.raises(StorageError, match="materialize `validation_studies`"):
        studies_not_run(tmp_path)
