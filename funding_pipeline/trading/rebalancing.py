"""A verdict carried out, and what came of it: orders, what is held now, profit by source.

What lives here: the books before and after, and comparing. What does not: the executor (`executor`),
statements (`statements`), profit (`pnl`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from funding_pipeline.core.governance import IntentRecord, RiskVerdict
from funding_pipeline.core.tables import UTC
from funding_pipeline.core.trading import Fill
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.executor import ExecutionReport
from funding_pipeline.trading.pnl import PnlBySource, decision_prices, pnl_by_source
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.statements import Difference, differences

ORDERS_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "written_at": UTC,
    "rebalance": pl.String,
    "venue": pl.String,
    "symbol": pl.String,
    "purpose": pl.String,
    "side": pl.String,
    "quantity": pl.Float64,
    "limit_price": pl.Float64,
    "reduce_only": pl.Boolean,
    "outcome": pl.String,
    "filled": pl.Float64,
    "average_price": pl.Float64,
    "error": pl.String,
    "client_order_id": pl.String,
    "verdict_id": pl.String,
}


@dataclass(frozen=True)
class Rebalanced:
    """What an execution did. `pnl`: between the two books; `problems`: venues that could not be read."""

    report: ExecutionReport
    after: Mapping[str, VenueBook]
    pnl: PnlBySource
    differences: tuple[Difference, ...]
    problems: tuple[str, ...]


async def carry_out(session: TradingSession, verdict: RiskVerdict, *, owner: str) -> Rebalanced:
    """Carry `verdict` out and compare positions, fills, fees and payments with the venues' statements.

    Raises ExecutionLockedError while another one executes, JournalError; no venue's failure.
    """
    before, _ = await read_book(session, betas={})
    since = min((book.at for book in before.venues.values()), default=session.now())
    known = set(session.journal.fills(since=since))
    report = await session.executor(owner).rebalance(verdict)
    after, down = await read_book(session, betas={})
    fills = [fill for fill in session.journal.fills(since=since) if fill not in known]
    return Rebalanced(
        report=report,
        after=after.venues,
        pnl=pnl_between(session, before.venues, after.venues, fills),
        differences=differences(
            session.journal.intents(rebalance=verdict.rebalance, since=since),
            fills,
            _common(before.venues, after.venues),
            _common(after.venues, before.venues),
        ),
        problems=tuple(down.values()),
    )


def pnl_between(
    session: TradingSession,
    before: Mapping[str, VenueBook],
    after: Mapping[str, VenueBook],
    fills: Sequence[Fill],
) -> PnlBySource:
    """Profit by source between two books, `fills` being all of the time; payments are the journal's.

    Only venues that are in both books count: of the others nothing can be said. Each counts from its own
    earlier book to its own later one: a venue that was silent has an older one.
    """
    venues = set(before) & set(after)
    since = min((book.at for book in before.values()), default=session.now())
    payments = session.journal.payments(since=since)
    records = session.journal.intents(since=since - timedelta(hours=1))
    return pnl_by_source(
        _common(before, after),
        _common(after, before),
        [fill for fill in fills if fill.venue in venues],
        [p for p in payments if p.venue in venues and before[p.venue].at < p.settled_at <= after[p.venue].at],
        records,
        references=decision_prices(records, session.config),
    )


def order_rows(records: Sequence[IntentRecord]) -> pl.DataFrame:
    """One row per intent (ORDERS_SCHEMA), newest first."""
    rows = [
        (
            record.intent.written_at,
            record.intent.rebalance,
            record.intent.request.venue,
            record.intent.request.symbol,
            record.intent.purpose,
            record.intent.request.side,
            float(record.intent.request.quantity),
            None if record.intent.request.price is None else float(record.intent.request.price),
            record.intent.request.reduce_only,
            record.outcome,
            None if record.order is None else float(record.order.filled),
            _price(record),
            record.error,
            record.intent.client_order_id,
            record.intent.verdict_id,
        )
        for record in reversed(records)
    ]
    return pl.DataFrame(rows, schema=dict(ORDERS_SCHEMA), orient="row")


def _price(record: IntentRecord) -> float | None:
    order = record.order
    return None if order is None or order.average_price is None else float(order.average_price)


def _common(books: Mapping[str, VenueBook], others: Mapping[str, VenueBook]) -> dict[str, VenueBook]:
    return {venue: book for venue, book in books.items() if venue in others}
