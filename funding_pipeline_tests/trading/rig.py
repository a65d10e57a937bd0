"""What executor tests need: accounts on a testnet, a journal, and time that moves when one sleeps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from funding_pipeline.core.governance import LegVerdict, RiskVerdict, TargetPosition
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.storage.journal import Journal
from funding_pipeline.testnet.engine.values import Account, EngineFill, Order
from funding_pipeline.trading.executor import Executor
from funding_pipeline.trading.report import ExecutionReport
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.testnet.running import RunningTestnet

T = TypeVar("T")
Targets = Mapping[tuple[str, str], str]
ORDER_PATHS = {
    "binance": "/fapi/v1/order",
    "bybit": "/v5/order/create",
    "okx": "/trade/order",
    "hyperliquid": "/exchange",
    "gate": "/orders",
}


@dataclass
class Open:
    """Open gateways and an executor over them."""

    executor: Executor
    gateways: Mapping[str, PrivateGateway]
    public: Mapping[str, PublicGateway]


class TradingRig:
    """Accounts on `venues` of a testnet, and a journal in `folder`. Time stands still but for sleeping."""

    def __init__(self, testnet: RunningTestnet, folder: Path, venues: Sequence[str]) -> None:
        self.testnet, self.venues = testnet, tuple(venues)
        self.url = f"sqlite:///{folder / 'journal.sqlite'}"
        self.hook: Callable[[str], None] = lambda name: None
        self.on_sleep: Callable[[], None] = lambda: None
        self.journal = self.new_journal()
        self._keys: dict[str, Credentials] = {}
        self._ids: dict[str, str] = {}
        for venue in self.venues:
            made = dict(testnet.new_account(venue, "1000000"))
            self._ids[venue] = str(made.pop("account_id"))
            wanted = dialect_of(venue).credentials
            self._keys[venue] = Credentials(venue, {k: str(v) for k, v in made.items() if k in wanted})

    def new_journal(self) -> Journal:
        """As a new process would open it."""
        return Journal(self.url, now=self.now, commit_hook=lambda name: self.hook(name))

    @property
    def keys(self) -> Mapping[str, Credentials]:
        """Keys of the accounts by venue."""
        return self._keys

    # --- time
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.testnet.clock.now() / 1000, UTC)

    async def sleep(self, seconds: float) -> None:
        self.testnet.clock.advance(seconds=seconds)
        self.on_sleep()

    # --- the engines behind
    def account(self, venue: str) -> Account:
        accounts = self.testnet.exchanges[venue].accounts()
        return next(a for a in accounts if a.account_id == self._ids[venue])

    def account_id(self, venue: str) -> str:
        return self._ids[venue]

    def held(self, venue: str, base: str = "BTC") -> Decimal:
        return self.testnet.exchanges[venue].position(self.account(venue), symbol(venue, base)).quantity

    def orders(self, venue: str) -> Sequence[Order]:
        return self.testnet.exchanges[venue].orders(self.account(venue))

    def fills(self, venue: str) -> Sequence[EngineFill]:
        return self.testnet.exchanges[venue].fills(self.account(venue))

    def fault(self, kind: str, venue: str, **parameters: Any) -> str:
        made = self.testnet.admin("POST", "/admin/faults", {"kind": kind, "venue": venue, **parameters})
        return str(made["id"])

    def order_fault(self, kind: str, venue: str, **parameters: Any) -> str:
        """A fault of the requests that place orders."""
        return self.fault(kind, venue, method="POST", path=ORDER_PATHS[venue], **parameters)

    def end_faults(self) -> None:
        self.testnet.admin("DELETE", "/admin/faults")

    def mark(self, venue: str, base: str = "BTC") -> Decimal:
        quotes = self.testnet.exchanges[venue].quotes
        return quotes.mark(symbol(venue, base), self.testnet.clock.now())

    # --- verdicts and executors
    def verdict(self, name: str, targets: Targets, *, lasts: float = 600) -> RiskVerdict:
        """Allows `targets`: (venue, base) -> signed quantity."""
        legs = tuple(
            LegVerdict(self.target(venue, base, quantity), "pass", Decimal(quantity))
            for (venue, base), quantity in targets.items()
        )
        return RiskVerdict(
            name, name, self.now(), self.now() + timedelta(seconds=lasts), "ACTIVE", "test", legs
        )

    def target(self, venue: str, base: str, quantity: str) -> TargetPosition:
        name = symbol(venue, base)
        parsed = parse_symbol(name)
        price = self.mark(venue, base)
        return TargetPosition(
            venue, name, parsed.base, Decimal(str(parsed.multiplier)), Decimal(quantity), price
        )

    @asynccontextmanager
    async def opened(self, config: ExecutionConfig | None = None, **options: Any) -> AsyncIterator[Open]:
        """Gateways and an executor, as of a new process."""
        connection = TestnetConnection(self.testnet.port)
        async with AsyncExitStack() as stack:
            private, public = {}, {}
            for venue in self.venues:
                dialect = dialect_of(venue)
                private[venue] = await stack.enter_async_context(
                    PrivateGateway(dialect, connection, self._keys[venue], sleep=self.sleep)
                )
                public[venue] = await stack.enter_async_context(
                    PublicGateway(dialect, connection, sleep=self.sleep)
                )
            executor = Executor(
                journal=self.journal,
                gateways=private,
                public=public,
                clock=self.now,
                sleep=self.sleep,
                config=config or QUICK,
                **options,
            )
            yield Open(executor, private, public)

    def rebalance(
        self, verdict: RiskVerdict, config: ExecutionConfig | None = None, **options: Any
    ) -> ExecutionReport:
        """Carry a verdict out in a loop and with gateways of its own."""

        async def case(opened: Open) -> ExecutionReport:
            return await opened.executor.rebalance(verdict)

        return self.run(case, config, **options)

    def run(
        self,
        case: Callable[[Open], Awaitable[T]],
        config: ExecutionConfig | None = None,
        **options: Any,
    ) -> T:
        async def whole() -> T:
            async with self.opened(config, **options) as opened:
                return await case(opened)

        return asyncio.run(whole())


QUICK = ExecutionConfig(concurrency=1, poll_seconds=0.5, deadline_seconds=60, grace_seconds=60)


def symbol(venue: str, base: str) -> str:
    """The perpetual of a base on a venue of the testnet."""
    quote = "USDC" if venue == "hyperliquid" else "USDT"
    return f"{base}/{quote}:{quote}"
