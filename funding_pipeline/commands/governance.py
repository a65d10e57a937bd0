"""`funding-pipeline state`, `halt`, `reduce`, `resume`, `flatten`, `tighten`, `acknowledge`: governing
without the web UI.

What lives here: opening the journal and printing. What does not: the work and its confirmations, which the
web UI's jobs share (`trading.governance_actions`, `trading.getting_flat`).
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.commands.paper_accounts import add_paper_keys
from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.governance import TradingState
from funding_pipeline.execution.states import Actor
from funding_pipeline.market.choice import market_time
from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.getting_flat import Flattened, flatten_all
from funding_pipeline.trading.governance_actions import (
    Action,
    change_state,
    confirmed,
    guard_report,
    open_journal,
    rebase_equity,
    tighten,
)
from funding_pipeline.trading.overview import Overview, overview
from funding_pipeline.trading.session import open_session
from funding_pipeline.trading.setup import TradingSetup

_STATES: dict[Action, TradingState] = {"halt": "HALTED", "reduce": "REDUCING", "resume": "ACTIVE"}
_COLOURS: dict[TradingState, str] = {"ACTIVE": "green", "REDUCING": "yellow", "HALTED": "red"}
_BOOK = "account_book"
Row = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a person said to confirm an action."""

    person: str
    reason: str
    confirm: str


def show_state(settings: Settings, *, as_json: bool) -> None:
    """Print how trading stands: state, guard, arming, limits, alerts, and the accounts as last read."""
    with _journal(settings) as (journal, setup, speed):
        seen = overview(journal, setup, speed=speed)
    accounts = _accounts(settings)
    if as_json:
        sys.stdout.write(json.dumps(_plain(seen, accounts), indent=1) + "\n")
    else:
        _print(seen, accounts)


def set_trading_state(settings: Settings, action: Action, said: Said, *, rebase: bool = False) -> None:
    """Halt, reduce or resume. Raises GovernanceError where it is not confirmed or not allowed."""
    actor = _confirmed(action, said)
    with _journal(settings) as (journal, setup, _):
        if action == "resume":
            console.print(escape(guard_report(journal)), soft_wrap=True)
        if rebase:
            add_paper_keys(settings.to_trade())
            asyncio.run(_rebase(setup, actor, said.reason))
        change = change_state(journal, _STATES[action], by=actor, reason=said.reason)
    console.print(escape(change.text()), soft_wrap=True)


def flatten_accounts(settings: Settings, said: Said) -> int:
    """Close everything; prints what remains, leg by leg. Exit code 1 unless every account is flat."""
    actor = _confirmed("flatten", said)
    with _journal(settings) as (journal, setup, _):
        change = change_state(journal, "REDUCING", by=actor, reason=f"flatten: {said.reason}")
        console.print(escape(change.text()), soft_wrap=True)
    add_paper_keys(settings.to_trade())
    done = asyncio.run(_flatten(setup, said.reason))
    _print_rows(list(done.rows()), "legs")
    console.print(escape(done.text()), soft_wrap=True)
    return 0 if done.is_flat else 1


def tighten_limit(settings: Settings, name: str, value: float, said: Said) -> None:
    """Tighten a limit until the next start. Raises SettingsError, GovernanceError where it would loosen."""
    actor = _confirmed("tighten", said)
    with _journal(settings) as (journal, setup, speed):
        done = tighten(journal, setup, name, value, speed=speed, by=actor, reason=said.reason)
    console.print(f"{done.name}: {done.before:g} is now {done.after:g} (limits {done.version})")


def acknowledge_alert(settings: Settings, key: str, person: str) -> None:
    """Say that somebody knows of an alert: it is not escalated. GovernanceError where there is none such."""
    with _journal(settings) as (journal, _, _):
        if not journal.acknowledge(key, by=Actor("person", person).text):
            known = ", ".join(dict.fromkeys(alert.key for alert in journal.alerts()[-5:])) or "none"
            raise GovernanceError(f"there is no alert {key!r}; the last are: {known}")
    console.print(f"{escape(key)}: acknowledged by {escape(person)}", soft_wrap=True)


def _confirmed(action: Action, said: Said) -> Actor:
    return confirmed(action, person=said.person, reason=said.reason, confirm=said.confirm)


@contextmanager
def _journal(settings: Settings) -> Iterator[tuple[Journal, TradingSetup, float]]:
    """Journal, setup, and market seconds per second; the testnet need not run."""
    settings = settings.to_trade()
    setup = settings.trading_setup()
    time = market_time(settings.testnet)
    with open_journal(setup, time) as journal:
        yield journal, setup, 1.0 if time is None else time.speed


async def _rebase(setup: TradingSetup, actor: Actor, reason: str) -> None:
    async with open_session(setup) as session:
        equity = await rebase_equity(session, by=actor, reason=reason)
    console.print(f"daily loss and drawdown begin anew from {equity:,.2f} USD")


async def _flatten(setup: TradingSetup, reason: str) -> Flattened:
    async with open_session(setup) as session:
        return await flatten_all(session, reason=reason)


def _accounts(settings: Settings) -> list[Row]:
    """The accounts as a run read them last; none where no run has."""
    lake = Lake(str(settings.state_dir / "lake"))
    if not lake.exists(_BOOK):
        return []
    rows = lake.scan(_BOOK).drop("book").collect().to_dicts()
    return [row | {"at": row["at"].isoformat(timespec="seconds")} for row in rows]


def _plain(seen: Overview, accounts: list[Row]) -> Row:
    """Everything as JSON knows it; times ISO 8601, UTC."""
    return {
        "at": seen.at.isoformat(),
        "trading": seen.mode,
        "state": seen.state.state,
        "since": seen.state.since.isoformat(),
        "by": seen.state.by,
        "reason": seen.state.reason,
        "history": [
            {"state": r.state, "since": r.since.isoformat(), "by": r.by, "reason": r.reason}
            for r in seen.history
        ],
        "guard_age_seconds": seen.guard_age_seconds,
        "guard_status": None if seen.heartbeat is None else seen.heartbeat.status,
        "guard_is_fresh": not seen.guard.stops,
        "armed_until": None if seen.armed_until is None else seen.armed_until.isoformat(),
        "limits_version": seen.limits_version,
        "tightened": seen.tightened,
        "unresolved_orders": seen.unresolved,
        "executing": seen.executing,
        "alerts": [
            {
                "key": alert.key,
                "raised_at": alert.raised_at.isoformat(),
                "severity": alert.severity,
                "title": alert.title,
                "action": alert.action,
            }
            for alert in seen.alerts
        ],
        "accounts": accounts,
    }


def _print(seen: Overview, accounts: list[Row]) -> None:
    held = seen.state
    console.print(
        f"[bold {_COLOURS[held.state]}]{held.state}[/] since {held.since:%Y-%m-%d %H:%M:%S} by "
        f"{escape(held.by)}: {escape(held.reason)}",
        soft_wrap=True,
    )
    armed = "" if seen.armed_until is None else f", armed until {seen.armed_until:%Y-%m-%d %H:%M} UTC"
    tightened = ", ".join(f"{name} {value:g}" for name, value in seen.tightened.items())
    lines = [
        f"trading  {seen.mode}{armed}; the market's time is {seen.at:%Y-%m-%d %H:%M:%S}",
        seen.guard.line(),
        f"limits   version {seen.limits_version}" + (f"; tightened: {tightened}" if tightened else ""),
        f"orders   {seen.unresolved} of unknown outcome"
        + (f"; {seen.executing} is executing" if seen.executing else ""),
    ]
    for line in lines:
        console.print(escape(line), soft_wrap=True)
    alerts = [
        {
            "raised at": f"{a.raised_at:%m-%d %H:%M:%S}",
            "": a.severity,
            "what": a.title,
            "do": a.action,
            "key": a.key,
        }
        for a in seen.alerts
    ]
    _print_rows(alerts, "last alerts")
    _print_rows(accounts, "accounts as they were read last")


def _print_rows(rows: list[Row], title: str) -> None:
    if not rows:
        console.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:,.6g}" if isinstance(value, float) else str(value)
