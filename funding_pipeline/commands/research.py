"""`funding-pipeline backtest` and `forecast`: research on a folder of history, in memory.

They read the folder directly and share every function with the assets; nothing is stored.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from funding_pipeline.commands.console import console, counter
from funding_pipeline.commands.research_studies import write_studies_and_report
from funding_pipeline.core.errors import InsufficientHistoryError, MarketDataError, StorageError
from funding_pipeline.core.horizons import path_horizons
from funding_pipeline.core.market import Market, MarketSpan
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import normalized_market
from funding_pipeline.models.regimes import market_regime
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.storage.backtest_files import write_backtest
from funding_pipeline.storage.whole_file import write_whole
from funding_pipeline.validation.backtest import BacktestConfig, run_backtest
from funding_pipeline.validation.research import (
    forecasts_trained_once,
    research_panel,
    walk_forward_by_horizon,
)


def backtest(
    *,
    data: Path,
    start: datetime,
    end: datetime,
    out: Path,
    portfolio: PortfolioConfig,
    horizon_hours: int,
    with_baselines: bool,
    trials: int,
    with_studies: bool = False,
) -> None:
    """Back-test a folder's history and write summary.json and the Parquet files into `out`.

    `trials`: models tried before this one, by which the Sharpe ratio is deflated. `with_studies`: run the
    studies and replays as well and write studies.json and report.html.
    """
    _require_writable(out)
    market, tables = open_folder(data)
    _require_inside(market.span(), start=start, end=end)
    last = min(end, market.span().end)
    console.print("features and labels ...")
    panel = research_panel(
        tables,
        start=market.span().start,
        end=last,
        every_hours=portfolio.rebalance_every_hours,
        horizons_hours=path_horizons(horizon_hours),
    )
    _require_overlap(panel.features, start=start, end=last)
    console.print("walk-forward forecasts ...")
    forecasts = walk_forward_by_horizon(
        panel,
        planning_hours=horizon_hours,
        horizons_hours=path_horizons(horizon_hours),
        start=start,
        end=last,
        progress=counter("fold"),
    ).forecasts
    console.print("back-test ...")
    config = BacktestConfig(
        start=start, end=last, portfolio=portfolio, with_baselines=with_baselines, trials=trials
    )
    result = run_backtest(
        tables=tables,
        forecasts=forecasts,
        terms=load_venue_terms(),
        config=config,
        progress=counter("decision", every=300),
    )
    summary: Mapping[str, Any] = write_backtest(result, out, market=market)
    if with_studies:
        summary = write_studies_and_report(
            result,
            out,
            market=market,
            tables=tables,
            forecasts=forecasts,
            config=config,
            summary=summary,
            regimes=market_regime(panel.features),
        )
    headline = {key: summary[key] for key in ("net_return_annual", "sharpe", "max_drawdown", "turnover")}
    console.print_json(json.dumps(headline))
    console.print(f"[bold]verdict[/] {summary['verdict']['sentences'][0]}", soft_wrap=True)
    more = ", studies.json, report.html" if with_studies else ""
    console.print(f"written: {out}/summary.json{more}, equity, trades, positions, funding and more (Parquet)")


def forecast(
    *,
    data: Path,
    train_end: datetime,
    start: datetime,
    end: datetime,
    every_hours: int,
    horizon_hours: int,
    out: Path,
) -> None:
    """Train on what was known before `train_end`, forecast [start, end], write one Parquet file."""
    _require_writable(out.parent)
    market, tables = open_folder(data)
    _require_inside(market.span(), start=start, end=end)
    console.print("features and labels ...")
    panel = research_panel(
        tables,
        start=market.span().start,
        end=min(end, market.span().end),
        every_hours=every_hours,
        horizons_hours=(horizon_hours,),
    )
    _require_overlap(panel.features, start=start, end=end)
    console.print(f"training on rows known before {train_end:%Y-%m-%d %H:%M} UTC ...")
    frame = forecasts_trained_once(
        panel, train_end=train_end, start=start, end=end, horizon_hours=horizon_hours
    )
    write_whole(out, frame.write_parquet)
    console.print(f"written: {out}, {frame.height} forecasts of {frame['as_of'].n_unique()} decisions")


def open_folder(data: Path) -> tuple[Market, MarketTables]:
    """The market of a folder and its normalized tables; prints what was quarantined or refused.

    Raises MarketDataError where no instrument is left that could be forecast.
    """
    market = RecordedMarket(data)
    console.print(f"[bold]{market.label}[/]: reading and normalizing ...")
    normalized = normalized_market(market)
    if normalized.quarantine.height:
        console.print(f"  [yellow]{normalized.quarantine.height} rows quarantined[/] (`validate` lists them)")
    refused = dict(normalized.refused_symbols)
    for venue, symbol, reason in normalized.refused_series.select("venue", "symbol", "reason").iter_rows():
        refused[f"{venue} {symbol}"] = reason
    for name, reason in sorted(refused.items()):
        console.print(f"  [yellow]refused:[/] {name}: {reason}", soft_wrap=True)
    if normalized.tables.instruments.select(pl.len()).collect().item() == 0:
        first = next(iter(refused.items()), ("nothing", "the folder has no perpetual"))
        raise MarketDataError(
            f"{data}: no instrument can be used ({first[0]}: {first[1]}): "
            "`funding-pipeline validate --data` lists each with its reason"
        )
    return market, normalized.tables


def _require_inside(span: MarketSpan, *, start: datetime, end: datetime) -> None:
    if start >= span.end or end <= span.start:
        raise InsufficientHistoryError(
            f"--from {start:%Y-%m-%d} --to {end:%Y-%m-%d} lie outside of the data, which span "
            f"{span.start:%Y-%m-%d} to {span.end:%Y-%m-%d}"
        )


def _require_overlap(features: pl.DataFrame, *, start: datetime, end: datetime) -> None:
    inside = features.filter(pl.col("as_of").is_between(start, end))
    if inside.is_empty():
        known = features.select(pl.col("as_of").min().alias("a"), pl.col("as_of").max().alias("b")).row(0)
        span = (
            "there are none" if known[0] is None else f"they span {known[0]:%Y-%m-%d} to {known[1]:%Y-%m-%d}"
        )
        raise InsufficientHistoryError(
            f"no settled funding is known between {start:%Y-%m-%d} and {end - timedelta(1):%Y-%m-%d}; {span}"
        )


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}") from error
