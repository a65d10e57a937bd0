"""One market hour: its faults, the rebalance before its settlement, the close after it.

Every rebalance and close is a run of the job that the settlement sensor asks for, with its assets, its
configuration and the home's Dagster instance. Most run in this process, which lives as long as the soak, so
that its memory is that of trading; every `DAEMON_EVERY`th goes through the web server, daemon and code server
into a process of its own, as all do under `up`.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster_graphql import DagsterGraphQLClient

from funding_pipeline.commands.run import failure_text
from funding_pipeline.commands.soak.faults import Json, faults_of
from funding_pipeline.commands.soak.home import ask, end_faults
from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.definitions import build_definitions
from funding_pipeline.defs.accounts import SETTLEMENT_TAG
from funding_pipeline.defs.run_tags import CLOSE, CLOSE_RUN, REBALANCE, REBALANCE_RUN
from funding_pipeline.execution.settlement_requests import text_of
from funding_pipeline.settings import Settings
from funding_pipeline.venues.connection import LOOPBACK

DAEMON_EVERY = 8
_LEAD = timedelta(minutes=30)
_CLOSE_DELAY = timedelta(seconds=90)
_RUN_SECONDS = 300.0
_TAGS: Mapping[str, Mapping[str, str]] = {REBALANCE: REBALANCE_RUN, CLOSE: CLOSE_RUN}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_LOCATION = "funding_pipeline.definitions"


@dataclass
class Hours:
    """Plays hours on a home whose `up` is running. `failures`: runs that failed, by their reason;
    `stopped`: hours in which the guard reduced or halted trading, by its reason."""

    settings: Settings
    seed: int
    instance: dg.DagsterInstance
    with_faults: bool = True
    runs: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)
    late: list[str] = field(default_factory=list)

    def first_settlement(self) -> datetime:
        """The first whole hour that leaves time for a rebalance before it."""
        soon = self._now() + 2 * _LEAD
        return soon.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    def play(self, number: int, settlement: datetime, *, is_calm: bool) -> None:
        """Hour `number`, which ends with `settlement`. Quiet time before and after is jumped over."""
        self._go_to(settlement - _LEAD)
        rules = () if is_calm or not self.with_faults else self._faults(number)
        for rule in rules:
            ask(self.settings, "/admin/faults", rule)
        through_daemon = number % DAEMON_EVERY == DAEMON_EVERY - 1
        self._run(REBALANCE, settlement, through_daemon=through_daemon)
        if self._now() >= settlement:
            self.late.append(text_of(settlement))
        self._go_to(settlement + _CLOSE_DELAY)
        self._run(CLOSE, settlement, through_daemon=through_daemon)
        if rules:
            self._end_faults()
        self._resume()

    def close(self, settlement: datetime) -> None:
        """A close alone: the first has no books to count from."""
        self._run(CLOSE, settlement, through_daemon=False)

    # --- runs
    def _definitions(self) -> dg.Definitions:
        """Of each run its own, as in a process of its own: a market keeps the span that it began with."""
        return build_definitions(settings=self.settings)

    def _run(self, job: str, settlement: datetime, *, through_daemon: bool) -> None:
        tags = {**_TAGS[job], SETTLEMENT_TAG: text_of(settlement)}
        carry_out = self._through_daemon if through_daemon else self._in_process
        reason = carry_out(job, tags)
        self.runs[f"{job} through the daemon" if through_daemon else job] += 1
        if reason:
            self.failures[f"{job}: {reason[:160]}"] += 1

    def _in_process(self, job: str, tags: Mapping[str, str]) -> str:
        """Why it failed; empty where it did not."""
        made = self._definitions().resolve_job_def(job)
        result = made.execute_in_process(
            run_config={**(made.run_config or {}), **_QUIET},
            instance=self.instance,
            tags=tags,
            raise_on_error=False,
        )
        return "" if result.success else failure_text(result)

    def _through_daemon(self, job: str, tags: Mapping[str, str]) -> str:
        client = DagsterGraphQLClient(LOOPBACK, port_number=self.settings.web_port)
        config = self._definitions().resolve_job_def(job).run_config
        run_id = client.submit_job_execution(
            job, repository_location_name=_LOCATION, run_config=config or {}, tags=dict(tags)
        )
        deadline = time.monotonic() + _RUN_SECONDS
        while (run := self.instance.get_run_by_id(run_id)) is None or not run.is_finished:
            if time.monotonic() > deadline:
                raise FundingPipelineError(f"run {run_id} of {job} does not end: see the web UI")
            time.sleep(0.1)
        return "" if run.is_success else f"in a process of its own: {run.status.value}"

    def _resume(self) -> None:
        """What a person does once a fault is over: trade again where the guard has stopped it."""
        now = self._now()
        with self.settings.trading_setup().journal(now=lambda: now) as journal:
            held = journal.state()
            if held.state != "ACTIVE":
                self.stopped[f"{held.state}: {held.reason[:160]}"] += 1
                journal.set_state("ACTIVE", reason="the fault is over", by="soak", loosens=held)

    # --- time
    def _now(self) -> datetime:
        return datetime.fromtimestamp(ask(self.settings, "/admin/clock")["now_ms"] / 1000, UTC)

    def _go_to(self, moment: datetime) -> None:
        ahead = (moment - self._now()).total_seconds()
        if ahead > 0:
            ask(self.settings, "/admin/clock", {"advance_seconds": ahead})

    # --- faults
    def _faults(self, number: int) -> tuple[Json, ...]:
        with self.settings.trading_setup().journal() as journal:
            legs = sorted(journal.ordered())  # faults of a venue shall hit what is traded
        return faults_of(self.seed, number, venues=sorted({venue for venue, _ in legs}), legs=legs)

    def _end_faults(self) -> None:
        for fault in ask(self.settings, "/admin/faults"):
            self.faults[fault["kind"]] += fault["hits"]
        end_faults(self.settings)
