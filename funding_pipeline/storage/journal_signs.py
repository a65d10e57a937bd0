"""The part of the journal that keeps signs of life and alerts.

What lives here: the last heartbeat of each process, and alerts without their repeats. What does not:
sending alerts to people (`guard`).
"""

from datetime import datetime, timedelta

from sqlalchemy import insert, select, update

from funding_pipeline.core.governance import Alert, Heartbeat
from funding_pipeline.storage.journal_database import JournalDatabase
from funding_pipeline.storage.journal_schema import SEVERITIES, alerts, heartbeats

_ALERT = ("key", "severity", "title", "action", "raised_at", "numbers")


class SignJournal(JournalDatabase):
    """Heartbeats and alerts. `alert_window`: within it an alert of the same key is a repeat."""

    alert_window = timedelta(minutes=15)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Keep the newest sign of life of a process; one that is older changes nothing."""
        with self._write("beat") as connection:
            values = {"at": heartbeat.at, "status": heartbeat.status}
            is_process = heartbeats.c.process == heartbeat.process
            last = connection.scalar(select(heartbeats.c.at).where(is_process))
            if last is None:
                connection.execute(insert(heartbeats).values(process=heartbeat.process, **values))
            elif heartbeat.at >= last:
                connection.execute(update(heartbeats).where(is_process).values(**values))

    def heartbeat(self, process: str) -> Heartbeat | None:
        """The last sign of life of a process, or None if it never gave one."""
        with self._read() as connection:
            rows = connection.execute(select(heartbeats).where(heartbeats.c.process == process))
            row = rows.mappings().one_or_none()
        return None if row is None else Heartbeat(**row)

    def raise_alert(self, alert: Alert) -> bool:
        """Keep an alert; False for a repeat, which need not be sent again.

        A repeat has the key of an alert of at least its severity raised less than `alert_window` before.
        """
        with self._write("raise_alert") as connection:
            last = connection.execute(
                select(alerts).where(alerts.c.key == alert.key).order_by(alerts.c.sequence.desc()).limit(1)
            ).one_or_none()
            is_near = last is not None and alert.raised_at - last.raised_at < self.alert_window
            if last is not None and is_near and _rank(alert.severity) <= _rank(last.severity):
                again = update(alerts).where(alerts.c.sequence == last.sequence)
                connection.execute(again.values(repeats=last.repeats + 1))
                return False
            values = {name: getattr(alert, name) for name in _ALERT}
            connection.execute(insert(alerts).values(**values, repeats=0))
        return True

    def alerts(self, since: datetime | None = None) -> tuple[Alert, ...]:
        """Alerts without their repeats, in the order in which they were raised; `since` is inclusive."""
        wanted = select(*(alerts.c[name] for name in _ALERT)).order_by(alerts.c.raised_at, alerts.c.sequence)
        wanted = wanted if since is None else wanted.where(alerts.c.raised_at >= since)
        with self._read() as connection:
            return tuple(Alert(**row) for row in connection.execute(wanted).mappings())


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity)
