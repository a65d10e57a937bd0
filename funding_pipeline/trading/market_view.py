"""What the executor needs of public data: rules of instruments, quotes, settlement times.

What lives here: reading them and how long they stay good. What does not: the account (`carrying_out`),
or what follows from them (`execution`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from funding_pipeline.core.errors import (
    FundingPipelineError,
    UnknownInstrumentError,
    VenueAnswerError,
    VenueUnavailableError,
)
from funding_pipeline.core.governance import TargetPosition
from funding_pipeline.core.venue_terms import VenueTerms, load_venue_terms, terms_of
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.slicing import Quote, SizeRules, quote_of
from funding_pipeline.execution.windows import SettlementTimes
from funding_pipeline.trading.orders import Clock, Key
from funding_pipeline.trading.side_by_side import side_by_side
from funding_pipeline.venues.public import PublicGateway

_FRESH = timedelta(minutes=5)
"""Terms and settlement times are asked for again after this: an interval may change unannounced."""


class MarketView:
    """Public data of several venues, kept for as long as it is good."""

    def __init__(
        self,
        public: Mapping[str, PublicGateway],
        *,
        clock: Clock,
        config: ExecutionConfig,
        terms: Mapping[str, VenueTerms] | None = None,
    ) -> None:
        self._public, self._clock, self._config = public, clock, config
        self._terms = load_venue_terms() if terms is None else terms
        self._rules: dict[Key, SizeRules] = {}
        self._refused: dict[Key, str] = {}
        self._unlisted: set[Key] = set()
        self._settlements: dict[str, tuple[SettlementTimes, ...]] = {}
        self._read_at: dict[str, datetime] = {}
        self._quotes: dict[Key, tuple[Quote, datetime]] = {}

    async def refresh(self, targets: Sequence[TargetPosition]) -> None:
        """Read rules and settlement times of the targets' venues unless they are fresh; never raises for a
        venue: what is not known is asked for again, and legs without rules are blocked."""
        venues = sorted({target.venue for target in targets})
        work = [self._refresh(venue, [t for t in targets if t.venue == venue]) for venue in venues]
        await side_by_side(work, self._config.concurrency)

    async def _refresh(self, venue: str, targets: Sequence[TargetPosition]) -> None:
        now, read_at = self._clock(), self._read_at.get(venue)
        known = all((venue, target.symbol) in self._rules for target in targets)
        if known and read_at is not None and now - read_at < _FRESH:
            return
        try:
            await self._read(venue, targets)
            self._read_at[venue] = now
        except FundingPipelineError as error:
            for target in targets:
                self._refused[venue, target.symbol] = str(error)

    def rules(self, target: TargetPosition) -> SizeRules | None:
        """What the leg's orders must fit; None: see `refused`."""
        return self._rules.get((target.venue, target.symbol))

    def refused(self, target: TargetPosition) -> str:
        """Why there are no rules."""
        return self._refused.get((target.venue, target.symbol), "its terms are not known")

    def is_unlisted(self, target: TargetPosition) -> bool:
        """Whether the venue's list has no such instrument: no order in it can be sent at all."""
        return (target.venue, target.symbol) in self._unlisted

    def is_clear(self, venue: str, *, lead_seconds: float = 0) -> bool:
        """Whether no settlement window of the venue is open, nor begins within the lead."""
        now, lead = self._clock(), timedelta(seconds=lead_seconds)
        known = self._settlements.get(venue) or (SettlementTimes.hourly(now, self._window(venue)),)
        return all(times.is_clear(now, lead=lead) for times in known)

    async def quote(self, target: TargetPosition, *, fresh: bool = False) -> Quote:
        """Best prices and depth within the taker's bound. Raises VenueError."""
        key = (target.venue, target.symbol)
        now = self._clock()
        kept = self._quotes.get(key)
        good = timedelta(seconds=self._config.quote_seconds)
        if kept is not None and not fresh and now - kept[1] < good:
            return kept[0]
        book = await self._gateway(target.venue).order_book(target.symbol)
        quote = _quote(book, self._config.taker_bound_bp)
        self._quotes[key] = (quote, now)
        return quote

    def forget_quote(self, target: TargetPosition) -> None:
        """Read the book again next time: it was not as it seemed."""
        self._quotes.pop((target.venue, target.symbol), None)

    def _gateway(self, venue: str) -> PublicGateway:
        """Raises VenueUnavailableError where none could be opened."""
        if venue not in self._public:
            raise VenueUnavailableError(f"{venue}: no connection is open")
        return self._public[venue]

    def _window(self, venue: str) -> timedelta:
        return timedelta(seconds=terms_of(venue, self._terms).settlement_window_seconds)

    async def _read(self, venue: str, targets: Sequence[TargetPosition]) -> None:
        gateway = self._gateway(venue)
        listed = (await gateway.instruments()).known  # also what is only to be closed
        tradable = []
        for target in targets:
            key = (venue, target.symbol)
            try:
                if target.symbol not in listed:
                    raise UnknownInstrumentError(f"{venue}: {target.symbol} is not listed")
                self._rules[key] = SizeRules.of(listed[target.symbol], target.multiplier)
                self._unlisted.discard(key)
                tradable.append(target.symbol)
            except UnknownInstrumentError as error:
                self._rules.pop(key, None)
                self._refused[key] = str(error)
                self._unlisted.add(key)
        if tradable:
            self._settlements[venue] = _times(await gateway.estimated_funding(tradable), self._window(venue))


def _times(estimated: pl.DataFrame, window: timedelta) -> tuple[SettlementTimes, ...]:
    """Distinct settlement times of the rows; an interval that is not told counts as an hour."""
    rows = estimated.select("settled_at", "interval_hours").unique().sort("settled_at", "interval_hours")
    return tuple(
        SettlementTimes(settles_at, timedelta(hours=hours or 1.0), window)
        for settles_at, hours in rows.iter_rows()
    )


def _quote(book: pl.DataFrame, bound_bp: float) -> Quote:
    row = book.row(0, named=True)
    size = row["contract_size"]
    if size is None:
        raise VenueAnswerError(f"{row['venue']}: contract size of {row['symbol']} is unknown")
    bids, asks = (_levels(row[f"{side}_px"], row[f"{side}_qty"], size) for side in ("bid", "ask"))
    return quote_of(bids, asks, bound_bp=bound_bp)


def _levels(
    prices: Sequence[float], quantities: Sequence[float], size: float
) -> list[tuple[Decimal, Decimal]]:
    unit = Decimal(str(size))
    return [
        (Decimal(str(price)), Decimal(str(quantity)) * unit)
        for price, quantity in zip(prices, quantities, strict=True)
    ]
