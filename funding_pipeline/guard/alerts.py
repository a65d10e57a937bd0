"""Telling people: each thing once, again when it goes on unacknowledged, never too often, never in the way.

What lives here: what is told when, and the log. What does not: what there is to tell (`assessment`), the
services (apprise), keeping alerts (`storage.journal_signs`).

Addresses of services hold secrets: they are given to apprise and shown nowhere.
"""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from funding_pipeline.core.errors import JournalError
from funding_pipeline.core.governance import Alert
from funding_pipeline.guard.messenger import Messenger, Notify, by_apprise
from funding_pipeline.storage.journal import Journal

_log = logging.getLogger("funding_pipeline.guard.alerts")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}
_RANK = {"info": 0, "warning": 1, "critical": 2}


@dataclass
class _Told:
    """What this process told of a key: for repeats while the journal is gone, and to spare it writes."""

    at: datetime
    seen_at: datetime
    severity: str
    asked_at: datetime


class Alerts:
    """Tells of alerts through `urls`; `escalation_urls` hear of critical ones that go on unacknowledged.

    All seconds are real ones and are multiplied by `speed` where the venues' time runs faster. Without urls
    an alert is in the journal and in the log all the same. `notify(urls, title, body)` is called in a
    thread of its own. `journal` None: memory alone.
    """

    def __init__(
        self,
        journal: Journal | None,
        urls: Sequence[str] = (),
        escalation_urls: Sequence[str] = (),
        *,
        notify: Notify = by_apprise,
        speed: float = 1.0,
        window_seconds: float = 900.0,
        escalate_after_seconds: float = 300.0,
        most_per_minute: int = 20,
        spare_seconds: float = 20.0,
    ) -> None:
        self._journal, self._urls, self._escalation_urls = journal, tuple(urls), tuple(escalation_urls)
        factor = max(speed, 1.0)
        self._window = timedelta(seconds=window_seconds * factor)
        self._escalate_after = timedelta(seconds=escalate_after_seconds * factor)
        self._spare = timedelta(seconds=spare_seconds * factor)
        self._minute = timedelta(seconds=60 * factor)
        self._most = most_per_minute
        self._messenger = Messenger(notify)
        self._told: dict[str, _Told] = {}
        self._sent_at: deque[datetime] = deque()
        self._left_out = 0
        if journal is not None:
            journal.alert_window = self._window

    def tell(self, alert: Alert) -> bool:
        """Tell of it unless it is a repeat; whether it was told. Raises nothing, waits for no service."""
        try:
            return self._tell(alert)
        except Exception:
            _log.exception("an alert could not be handled: %s", alert.key)
            return False

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Wait until what was told has been handed to the services; whether all of it was."""
        return self._messenger.flush(timeout_seconds)

    def _tell(self, alert: Alert) -> bool:
        told = self._told.get(alert.key)
        is_known = told is not None and _RANK[alert.severity] <= _RANK[told.severity]
        if told is not None and is_known and abs(alert.raised_at - told.asked_at) < self._spare:
            return False
        is_new = self._is_new(alert, told if is_known else None)
        self._remember(alert, told, is_new=is_new)
        if is_new:
            self._log(alert)
            self._send(self._urls, alert, alert.title)
        self._escalate(alert)
        return is_new

    def _is_new(self, alert: Alert, told: _Told | None) -> bool:
        """As the journal says, which other processes and earlier lives share; else as memory says."""
        try:
            if self._journal is not None:
                return self._journal.raise_alert(alert)
        except JournalError as error:
            _log.warning("%s", _line(kind="journal", alert=alert.key, problem=str(error)))
        return told is None or abs(alert.raised_at - told.at) >= self._window

    def _remember(self, alert: Alert, told: _Told | None, *, is_new: bool) -> None:
        at = alert.raised_at if is_new or told is None else told.at
        self._told[alert.key] = _Told(at, alert.raised_at, alert.severity, alert.raised_at)

    # --- escalation
    def _escalate(self, alert: Alert) -> None:
        """A critical one that goes on and that nobody has acknowledged, once."""
        if alert.severity != "critical" or self._journal is None:
            return
        try:
            since = self._journal.escalate(alert.key, at=alert.raised_at, after=self._escalate_after)
        except JournalError:
            return
        if since is not None:
            minutes = (alert.raised_at - since) / self._minute
            title = f"STILL, after {minutes:.0f} min: {alert.title}"
            self._log(alert, kind="escalated")
            self._send(self._escalation_urls or self._urls, alert, title)

    # --- sending
    def _send(self, urls: Sequence[str], alert: Alert, title: str) -> None:
        if not urls or not self._may_send(alert):
            return
        if self._left_out:
            title = f"{title} (and {self._left_out} more alerts: see the web UI)"
            self._left_out = 0
        self._messenger.send(urls, f"[{alert.severity}] {title}", _body(alert))

    def _may_send(self, alert: Alert) -> bool:
        """At most so many a minute; a critical one may use twice as many."""
        while self._sent_at and abs(alert.raised_at - self._sent_at[0]) >= self._minute:
            self._sent_at.popleft()
        most = self._most * (2 if alert.severity == "critical" else 1)
        if len(self._sent_at) >= most:
            self._left_out += 1
            return False
        self._sent_at.append(alert.raised_at)
        return True

    def _log(self, alert: Alert, *, kind: str = "alert") -> None:
        line = _line(
            kind=kind,
            key=alert.key,
            severity=alert.severity,
            title=alert.title,
            action=alert.action,
            at=alert.raised_at.isoformat(),
            **{"numbers": dict(alert.numbers)} if alert.numbers else {},
        )
        _log.log(_LEVELS[alert.severity], "%s", line)


def _body(alert: Alert) -> str:
    numbers = "\n".join(f"{name}: {value}" for name, value in sorted(alert.numbers.items()))
    when = f"{alert.raised_at:%Y-%m-%d %H:%M:%S} UTC, market time"
    text = f"{alert.title}\n\nWhat to do: {alert.action}\n\n{when}"
    return f"{text}\n{numbers}" if numbers else text


def _line(**values: object) -> str:
    """One line of JSON."""
    return orjson.dumps(values, default=str).decode()
