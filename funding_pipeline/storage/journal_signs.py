"""The part of the journal that keeps signs of life, newest looks and alerts.

What lives here: the last heartbeat of each process, the last look at the accounts, alerts without their
repeats, and who knows of them. What does not: sending alerts to people (`guard`).
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, update

from funding_pipeline.core.governance import Alert, Heartbeat, Look
from funding_pipeline.storage.journal_database import JournalDatabase, utc_now
from funding_pipeline.storage.journal_schema import SEVERITIES, alerts, heartbeats, looks
from funding_pipeline.storage.process_identity import this_process

_ALERT = ("key", "severity", "title", "action", "raised_at", "numbers")
_HEARTBEAT = select(heartbeats).where(heartbeats.c.process == bindparam("of_process"))
_PAUSES_PER_WINDOW = 5
"""An alert has ended when it was not raised for this part of the window."""


class SignJournal(JournalDatabase):
    """Heartbeats and alerts. `alert_window`: within it an alert of the same key is a repeat."""

    alert_window = timedelta(minutes=15)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Keep the newest sign of life of a process; one that is older changes nothing, unless the one that
        is kept lies ahead of the clock: the clock was put back."""
        with self._write("beat") as connection:
            values = {
                "at": heartbeat.at,
                "status": heartbeat.status,
                "real_at": utc_now(),
                "holder": this_process(),
            }
            is_process = heartbeats.c.process == heartbeat.process
            last = connection.scalar(select(heartbeats.c.at).where(is_process))
            if last is None:
                connection.execute(insert(heartbeats).values(process=heartbeat.process, **values))
            elif heartbeat.at >= last or last > self.now():
                connection.execute(update(heartbeats).where(is_process).values(**values))

    def heartbeat(self, process: str) -> Heartbeat | None:
        """The last sign of life of a process, or None if it never gave one."""
        with self._read() as connection:
            row = connection.execute(_HEARTBEAT, {"of_process": process}).mappings().one_or_none()
        return None if row is None else Heartbeat(**row)

    def note_look(self, name: str, at: datetime, body: str) -> None:
        """Keep the newest look at the accounts of `name`; `body`: JSON, `at`: the venues' time."""
        values = {"at": at, "real_at": utc_now(), "body": body}
        with self._write("note_look") as connection:
            if not connection.execute(update(looks).where(looks.c.name == name).values(**values)).rowcount:
                connection.execute(insert(looks).values(name=name, **values))

    def newest_look(self) -> Look | None:
        """The look that was kept last, of whomever; None where nobody has looked."""
        with self._read() as connection:
            found = connection.execute(select(looks).order_by(looks.c.real_at.desc()).limit(1))
            row = found.mappings().one_or_none()
        return None if row is None else Look(**row)

    def raise_alert(self, alert: Alert) -> bool:
        """Keep an alert; False for a repeat, which need not be sent again.

        A repeat has the key of an alert of at least its severity that was raised less than `alert_window`
        before, or that somebody has acknowledged and that has gone on since. Times are compared either way:
        what was raised far ahead of now was raised before the clock was put back, and is past.
        """
        with self._write("raise_alert") as connection:
            last = _last(connection, alert.key)
            at = alert.raised_at
            goes_on = last is not None and abs(at - last.seen_at) <= self.alert_window / _PAUSES_PER_WINDOW
            is_lesser = last is not None and _rank(alert.severity) <= _rank(last.severity)
            is_acknowledged = last is not None and goes_on and last.acknowledged_at is not None
            if (
                last is not None
                and is_lesser
                and (abs(at - last.raised_at) < self.alert_window or is_acknowledged)
            ):
                again = update(alerts).where(alerts.c.sequence == last.sequence)
                began_at = last.began_at if goes_on else at
                seen_at = max(at, last.seen_at)
                connection.execute(again.values(repeats=last.repeats + 1, seen_at=seen_at, began_at=began_at))
                return False
            values = {name: getattr(alert, name) for name in _ALERT}
            began_at = last.began_at if last is not None and goes_on and is_lesser else at
            connection.execute(insert(alerts).values(**values, repeats=0, began_at=began_at, seen_at=at))
        return True

    def escalate(self, key: str, *, at: datetime, after: timedelta) -> datetime | None:
        """Mark the newest alert of `key` as escalated if it has gone on for `after` and nobody acknowledged
        it, once; since when it goes on. None: it need not be escalated."""
        due = _last_of(key).where(
            alerts.c.began_at <= at - after,
            alerts.c.escalated_at.is_(None),
            alerts.c.acknowledged_at.is_(None),
        )
        with self._read() as connection:
            if connection.execute(due).one_or_none() is None:
                return None
        with self._write("escalate") as connection:
            row = connection.execute(due).one_or_none()
            if row is None:
                return None
            connection.execute(
                update(alerts).where(alerts.c.sequence == row.sequence).values(escalated_at=at)
            )
            began_at: datetime = row.began_at
        return began_at

    def acknowledge(self, key: str, *, by: str) -> bool:
        """Somebody knows of the newest alert of `key`: it is not escalated, and while it goes on not told
        again. False where there is none."""
        with self._write("acknowledge") as connection:
            last = _last(connection, key)
            if last is None:
                return False
            known = update(alerts).where(alerts.c.sequence == last.sequence)
            connection.execute(known.values(acknowledged_at=self.now(), acknowledged_by=by))
        return True

    def alerts(self, since: datetime | None = None) -> tuple[Alert, ...]:
        """Alerts without their repeats, in the order in which they were raised; `since` is inclusive."""
        wanted = select(*(alerts.c[name] for name in _ALERT)).order_by(alerts.c.raised_at, alerts.c.sequence)
        wanted = wanted if since is None else wanted.where(alerts.c.raised_at >= since)
        with self._read() as connection:
            return tuple(Alert(**row) for row in connection.execute(wanted).mappings())


def _last_of(key: str) -> Select[Any]:
    newest = select(func.max(alerts.c.sequence)).where(alerts.c.key == key).scalar_subquery()
    return select(alerts).where(alerts.c.sequence == newest)


def _last(connection: Connection, key: str) -> Row[Any] | None:
    """The newest alert of a key."""
    return connection.execute(_last_of(key)).one_or_none()


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity)
