"""How trading stands, in one look at the journal: state, guard, arming, limits, alerts.

What lives here: gathering it. What does not: showing it (`commands.governance`), what the accounts hold.
"""

from dataclasses import dataclass
from datetime import datetime

from funding_pipeline.core.governance import Alert, Heartbeat, StateRecord
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.governance_actions import limits_now
from funding_pipeline.trading.readiness import Finding, guard_finding
from funding_pipeline.trading.setup import TradingMode, TradingSetup

_ALERTS = 5


@dataclass(frozen=True)
class Overview:
    """What the journal says at `at` (the venues' time). `tightened`: limits changed since the start.

    `unresolved`: orders whose outcome is not known. `executing`: who holds the executor's lock.
    """

    at: datetime
    mode: TradingMode
    state: StateRecord
    history: tuple[StateRecord, ...]
    guard: Finding
    heartbeat: Heartbeat | None
    armed_until: datetime | None
    limits_version: str
    tightened: dict[str, float]
    alerts: tuple[Alert, ...]
    unresolved: int
    executing: str | None

    @property
    def guard_age_seconds(self) -> float | None:
        """Since the guard's last sign of life, in the venues' seconds; None: there never was one."""
        return None if self.heartbeat is None else (self.at - self.heartbeat.at).total_seconds()


def overview(journal: Journal, setup: TradingSetup, *, speed: float) -> Overview:
    """Read it. Raises JournalError, SettingsError where no limits are in force."""
    at, beat = journal.now(), journal.heartbeat("guard")
    oldest = setup.execution.at_speed(speed).guard_max_age_seconds
    return Overview(
        at=at,
        mode=setup.mode,
        state=journal.state(),
        history=journal.state_history(_ALERTS),
        guard=guard_finding(beat, now=at, max_age_seconds=oldest),
        heartbeat=beat,
        armed_until=journal.armed_until(),
        limits_version=limits_now(journal, setup, speed=speed).version,
        tightened=dict(journal.tightened()),
        alerts=journal.alerts()[-_ALERTS:],
        unresolved=len(journal.unresolved()),
        executing=journal.lock_holder(),
    )
