"""The packaged list of trials: complete, and never shorter than what was published."""

from funding_pipeline.validation.backtest import BacktestConfig
from funding_pipeline.validation.documented_trials import documented_trials, load_documented_trials
from funding_pipeline_tests.portfolio import synthetic


def test_the_first_release_is_in_it() -> None:
    entries = load_documented_trials()
    first = [entry for entry in entries if entry.release == "1"]
    by = {
        kind: sum(e.trials for e in first if e.judged_by == kind) for kind in ("forecast skill", "net return")
    }
    assert by == {"forecast skill": 109 + 14, "net return": 50 + 20}  # docs/forecasting.md, docs/backtest.md
    assert all(entry.tried and entry.date.year >= 2026 for entry in entries)
    assert documented_trials() == sum(entry.trials for entry in entries)


def test_the_second_release_is_in_it() -> None:
    second = [entry.trials for entry in load_documented_trials() if entry.release == "2"]
    assert sum(second) == 241 + 47 + (13 + 8)  # docs/forecasting.md: forecasts, quantiles; two of `tune`


def test_the_third_release_is_in_it() -> None:
    third = [entry for entry in load_documented_trials() if entry.release == "3"]
    assert [(entry.trials, entry.judged_by) for entry in third] == [(57, "net return")]  # docs/backtest.md


def test_a_backtest_counts_them_unless_told_more() -> None:
    period = {"start": synthetic.START, "end": synthetic.START.replace(year=synthetic.START.year + 1)}
    assert BacktestConfig(**period).trials == documented_trials()
    assert BacktestConfig(**period, trials=1000).trials == 1000
