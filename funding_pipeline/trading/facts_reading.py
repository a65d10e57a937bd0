"""What must be known of instruments before they may grow: prices, depth, interest, rules, margin brackets.

What lives here: reading it from open gateways. What does not: judging by it (`execution.verdict`).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.trading import InstrumentTerms, LeverageTier
from funding_pipeline.execution.market_facts import InstrumentFacts, LegKey, MarketFacts
from funding_pipeline.execution.market_state import MarketState
from funding_pipeline.market_data.liquidity import order_book_depth
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.side_by_side import side_by_side

_RULES_FRESH = timedelta(hours=1)
_AT_ONCE = 8


@dataclass(frozen=True)
class _Rules:
    """What changes seldom, of one venue."""

    read_at: datetime
    listed: Mapping[str, InstrumentTerms]
    tiers: Mapping[str, tuple[LeverageTier, ...]]


@dataclass(frozen=True)
class _Seen:
    """What changes always: book (RAW_ORDER_BOOKS) and open interest (RAW_OPEN_INTEREST), one row each."""

    at: datetime
    book: pl.DataFrame
    interest: pl.DataFrame


@dataclass
class FactsReader:
    """Reads facts through a session; rules and margin brackets are kept for an hour of this machine.

    `problems`: what could not be read the last time, by leg; those facts are null, which refuses growth.
    """

    session: TradingSession
    problems: dict[str, str] = field(default_factory=dict)
    _rules: dict[str, _Rules] = field(default_factory=dict)

    async def read(
        self,
        keys: Iterable[LegKey],
        *,
        model_trained_at: datetime | None,
        state: MarketState | None = None,
    ) -> MarketFacts:
        """Facts of the instruments `keys` (venue, symbol), observed now. Raises nothing for a venue.

        `state`: of the market, passed on as it is; None: not known.
        """
        self.problems = {}
        wanted = sorted(set(keys))
        venues = sorted({venue for venue, _ in wanted})
        await asyncio.gather(*(self._refresh(v, [s for w, s in wanted if w == v]) for v in venues))
        seen = await side_by_side([self._seen(key) for key in wanted], _AT_ONCE)
        found = {key: one for key, one in zip(wanted, seen, strict=True) if one is not None}
        depths = _depths([one.book for one in found.values()])
        return MarketFacts(
            {key: _with_market(self._known(key), found.get(key), depths.get(key)) for key in wanted},
            model_trained_at,
            state,
        )

    async def _refresh(self, venue: str, symbols: Sequence[str]) -> None:
        kept = self._rules.get(venue)
        now = datetime.now(UTC)
        if kept is not None and now - kept.read_at < _RULES_FRESH and set(symbols) <= set(kept.tiers):
            return
        if venue not in self.session.public:
            self.problems[venue] = self.session.down.get(venue, f"{venue}: no connection is open")
            return
        try:
            listed = (await self.session.public[venue].instruments()).known
            known = [symbol for symbol in symbols if symbol in listed]
            tiers = await self.session.gateways[venue].leverage_tiers(known) if known else ()
        except FundingPipelineError as error:
            self.problems[venue] = str(error)
            return
        told = {s: tuple(tier for tier in tiers if tier.symbol == s) for s in symbols}
        self._rules[venue] = _Rules(now, listed, {**(kept.tiers if kept else {}), **told})

    def _known(self, key: LegKey) -> InstrumentFacts:
        """What the venue's list of instruments says."""
        venue, symbol = key
        rules = self._rules.get(venue)
        terms = None if rules is None else rules.listed.get(symbol)
        if rules is None or terms is None:
            self.problems.setdefault(" ".join(key), self.problems.get(venue, "it is not listed"))
            return InstrumentFacts(venue, symbol)
        return InstrumentFacts(
            venue,
            symbol,
            quantity_step=terms.quantity_step,
            min_quantity=terms.min_quantity,
            min_notional=terms.min_notional,
            tiers=rules.tiers.get(symbol, ()),
        )

    async def _seen(self, key: LegKey) -> _Seen | None:
        """Book and open interest now; None, and the reason noted, where they cannot be read."""
        venue, symbol = key
        if venue not in self.session.public:
            return None
        gateway = self.session.public[venue]
        at = self.session.now()  # before they are asked for: never younger than they are
        try:
            return _Seen(at, await gateway.order_book(symbol), await gateway.open_interest(symbol))
        except FundingPipelineError as error:
            self.problems[" ".join(key)] = str(error)
            return None


def _depths(books: Sequence[pl.DataFrame]) -> Mapping[LegKey, Mapping[str, Any]]:
    """Depth measures by instrument, of all books at once: one by one they take seconds for a hundred."""
    rows = order_book_depth(pl.concat(books)).iter_rows(named=True) if books else ()
    return {(row["venue"], row["symbol"]): row for row in rows}


def _with_market(
    known: InstrumentFacts, seen: _Seen | None, depth: Mapping[str, Any] | None
) -> InstrumentFacts:
    """`known` with mid, depth and open interest in USD; a measure that cannot be made is null."""
    if seen is None or depth is None:
        return known
    mid, interest = depth["mid"], seen.interest.row(0, named=True)["open_interest_base"]
    return replace(
        known,
        observed_at=seen.at,
        price=_decimal(mid),
        bid_depth_10bp_usd=_decimal(depth["bid_depth_10bp_usd"]),
        ask_depth_10bp_usd=_decimal(depth["ask_depth_10bp_usd"]),
        open_interest_usd=None if mid is None or interest is None else _decimal(mid * interest),
    )


def _decimal(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(repr(number))
