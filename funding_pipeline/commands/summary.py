"""The one-screen summary at the end of a run, read back from what was stored."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from rich.markup import escape
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.core.horizons import horizon_text
from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import MADE_UP
from funding_pipeline.defs.decision import DECISION_FEATURES
from funding_pipeline.defs.market_state import REGIMES
from funding_pipeline.defs.model_history import model_history
from funding_pipeline.defs.models import LATEST, SKILL
from funding_pipeline.defs.portfolio import PLAN
from funding_pipeline.defs.validation import report_dir
from funding_pipeline.settings import Settings
from funding_pipeline.storage.backtest_files import REPORT, read_summary
from funding_pipeline.storage.lake import Lake
from funding_pipeline.validation.baseline_runs import CEILINGS

_PERCENT_PER_YEAR = 24 * 365 * 100
_LEGS_SHOWN = 14
_KILLS_SHOWN = 3
_SOURCES = ("funding", "basis", "fees", "slippage")


def print_summary(settings: Settings, market: Market, *, seconds: float) -> None:
    """Data span, forecast skill, the plan and its neutrality, the back-test with its baselines."""
    lake = Lake(str(settings.state_dir / "lake"))
    summary = read_summary(report_dir(settings))
    console.rule(f"[bold]{market.label}[/]")
    if market.is_simulated:
        console.print("[bold white on red] SIMULATED MARKET: every number below is made up [/]")
    _print_data(lake, market)
    _print_skill(lake, settings.horizon_hours)
    _print_plan(lake)
    if "not_run" in summary:
        console.print(f"[bold]back-test[/] not run: {summary['not_run']}")
    else:
        _print_backtest(summary)
        console.print(f"[bold]report[/]  {report_dir(settings) / REPORT}", soft_wrap=True)
    console.print(f"[bold]web UI[/]  make up, then http://127.0.0.1:{settings.web_port}")
    console.print(f"[dim]{seconds:.0f} s[/]")


def _print_data(lake: Lake, market: Market) -> None:
    span = market.span()
    settled = lake.scan("settled_funding").select("venue", "symbol", MADE_UP).collect()
    funded = settled.select("venue", "symbol").unique()
    instruments = lake.scan("instruments").collect()
    listed = instruments.select("venue", "symbol").unique()
    quarantined = lake.scan("quarantine").select(pl.len()).collect().item()
    console.print(
        f"[bold]data[/]    {span.start:%Y-%m-%d} to {span.end:%Y-%m-%d %H:%M} UTC, "
        f"{len(span.venues)} venues, {listed.height} instruments of "
        f"{instruments['base'].n_unique()} bases, {funded.height} with settled funding, "
        f"{settled.height:,} settlements, "
        f"{quarantined} rows quarantined"
    )
    invented, decision = int(settled[MADE_UP].sum()), lake.scan(DECISION_FEATURES).collect()
    if invented or decision[MADE_UP].any():
        rests = f", the newest decision rests on such rows: {'yes' if decision[MADE_UP].any() else 'no'}"
        console.print(f"[bold]made up[/] {invented:,} of {settled.height:,} settlements{rests}")


def _print_skill(lake: Lake, planning_hours: int) -> None:
    overall = lake.scan(SKILL).filter((pl.col("group") == "overall") & (pl.col("plateau") == "all")).collect()
    planned = overall.filter(pl.col("horizon_hours") == planning_hours)
    others = overall.filter((pl.col("horizon_hours") != planning_hours) & (pl.col("quantity") != "level"))
    for row in [*planned.sort("quantity").to_dicts(), *others.sort("horizon_hours").to_dicts()]:
        low, high = row["mae_improvement_low"], row["mae_improvement_high"]
        interval = f" (95 % interval {low:.1%} to {high:.1%})" if low is not None else ""
        covered = row["coverage_80"]
        coverage = f"; the 80 % interval covers {covered:.1%}" if covered is not None else ""
        console.print(
            f"[bold]skill[/]   {row['quantity']}, {horizon_text(row['horizon_hours'])}: R2 {row['r2']:.3f} "
            f"against {row['baseline_r2']:.3f}, error {row['mae_improvement']:.1%} below{interval} "
            f"the shrunk trailing mean{coverage}"
        )
    if overall.is_empty():
        console.print("[bold]skill[/]   too little history to train: the baseline forecasts")
    _print_model(lake)


def _print_model(lake: Lake) -> None:
    """Who forecasts, what was decided about the newest version, and the regime."""
    newest = model_history(lake).tail(1).to_dicts()
    for row in newest:
        said = "; ".join(row["reasons"].splitlines()) if row["action"] != "promoted" else "better by the rule"
        console.print(f"[bold]model[/]   version {row['version']} {row['action']}: {escape(said)}")
    model, why = lake.scan(LATEST).select("model", "fallback_reason").first().collect().row(0)
    because = f" ({escape(why)})" if why else ""
    regime = lake.scan(REGIMES).sort("as_of").tail(1).collect()
    now = f", regime {regime['regime'][0]}" if regime.height else ""
    console.print(f"[bold]now[/]     forecasts by {model}{because}{now}")


def _print_plan(lake: Lake) -> None:
    legs = lake.scan(PLAN).collect()
    if legs.is_empty():
        console.print(
            "[bold]plan[/]    no leg: nothing can be traded, or nothing would earn more than it costs"
        )
        return
    notional = pl.col("notional_target_usd")
    table = _table("venue", "symbol", "notional USD", "funding forecast", "earns")
    largest = legs.sort(notional.abs(), descending=True).head(_LEGS_SHOWN)
    for row in largest.sort("base", notional).iter_rows(named=True):
        rate = row["expected_rate_per_hour"]
        shown = "unknown" if rate is None else f"{rate * _PERCENT_PER_YEAR:+.1f} %/yr"
        earns = row["expected_funding_usd_per_hour"]
        earned = "unknown" if earns is None else f"{earns * 24 * 365:+,.0f} USD/yr"
        table.add_row(row["venue"], row["symbol"], f"{row['notional_target_usd']:+,.0f}", shown, earned)
    more = f" (the {_LEGS_SHOWN} largest shown)" if legs.height > _LEGS_SHOWN else ""
    console.print(f"[bold]plan[/]    at {legs['time'][0]:%Y-%m-%d %H:%M} UTC, {legs.height} legs{more}")
    console.print(table)
    gross = legs.select(notional.abs().sum()).item()
    net = legs.select(notional.sum()).item()
    betas = legs.group_by("venue").agg((notional * pl.col("beta")).sum().alias("beta_usd")).sort("venue")
    per_venue = ", ".join(f"{venue} {value:+,.0f}" for venue, value in betas.iter_rows())
    console.print(
        f"[bold]neutral[/] gross {gross:,.0f} USD; portfolio net {net:+,.0f}; beta-weighted net: {per_venue}"
    )


def _print_backtest(summary: Mapping[str, Any]) -> None:
    table = _table("", "net/yr", "hedged", "Sharpe", "drawdown", "turnover", *_SOURCES)
    _add_figures(table, "optimiser with the model", {**summary, "venue_neutral": summary})
    for name, figures in summary["baselines"].items():
        _add_figures(table, f"{name} (knows the future)" if name in CEILINGS else name, figures)
    console.print(
        f"[bold]back-test[/] {summary['from'][:10]} to {summary['to'][:10]}, on capital (P&L in USD):"
    )
    console.print(table)
    told = summary["verdict"]
    console.print(f"[bold]verdict[/] {escape(told['sentences'][0])}", soft_wrap=True)
    for text in told["kills"][:_KILLS_SHOWN]:
        console.print(f"  [dim]{escape(text)}[/]", soft_wrap=True)
    console.print(
        "[dim]daily UTC returns on capital, 365 days a year, arithmetic, no compounding; "
        "hedged: net/yr with its beta hedged on every venue[/]"
    )


def _table(*columns: str) -> Table:
    """Plain columns, the first left and the others right, never wrapped."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        table.add_column(name, no_wrap=True, justify="left" if index == 0 or name == "symbol" else "right")
    return table


def _add_figures(table: Table, name: str, figures: Mapping[str, Any]) -> None:
    pnl = figures["pnl"]
    sharpe = "none" if figures["sharpe"] is None else f"{figures['sharpe']:.2f}"
    table.add_row(
        name.replace("_", " "),
        f"{figures['net_return_annual']:+.2%}",
        f"{figures['venue_neutral']['net_return_annual']:+.2%}",
        sharpe,
        f"{figures['max_drawdown']:.2%}",
        f"{figures['turnover']:.1f}",
        *(f"{pnl[source]:+,.0f}" for source in _SOURCES),
    )
