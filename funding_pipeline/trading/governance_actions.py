"""What a person may order: halt, reduce, resume, arm, tighten. The same for the web UI and the command line.

What lives here: confirmation, and the change in the journal. What does not: the rules (`execution.states`),
closing everything (`getting_flat`), how it is asked for (`defs.governance`, `commands.governance`).

A change holds from the moment it is in the journal: every order is checked against it in the transaction in
which its intent is written, so a rebalance in flight sends nothing more that the new state forbids.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from funding_pipeline.core.errors import GovernanceError, VenueUnavailableError
from funding_pipeline.core.governance import Alert, StateRecord, TradingState
from funding_pipeline.core.risk_limits import RiskLimits, tighter_direction
from funding_pipeline.execution.states import Actor, require_arming, require_transition
from funding_pipeline.market.choice import MarketTime
from funding_pipeline.storage.journal import Journal, utc_now
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.setup import TradingSetup

Action = Literal["halt", "reduce", "resume", "flatten", "arm", "disarm", "tighten"]
_WORDS: Mapping[Action, str] = {
    "halt": "HALT",
    "reduce": "REDUCE",
    "resume": "RESUME",
    "flatten": "FLATTEN",
    "arm": "ARM",
    "disarm": "DISARM",
    "tighten": "TIGHTEN",
}


@dataclass(frozen=True)
class StateChange:
    """The trading state before and after; the same where nothing had to change."""

    before: StateRecord
    after: StateRecord

    def text(self) -> str:
        """One line for a person."""
        if self.before == self.after:
            return f"trading is {self.after.state} already, by {self.after.by}: {self.after.reason}"
        return (
            f"trading was {self.before.state}, is {self.after.state} by {self.after.by}: {self.after.reason}"
        )


def confirmed(action: Action, *, person: str, reason: str, confirm: str) -> Actor:
    """Who acts; GovernanceError unless there are a name, a reason, and the exact word of the action."""
    if confirm != _WORDS[action]:
        raise GovernanceError(
            f"{action} is not confirmed: type {_WORDS[action]} in capitals as confirm, not {confirm!r}"
        )
    if not person.strip():
        raise GovernanceError(f"{action}: who are you? the journal keeps your name")
    if not reason.strip():
        raise GovernanceError(f"{action}: say why; the journal keeps the reason")
    return Actor("person", person.strip())


@contextmanager
def open_journal(setup: TradingSetup, time: MarketTime | None) -> Iterator[Journal]:
    """The journal at the venues' time. Where that cannot be asked (None: the testnet is down), at the newest
    time that the journal knows: to halt must be possible all the same."""
    with setup.journal(now=utc_now if time is None else lambda: time.now) as journal:
        if time is None:
            at = last_known_time(journal)
            journal.now = lambda: at
        yield journal


def last_known_time(journal: Journal) -> datetime:
    """The newest of the guard's last sign of life and the last change of state."""
    beat, since = journal.heartbeat("guard"), journal.state().since
    return since if beat is None else max(beat.at, since)


def change_state(journal: Journal, wanted: TradingState, *, by: Actor, reason: str) -> StateChange:
    """Change the trading state; GovernanceError where `by` may not.

    A state that somebody else set meanwhile is not loosened: GovernanceError says so.
    """
    before = journal.state()
    require_transition(before.state, wanted, by=by, reason=reason)
    if before.state == wanted and wanted == "ACTIVE":
        return StateChange(before, before)
    after = journal.set_state(wanted, reason=reason, by=by.text, loosens=before)
    return StateChange(before, after)


def guard_report(journal: Journal) -> str:
    """What the guard said last, and the last serious alert: to be read before trading is resumed."""
    beat = journal.heartbeat("guard")
    said = "the guard has never reported" if beat is None else f"guard at {beat.at:%H:%M:%S}: {beat.status}"
    serious = [alert for alert in journal.alerts() if alert.severity == "critical"]
    if not serious:
        return said
    last = serious[-1]
    return f"{said}; last critical alert at {last.raised_at:%Y-%m-%d %H:%M:%S}: {last.title}"


async def rebase_equity(session: TradingSession, *, by: Actor, reason: str) -> Decimal:
    """Begin the day's loss and the drawdown anew from what all accounts are worth now, USD.

    Raises VenueUnavailableError where one account cannot be read: what they are worth is not known then.
    """
    book, down = await read_book(session, betas={})
    if book.equity_usd is None:
        why = "; ".join(down.values()) or "a venue does not tell its equity"
        raise VenueUnavailableError(f"equity is not known, so it is not begun anew: {why}")
    session.journal.rebase_equity(session.now(), book.equity_usd, by=by.text, reason=reason)
    return book.equity_usd


def arm(journal: Journal, setup: TradingSetup, *, by: Actor, reason: str, hours: float) -> datetime:
    """Allow live orders for `hours`, at most a day; returns the end. GovernanceError: trading is on paper."""
    if not setup.is_live:
        raise GovernanceError("trading is on paper (FUNDING_TRADING=paper): there is nothing to arm")
    at = journal.now()
    until = at + timedelta(hours=hours)
    require_arming(by=by, at=at, until=until)
    journal.arm(by=by.text, until=until)
    title = f"live trading is armed until {until:%Y-%m-%d %H:%M} UTC by {by.text}: {reason}"
    action = "run the job disarm_live_trading to end it earlier"
    journal.raise_alert(Alert(f"armed {until.isoformat()}", "info", title, action, at))
    return until


def disarm(journal: Journal, *, by: Actor, reason: str) -> None:
    """End the arming now; positions may still be reduced."""
    journal.disarm(by=by.text, reason=reason)


def limits_now(journal: Journal, setup: TradingSetup, *, speed: float) -> RiskLimits:
    """The limits in force; their seconds are the venues'."""
    return setup.limits_in_force(journal.tightened(), at=journal.now(), speed=speed)


@dataclass(frozen=True)
class LimitChange:
    """The change of one limit, in its own unit, which its name ends with."""

    name: str
    before: float
    after: float
    version: str


def tighten(
    journal: Journal, setup: TradingSetup, name: str, value: float, *, speed: float, by: Actor, reason: str
) -> LimitChange:
    """Tighten a limit until the next start.

    Raises SettingsError for an unknown limit, or a value that would loosen it; GovernanceError likewise.
    """
    smaller_is_tighter = tighter_direction(name) == "lower"
    standing = limits_now(journal, setup, speed=speed)
    changed = standing.tightened({name: value})
    journal.tighten(name, value, by=by.text, reason=reason, smaller_is_tighter=smaller_is_tighter)
    return LimitChange(name, float(getattr(standing, name)), value, changed.version)
