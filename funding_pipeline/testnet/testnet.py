"""The testnet as a whole: an exchange and a dialect per venue, over one market and one clock.

What lives here: putting them together, and test accounts. What does not: HTTP (`server`), the admin API
(`admin`), what goes wrong on demand (`faults`).
"""

import importlib
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.market import Market
from funding_pipeline.testnet.clock import Clock
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account
from funding_pipeline.testnet.faulty_quotes import FaultyQuotes
from funding_pipeline.testnet.http import Dialect
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.testnet.raw_market import RawMarket

DIALECTS: Mapping[str, str] = {
    "binance": "funding_pipeline.testnet.dialects.binance:BinanceDialect",
    "bybit": "funding_pipeline.testnet.dialects.bybit:BybitDialect",
    "okx": "funding_pipeline.testnet.dialects.okx:OkxDialect",
    "hyperliquid": "funding_pipeline.testnet.dialects.hyperliquid:HyperliquidDialect",
    "gate": "funding_pipeline.testnet.dialects.gate:GateDialect",
    "deribit": "funding_pipeline.testnet.dialects.deribit:DeribitDialect",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seat:
    """One venue of the testnet."""

    venue: str
    quotes: FaultyQuotes
    exchange: Exchange
    dialect: Dialect


class Testnet:
    """All venues of `market` that have a dialect, at the time of `clock`.

    `identity`: of this market and home, which every answer proves (default: its label); `accounts_of`: what
    saved accounts belong to, a beginning of the identity that holds while days are added to the market.
    Raises TestnetError when no venue of the market can be served.
    """

    __test__ = False

    def __init__(
        self,
        market: Market | RawMarket,
        clock: Clock,
        *,
        identity: str | None = None,
        accounts_of: str | None = None,
    ) -> None:
        self.market = market if isinstance(market, RawMarket) else RawMarket(market)
        self.identity = identity or self.market.label
        self.accounts_of = accounts_of or self.identity
        self.clock = clock
        self.skews: dict[str, int] = {}
        self.seats = {seat.venue: seat for venue in self.market.venues if (seat := self._seat(venue))}
        if not self.seats:
            raise TestnetError(
                f"the market {self.market.label} has none of the venues that the testnet speaks: "
                f"{', '.join(DIALECTS)} (it has {', '.join(self.market.venues) or 'none'})"
            )
        self.by_host = {host: seat for seat in self.seats.values() for host in seat.dialect.hosts}

    @property
    def exchanges(self) -> Mapping[str, Exchange]:
        """The engine of each venue."""
        return {venue: seat.exchange for venue, seat in self.seats.items()}

    def seat(self, venue: str) -> Seat:
        """Raises TestnetError naming the venues that there are."""
        try:
            return self.seats[venue]
        except (KeyError, TypeError):
            raise TestnetError(f"venue {venue!r} is none of {', '.join(self.seats)}") from None

    def new_account(
        self, venue: str, balance: Decimal, *, may_withdraw: bool = False, account_id: str | None = None
    ) -> tuple[Account, Mapping[str, str]]:
        """A test account and its credentials by ccxt's names. Raises TestnetError or Rejected."""
        seat = self.seat(venue)
        key, secret, passphrase = seat.dialect.new_credentials(secrets.token_bytes(32))
        account = seat.exchange.open_account(
            account_id or f"{venue}-{len(seat.exchange.accounts()) + 1}",
            key=key,
            secret=secret,
            passphrase=passphrase,
            balance=balance,
            may_withdraw=may_withdraw,
        )
        return account, seat.dialect.show_credentials(account)

    def _seat(self, venue: str) -> Seat | None:
        dialect_class = find_dialect(venue)
        if dialect_class is None:
            return None
        quotes = FaultyQuotes(MarketQuotes(self.market, venue))
        exchange = Exchange(
            quotes,
            now=lambda: self.clock.now() + self.skews.get(venue, 0),
            wall=lambda: time.time_ns() // 1_000_000 + self.skews.get(venue, 0),
            funding_reference="index" if venue == "hyperliquid" else "mark",
        )
        return Seat(venue, quotes, exchange, dialect_class(exchange))


def find_dialect(venue: str) -> Any:
    """The venue's dialect, imported when it is needed, or None where it has none."""
    if venue not in DIALECTS:
        _log.info("%s is in the market and has no dialect: not served", venue)
        return None
    module, _, name = DIALECTS[venue].partition(":")
    return getattr(importlib.import_module(module), name)
