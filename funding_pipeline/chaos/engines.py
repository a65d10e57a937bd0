"""The testnet's engines for episodes: a small market whose quotes are made once and shared.

What lives here: venues, instruments and accounts of an episode. What does not: HTTP or its stand-in
(`connection`), and what happens (`episode`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import polars as pl

from funding_pipeline.chaos.virtual_time import VirtualClock
from funding_pipeline.core.market import RAW_EVENT_TIME, Market, MarketSpan
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Instrument
from funding_pipeline.testnet.faulty_quotes import FaultyQuotes
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.testnet.quotes import Quotes
from funding_pipeline.testnet.raw_market import RawMarket
from funding_pipeline.testnet.testnet import Seat, Testnet, find_dialect


@dataclass(frozen=True)
class SelectedMarket:
    """The rows of `market` that are about `venues` and `bases`: few instruments make quick clients."""

    market: Market
    venues: tuple[str, ...]
    bases: tuple[str, ...]

    @property
    def label(self) -> str:
        """The market's."""
        return self.market.label

    @property
    def is_simulated(self) -> bool:
        """The market's."""
        return self.market.is_simulated

    def span(self) -> MarketSpan:
        """The market's period, with the selected venues."""
        span = self.market.span()
        return MarketSpan(span.start, span.end, self.venues)

    def read(self, table: str, *, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        """Rows of the selected bases, spot prices included."""
        rows = self.market.read(table, venues=venues, start=start, end=end)
        base = pl.col("symbol").str.split("/").list.first()
        return rows.filter(base.is_in(list(self.bases)))

    def digest(self, *, start: datetime, end: datetime) -> str:
        """The market's and the selection."""
        return f"{self.market.digest(start=start, end=end)} {self.venues} {self.bases} {len(RAW_EVENT_TIME)}"


class SharedMarket:
    """Quotes of each venue, made once per campaign: the same second has the same book in every episode."""

    def __init__(self, market: Market) -> None:
        self.rows = RawMarket(market)
        self.rows.read_everything()
        self.quotes = {venue: MarketQuotes(self.rows, venue) for venue in self.rows.venues}

    def instruments(self) -> Mapping[str, tuple[Instrument, ...]]:
        """By venue."""
        return {venue: quotes.instruments() for venue, quotes in self.quotes.items()}


class EpisodeTestnet(Testnet):
    """A testnet of some venues of a shared market, in virtual time alone. `as_changed`: what becomes of a
    venue's quotes before faults and traders see them."""

    def __init__(
        self,
        shared: SharedMarket,
        venues: Sequence[str],
        clock: VirtualClock,
        *,
        as_changed: Callable[[Quotes], Quotes] = lambda quotes: quotes,
    ) -> None:
        self._shared, self._chosen, self._as_changed = shared, frozenset(venues), as_changed
        super().__init__(shared.rows, clock)

    def open(self, venue: str, balance: Decimal, *, seed: str) -> tuple[Account, Mapping[str, str]]:
        """An account, and its credentials by ccxt's names; the same seed gives the same keys."""
        seat = self.seat(venue)
        token = hashlib.sha256(f"{seed} {venue}".encode()).digest()
        key, secret, passphrase = seat.dialect.new_credentials(token)
        account = seat.exchange.open_account(
            f"{venue}-1", key=key, secret=secret, passphrase=passphrase, balance=balance
        )
        return account, seat.dialect.show_credentials(account)

    def _seat(self, venue: str) -> Seat | None:
        dialect_class = find_dialect(venue)
        if dialect_class is None or venue not in self._chosen:
            return None
        quotes = FaultyQuotes(self._as_changed(self._shared.quotes[venue]))
        exchange = Exchange(
            quotes,
            now=lambda: self.clock.now() + self.skews.get(venue, 0),
            funding_reference="index" if venue == "hyperliquid" else "mark",
        )
        return Seat(venue, quotes, exchange, dialect_class(exchange))


def base_of(symbol: str) -> tuple[str, Decimal]:
    """Base asset and base units per quoted unit: ("PEPE", 1000) for 1000PEPE/USDT:USDT."""
    parsed = parse_symbol(symbol)
    return parsed.base, Decimal(str(parsed.multiplier))
