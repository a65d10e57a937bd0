"""What guard tests need: a session over the accounts of a TradingRig, a guard, and what it told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.core.trading import OrderRequest
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.guard.alerts import Alerts
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import GuardReport
from funding_pipeline.guard.guard import Guard
from funding_pipeline.guard.shedding import reducing_executor
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.executor import Executor
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.connection import Connection
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.trading.rig import QUICK, TradingRig, symbol

T = TypeVar("T")
LIMITS = RiskLimits(
    max_venue_beta_usd=1e9,
    max_gross_notional_usd=1e9,
    max_venue_notional_usd=1e9,
    max_base_notional_usd=1e9,
    max_instrument_notional_usd=1e9,
    max_portfolio_delta_usd=1e9,
    max_daily_loss_usd=1e8,
    max_drawdown_fraction=1.0,
)
"""The default limits of hedges, margin and liquidation; the others are out of the way."""
BETAS = {"BTC": 1.0, "ETH": 1.2, "SOL": 1.5}


class RigSession(TradingSession):
    """A session whose time is the rig's: it moves when somebody sleeps."""

    rig: TradingRig

    def now(self) -> datetime:
        return self.rig.now()

    async def sleep(self, seconds: float) -> None:
        await self.rig.sleep(seconds)


@dataclass
class Heard:
    """What the services were told, and with which urls."""

    messages: list[tuple[tuple[str, ...], str, str]] = field(default_factory=list)

    def __call__(self, urls: Sequence[str], title: str, body: str) -> bool:
        self.messages.append((tuple(urls), title, body))
        return True


@dataclass
class Watched:
    """A guard over an open session. `look` passes venue time first."""

    rig: TradingRig
    session: TradingSession
    guard: Guard
    alerts: Alerts
    heard: Heard

    async def look(self, *, after: float = 2.0) -> GuardReport:
        await self.rig.sleep(after)
        return await self.guard.look()

    async def looks(self, count: int, *, after: float = 2.0) -> GuardReport:
        for _ in range(count):
            report = await self.look(after=after)
        return report

    async def send(self, venue: str, quantity: str, base: str = "BTC") -> None:
        """An order of somebody else, filled at once."""
        side = "sell" if quantity.startswith("-") else "buy"
        await self.order(venue, side, quantity.removeprefix("-"), base=base, price=None)

    async def order(
        self, venue: str, side: Any, quantity: str, *, base: str = "BTC", price: Any, client_id: str = ""
    ) -> None:
        if price is None:
            mark = self.rig.mark(venue, base)
            price = round(mark * (Decimal("1.02") if side == "buy" else Decimal("0.98")), 0)
        request = OrderRequest(
            venue, symbol(venue, base), side, "limit", Decimal(quantity),
            client_id or _next_id(), Decimal(price),
        )  # fmt: skip
        await self.session.gateways[venue].create_order(request)


_ids = iter(range(10**9))


def _next_id() -> str:
    return f"{next(_ids):024x}"


@asynccontextmanager
async def watched(
    rig: TradingRig,
    *,
    config: GuardConfig | None = None,
    limits: RiskLimits = LIMITS,
    journal: Journal | None = None,
    make_executor: Callable[[TradingSession], Executor] | None = None,
    **alert_options: Any,
) -> AsyncIterator[Watched]:
    """A guard as of a new process, over accounts of the rig."""
    journal = journal or rig.journal
    connection = TestnetConnection(rig.testnet.port)
    setup = TradingSetup(
        mode="paper", venues=rig.venues, connect=lambda: connection, journal_url=rig.url,
        limits=(limits,), execution=QUICK,
    )  # fmt: skip
    async with rig.opened() as opened:
        session = RigSession(setup, connection, journal, 1.0, dict(opened.gateways), dict(opened.public))
        session.rig = rig
        heard = Heard()
        alert_options.setdefault("urls", ("json://127.0.0.1:9",))
        alerts = Alerts(journal, notify=heard, **alert_options)
        guard = Guard(
            session,
            config=config or GuardConfig(slow_look_seconds=0, shed_wait_seconds=60),
            alerts=alerts,
            make_executor=None if make_executor is None else lambda: make_executor(session),
            betas=lambda: BETAS,
        )
        try:
            yield Watched(rig, session, guard, alerts, heard)
        finally:
            await guard.close()


def run(rig: TradingRig, case: Callable[[Watched], Awaitable[T]], **options: Any) -> T:
    """A case with a guard of its own."""

    async def whole() -> T:
        async with watched(rig, **options) as there:
            return await case(there)

    return asyncio.run(whole())


__all__ = ["Connection", "ExecutionConfig", "Watched", "reducing_executor", "run", "watched"]
