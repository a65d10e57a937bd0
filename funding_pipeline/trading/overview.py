"""How trading stands, in one look at the journal: state, guard, arming, limits, alerts.

What lives here: gathering it. What does not: showing it (`commands.governance`), what the accounts hold.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from funding_pipeline.core.governance import Alert, Heartbeat, StateRecord
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.process_identity import has_ended
from funding_pipeline.trading.account_look import AccountLook
from funding_pipeline.trading.governance_actions import limits_now
from funding_pipeline.trading.profit import Profit, profit_since_start, profit_today
from funding_pipeline.trading.readiness import Finding
from funding_pipeline.trading.setup import TradingMode, TradingSetup

_ALERTS = 5


@dataclass(frozen=True)
class Overview:
    """What the journal says at `at` (the venues' time). `tightened`: limits changed since the start.

    `unresolved`: orders whose outcome is not known. `executing`: who holds the executor's lock.
    `guard_age_seconds`: since its last sign of life, by this machine's clock; None: there never was one.
    `look`: the newest at the accounts, by whom, and when by this machine's clock.
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
    guard_age_seconds: float | None
    look: AccountLook | None
    looked_by: str | None
    looked_at: datetime | None
    today: Profit
    since_start: Profit


def overview(journal: Journal, setup: TradingSetup, *, speed: float, real_now: datetime) -> Overview:
    """Read it; `real_now`: this machine's clock. Raises JournalError, SettingsError where no limits hold."""
    at, beat, kept = journal.now(), journal.heartbeat("guard"), journal.newest_look()
    look = None if kept is None else AccountLook.read(kept.body)
    equity = None if look is None or look.equity_usd is None else Decimal(str(look.equity_usd))
    oldest = setup.execution.guard_max_age_seconds
    return Overview(
        at=at,
        mode=setup.mode,
        state=journal.state(),
        history=journal.state_history(_ALERTS),
        guard=guard_life(beat, real_now=real_now, max_age_seconds=oldest),
        heartbeat=beat,
        armed_until=journal.armed_until(),
        limits_version=limits_now(journal, setup, speed=speed).version,
        tightened=dict(journal.tightened()),
        alerts=journal.alerts()[-_ALERTS:],
        unresolved=len(journal.unresolved()),
        executing=journal.lock_holder(),
        guard_age_seconds=guard_age(beat, real_now),
        look=look,
        looked_by=None if kept is None else kept.name,
        looked_at=None if kept is None else kept.real_at,
        today=profit_today(journal, at=at, equity_usd=equity),
        since_start=profit_since_start(journal, equity_usd=equity),
    )


def guard_age(beat: Heartbeat | None, real_now: datetime) -> float | None:
    """Seconds of this machine since the guard's last sign of life; one from ahead is of now."""
    if beat is None or beat.real_at is None:
        return None
    return max((real_now - beat.real_at).total_seconds(), 0.0)


def guard_life(beat: Heartbeat | None, *, real_now: datetime, max_age_seconds: float | None) -> Finding:
    """Whether the guard lives, by this machine's clock and by its process: the market's clock may stand."""
    action = "start it with `make up` or `funding-pipeline guard`; look into its log"
    age = guard_age(beat, real_now)
    if beat is None or age is None:
        return Finding("guard", "has never given a sign of life", stops=True, action=action)
    when = f"last sign of life {age:,.1f} s ago"
    if has_ended(beat.holder):
        return Finding("guard", f"is not running; {when}", stops=True, action=action)
    if max_age_seconds is not None and age > max_age_seconds:
        return Finding("guard", f"{when}, allowed are {max_age_seconds:,.0f}", stops=True, action=action)
    return Finding("guard", f"{when}, {beat.status}")
