"""`funding-pipeline guard`: the always-on process that watches accounts, and one look of it for a person.

What lives here: options, betas from the lake, printing. What does not: the guard (`guard`).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl
from rich.markup import escape

from funding_pipeline.commands.console import console
from funding_pipeline.commands.paper_accounts import add_paper_keys
from funding_pipeline.core.errors import StorageError
from funding_pipeline.core.governance import StateRecord
from funding_pipeline.guard.alerts import Alerts
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Finding, GuardReport
from funding_pipeline.guard.guard import Guard
from funding_pipeline.guard.process import GuardProcess
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.session import open_session

_BETAS_FRESH_SECONDS = 60.0
_STYLES = {"critical": "bold red", "warning": "yellow", "info": "dim"}


def run_guard(settings: Settings, *, once: bool, parent: int | None) -> int:
    """Watch until stopped, or look once and print it; the exit code: 1 where something critical is found."""
    settings = settings.to_trade()
    config, betas = GuardConfig(), PlannedBetas(Lake(str(settings.state_dir / "lake")))
    if once:
        add_paper_keys(settings)
        report, state = asyncio.run(_look_once(settings, config, betas))
        _print(report, state)
        return int(any(finding.severity == "critical" for finding in report.findings))
    lock = settings.state_dir / "guard.lock"
    GuardProcess(
        settings.trading_setup(), lock, config, betas, parent, prepare=lambda: add_paper_keys(settings)
    ).run()
    return 0


@dataclass
class PlannedBetas:
    """Betas to BTC by base, of the newest portfolio plan; read again after a minute. None before a plan."""

    lake: Lake
    clock: Callable[[], float] = time.monotonic
    _kept: Mapping[str, float] = field(default_factory=dict)
    _read_at: float | None = None

    def __call__(self) -> Mapping[str, float]:
        """Raises StorageError where there is a table and it cannot be read."""
        now = self.clock()
        if self._read_at is None or now - self._read_at > _BETAS_FRESH_SECONDS:
            self._read_at = now
            self._kept = self._read()
        return self._kept

    def _read(self) -> Mapping[str, float]:
        if not self.lake.exists("portfolio_plan"):
            return {}
        table = self.lake.scan("portfolio_plan")
        if not {"base", "beta"} <= set(table.collect_schema().names()):
            raise StorageError("table portfolio_plan has no columns base and beta: make the plan again")
        rows = table.select("base", "beta").drop_nulls().unique("base").collect()
        known = rows.filter(pl.col("beta").is_finite())
        return dict(zip(known["base"].to_list(), known["beta"].to_list(), strict=True))


async def _look_once(
    settings: Settings, config: GuardConfig, betas: PlannedBetas
) -> tuple[GuardReport, StateRecord]:
    async with open_session(settings.trading_setup()) as session:
        patient = config.model_copy(update={"venue_timeout_seconds": 20.0})  # everything is read at first
        guard = Guard(session, config=patient, alerts=Alerts(None), betas=betas)
        try:
            return await guard.inspect(), session.journal.state()
        finally:
            await guard.close()


def _print(report: GuardReport, state: StateRecord) -> None:
    console.print(f"[bold]{state.state}[/]  {report.at:%Y-%m-%d %H:%M:%S} UTC")
    since = f"since {state.since:%Y-%m-%d %H:%M:%S} UTC by {state.by}: {state.reason}"
    console.print(f"[dim]{escape(since)}[/]", soft_wrap=True)
    for finding in report.findings:
        _print_finding(finding)
    if not report.findings:
        console.print("nothing to say: all venues answer, all legs are hedged, all limits hold")
    for problem in report.problems:
        console.print(f"[yellow]problem[/] {escape(problem)}", soft_wrap=True)
    console.print(f"[dim]looked for {report.seconds:.2f} s; nothing was set, told or sent[/]")


def _print_finding(finding: Finding) -> None:
    style = _STYLES[finding.severity]
    action = {"none": "", "shed": "  (the guard would reduce)"}.get(
        finding.action, f"  (the guard would set {finding.action})"
    )
    console.print(f"[{style}]{finding.severity}[/] {escape(finding.title)}{action}", soft_wrap=True)
    console.print(f"         {escape(finding.advice)}", soft_wrap=True)
