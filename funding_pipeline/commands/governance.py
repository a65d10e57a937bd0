"""`funding-pipeline state`, `halt`, `reduce`, `resume`, `flatten`, `tighten`, `acknowledge`: governing
without the web UI.

What lives here: opening the journal and printing. What does not: the work and its confirmations, which the
web UI's jobs share (`trading.governance_actions`, `trading.getting_flat`).
"""

import asyncio
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
