"""What the accounts hold, as the venues tell it."""

import asyncio

import dagster as dg

from funding_pipeline.core.market import Market
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.models import LATEST
from funding_pipeline.execution.book import BookState
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.kept_books import BOOK_SCHEMA, book_rows
from funding_pipeline.trading.session import open_session, require_accounts

GROUP = "execution"
BOOK = "account_book"
SETTLEMENT_TAG = "funding/settlement"
"""Tag of a run that is about a settlement: its moment, ISO 8601."""


def account_assets() -> list[dg.AssetsDefinition]:
    """The accounts' book."""
    return [account_book]


def subject_of(context: dg.AssetExecutionContext) -> str:
    """What a trading run is about: its settlement, or itself. The same in a run that is executed again."""
    tags = context.run.tags
    return tags.get(SETTLEMENT_TAG) or tags.get("dagster/root_run_id") or context.run.run_id


@dg.asset(
    name=BOOK,
    deps=[LATEST],  # read last before the plan: what is held changes while rows are fetched
    group_name=GROUP,
    kinds={"ccxt", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(BOOK_SCHEMA)},
)
def account_book(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Positions, balances and open orders of every account now, one row per venue.

    A venue that cannot be read has its reason in its row; what it holds is unknown, not nothing.
    """
    state, down = asyncio.run(_read(settings))
    for reason in down.values():
        context.log.warning(reason)
    frame = book_rows(state.venues, down, at=state.at)
    version = lake.replace(BOOK, frame)
    held = [
        {"venue": p.venue, "symbol": p.symbol, "quantity": float(p.quantity), "mark": p.mark_price}
        for p in state.positions
    ]
    return dg.MaterializeResult(
        metadata={
            **md.stored(BOOK, version, rows=frame.height, market_label=market.label),
            "accounts": md.table_preview(frame.drop("book")),
            "held": md.table_of(held),
            "equity_usd": "unknown" if state.equity_usd is None else float(state.equity_usd),
        }
    )


async def _read(settings: Settings) -> tuple[BookState, dict[str, str]]:
    async with open_session(settings.trading_setup()) as session:
        require_accounts(session)
        return await read_book(session, betas={})
