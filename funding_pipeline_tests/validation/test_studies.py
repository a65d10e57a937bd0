"""Studies on a made-up market: variants are what they say, the reference is the back-test decided daily."""

import polars as pl
import pytest

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.backtest import BacktestConfig, run_backtest
from funding_pipeline.validation.studies import RUNS_SCHEMA, Studies, run_studies
from funding_pipeline.validation.study_variants import at_capital, variants
from funding_pipeline_tests.portfolio import synthetic
from funding_pipeline_tests.validation import markets


@pytest.fixture(scope="module")
def tables() -> MarketTables:
    return markets.lasting_spreads(days=24)


@pytest.fixture(scope="module")
def short() -> BacktestConfig:
    config = markets.daily_config(days=22)
    return config.model_copy(update={"processes": 1, "with_baselines": False})


@pytest.fixture(scope="module")
def forecasts(tables: MarketTables, short: BacktestConfig) -> pl.DataFrame:
    return markets.trailing_forecasts(tables, short)


@pytest.fixture(scope="module")
def studies(tables: MarketTables, forecasts: pl.DataFrame, short: BacktestConfig) -> Studies:
    every_8_hours = short.portfolio.model_copy(update={"rebalance_every_hours": 8})
    config = short.model_copy(update={"portfolio": every_8_hours})
    return run_studies(
        tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=config, every_hours=24
    )


def _row(studies: Studies, study: str, variant: str) -> dict[str, float]:
    return studies.runs.filter(study=study, variant=variant).row(0, named=True)


def test_every_variant_is_there_once_in_order(studies: Studies) -> None:
    assert dict(studies.runs.schema) == RUNS_SCHEMA
    names = {study: part["variant"].to_list() for (study,), part in studies.runs.group_by("study")}
    assert names == {"band": ["open", "30%", "10%", "closed"], "costs": ["low", "base", "stress"],
                     "capacity": ["0.1", "0.3", "1", "3", "10", "30"]}  # fmt: skip
    assert studies.runs["decisions_every_hours"].unique().to_list() == [24]


def test_the_reference_is_the_back_test_decided_daily(
    studies: Studies, tables: MarketTables, forecasts: pl.DataFrame, short: BacktestConfig
) -> None:
    alone = run_backtest(tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=short).summary
    assert alone["turnover"] > 0
    for study, variant in (("band", "10%"), ("costs", "base"), ("capacity", "1")):
        row = _row(studies, study, variant)
        assert row["net_return_annual"] == pytest.approx(alone["net_return_annual"])
        assert row["turnover"] == pytest.approx(alone["turnover"])


def test_a_band_is_kept_and_a_closed_one_is_nothing(studies: Studies) -> None:
    used = {name: _row(studies, "band", name)["max_venue_beta_fraction_of_budget"]
            for name in ("open", "30%", "10%", "closed")}  # fmt: skip
    assert used["closed"] <= 0.00101 < used["10%"] <= 0.1 + 1e-9
    assert used["10%"] <= used["30%"] <= 0.3 + 1e-9
    assert used["open"] > used["30%"]


def test_costs_and_capital_scale_as_they_are_named(studies: Studies) -> None:
    assert _row(studies, "capacity", "30")["capital_usd"] == 30e6
    assert _row(studies, "capacity", "30")["value"] == 30
    paid = {name: _row(studies, "costs", name) for name in ("low", "base", "stress")}
    per_trade = {name: -(row["fees_usd"] + row["slippage_usd"]) / row["turnover"]
                 for name, row in paid.items() if row["turnover"] > 0}  # fmt: skip
    assert list(per_trade.values()) == sorted(per_trade.values())
    assert studies.capacity["points"][0]["capital_usd"] == 1e5


def test_short_histories_say_so(studies: Studies) -> None:
    assert studies.overfitting is None
    assert studies.runs["net_low"].null_count() == studies.runs.height
    assert studies.summary == {"overfitting": None, "capacity": studies.capacity}


def test_limits_in_dollars_grow_with_the_capital_and_fractions_do_not() -> None:
    given = RiskLimits(max_venue_beta_usd=7_000, max_open_interest_fraction=0.004)
    larger = at_capital(PortfolioConfig(risk_limits=given), 3.0)
    assert larger.capital_usd == 3e6
    assert larger.governance.max_venue_beta_usd == 21_000
    assert larger.governance.max_open_interest_fraction == 0.004
    unset = at_capital(PortfolioConfig(), 3.0)
    assert unset.governance.max_gross_notional_usd == 3 * PortfolioConfig().governance.max_gross_notional_usd


def test_an_unusual_band_or_scenario_still_has_its_reference() -> None:
    found = [(v.study, v.name) for v in variants(PortfolioConfig(venue_beta_band_fraction=0.2))]
    assert [name for study, name in found if study == "band"] == ["open", "30%", "10%", "closed"]
    assert found[0] == ("reference", "reference")
    assert len(set(found)) == len(found)
    stressed = [v.name for v in variants(PortfolioConfig(cost_scenario="stress")) if v.study == "costs"]
    assert stressed == ["low", "base"]
