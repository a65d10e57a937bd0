"""Everything open that trading needs: journal, clock, accounts and public data of every venue that answers.

What lives here: opening and closing it, for executor, guard and whoever asks for a state. What does not:
what it is made from (`setup`), reading books (`book_reading`), orders (`executor`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from funding_pipeline.core.errors import CredentialsError, VenueError, VenueUnavailableError
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.states import Arming, Permission
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.executor import Executor
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.connection import Connection
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.registry import dialect_of

_LOCK_SECONDS = 60.0


@dataclass
class TradingSession:
    """Open gateways by venue. `down`: venues that could not be opened, with the reason.

    `connection` tells the time: seconds are the venues', `speed` of them pass in a second of this machine.
    """

    setup: TradingSetup
    connection: Connection
    journal: Journal
    speed: float
    gateways: dict[str, PrivateGateway] = field(default_factory=dict)
    public: dict[str, PublicGateway] = field(default_factory=dict)
    down: dict[str, str] = field(default_factory=dict)
    _open: Callable[[str], Awaitable[None]] | None = field(default=None, repr=False)

    async def reopen(self, venue: str) -> bool:
        """Try once more to open a venue that is down; whether it is open now. Raises no venue's failure.

        A session whose gateways were given opens none."""
        if self._open is not None and venue not in self.gateways:
            await self._open(venue)
        return venue in self.gateways

    def forget_remarks(self) -> None:
        """Drop the lines that gateways keep of rows left out: who looks every second or two would collect
        them for as long as it lives."""
        for gateway in (*self.gateways.values(), *self.public.values()):
            gateway.unread.clear()
        for public in self.public.values():
            public.untold.clear()
            public.gaps.clear()

    def now(self) -> datetime:
        """The venues' time, UTC."""
        return moment_of(self.connection)

    async def sleep(self, seconds: float) -> None:
        """`seconds` of the venues' time."""
        await asyncio.sleep(seconds / max(self.speed, 1.0))

    @property
    def config(self) -> ExecutionConfig:
        """How orders are carried out, in the venues' seconds."""
        return self.setup.execution.at_speed(self.speed)

    def limits(self) -> RiskLimits:
        """Limits in force now."""
        return self.setup.limits_in_force(self.journal.tightened(), at=self.now(), speed=self.speed)

    def permission(self) -> Permission:
        """What live trading stands on now: keys, and an arming that has not expired."""
        return self._arming().permission(self.now())

    def permission_text(self) -> str:
        """Why the permission is what it is."""
        return self._arming().reason(self.now())

    def _arming(self) -> Arming:
        armed_until = self.journal.armed_until() if self.setup.is_live else None  # asked before every order
        return Arming(self.setup.is_live, bool(self.gateways), armed_until)

    def executor(self, owner: str = "executor") -> Executor:
        """An executor over the open gateways; it takes the journal's lock as `owner`."""
        return Executor(
            journal=self.journal,
            gateways=self.gateways,
            public=self.public,
            clock=self.now,
            sleep=self.sleep,
            config=self.config,
            strategy=self.setup.strategy,
            owner=owner,
            lock_seconds=_LOCK_SECONDS * max(self.speed, 1.0),
            permission=self.permission,
        )


def moment_of(connection: Connection) -> datetime:
    """The venues' time as the connection tells it without waiting."""
    return datetime.fromtimestamp(connection.now_ms() / 1000, UTC)


@asynccontextmanager
async def open_session(
    setup: TradingSetup, *, credentials: Mapping[str, Credentials] | None = None
) -> AsyncIterator[TradingSession]:
    """Open the journal and every venue of `setup` that answers; the others are named in `down`.

    `credentials`: by default from the environment. Raises TestnetError where the testnet is not running,
    JournalError where the journal cannot be opened; no venue's failure.
    """
    connection = setup.connect()
    await connection.clock_ms()
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(setup.journal(now=lambda: moment_of(connection)))
        session = TradingSession(setup, connection, journal, connection.speed)

        async def open_one(venue: str) -> None:
            await _open_venue(session, venue, stack, credentials or {})

        session._open = open_one
        await asyncio.gather(*(open_one(venue) for venue in setup.venues))
        yield session


async def _open_venue(
    session: TradingSession, venue: str, stack: AsyncExitStack, given: Mapping[str, Credentials]
) -> None:
    try:
        dialect = dialect_of(venue)
        if not dialect.can_trade:
            raise CredentialsError(f"{venue}: only public data of this venue is implemented")
        keys = given.get(venue) or Credentials.from_environment(venue, dialect.credentials)
        private = await stack.enter_async_context(PrivateGateway(dialect, session.connection, keys))
        public = await stack.enter_async_context(PublicGateway(dialect, session.connection))
    except VenueError as error:
        session.down[venue] = str(error)
        return
    session.gateways[venue], session.public[venue] = private, public
    session.down.pop(venue, None)


def require_accounts(session: TradingSession, *, least: int = 2) -> None:
    """VenueUnavailableError, with every venue's reason, where fewer than `least` accounts are open."""
    if len(session.gateways) < least:
        reasons = "; ".join(session.down.values()) or "no venue that can be traded is set"
        raise VenueUnavailableError(
            f"{len(session.gateways)} accounts are open, {least} are needed: {reasons}"
        )
