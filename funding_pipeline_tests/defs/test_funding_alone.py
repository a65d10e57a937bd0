"""A folder with nothing but three months of funding rates: too little to train, nothing to trade."""

from datetime import UTC, datetime

import polars as pl
import pytest

from funding_pipeline.commands.run import run_pipeline
from funding_pipeline.core.horizons import HORIZONS_HOURS
from funding_pipeline.defs.validation import report_dir
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.settings import Settings
from funding_pipeline.storage.backtest_files import read_summary, studies_not_run
from funding_pipeline.storage.lake import Lake


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("funding_alone")
    market = SimulatedMarket(start=datetime(2024, 1, 5, tzinfo=UTC), end=datetime(2024, 3, 25, tzinfo=UTC))
    span = market.span()
    rates = market.read("funding_rates", venues=span.venues, start=span.start, end=span.end)
    # one base written in two ways, and a symbol that is no perpetual
    renamed = rates.filter(pl.col("symbol").str.starts_with("DOGE"), venue="binance").with_columns(
        symbol=pl.lit("1000DOGE/USDT:USDT")
    )
    dated = rates.head(1).with_columns(symbol=pl.lit("BTC/USDT:USDT-240329"))
    no_rate = rates.head(1).with_columns(rate=pl.lit(None, dtype=pl.Float64))
    no_venue = rates[1:2].with_columns(venue=pl.lit(None, dtype=pl.String))
    kept = rates.filter(~((pl.col("venue") == "binance") & pl.col("symbol").str.starts_with("DOGE")))
    pl.concat([kept[1:], renamed, dated, no_rate, no_venue]).write_parquet(folder / "funding_rates.parquet")
    settings = Settings(
        market="recorded",
        way="direct",
        data=folder,
        home=folder / "home",
        rebalance_every_hours=24,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        run_pipeline(settings, full=False)
    return settings


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(str(settings.state_dir / "lake"))


def test_every_perpetual_is_forecast_by_the_baseline_and_says_so(lake: Lake) -> None:
    latest = lake.scan("latest_forecasts").collect()
    assert latest.height == 42 * len(HORIZONS_HOURS)
    assert set(latest["model"]) == {"baseline"}
    assert latest["rate_per_hour"].is_finite().all()


def test_nothing_is_traded_and_the_reason_is_stored(settings: Settings, lake: Lake) -> None:
    assert lake.scan("portfolio_plan").collect().is_empty()
    assert lake.scan("planned_orders").collect().is_empty()
    summary = read_summary(report_dir(settings))
    assert "no price of its own" in summary["not_run"]
    assert "no price of its own" in str(studies_not_run(report_dir(settings)))
    assert lake.scan("studies_runs").collect().is_empty()


def test_multipliers_are_resolved_and_what_is_no_perpetual_is_left_out(lake: Lake) -> None:
    listed = lake.scan("instruments").collect()
    doge = listed.filter(pl.col("symbol") == "1000DOGE/USDT:USDT").row(0, named=True)
    assert (doge["base"], doge["multiplier"]) == ("DOGE", 1000.0)
    assert listed.filter(pl.col("symbol").str.contains("240329")).is_empty()


def test_a_null_rate_and_a_null_venue_are_kept_in_quarantine(lake: Lake) -> None:
    refused = lake.scan("quarantine").collect()
    assert refused["table_name"].to_list() == ["settled_funding"] * 2
    assert {word for reason in refused["reason"] for word in ("rate", "venue") if word in reason} == {
        "rate",
        "venue",
    }


def test_a_second_run_touches_only_the_newest_quarter(settings: Settings, lake: Lake) -> None:
    before = lake.version("settled_funding")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        run_pipeline(settings, full=False)
    assert lake.version("settled_funding") == before + 1
    history = lake.scan("settled_funding").select(pl.len()).collect().item()
    assert history == lake.scan("settled_funding").unique(["venue", "symbol", "settled_at"]).collect().height


def test_a_changed_row_loads_its_quarter_again(settings: Settings, lake: Lake) -> None:
    assert settings.data is not None
    path = settings.data / "funding_rates.parquet"
    rates = pl.read_parquet(path)
    newest = rates.drop_nulls("rate").sort("settled_at").tail(1)
    changed = rates.update(
        newest.with_columns(rate=pl.col("rate") + 1e-6), on=["venue", "symbol", "settled_at"]
    )
    changed.write_parquet(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        run_pipeline(settings, full=False)
    stored = lake.scan("settled_funding").filter(pl.col("settled_at") == newest["settled_at"][0]).collect()
    assert newest["rate"][0] + 1e-6 in stored["rate"].to_list()
