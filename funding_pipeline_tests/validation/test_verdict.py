"""The verdict's rules on hand-made evidence, and its word on two markets whose truth is known."""

from typing import Any

import polars as pl
import pytest

from funding_pipeline.validation import study_variants
from funding_pipeline.validation.backtest import run_backtest
from funding_pipeline.validation.studies import run_studies
from funding_pipeline.validation.verdict import verdict
from funding_pipeline_tests.portfolio import synthetic
from funding_pipeline_tests.validation import markets

DAYS_OF_STUDIES = 140
STRESS_RUN = pl.DataFrame(
    {
        "study": ["costs", "band", "band"], "variant": ["stress", "open", "10%"],
        "net_low": [0.005, 0.01, 0.01], "net_high": [0.02, 0.05, 0.03],
        "net_return_annual": [0.01, 0.04, 0.02], "decisions_every_hours": [72, 72, 72],
    }
)  # fmt: skip


def evidence(**changed: Any) -> dict[str, Any]:
    """A summary on which every check passes."""
    difference = {"low": 0.01, "high": 0.03, "net_annual_difference": 0.02}
    return {
        "from": "2023-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z", "capital_usd": 1e6, "sharpe": 3.0,
        "net_return_annual": 0.02, "net_return_interval": {"low": 0.01, "high": 0.03},
        "comparisons": {
            "cash": {"plain": difference, "venue_neutral": difference},
            "threshold_24h": {"plain": difference | {"low": -0.01}, "venue_neutral": difference},
            "optimiser_no_model": {"plain": difference, "venue_neutral": difference | {"low": -0.01}},
            "oracle_168h": {"plain": difference, "venue_neutral": difference | {"low": -0.01}},
        },
        "value_added_by_ai": {"net_annual": 0.004, "low": 0.001, "high": 0.007, "ratio": 1.2},
        "ceiling": {"net_return_annual": 0.05, "share_reached": 0.4},
        "deflated_sharpe": {"value": 0.99, "trials": 500},
        "overfitting": {"pbo": 0.1, "settings": ["a", "b"]},
        "capacity": {"capital_usd": 3e6, "is_largest_studied": False},
        "liquidations": 0,
        "pnl": {"funding": 60e3, "basis": 0.0, "fees": -15e3, "slippage": -5e3, "liquidation": 0.0},
        "costs": {"fees": 15e3, "slippage": 5e3, "fees_per_year_fraction": 0.0075,
                  "slippage_per_year_fraction": 0.0025},
        "by_year": {"2023": {"net": 25e3}, "2024": {"net": 15e3}},
        "last_year": {"net_usd": 15e3, "days": 365.0},
        "break_even_cost": {"multiplier": 3.0, "round_trip_bp": 75.0, "round_trip_bp_paid": 25.0},
        "concentration": {"base": "DOGE", "base_share_of_net": 0.4, "venue": "hyperliquid",
                          "venue_share_of_funding_flows": 0.45},
        "plausibility": {"flagged": False, "sharpe": 3.0, "above": 5.0, "doubts": []},
    } | changed  # fmt: skip


def test_all_checks_passed_is_an_edge() -> None:
    found = verdict(evidence(), runs=STRESS_RUN)
    assert found["word"] == "edge"
    assert all(check["passed"] for check in found["checks"])
    assert not found["provisional"]
    assert found["cost"] == pytest.approx(0.01)
    assert found["capital_usd"] == 3e6


WORSE: dict[str, dict[str, Any]] = {
    "venue-neutral rules": {
        "comparisons": evidence()["comparisons"] | {"threshold_24h": {"venue_neutral": {"low": -0.001}}}
    },
    "the part of the model": {"value_added_by_ai": {"net_annual": 0.001, "low": -0.001, "high": 0.003}},
    "deflated Sharpe ratio": {"deflated_sharpe": {"value": 0.9, "trials": 500}},
    "probability of over-fitting": {"overfitting": {"pbo": 0.3, "settings": ["a", "b"]}},
    "liquidations": {"liquidations": 1},
    "last year": {"last_year": {"net_usd": -1.0, "days": 365.0}},
}


@pytest.mark.parametrize("name", WORSE)
def test_one_failed_check_makes_it_weak_and_is_said(name: str) -> None:
    found = verdict(evidence(**WORSE[name]), runs=STRESS_RUN)
    failed = [check for check in found["checks"] if not check["passed"]]
    assert found["word"] == "weak edge"
    assert [check["name"] for check in failed] == [name]
    assert any(failed[0]["text"] in sentence for sentence in found["sentences"])


@pytest.mark.parametrize(
    "name",
    ["deflated_sharpe", "overfitting", "last_year", "value_added_by_ai", "comparisons", "liquidations"],
)
def test_what_is_not_known_does_not_pass(name: str) -> None:
    found = verdict(evidence(**{name: None}), runs=STRESS_RUN)
    assert found["word"] == "weak edge"
    assert any(sentence.startswith("Not known: ") for sentence in found["sentences"])


def test_stress_costs_are_needed_for_an_edge() -> None:
    assert verdict(evidence())["word"] == "weak edge"
    lost = STRESS_RUN.with_columns(net_low=pl.lit(-0.001))
    assert verdict(evidence(), runs=lost)["word"] == "weak edge"


@pytest.mark.parametrize(
    "changed",
    [
        {"net_return_interval": {"low": -0.001, "high": 0.03}},
        {"net_return_annual": -0.01, "net_return_interval": {"low": -0.03, "high": -0.001}},
    ],
)
def test_an_interval_that_reaches_zero_is_no_edge_whatever_else(changed: dict[str, Any]) -> None:
    assert verdict(evidence(**changed), runs=STRESS_RUN)["word"] == "no edge"


def test_too_few_days_are_no_verdict() -> None:
    found = verdict(evidence(net_return_interval=None), runs=STRESS_RUN)
    assert found["word"] == "too short to say"
    assert found["sentences"][0].startswith("Too short to say: fewer than 28 days of returns")


def test_an_implausible_sharpe_ratio_makes_the_word_provisional() -> None:
    flagged = {"flagged": True, "sharpe": 9.0, "above": 5.0, "doubts": ["x"]}
    found = verdict(evidence(plausibility=flagged), runs=STRESS_RUN)
    assert found["word"] == "edge"
    assert found["provisional"]
    assert "9.0 is above 5" in found["sentences"][-1]


def test_it_names_costs_capital_sources_and_what_would_end_it() -> None:
    stress = pl.DataFrame({"scenario": ["small", "depeg"], "loss_usd": [1e3, 40e3]})
    found = verdict(evidence(), runs=STRESS_RUN, stress=stress)
    said, kills = " ".join(found["sentences"]), " ".join(found["kills"])
    for words in ("1.00% of capital a year, 33% of the profit", "costs 2.00% a year",
                  "with it +2.00% (a decision every 72 h)", "up to 3,000,000 USD",
                  "funding +60,000", "DOGE gave the largest part, 40%", "+0.40% a year"):  # fmt: skip
        assert words in said
    for words in ("3.0 times", "75 bp instead of 25 bp", "2023 +25,000, 2024 +15,000", "less than the +2.00%",
                  "depeg would cost 40,000 USD, 2.0 years", "40% of the profit", "hyperliquid",
                  "earns more than 2.00% a year at rest"):  # fmt: skip
        assert words in kills


def _told(tables: Any, *, days: int, hold_hours: float = 336.0) -> dict[str, Any]:
    config = markets.daily_config(days=days, hold_hours=hold_hours)
    forecasts = markets.trailing_forecasts(tables, config)
    return run_backtest(tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=config).summary


def test_noise_is_no_edge() -> None:
    found = _told(markets.pure_noise(days=72), days=72)
    assert found["turnover"] > 0  # it did trade on what it saw
    assert found["verdict"]["word"] == "no edge"
    assert found["ceiling"]["net_return_annual"] > found["net_return_annual"]


def test_spreads_that_last_are_at_least_a_weak_edge() -> None:
    found = _told(markets.lasting_spreads(days=72), days=72)
    assert found["verdict"]["word"] == "weak edge"  # without studies nothing is more
    passed = {check["name"]: check["passed"] for check in found["verdict"]["checks"]}
    assert passed["net return at base costs"]
    assert passed["deflated Sharpe ratio"]
    assert passed["net return at stress costs"] is None


@pytest.mark.slow
def test_with_studies_lasting_spreads_are_an_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few variants, long enough for every check to have its evidence; a baseline that sees little spread.

    The other setting gives a trade no time to earn its cost: whatever the folds, it is the worse one.
    """
    for name, few in (("BANDS", {}), ("CAPITALS", (1.0,)), ("HOLDS", (1.0, 0.01)), ("AVERSIONS", (1.0,))):
        monkeypatch.setattr(study_variants, name, few)
    tables, config = markets.lasting_spreads(days=DAYS_OF_STUDIES), markets.daily_config(days=DAYS_OF_STUDIES)
    told_less = pl.col("baseline_rate_per_hour") / 50
    forecasts = markets.trailing_forecasts(tables, config).with_columns(told_less)
    given = {"tables": tables, "forecasts": forecasts, "terms": synthetic.terms(),
             "config": config.model_copy(update={"processes": 1})}  # fmt: skip
    result = run_backtest(**given)
    studies = run_studies(**given, equity=result.equity)
    found = verdict(result.summary | studies.summary, runs=studies.runs, stress=result.stress)
    assert [check["name"] for check in found["checks"] if not check["passed"]] == []
    assert found["word"] == "edge"
    assert found["provisional"]  # such a Sharpe ratio is still to be explained
    assert studies.overfitting is not None
    assert len(studies.overfitting["settings"]) == 2
