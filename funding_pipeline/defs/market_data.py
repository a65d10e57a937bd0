"""Layer 1: raw rows as the market gives them, and the normalized tables made of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import dagster as dg
import polars as pl

from funding_pipeline.core.market import (
    RAW_EVENT_TIME,
    RAW_FUNDING_RATES,
    RAW_INSTRUMENT_TERMS,
    RAW_LEVERAGE_TIERS,
    RAW_TABLES,
    Market,
    raw_columns,
)
from funding_pipeline.core.tables import (
    FUNDING_INTERVALS,
    INSTRUMENTS,
    LEVERAGE_TIERS,
    QUARANTINE,
    REFUSED_SERIES,
)
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.partitions import (
    UNKNOWN_VENUE,
    UNPLACED,
    PartitionSelection,
    every_partition,
    selection_of,
    with_partition,
)
from funding_pipeline.market_data.instruments import instruments as resolve_instruments
from funding_pipeline.market_data.intervals import funding_intervals as find_intervals
from funding_pipeline.market_data.leverage_tiers import leverage_tiers as find_leverage_tiers
from funding_pipeline.market_data.normalization import (
    FUNDING_TABLES,
    MADE_FROM_RAW,
    listed_instruments,
    normalize,
)
from funding_pipeline.market_data.normalization import settled_funding as settled_candidates
from funding_pipeline.market_data.series_checks import refused_series as find_refused_series
from funding_pipeline.reporting import plots
from funding_pipeline.storage.lake import Lake, partitions_predicate
from funding_pipeline.storage.market_tables import sound_rows

GROUP = "market_data"
# A settlement stamped just before a quarter is the one at its first moment.
_ROUNDING = timedelta(minutes=1)
REFERENCE_TABLES = tuple(
    table.name for table in (INSTRUMENTS, REFUSED_SERIES, FUNDING_INTERVALS, LEVERAGE_TIERS, QUARANTINE)
)
"""Unpartitioned tables of this layer, made of the partitioned ones."""

_RAW_DESCRIPTIONS = {
    "funding_rates": "Funding rates as the venues give them, settled and predicted, before any judgement.",
    "candles": "Price bars as the venues give them: trade, mark, index and spot.",
    "order_books": "Order-book snapshots, price and quantity by level.",
    "trades": "Single trades with the taker's side.",
    "open_interest": "Open interest as the venues give it.",
    "instrument_terms": "Contract sizes, steps, fees and intervals as venues state them, per observation.",
    "leverage_tiers": "Leverage and maintenance margin by notional as venues state them, per observation.",
}
_TABLE_DESCRIPTIONS = {
    "settled_funding": "What was paid, per venue, symbol and settlement, with the interval it covers.",
    "estimated_funding": "What venues announce for a coming settlement. Never mixed with what was paid.",
    "prices": "Bars by kind on the venue's own quotes; a bar is known when it has closed.",
    "order_book_depth": "Spread, depth near mid, imbalance and impact cost per order-book snapshot.",
    "trade_flow": "Taker buys and sells per minute.",
    "open_interest": "Open contracts per venue and symbol, in quoted base units.",
}
_PLOTS: Mapping[str, Callable[..., bytes]] = {
    "settled_funding": plots.settled_funding_by_venue,
    "prices": plots.price_basis,
    "order_book_depth": plots.book_depth,
}


def market_data_assets(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Raw and normalized tables by venue and quarter; instruments, intervals and quarantine whole."""
    raw = [_raw_asset(name, partitions) for name in RAW_TABLES]
    normalized = [_normalized_asset(name, partitions) for name in MADE_FROM_RAW]
    reference = [instruments, refused_series, funding_intervals, leverage_tiers, quarantine]
    return [*raw, *normalized, *reference]


def _raw_asset(table: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"raw_{table}",
        description=_RAW_DESCRIPTIONS[table],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"polars", "deltalake"},
        metadata={"dagster/column_schema": md.columns_of(raw_columns(table))},
    )
    def raw(
        context: dg.AssetExecutionContext, market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult[None]:
        selection, span = selection_of(context.partition_keys), market.span()
        rows = market.read(
            table, venues=selection.venues, start=selection.start - _ROUNDING, end=selection.end
        )
        moment = pl.col(RAW_EVENT_TIME[table])
        nominal = moment.dt.round("1m") if table == "funding_rates" else moment
        placed = _inside(with_partition(rows, nominal), selection)
        version = lake.replace_partitions(
            f"raw_{table}",
            placed,
            partitions=selection.with_unplaced(span.venues),
            of=every_partition(span),
        )
        _count_partitions(context, placed)
        return dg.MaterializeResult(
            metadata={
                **md.stored(f"raw_{table}", version, rows=placed.height, market_label=market.label),
                **md.made_up(placed),
            }
        )

    return raw


def _normalized_asset(name: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    made = MADE_FROM_RAW[name]
    has_rates = name in FUNDING_TABLES  # within the caps that the terms state

    @dg.asset(
        name=name,
        description=_TABLE_DESCRIPTIONS[name],
        deps=sorted({f"raw_{made.raw}", "raw_instrument_terms"} if has_rates else {f"raw_{made.raw}"}),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"polars", "deltalake"},
        metadata={"dagster/column_schema": md.column_schema(made.schema)},
    )
    def table(
        context: dg.AssetExecutionContext, market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult[None]:
        span = market.span()
        partitions, of = (
            selection_of(context.partition_keys).with_unplaced(span.venues),
            every_partition(span),
        )
        terms = lake.scan("raw_instrument_terms").select(*RAW_INSTRUMENT_TERMS) if has_rates else None
        placed, refused = _normalize_by_quarter(
            name, _read_raw(lake, made.raw, partitions), None if terms is None else terms.collect()
        )
        version = lake.replace_partitions(name, placed, partitions=partitions, of=of)
        lake.replace_partitions(
            QUARANTINE.name,
            _with_known_venue(refused, span.venues),
            partitions=partitions,
            of=of,
            where={"table_name": name},
        )
        _count_partitions(context, placed)
        _draw(context, name, placed.select(*made.schema.columns), market)
        return dg.MaterializeResult(
            metadata={
                **md.stored(name, version, rows=placed.height, market_label=market.label),
                **md.made_up(placed),
                "quarantined_rows": refused.height,
            }
        )

    return table


def _inside(frame: pl.DataFrame, selection: PartitionSelection) -> pl.DataFrame:
    """Rows of the selected partitions, and those that no partition can hold."""
    chosen = frame.join(selection.frame(), on=["venue", "quarter"], how="semi")
    unplaced = pl.col("quarter").eq(UNPLACED) | pl.col("venue").eq(UNKNOWN_VENUE)
    return pl.concat([chosen, frame.filter(unplaced).with_columns(quarter=pl.lit(UNPLACED))])


def _read_raw(lake: Lake, raw: str, partitions: Sequence[tuple[str, str]]) -> pl.DataFrame:
    wanted = pl.sql_expr(partitions_predicate(partitions))
    named = pl.when(pl.col("venue") != UNKNOWN_VENUE).then(pl.col("venue")).alias("venue")
    return lake.scan(f"raw_{raw}").filter(wanted).with_columns(named).collect()


def _normalize_by_quarter(
    table: str, raw: pl.DataFrame, terms: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Accepted and refused rows with the column `quarter`, that of the raw rows they are made of."""
    accepted: list[pl.DataFrame] = []
    refused: list[pl.DataFrame] = []
    # At least one: tables without a row have columns all the same.
    for quarter in sorted(raw["quarter"].unique()) or [UNPLACED]:
        rows = raw.filter(pl.col("quarter") == quarter).drop("quarter")
        for frames, frame in zip((accepted, refused), normalize(table, rows, terms=terms), strict=True):
            frames.append(frame.with_columns(quarter=pl.lit(quarter)))
    return pl.concat(accepted), pl.concat(refused)


def _with_known_venue(refused: pl.DataFrame, venues: Sequence[str]) -> pl.DataFrame:
    """A refused row that names none of the market's venues is filed under `unknown`."""
    is_known = pl.col("venue").is_in(list(venues))
    return refused.with_columns(
        pl.when(is_known).then("venue").otherwise(pl.lit(UNKNOWN_VENUE)).alias("venue")
    )


def _count_partitions(context: dg.AssetExecutionContext, placed: pl.DataFrame) -> None:
    counts = {
        f"{quarter}|{venue}": rows
        for venue, quarter, rows in placed.group_by("venue", "quarter").len().iter_rows()
    }
    for key in context.partition_keys:
        context.add_asset_metadata({"dagster/partition_row_count": counts.get(key, 0)}, partition_key=key)


def _draw(context: dg.AssetExecutionContext, table: str, rows: pl.DataFrame, market: Market) -> None:
    """A plot of what the run loaded, with the newest quarter only: an event keeps its picture for ever."""
    if table in _PLOTS and rows.height:
        picture = md.plot(_PLOTS[table](rows, suffix=md.suffix(market)))
        newest = max(key.split("|")[0] for key in context.partition_keys)
        for key in context.partition_keys:
            if key.split("|")[0] == newest:
                context.add_asset_metadata({"plot": picture}, partition_key=key)


@dg.asset(
    deps=["settled_funding", "estimated_funding", "prices", "raw_instrument_terms"],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.column_schema(INSTRUMENTS)},
)
def instruments(
    context: dg.AssetExecutionContext, market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Every perpetual with base, multiplier, contract size and currencies; what is unknown is null."""
    listed = listed_instruments(
        lake.scan("settled_funding"), lake.scan("estimated_funding"), lake.scan("prices")
    )
    terms = lake.scan("raw_instrument_terms").select(*RAW_INSTRUMENT_TERMS).collect()
    frame, refused = resolve_instruments(listed, terms, lake.scan("prices"))
    for symbol, reason in refused.items():
        context.log.warning(f"refused {symbol}: {reason}")
    version = lake.replace(INSTRUMENTS.name, frame)
    return dg.MaterializeResult(
        metadata={
            **md.stored(INSTRUMENTS.name, version, rows=frame.height, market_label=market.label),
            "refused_symbols": dict(refused),
            "contract_size_unknown": frame.filter(pl.col("contract_size").is_null()).height,
            "preview": md.table_preview(frame.drop("effective_to", "known_at"), rows=60),
            "basis_plot": md.plot(plots.price_basis(lake.scan("prices").collect(), suffix=md.suffix(market))),
        }
    )


@dg.asset(
    deps=["raw_funding_rates"],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.column_schema(REFUSED_SERIES)},
)
def refused_series(
    context: dg.AssetExecutionContext, market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Series of funding that cannot be what they claim: other units, labels, copies. Nothing books them."""
    raw = lake.scan("raw_funding_rates").select(*RAW_FUNDING_RATES).collect()
    frame = find_refused_series(settled_candidates(raw))
    for row in frame.iter_rows(named=True):
        context.log.warning(f"refused {row['venue']} {row['symbol']}: {row['reason']}")
    version = lake.replace(REFUSED_SERIES.name, frame)
    return dg.MaterializeResult(
        metadata={
            **md.stored(REFUSED_SERIES.name, version, rows=frame.height, market_label=market.label),
            "preview": md.table_preview(frame, rows=60),
        }
    )


@dg.asset(
    deps=["settled_funding", "refused_series"],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.column_schema(FUNDING_INTERVALS)},
)
def funding_intervals(
    market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Hours between settlements per instrument, effective-dated: venues change them unannounced."""
    settled = sound_rows(lake, "settled_funding").collect()
    frame = find_intervals(settled.lazy())
    version = lake.replace(FUNDING_INTERVALS.name, frame)
    changed = frame.filter(pl.len().over("venue", "symbol") > 1)
    return dg.MaterializeResult(
        metadata={
            **md.stored(FUNDING_INTERVALS.name, version, rows=frame.height, market_label=market.label),
            "changed_intervals": md.table_preview(changed.drop("known_at"), rows=40),
            "settled_funding_plot": md.plot(
                plots.settled_funding_by_venue(settled, suffix=md.suffix(market))
            ),
        }
    )


@dg.asset(
    deps=["raw_leverage_tiers"],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.column_schema(LEVERAGE_TIERS)},
)
def leverage_tiers(
    market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Margin tiers per instrument, effective-dated; empty for a market whose venues do not state them."""
    observed = lake.scan("raw_leverage_tiers").select(*RAW_LEVERAGE_TIERS).collect()
    frame = find_leverage_tiers(observed)
    version = lake.replace(LEVERAGE_TIERS.name, frame)
    return dg.MaterializeResult(
        metadata={
            **md.stored(LEVERAGE_TIERS.name, version, rows=frame.height, market_label=market.label),
            "preview": md.table_preview(frame.drop("effective_to", "known_at"), rows=60),
        }
    )


@dg.asset(
    deps=list(MADE_FROM_RAW),
    group_name=GROUP,
    kinds={"deltalake", "duckdb"},
    metadata={"dagster/column_schema": md.column_schema(QUARANTINE)},
)
def quarantine(market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
    """Rows that a table refused, with the rule they broke: kept and listed, never dropped.

    The rows are written by the tables themselves; this asset counts them.
    """
    rows = lake.scan(QUARANTINE.name).collect()
    by_rule = rows.group_by("table_name", "venue", "reason").len("rows").sort("rows", descending=True)
    return dg.MaterializeResult(
        metadata={
            **md.stored(
                QUARANTINE.name, lake.version(QUARANTINE.name), rows=rows.height, market_label=market.label
            ),
            "by_rule": md.table_preview(by_rule, rows=50),
        }
    )
