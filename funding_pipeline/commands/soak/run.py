"""A soak from start to end: hours, samples, progress, and what is written about it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from funding_pipeline.commands.console import console, errors
from funding_pipeline.commands.instance import prepare_home
from funding_pipeline.commands.paper_accounts import add_paper_keys
from funding_pipeline.commands.soak.audit import Audit, audit
from funding_pipeline.commands.soak.home import environment_of, running_up, soak_settings
from funding_pipeline.commands.soak.hours import Hours
from funding_pipeline.commands.soak.measuring import Sample, sample
from funding_pipeline.commands.soak.report import as_json, broken, measured, table
from funding_pipeline.reporting.plots_soak import soak_plot
from funding_pipeline.settings import Settings
from funding_pipeline.storage.whole_file import write_whole

_HOUR = timedelta(hours=1)
_CALM_HOURS = 2
"""The last ones have no faults: what venues could not state before is stated then."""
_SHOWN = (
    "hours", "seconds", "runs", "failed_runs", "stopped_by_guard", "late_rebalances", "fault_hits", "fills",
    "payments", "funding_usd",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """`hours` of the market at `speed` market seconds per second."""

    hours: int
    speed: float
    seed: int
    with_faults: bool = True


@dataclass
class Soak:
    """A soak that is being played."""

    settings: Settings
    wanted: Wanted
    hours: Hours
    root: int
    samples: list[Sample] = field(default_factory=list)
    settlements: list[datetime] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def play(self, step: Any) -> None:
        """All hours; `step` is called after each. A Ctrl-C ends it early, and what was played is judged."""
        first = self.hours.first_settlement()
        self.hours.close(first - _HOUR)
        for number in range(self.wanted.hours):
            settlement = first + number * _HOUR
            is_calm = number >= self.wanted.hours - _CALM_HOURS
            self.hours.play(number, settlement, is_calm=is_calm)
            self.settlements.append(settlement)
            self.samples.append(sample(number, root=self.root, state=self.settings.state_dir))
            step()
            if number % 24 == 23:
                self.write(self.figures(None))

    def restarts(self) -> int:
        """Processes that have another pid than in the sample before."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return sum(
            before.processes[name].pids != after.processes[name].pids
            for before, after in pairs
            for name in before.processes
            if name in after.processes
        )

    def figures(self, found: Audit | None) -> dict[str, Any]:
        """Everything for a program; `found` None: it is not over."""
        played, wanted, hours = measured(self.samples), self.wanted, self.hours
        figures: dict[str, Any] = {
            "hours": len(self.settlements),
            "hours_wanted": wanted.hours,
            "speed": wanted.speed,
            "seed": wanted.seed,
            "seconds": round(time.monotonic() - self.started, 1),
            "runs": dict(hours.runs),
            "failed_runs": dict(hours.failures),
            "fault_hits": dict(hours.faults),
            "stopped_by_guard": dict(hours.stopped),
            "late_rebalances": len(hours.late),
            "restarts": self.restarts(),
            **as_json(played),
        }
        if found is not None:
            counts = {"fills": found.fills, "payments": found.payments, "settlements": found.settlements}
            money = {
                "funding_usd": str(found.funding_usd),
                "stated_funding_usd": f"{found.stated_funding_usd:.8f}",
            }
            figures |= counts | money | {"broken": self._broken(found)}
        return figures

    def _broken(self, found: Audit) -> list[str]:
        return broken(
            measured(self.samples),
            found,
            hours=len(self.settlements),
            restarts=self.restarts(),
        )

    def write(self, figures: Mapping[str, Any]) -> None:
        """soak.json and soak.png in the home."""
        folder = self.settings.state_dir
        text, picture = json.dumps(figures, indent=1), soak_plot(frame(self.samples))
        write_whole(folder / "soak.json", lambda partial: partial.write_text(text, "utf-8"))
        write_whole(folder / "soak.png", lambda partial: partial.write_bytes(picture))


def run_soak(wanted: Wanted, *, home: Path | None, is_json: bool) -> int:
    """Soak, report, and say whether every bound holds: 0, or 1. Raises FundingPipelineError where it cannot
    go on, and SettingsError for a home that is in use."""
    settings = soak_settings(home, seed=wanted.seed, speed=wanted.speed)
    environment_of(settings)
    prepare_home(settings)
    with running_up(settings) as process, dg.DagsterInstance.get() as instance:
        add_paper_keys(settings)
        hours = Hours(settings, wanted.seed, instance, with_faults=wanted.with_faults)
        soak = Soak(settings, wanted, hours, process.pid)
        _play(soak, is_json=is_json)
        figures = soak.figures(audit(settings, instance, soak.settlements))
    soak.write(figures)
    if is_json:
        print(json.dumps(figures, indent=1))
    else:
        _print(figures, soak)
    return 1 if figures["broken"] else 0


def _play(soak: Soak, *, is_json: bool) -> None:
    columns = (TextColumn("market hours"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_shown = errors.is_terminal and not is_json
    with Progress(*columns, console=errors, transient=True, disable=not is_shown) as bars:
        task = bars.add_task("hours", total=soak.wanted.hours)

        def step() -> None:
            bars.advance(task)
            done = len(soak.settlements)
            if not is_shown and done % 24 == 0:
                each = (time.monotonic() - soak.started) / done
                left = each * (soak.wanted.hours - done) / 60
                errors.print(f"day {done // 24}: {each:.1f} s per market hour, {left:.0f} minutes left")

        try:
            soak.play(step)
        except KeyboardInterrupt:
            if len(soak.samples) < 2:
                raise


def _print(figures: Mapping[str, Any], soak: Soak) -> None:
    console.print(table(measured(soak.samples)))
    for name in _SHOWN:
        console.print(f"{name:<16} {escape(str(figures[name]))}", soft_wrap=True)
    for text in figures["broken"]:
        console.print(f"[red]broken[/] {escape(text)}", soft_wrap=True)
    if not figures["broken"]:
        console.print("every bound holds: each settlement once, the journal as the venues state it")
    console.print(f"[dim]{soak.settings.state_dir / 'soak.json'} and soak.png[/]", soft_wrap=True)


def frame(samples: list[Sample]) -> pl.DataFrame:
    """One row per sample, group (memory, handles, size) and name: hour, group, name, value."""
    rows = [
        (taken.hour, group, name, float(value))
        for taken in samples
        for group, values in (
            ("memory", {name: usage.memory for name, usage in taken.processes.items()}),
            ("handles", {name: usage.handles for name, usage in taken.processes.items()}),
            ("size", taken.sizes),
        )
        for name, value in values.items()
    ]
    schema = {"hour": pl.Int64, "group": pl.String, "name": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
