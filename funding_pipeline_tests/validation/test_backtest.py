"""The back-test on the synthetic market: neutrality, no look-ahead, vanished instruments."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult, run_backtest
from funding_pipeline.validation.simulation import decision_times
from funding_pipeline_tests.portfolio import synthetic


def _run(tables: MarketTables, forecasts: pl.DataFrame, config: BacktestConfig) -> BacktestResult:
    plain = config.model_copy(update={"with_baselines": False})
    return run_backtest(tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=plain)


def test_it_trades_and_earns_on_a_market_with_lasting_spreads(result: BacktestResult) -> None:
    assert result.trades.height > 10
    assert result.summary["pnl"]["funding"] > 0
    assert result.summary["costs"]["fees"] > 0


def test_every_base_is_flat_in_quantity_after_every_decision(
    result: BacktestResult, tables: MarketTables
) -> None:
    known = tables.instruments.collect().select("venue", "symbol", "base", "multiplier")
    net = (
        result.positions.join(known, on=["venue", "symbol"])
        .with_columns(units=pl.col("quantity") * pl.col("multiplier"))
        .group_by("time", "base")
        .agg(net=pl.col("units").sum().abs(), size=pl.col("units").abs().sum())
    )
    assert (net["net"] <= 1e-12 * net["size"]).all()


def test_exposures_stay_within_their_bands(result: BacktestResult) -> None:
    assert result.neutrality["fraction_of_band"].max() <= 1.0
    gross = result.neutrality.filter(pl.col("scope") == "portfolio")["gross_usd"]
    assert gross.max() <= 1_000_000.0


def test_lots_that_are_stated_later_do_not_change_earlier_decisions(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig, result: BacktestResult
) -> None:
    """And from then on positions are whole lots. A back-test took the lots of its period's end throughout."""
    cut, step = backtest_config.start + timedelta(days=10), 0.05
    known = tables.instruments.collect()
    stated = known.with_columns(
        quantity_step=pl.lit(step), effective_from=pl.lit(cut), known_at=pl.lit(cut)
    ).select(known.columns)
    with_lots = replace(tables, instruments=pl.concat([known, stated], how="vertical_relaxed").lazy())
    positions = _run(with_lots, forecasts, backtest_config).positions
    before = pl.col("time") < cut
    assert_frame_equal(positions.filter(before), result.positions.filter(before))
    traded = positions.filter(~before, pl.col("quantity") != 0)
    lots = traded["quantity"] / step
    assert traded.height > 0
    assert ((lots - lots.round()).abs() < 1e-6).mean() > 0.9


def test_future_rows_do_not_change_past_decisions(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig, result: BacktestResult
) -> None:
    cut = backtest_config.start + timedelta(days=10)
    later = pl.col("known_at") > cut
    other = replace(
        tables,
        prices=tables.prices.with_columns(
            close=pl.when(later).then(pl.col("close") * 1.5).otherwise(pl.col("close"))
        ),
        settled_funding=tables.settled_funding.with_columns(
            rate=pl.when(later).then(-5 * pl.col("rate")).otherwise(pl.col("rate"))
        ),
    )
    wild = forecasts.with_columns(
        rate_per_hour=pl.when(pl.col("as_of") > cut).then(1e-3).otherwise(pl.col("rate_per_hour"))
    )
    changed = _run(other, wild, backtest_config)
    past = pl.col("time") <= cut
    for name in ("trades", "positions", "funding_payments", "equity"):
        assert_frame_equal(getattr(changed, name).filter(past), getattr(result, name).filter(past))


def test_row_order_does_not_matter(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig, result: BacktestResult
) -> None:
    shuffled = replace(
        tables,
        prices=tables.prices.collect().sample(fraction=1, shuffle=True, seed=3).lazy(),
        settled_funding=tables.settled_funding.collect().sample(fraction=1, shuffle=True, seed=4).lazy(),
    )
    mixed = forecasts.sample(fraction=1, shuffle=True, seed=5)
    assert_frame_equal(_run(shuffled, mixed, backtest_config).trades, result.trades)


def test_a_vanished_instrument_is_closed_at_its_last_price_and_reported(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig, result: BacktestResult
) -> None:
    held = result.positions.filter(pl.col("time") == backtest_config.start + timedelta(days=8))
    venue, name, _ = held.sort("notional_usd").select("venue", "symbol", "notional_usd").row(0)
    stop = backtest_config.start + timedelta(days=8)
    gone = synthetic.without_rows_after(tables, venue=venue, name=name, time=stop)
    found = _run(gone, forecasts, backtest_config)
    last = found.positions.filter((pl.col("venue") == venue) & (pl.col("symbol") == name))["time"].max()
    assert stop <= last <= stop + timedelta(hours=72)
    assert any(note.startswith(f"{venue} {name}: no ") for note in found.summary["notes"])


def test_a_missing_reference_price_falls_back_to_the_own_price_and_is_counted(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig
) -> None:
    """Without spot and index there is no oracle for venue c and no index for venue b."""
    blind = replace(tables, prices=tables.prices.filter(pl.col("kind").is_in(["trade", "mark"])))
    found = _run(blind, forecasts, backtest_config)
    missing = found.funding_payments.filter(pl.col("reference_source") == "last known own price")
    assert set(missing["venue"].unique()) == {"b", "c"}
    assert missing["reference_price"].null_count() == 0
    counted = f"{missing.height} of {found.funding_payments.height} funding payments had no reference price"
    assert any(note.startswith(counted) for note in found.summary["notes"])


def test_uncertain_forecasts_are_traded_less_when_told_so(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig
) -> None:
    wide = forecasts.with_columns(q10=pl.col("q10") - 3e-5, q90=pl.col("q90") + 3e-5)
    wary = backtest_config.portfolio.model_copy(update={"uncertainty_aversion": 1.0})
    careful = _run(tables, wide, backtest_config.model_copy(update={"portfolio": wary}))
    bold = _run(tables, wide, backtest_config)
    assert careful.summary["mean_gross_usd"] < 0.5 * bold.summary["mean_gross_usd"]


def test_untraded_instruments_are_named(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig
) -> None:
    blind = replace(
        tables,
        prices=tables.prices.filter((pl.col("venue") != "c") | (pl.col("symbol") != "SOL/USDT:USDT")),
    )
    notes = _run(blind, forecasts, backtest_config).summary["notes"]
    assert "not traded: c SOL/USDT:USDT: no price of its own in the period" in notes


def test_one_venue_alone_is_refused_by_name(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig
) -> None:
    only = forecasts.filter(pl.col("venue") == "a")
    with pytest.raises(InsufficientHistoryError, match=r"1 venue\(s\) can be traded"):
        _run(tables, only, backtest_config)


def test_summary_has_every_baseline_with_its_hedged_variant(result: BacktestResult) -> None:
    baselines = result.summary["baselines"]
    assert {"cash", "always_widest_pair_168h", "threshold_24h", "threshold_72h", "threshold_168h",
            "optimiser_no_model"} <= set(baselines)  # fmt: skip
    assert baselines["cash"]["net_return_annual"] == 0
    same = baselines["optimiser_no_model"]["net_return_annual"]
    assert same == result.summary["net_return_annual"]  # these forecasts are the baseline
    assert set(result.baseline_equity) == set(result.baseline_equity_venue_neutral) == set(baselines)
    assert_frame_equal(result.baseline_equity["optimiser_no_model"], result.equity)
    for figures in baselines.values():
        hedged = figures["venue_neutral"]
        assert hedged["neutrality"]["max_venue_beta_fraction"] <= 0.1 + 1e-9
        assert {"sharpe", "max_drawdown", "costs", "pnl", "conventions"} <= set(hedged)


def test_the_sharpe_ratio_is_deflated_by_the_number_of_trials(
    backtest_config: BacktestConfig, result: BacktestResult
) -> None:
    assert result.summary["deflated_sharpe"] is None  # 24 days are too few
    start, end = backtest_config.start, backtest_config.start + timedelta(days=32)
    daily = backtest_config.portfolio.model_copy(update={"rebalance_every_hours": 24})
    long = backtest_config.model_copy(update={"end": end, "portfolio": daily})
    tables, times = synthetic.market(days=46), decision_times(start=start, end=end, every_hours=24)
    forecasts = synthetic.baseline_forecasts(tables, times=list(times))
    few, many = (
        dict(_run(tables, forecasts, long.model_copy(update={"trials": n})).summary) for n in (2, 500)
    )
    less, more = many.pop("deflated_sharpe"), few.pop("deflated_sharpe")
    assert (more["trials"], less["trials"]) == (2, 500)
    assert more["days"] >= 28
    assert more["expected_max_sharpe"] < less["expected_max_sharpe"]
    assert less["value"] <= more["value"] <= more["probabilistic"]
    assert "deflates too much rather than too little" in less["rule"]
    del few["verdict"], many["verdict"]  # it names the number
    assert few == many  # nothing else depends on it


def test_progress_counts_decisions(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig
) -> None:
    seen: list[tuple[int, int]] = []
    short = backtest_config.model_copy(
        update={"with_baselines": False, "end": backtest_config.start + timedelta(days=1)}
    )
    run_backtest(
        tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=short,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_assumed_fees_are_said(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig
) -> None:
    only_default = {"default": load_venue_terms()["default"]}
    config = backtest_config.model_copy(update={"with_baselines": False})
    result = run_backtest(tables=tables, forecasts=forecasts, terms=only_default, config=config)
    assert any("[default] of venues.toml was taken" in note for note in result.summary["notes"])
