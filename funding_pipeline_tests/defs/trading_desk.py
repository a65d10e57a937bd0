"""What sensor and governance tests need: tables, a journal, keys, and a clock that stands where it is put."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.core.governance import Alert, Heartbeat
from funding_pipeline.core.tables import FUNDING_INTERVALS
from funding_pipeline.defs.decision import FRESHNESS, FRESHNESS_SCHEMA
from funding_pipeline.defs.features import FEATURES
from funding_pipeline.defs.governance import governance_jobs
from funding_pipeline.defs.run_tags import CLOSE, REBALANCE
from funding_pipeline.defs.sensors import sensors
from funding_pipeline.defs.trading_state import trading_state_spec
from funding_pipeline.market.choice import MarketTime
from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.lake import Lake

DAY = datetime(2025, 7, 1, tzinfo=UTC)
VENUES = ("binance", "okx")
_LONG_AGO = datetime(2021, 1, 1, tzinfo=UTC)


@dg.op
def nothing() -> None:
    """Stands for what a trading job does."""


@dg.op
def nothing_but_failure() -> None:
    """Fails."""
    raise ValueError("the venue said no")


@dg.job(name=REBALANCE)
def rebalance_job() -> None:
    """In place of the real one."""
    nothing_but_failure()


@dg.job(name=CLOSE)
def close_job() -> None:
    """In place of the real one."""
    nothing()


class TradingDesk:
    """A market of two venues that settle every 8 h. `time` None: the testnet is down."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, **settings: Any) -> None:
        given = {"market": "simulated", "venues": ",".join(VENUES), "testnet_port": 1, **settings}
        self.settings = Settings(home=folder, **given)
        self.lake = Lake(str(folder / "lake"))
        self.instance = dg.DagsterInstance.ephemeral()
        self.time: MarketTime | None = MarketTime(DAY + timedelta(hours=5))
        self.alerts: list[Alert] = []
        self.jobs = [rebalance_job, close_job]
        for venue in VENUES:
            for name in ("API_KEY", "API_SECRET", "API_PASSWORD"):
                patch.setenv(f"FUNDING_{venue.upper()}_{name}", "a-test-key")
        self.resources = {"settings": self.settings, "lake": self.lake}
        self.definitions = self._definitions()
        self.cursors: dict[str, str | None] = {}

    def _definitions(self) -> dg.Definitions:
        clock = lambda settings: self.time  # noqa: E731
        return dg.Definitions(
            assets=[trading_state_spec()],
            jobs=[*self.jobs, *governance_jobs(clock=clock)],
            sensors=sensors(jobs=self.jobs, clock=clock, tell=self._tell),
            resources={
                name: dg.ResourceDefinition.hardcoded_resource(value)
                for name, value in self.resources.items()
            },
        )

    def _tell(self, journal: Journal, setup: object, alert: Alert, speed: float) -> None:
        self.alerts.append(alert)
        journal.raise_alert(alert)

    # --- what is so
    def go_to(self, hour: float, seconds: float = 0, *, speed: float = 1.0) -> None:
        """Put the clock there, and let the guard give a sign of life."""
        self.time = MarketTime(DAY + timedelta(hours=hour, seconds=seconds), speed)
        with self.journal() as journal:
            journal.beat(Heartbeat("guard", self.time.now, "watching"))

    def pass_seconds(self, seconds: float) -> None:
        """Time goes on, and the guard is silent."""
        assert self.time is not None
        self.time = replace(self.time, now=self.time.now + timedelta(seconds=seconds))

    def journal(self) -> Journal:
        now = DAY if self.time is None else self.time.now
        return Journal(f"sqlite:///{self.settings.state_dir / 'journal.sqlite'}", now=lambda: now)

    def fill(self, *, features: bool = True, hours: float = 8.0) -> None:
        """The tables that a first `run` has left."""
        rows = [(venue, "BTC/USDT:USDT", _LONG_AGO, None, hours, _LONG_AGO) for venue in VENUES]
        self.lake.replace(
            "funding_intervals", pl.DataFrame(rows, schema=dict(FUNDING_INTERVALS.columns), orient="row")
        )
        if features:
            self.lake.replace(FEATURES, pl.DataFrame({"venue": list(VENUES)}))

    def note_freshness(self, *ages_hours: float) -> None:
        """Rows of the venues, in order, read so long ago."""
        assert self.time is not None
        read = [self.time.now - timedelta(hours=age) for age in ages_hours]
        rows = [(v, at, None, at, "") for v, at in zip(VENUES, read, strict=False)]
        self.lake.replace(FRESHNESS, pl.DataFrame(rows, schema=dict(FRESHNESS_SCHEMA), orient="row"))

    # --- what is done
    def tick(self, sensor: str) -> Any:
        """One tick, as the daemon does it: with the cursor of the tick before, and runs once per run key."""
        made = self._sensor(sensor)
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor),
            definitions=self.definitions,
            sensor_name=sensor,
            resources={
                name: value for name, value in self.resources.items() if name in made.required_resource_keys
            },
        ) as context:
            data = made.evaluate_tick(context)
        self.cursors[sensor] = data.cursor
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        return data

    def settle(self) -> list[str]:
        """A tick of the settlement sensor: the run keys it asked for."""
        return [str(request.run_key) for request in self.tick("settlement_sensor").run_requests]

    def why_not(self) -> str:
        """A tick that asks for nothing: what it says."""
        data = self.tick("settlement_sensor")
        assert data.run_requests == []
        return str(data.skip_message)

    def run(self, job: str, config: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
        """A run of a job; `config`: of its only op."""
        made = self.definitions.resolve_job_def(job)
        op = next(iter(made.graph.nodes)).name
        run_config = {} if config is None else {"ops": {op: {"config": config}}}
        return made.execute_in_process(instance=self.instance, run_config=run_config, raise_on_error=False)

    def _sensor(self, name: str) -> dg.SensorDefinition:
        return next(s for s in self.definitions.sensors or () if s.name == name)  # type: ignore[return-value]


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed."""
    failed = next(event for event in result.all_events if event.is_step_failure)
    assert failed.step_failure_data.user_failure_data is not None
    return str(failed.step_failure_data.user_failure_data.description)
