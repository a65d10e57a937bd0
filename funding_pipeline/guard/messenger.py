"""Handing messages to services in a thread of its own: a slow or dead one keeps nobody waiting.

What lives here: the queue and the thread, and calling apprise. What does not: what is told (`alerts`).
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Notify = Callable[[Sequence[str], str, str], bool]
"""(urls, title, body) -> whether every service took it."""
_MOST_WAITING = 200
_log = logging.getLogger("funding_pipeline.guard.alerts")


@dataclass(frozen=True)
class _Message:
    urls: tuple[str, ...]
    title: str
    body: str


class Messenger:
    """Sends in order; when too many wait, the newest are left out and the log says so."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._waiting: queue.Queue[_Message] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None

    def send(self, urls: Sequence[str], title: str, body: str) -> None:
        """Queue a message; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(_Message(tuple(urls), title, body))
        except queue.Full:
            _log.error("too many alerts wait for the services; not sent: %s", title)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until nothing is left; False when that takes longer."""
        until = time.monotonic() + timeout_seconds
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.01)
        return not self._waiting.unfinished_tasks

    def _work(self) -> None:
        while True:
            message = self._waiting.get()
            try:
                if not self._notify(message.urls, message.title, message.body):
                    _log.error("a service did not take the alert: %s", message.title)
            except Exception as error:  # its text may hold an address
                _log.error("a service failed with %s at the alert: %s", type(error).__name__, message.title)
            finally:
                self._waiting.task_done()


def by_apprise(urls: Sequence[str], title: str, body: str) -> bool:
    """Through every service of `urls`; False if one of them did not take it."""
    import apprise

    logging.getLogger("apprise").disabled = True  # it logs addresses that it does not understand
    services = apprise.Apprise()
    are_known = [services.add(url) for url in urls]
    sent = services.notify(title=title, body=body)
    return bool(sent) and all(are_known)
