"""Tasks in other processes give what they give here, in order; their errors arrive."""

import math
import os
import time
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.validation import backtest
from funding_pipeline.validation.backtest import BacktestConfig, run_backtest
from funding_pipeline.validation.processes import in_processes, started
from funding_pipeline_tests.portfolio import synthetic


def _identity(_: int) -> int:
    return os.getpid()


def test_order_is_kept_and_progress_counted() -> None:
    seen: list[tuple[int, int]] = []
    found = in_processes(
        math.sqrt, [9.0, 4.0, 1.0], processes=2, progress=lambda done, total: seen.append((done, total))
    )
    assert found == [3, 2, 1]
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_one_process_stays_here() -> None:
    assert in_processes(_identity, [1, 2], processes=1) == [os.getpid()] * 2
    assert in_processes(_identity, [1], processes=2) == [os.getpid()]
    with started(_identity, [1], processes=1) as collect:
        assert collect() == [os.getpid()]
    with started(_identity, [], processes=2) as collect:
        assert collect() == []


def test_errors_arrive_by_name() -> None:
    with started(math.sqrt, [-1.0], processes=2) as collect, pytest.raises(ValueError, match="math domain"):
        collect()


def test_an_error_here_does_not_wait_for_the_others() -> None:
    with pytest.raises(RuntimeError, match="here"), started(time.sleep, [250.0, 250.0], processes=2):
        raise RuntimeError("here")


def test_a_back_test_is_the_same_in_two_processes(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(backtest, "_WORTH_A_PROCESS", 1)
    short = backtest_config.model_copy(update={"end": backtest_config.start + timedelta(days=6)})
    changed = forecasts.with_columns(pl.col("baseline_rate_per_hour") * 0.5)  # the model is not the baseline
    one, two = (
        run_backtest(tables=tables, forecasts=changed, terms=synthetic.terms(),
                     config=short.model_copy(update={"processes": n}))
        for n in (1, 2)
    )  # fmt: skip
    for name, frame in one.baseline_equity.items():
        assert_frame_equal(frame, two.baseline_equity[name], check_exact=True)
    assert one.summary["baselines"] == two.summary["baselines"]
