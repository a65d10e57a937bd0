"""Whether a rebalance may be asked for now, and why not: what stops it, and what a person should know.

What lives here: judging what was read. What does not: when a rebalance is due (`execution`), reading tables
and asking Dagster (`defs.sensors`). Nothing here decides what may be sent: that is the verdict, the journal
and the executor, which ask again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from funding_pipeline.core.errors import CredentialsError
from funding_pipeline.core.governance import Heartbeat, StateRecord
from funding_pipeline.execution.states import Arming
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.registry import dialect_of

FEWEST_VENUES = 2
_OLDEST_DATA = timedelta(hours=3)
_OLDEST_DATA_REAL_SECONDS = 120.0
_SLACK = timedelta(hours=1)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `stops`: no rebalance is asked for. `action`: what a person can do."""

    subject: str
    text: str
    stops: bool = False
    action: str = ""

    def line(self) -> str:
        """One line for a person."""
        return f"{self.subject}: {self.text}" + (f" ({self.action})" if self.action else "")


def stops(findings: Iterable[Finding]) -> str:
    """The lines of those findings that stop rebalances; empty: none does."""
    return "\n".join(finding.line() for finding in findings if finding.stops)


def remarks(findings: Iterable[Finding]) -> str:
    """The lines of those that stop nothing and still are not as they should be."""
    return "\n".join(finding.line() for finding in findings if finding.action and not finding.stops)


def state_finding(held: StateRecord) -> Finding:
    """HALTED stops rebalances; in REDUCING they are asked for, and may only reduce."""
    text = f"{held.state} since {held.since:%Y-%m-%d %H:%M:%S} by {held.by}: {held.reason}"
    if held.state == "HALTED":
        return Finding("trading", text, stops=True, action="a person may `reduce` or `resume`")
    action = "rebalances only reduce; a person may `resume`" if held.state == "REDUCING" else ""
    return Finding("trading", text, action=action)


def guard_finding(beat: Heartbeat | None, *, now: datetime, max_age_seconds: float | None) -> Finding:
    """Without a heartbeat at most `max_age_seconds` old (None: not asked for) nothing may be opened.

    One that lies as far ahead was given before the market's clock was put back."""
    if max_age_seconds is None:
        return Finding("guard", "not asked for")
    action = "start it with `funding-pipeline guard`, or `make up`; look into its log"
    if beat is None:
        return Finding("guard", "has never given a sign of life", stops=True, action=action)
    age = (now - beat.at).total_seconds()
    if age > max_age_seconds:
        text = f"no sign of life for {age:,.0f} s of market time, allowed are {max_age_seconds:,.0f}"
        return Finding("guard", text, stops=True, action=action)
    if age < -max_age_seconds:
        text = f"its last sign of life is {-age:,.0f} s ahead of the market's clock, which was put back"
        return Finding("guard", text, stops=True, action=action)
    return Finding("guard", f"{max(age, 0.0):,.1f} s ago, {beat.status}")


def keys_finding(venues: Sequence[str], environment: Mapping[str, str] | None = None) -> Finding:
    """Fewer than two venues with keys: there is nothing to trade between."""
    missing = []
    for venue in venues:
        try:
            Credentials.from_environment(venue, dialect_of(venue).credentials, environment)
        except CredentialsError:
            missing.append(venue)
    found = len(venues) - len(missing)
    if found < FEWEST_VENUES:
        text = f"{found} of {len(venues)} venues have keys, {FEWEST_VENUES} are needed"
        action = "paper: `make up` opens accounts; live: set FUNDING_<VENUE>_API_KEY and what else it needs"
        return Finding("accounts", text, stops=True, action=action)
    return Finding(
        "accounts",
        f"keys of {found} of {len(venues)} venues",
        action=f"no keys of {', '.join(missing)}: what is held there is not known, so nothing is opened; set "
        "them, or name the others in FUNDING_VENUES"
        if missing
        else "",
    )


def arming_finding(arming: Arming, *, now: datetime) -> Finding:
    """Live without arming only reduces, so a rebalance is still asked for."""
    text = arming.reason(now)
    return Finding("arming", text, action="" if arming.permission(now) == "all" else "rebalances only reduce")


@dataclass(frozen=True)
class Freshness:
    """How new the rows of one venue are: times of its clock. `problem`: of the last fetch, or none."""

    venue: str
    fetched_at: datetime | None
    newest_price: datetime | None
    newest_settlement: datetime | None = None
    problem: str = ""

    def staleness(self, now: datetime, *, oldest: timedelta) -> str:
        """Why these rows are too old to decide on; empty: they are not."""
        because = f": {self.problem}" if self.problem else ""
        if self.fetched_at is None or self.newest_price is None:
            return f"{self.venue} has no prices{because}"
        if now - self.fetched_at > oldest:
            return f"{self.venue} was read {_hours(now - self.fetched_at)} ago{because}"
        behind = self.fetched_at - self.newest_price
        if behind > max(_OLDEST_DATA, oldest - _SLACK):
            return f"{self.venue}'s newest price was {_hours(behind)} old when it was read{because}"
        return ""


def oldest_allowed(*, longest_gap: timedelta, speed: float) -> timedelta:
    """How old the rows may be, of the venues' time: three hours, or since the settlement before, and an hour.

    The rows are read after each settlement, so between two of them they grow older by as much as lies
    between. Where time runs fast, reading takes its real time.
    """
    real = timedelta(seconds=_OLDEST_DATA_REAL_SECONDS * max(speed, 1.0))
    return max(_OLDEST_DATA, longest_gap + _SLACK, real)


def freshness_finding(
    rows: Sequence[Freshness] | None, *, venues: Sequence[str], now: datetime, oldest: timedelta
) -> Finding:
    """Fewer than two of `venues` with fresh rows stop rebalances; a stale one is said and left out.

    `rows` None: nothing was read yet; the first rebalance does that before it decides.
    """
    if rows is None:
        return Finding("data", "not read yet", action="the first rebalance reads it before it decides")
    known = {row.venue: row for row in rows}
    told = {
        venue: known[venue].staleness(now, oldest=oldest) if venue in known else f"{venue} was never read"
        for venue in venues
    }
    stale = [text for text in told.values() if text]
    fresh = len(told) - len(stale)
    if fresh < FEWEST_VENUES:
        text = f"{fresh} of {len(told)} venues are fresh, {FEWEST_VENUES} are needed: {'; '.join(stale)}"
        action = "look at the last run of `settlement_close`; it reads them again after the next settlement"
        return Finding("data", text, stops=True, action=action)
    text = f"{fresh} of {len(told)} venues are fresh"
    return Finding("data", text, action=f"left out: {'; '.join(stale)}" if stale else "")


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"
