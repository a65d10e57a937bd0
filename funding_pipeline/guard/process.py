"""The guard as a process: one at a time, for ever, begun again whenever the testnet or the journal goes away.

What lives here: the session's life, signals, the lock file. What does not: what a look does (`guard`),
settings (`commands`).
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from funding_pipeline.core.errors import FundingPipelineError, GovernanceError, JournalError
from funding_pipeline.core.governance import Alert, Heartbeat
from funding_pipeline.guard.alerts import Alerts
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import GuardReport
from funding_pipeline.guard.guard import Guard, no_betas
from funding_pipeline.guard.looking import Betas
from funding_pipeline.guard.messenger import Notify, by_apprise
from funding_pipeline.storage.file_lock import held_alone
from funding_pipeline.trading.session import TradingSession, open_session
from funding_pipeline.trading.setup import TradingSetup

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 15.0
_PARENT_POLL_SECONDS = 0.5
_WRITING = "guard: opening the journal anew"
_PUT_BACK_SECONDS = 5.0
"""Of this machine: a testnet's clock that is asked again may be a little behind what was extrapolated."""
_log = logging.getLogger("funding_pipeline.guard")


def _nothing() -> None:
    """Nothing is to be prepared."""


@dataclass(frozen=True)
class GuardProcess:
    """All that the process needs. `lock`: a file that only one guard can hold; `parent`: ends with it;
    `prepare`: called before each session."""

    setup: TradingSetup
    lock: Path
    config: GuardConfig = field(default_factory=GuardConfig)
    betas: Betas = no_betas
    parent: int | None = None
    notify: Notify = by_apprise
    prepare: Callable[[], None] = _nothing

    def run(self) -> None:
        """Until SIGTERM, SIGINT or the parent's end. Raises GovernanceError where a guard is running."""
        _log_to_stderr()
        with only_guard(self.lock):
            asyncio.run(self._run())

    async def _run(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        watching = asyncio.create_task(self.watch())
        ending: list[asyncio.Task[Any]] = [asyncio.create_task(stopped.wait())]
        if self.parent is not None:
            ending.append(asyncio.create_task(_gone(self.parent)))
        await asyncio.wait([watching, *ending], return_when=asyncio.FIRST_COMPLETED)
        for task in (watching, *ending):
            task.cancel()
        results = await asyncio.gather(watching, *ending, return_exceptions=True)
        for failure in results:
            if isinstance(failure, BaseException) and not isinstance(failure, asyncio.CancelledError):
                raise failure
        _log.info("guard stopped")

    async def watch(self) -> None:
        """Session after session, with a pause that grows while none can be opened."""
        pause = _FIRST_PAUSE_SECONDS
        outside = Alerts(None, self.setup.alert_urls, self.setup.escalation_urls, notify=self.notify)
        while True:
            try:
                self.prepare()
                async with open_session(self.setup) as session:
                    pause = _FIRST_PAUSE_SECONDS
                    await self._watch(session)
                _log.info("the session is opened again")
            except FundingPipelineError as error:
                outside.tell(_blind(error))
            except Exception as error:
                _log.exception("the session failed")
                outside.tell(_blind(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _watch(self, session: TradingSession) -> None:
        """One session, until its journal can be used again only by opening it anew, or its time changes."""
        alerts = Alerts(
            session.journal,
            self.setup.alert_urls,
            self.setup.escalation_urls,
            notify=self.notify,
            speed=session.speed,
        )
        _say_what_is_watched(session)
        guard = Guard(session, config=self.config, alerts=alerts, betas=self.betas)
        renewal, time = _Renewal(self.setup, self.config.journal_seconds), _Time(session)
        await guard.run(until=lambda: renewal.is_due(guard.report) or time.has_changed())


class _Time:
    """The venues' time of a session. What a guard remembers of later moments would keep it waiting."""

    def __init__(self, session: TradingSession) -> None:
        self._session, self._speed, self._newest = session, session.speed, session.now()

    def has_changed(self) -> bool:
        """Whether it goes faster or slower than at first, or was put back."""
        now, most = self._session.now(), timedelta(seconds=_PUT_BACK_SECONDS * max(self._speed, 1.0))
        was_put_back = now < self._newest - most
        self._newest = max(self._newest, now)
        return was_put_back or self._session.speed != self._speed


@dataclass
class _Renewal:
    """Whether the journal that is open fails while it can be opened anew: its file was moved or replaced."""

    setup: TradingSetup
    patience_seconds: float
    _since: float | None = None

    def is_due(self, report: GuardReport | None) -> bool:
        if report is None or not report.has("journal"):
            self._since = None
            return False
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        if now - self._since < self.patience_seconds:
            return False
        self._since = now
        try:
            with self.setup.journal(busy_timeout_seconds=0.5) as again:
                # Written too: on a full disk it can be read, and a new session would forget since when.
                again.beat(Heartbeat(_WRITING, again.now(), "the journal can be written"))
        except JournalError:
            return False
        return True


def only_guard(lock: Path) -> AbstractContextManager[None]:
    """Hold the lock file. Raises GovernanceError naming who holds it; a dead guard holds nothing."""

    def refuse(who: str) -> GovernanceError:
        return GovernanceError(f"a guard is running already: {who}; stop that one first")

    return held_alone(lock, refuse=refuse)


async def _gone(parent: int) -> None:
    """Return when the process `parent` is gone: nobody would stop us then."""
    is_child = os.getppid() == parent
    while (not is_child or os.getppid() == parent) and _is_alive(parent):
        await asyncio.sleep(_PARENT_POLL_SECONDS)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _blind(error: BaseException) -> Alert:
    return Alert(
        key="guard blind",
        severity="critical",
        title=f"the guard cannot watch: {error}",
        action="mend what the message names; the guard tries again by itself, nothing opens meanwhile",
        raised_at=datetime.now(UTC),
    )


def _say_what_is_watched(session: TradingSession) -> None:
    venues: Sequence[str] = sorted(session.gateways)
    _log.info(
        "watching %s over %s (%s), market time %s, speed %g",
        ", ".join(venues) or "no venue yet",
        session.connection.label,
        session.permission_text(),
        f"{session.now():%Y-%m-%d %H:%M:%S} UTC",
        session.speed,
    )
    for reason in session.down.values():
        _log.warning("not open: %s", reason)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("funding_pipeline")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
