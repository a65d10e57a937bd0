"""Layer 2: the feature panel by quarter, and what was realised afterwards (labels)."""

from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import decision_schedule, first_and_last
from funding_pipeline.core.horizons import horizons_with
from funding_pipeline.core.market import Market
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.partitions import quarter_after, quarter_partitions, quarter_start
from funding_pipeline.features.catalog import LOOKBACK_HOURS
from funding_pipeline.features.labels import LABELS_SCHEMA, realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.market_tables import read_market_tables, sound_rows

GROUP = "features"
FEATURES = "funding_features"
LABELS = "realised_funding_rates"


def feature_assets(quarters: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """The panel, partitioned by quarter, and the labels, whole."""
    return [_feature_panel(quarters), realised_funding_rates]


def read_features(lake: Lake) -> pl.DataFrame:
    """The feature panel of all quarters, sorted by its key."""
    return lake.scan(FEATURES).drop("quarter").collect().sort("as_of", "venue", "symbol")


def _feature_panel(quarters: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        name=FEATURES,
        deps=[
            "instruments",
            "refused_series",
            "funding_intervals",
            *(
                dg.AssetDep(table, partition_mapping=_every_venue_of_the_quarter())
                for table in (
                    "settled_funding",
                    "estimated_funding",
                    "prices",
                    "order_book_depth",
                    "trade_flow",
                    "open_interest",
                )
            ),
        ],
        partitions_def=quarters,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"polars", "deltalake"},
        metadata={"dagster/column_schema": md.feature_columns()},
    )
    def funding_features(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        market: dg.ResourceParam[Market],
        lake: dg.ResourceParam[Lake],
    ) -> dg.MaterializeResult[None]:
        """Everything that a forecast may know, one row per decision time and instrument.

        A row at `as_of` is made of rows known then; the trailing windows reach into earlier quarters.
        """
        times = _decision_times(context.partition_keys, market=market, settings=settings)
        first, last = first_and_last(times)
        tables = read_market_tables(lake, start=first - timedelta(hours=LOOKBACK_HOURS), end=last)
        frame = build_features(tables, as_of=times).with_columns(
            quarter=pl.col("as_of").dt.truncate("1q").dt.strftime("%Y-%m")
        )
        every = quarter_partitions(market.span()).get_partition_keys()
        version = lake.replace_quarters(FEATURES, frame, quarters=context.partition_keys, of=every)
        counts = dict(frame.group_by("quarter").len().iter_rows())
        for key in context.partition_keys:
            context.add_asset_metadata({"dagster/partition_row_count": counts.get(key, 0)}, partition_key=key)
        context.add_asset_metadata(
            {"correlation_plot": md.plot(plots.feature_correlation(frame, suffix=md.suffix(market)))},
            partition_key=context.partition_keys[-1],
        )
        return dg.MaterializeResult(
            metadata={
                **md.stored(FEATURES, version, rows=frame.height, market_label=market.label),
                **md.made_up(frame),
            }
        )

    return funding_features


def _every_venue_of_the_quarter() -> dg.MultiToSingleDimensionPartitionMapping:
    """Lineage by quarter. Trailing windows also read the quarter before, which the store has by then."""
    return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="quarter")


def _decision_times(keys: Any, *, market: Market, settings: Settings) -> pl.Series:
    """Decision times of the chosen quarters within the market's data."""
    span = market.span()
    first, last = (datetime.strptime(f"{key}-01+0000", "%Y-%m-%d%z") for key in (min(keys), max(keys)))
    end = min(span.end, quarter_after(last) - timedelta(microseconds=1))
    start = max(span.start, quarter_start(first))
    return decision_schedule(start=start, end=end, every_hours=settings.rebalance_every_hours)


@dg.asset(
    deps=["settled_funding", "refused_series"],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(LABELS_SCHEMA)},
)
def realised_funding_rates(
    settings: dg.ResourceParam[Settings], market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """What funding turned out to be over each horizon, known only when the horizon has passed."""
    span = market.span()
    times = decision_schedule(start=span.start, end=span.end, every_hours=settings.rebalance_every_hours)
    settled = sound_rows(lake, "settled_funding").collect()
    horizons = horizons_with(settings.horizon_hours)
    frame = realised_funding(settled.lazy(), as_of=times, horizons_hours=horizons)
    version = lake.replace(LABELS, frame)
    return dg.MaterializeResult(
        metadata={
            **md.stored(LABELS, version, rows=frame.height, market_label=market.label),
            "differentials_plot": md.plot(plots.spread_heatmap(settled, suffix=md.suffix(market))),
        }
    )
