"""What a conformance case needs: one venue on a running testnet, its gateways, the engine behind it."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from funding_pipeline.core.trading import OrderKind, OrderRequest, Side, TimeInForce
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Instrument
from funding_pipeline.venues.connection import Recorder
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.testnet.running import RunningTestnet

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """One event loop per test."""
    return asyncio.run(coroutine)


@dataclass
class Keys:
    """Credentials of a test account and the account itself."""

    credentials: Credentials
    values: Mapping[str, str]
    account_id: str


class VenueRig:
    """One venue of `testnet`. `pauses`: what a retry would have slept, in seconds."""

    def __init__(self, name: str, dialect: VenueDialect, testnet: RunningTestnet) -> None:
        self.name = name
        self.dialect = dialect
        self.testnet = testnet
        self.exchange: Exchange = testnet.exchanges[name]
        self.connection = TestnetConnection(testnet.port)
        self.pauses: list[float] = []
        self._made = 0

    # --- gateways
    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def public(self, record: Recorder | None = None) -> PublicGateway:
        return PublicGateway(self.dialect, self.connection, record=record, sleep=self._sleep)

    def private(self, keys: Keys | Credentials) -> PrivateGateway:
        credentials = keys.credentials if isinstance(keys, Keys) else keys
        return PrivateGateway(self.dialect, self.connection, credentials, sleep=self._sleep)

    def new_keys(self, *, balance: str = "100000", may_withdraw: bool = False) -> Keys:
        made = dict(self.testnet.new_account(self.name, balance, may_withdraw))
        account_id = str(made.pop("account_id"))
        values = {name: str(value) for name, value in made.items() if name in self.dialect.credentials}
        return Keys(Credentials(self.name, values), values, account_id)

    # --- the engine behind
    def account(self, keys: Keys) -> Account:
        found = [a for a in self.exchange.accounts() if a.account_id == keys.account_id]
        assert len(found) == 1
        return found[0]

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    @property
    def now_ms(self) -> int:
        return self.testnet.clock.now()

    def advance(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Move the testnet's clock and let the engine do what time does."""
        self.testnet.clock.advance(hours=hours, seconds=seconds)
        self.testnet.call(self.exchange.advance)

    def instrument(self, quoted: str = "BTC") -> Instrument:
        return next(found for found in self.exchange.instruments() if found.quoted == quoted)

    @property
    def symbol(self) -> str:
        return self.instrument().symbol

    def fault(self, kind: str, **parameters: Any) -> str:
        """Make a fault of this venue; its id."""
        made = self.testnet.admin("POST", "/admin/faults", {"kind": kind, "venue": self.name, **parameters})
        return str(made["id"])

    def end_faults(self) -> None:
        self.testnet.admin("DELETE", "/admin/faults")

    def hits(self, fault: str) -> int:
        rules = self.testnet.admin("GET", "/admin/faults")
        return next(int(rule["hits"]) for rule in rules if rule["id"] == fault)

    # --- orders
    def new_id(self) -> str:
        """A client order id that no other order of this test process has."""
        self._made += 1
        return f"{id(self) & 0xFFFFFFFF:08x}{self._made:016x}"

    def best(self, side: Side) -> Decimal:
        """The best price that an order of `side` would take."""
        book = self.exchange.quotes.book(self.symbol, self.now_ms)
        return (book.asks if side == "buy" else book.bids)[0].price

    def away(self, side: Side, fraction: str = "0.05") -> Decimal:
        """A price on the tick that rests: this far from the market."""
        price = self.best(side)
        factor = Decimal(1) - Decimal(fraction) if side == "buy" else Decimal(1) + Decimal(fraction)
        # whole units of quote: on every venue's tick, and within Hyperliquid's five significant digits
        return (price * factor).quantize(Decimal(10))

    def lots(self, count: int) -> Decimal:
        """A quantity of `count` times what makes about 500 in quote, on the step."""
        instrument = self.instrument()
        steps = (Decimal(500) / self.best("buy") / instrument.step).to_integral_value() + 1
        return steps * instrument.step * count

    def order(
        self,
        side: Side = "buy",
        kind: OrderKind = "market",
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        time_in_force: TimeInForce = "gtc",
        reduce_only: bool = False,
        client_order_id: str | None = None,
    ) -> OrderRequest:
        worst = self.away("sell" if side == "buy" else "buy") if kind == "market" else None
        return OrderRequest(
            venue=self.name,
            symbol=self.symbol,
            side=side,
            kind=kind,
            quantity=self.lots(1) if quantity is None else quantity,
            client_order_id=client_order_id or self.new_id(),
            price=price if price is not None else worst,
            time_in_force=time_in_force,
            reduce_only=reduce_only,
        )


def days(count: float) -> timedelta:
    return timedelta(days=count)
