"""The part of the journal that governs: trading states, tightened limits, arming.

What lives here: keeping them with who, when and why. What does not: the limits themselves and what a
state forbids (`execution`), and asking a person for confirmation (the web UI).
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import get_args

from sqlalchemy import Connection, insert, select, update

from funding_pipeline.core.errors import GovernanceError, JournalError
from funding_pipeline.core.governance import StateRecord, TradingState
from funding_pipeline.execution.states import is_stricter
from funding_pipeline.storage.journal_database import JournalDatabase
from funding_pipeline.storage.journal_schema import armings, states, tightenings

_STATE = select(states.c.state, states.c.reason, states.c.by, states.c.since)
_NEWEST_STATE = _STATE.order_by(states.c.sequence.desc()).limit(1)
"""Made once, as all statements that every order needs: building one takes longer than running it."""


class GovernanceJournal(JournalDatabase):
    """Trading state, limits tightened at run time, and how long live trading is armed."""

    def state(self) -> StateRecord:
        """The trading state now; ACTIVE by "journal" in a new journal."""
        with self._read() as connection:
            return current_state(connection)

    def set_state(
        self,
        state: TradingState,
        *,
        reason: str,
        by: str,
        stricter_only: bool = False,
        loosens: StateRecord | None = None,
    ) -> StateRecord:
        """Change the trading state; once this returns no intent against it can be written.

        The same state for the same reason by the same one is kept once. `stricter_only`: for machines;
        a stricter state that someone set is left as it is, and returned. `loosens`: what a person looked
        at before loosening; GovernanceError where something stricter than the new state holds by now.
        """
        _require_choice(state)
        _require_text(reason=reason, by=by)
        with self._write("set_state") as connection:
            now_held = current_state(connection)
            if stricter_only and is_stricter(now_held.state, state):
                return now_held
            if loosens is not None and now_held != loosens and is_stricter(now_held.state, state):
                raise GovernanceError(
                    f"trading became {now_held.state} by {now_held.by} at this moment ({now_held.reason}): "
                    "look, and try again"
                )
            if (now_held.state, now_held.reason, now_held.by) == (state, reason, by):
                return now_held
            record = StateRecord(state=state, reason=reason, by=by, since=self.now())
            connection.execute(insert(states).values(state=state, reason=reason, by=by, since=record.since))
        return record

    def state_history(self, limit: int = 100) -> tuple[StateRecord, ...]:
        """The newest `limit` states, newest first."""
        with self._read() as connection:
            rows = connection.execute(_STATE.order_by(states.c.sequence.desc()).limit(limit))
            return tuple(StateRecord(**row) for row in rows.mappings())

    def tighten(
        self, name: str, value: float, *, by: str, reason: str, smaller_is_tighter: bool = True
    ) -> None:
        """Tighten a limit until the next start; in the limit's own unit.

        Raises GovernanceError if a tighter value stands already: run time never loosens.
        """
        _require_text(name=name, by=by, reason=reason)
        if not math.isfinite(value):
            raise JournalError(f"limit {name} cannot be tightened to {value}")
        with self._write("tighten") as connection:
            standing = _tightened(connection).get(name)
            if standing is not None and (value > standing if smaller_is_tighter else value < standing):
                raise GovernanceError(
                    f"limit {name} stands at {standing:g}: {value:g} would loosen it, which takes a restart"
                )
            connection.execute(
                insert(tightenings).values(name=name, value=float(value), by=by, reason=reason, at=self.now())
            )

    def tightened(self) -> Mapping[str, float]:
        """Limits tightened since the last start, by name, in their own units."""
        with self._read() as connection:
            return _tightened(connection)

    def forget_tightened(self) -> int:
        """Go back to the configured limits, at a start only; returns how many changes were forgotten."""
        with self._write("forget_tightened") as connection:
            return connection.execute(
                update(tightenings)
                .where(tightenings.c.forgotten_at.is_(None))
                .values(forgotten_at=self.now())
            ).rowcount

    def arm(self, *, by: str, until: datetime) -> None:
        """Allow live orders until `until`; raises GovernanceError for a time that is past."""
        _require_text(by=by)
        with self._write("arm") as connection:
            at = self.now()
            if until <= at:
                raise GovernanceError(f"arming until {until:%Y-%m-%d %H:%M:%S} would be over already")
            connection.execute(insert(armings).values(by=by, reason="armed", at=at, until=until))

    def armed_until(self) -> datetime | None:
        """When the arming ends; None when nothing is armed or it has expired."""
        with self._read() as connection:
            until: datetime | None = connection.scalar(
                select(armings.c.until).order_by(armings.c.sequence.desc()).limit(1)
            )
        return until if until is not None and until > self.now() else None

    def disarm(self, *, by: str, reason: str) -> None:
        """End the arming now."""
        _require_text(by=by, reason=reason)
        with self._write("disarm") as connection:
            connection.execute(insert(armings).values(by=by, reason=reason, at=self.now(), until=None))


def current_state(connection: Connection) -> StateRecord:
    """The last state that was set, as this transaction sees it."""
    row = connection.execute(_NEWEST_STATE).one()
    return StateRecord(state=row.state, reason=row.reason, by=row.by, since=row.since)


def _tightened(connection: Connection) -> dict[str, float]:
    """The last value of each limit; rows come in the order in which they were written."""
    rows = connection.execute(
        select(tightenings.c.name, tightenings.c.value)
        .where(tightenings.c.forgotten_at.is_(None))
        .order_by(tightenings.c.sequence)
    )
    return {row.name: row.value for row in rows}


def _require_choice(state: str) -> None:
    if state not in get_args(TradingState):
        raise JournalError(f"{state!r} is no trading state: {', '.join(get_args(TradingState))}")


def _require_text(**values: str) -> None:
    for name, value in values.items():
        if not value.strip():
            raise JournalError(f"{name} is empty: say who and why")
