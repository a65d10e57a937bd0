"""Partitions of market data: venue by quarter (docs/adr/0003 says why not by day)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from funding_pipeline.core.market import MarketSpan
from funding_pipeline.storage.lake import Partition

QUARTER_FORMAT = "%Y-%m"
"""A quarter is named by its first month: `2025-07` is July to September."""
UNPLACED = "unplaced"
"""Quarter of raw rows that have no readable time; they are kept so that quarantine can list them."""
UNKNOWN_VENUE = "unknown"


def quarter_partitions(span: MarketSpan) -> dg.TimeWindowPartitionsDefinition:
    """One partition per calendar quarter (UTC) of the market's data."""
    return dg.TimeWindowPartitionsDefinition(
        start=quarter_start(span.start),
        end=quarter_after(span.end - timedelta(microseconds=1)),
        fmt=QUARTER_FORMAT,
        cron_schedule="0 0 1 */3 *",
    )


def market_partitions(span: MarketSpan) -> dg.MultiPartitionsDefinition:
    """Quarter by venue. Keys read `2025-07|binance`, quarters first, so a period is one range."""
    return dg.MultiPartitionsDefinition(
        {"quarter": quarter_partitions(span), "venue": dg.StaticPartitionsDefinition(list(span.venues))}
    )


def quarter_start(moment: datetime) -> datetime:
    """First moment of the quarter that holds `moment`, UTC."""
    utc = moment.astimezone(UTC)
    return datetime(utc.year, utc.month - (utc.month - 1) % 3, 1, tzinfo=UTC)


def quarter_after(moment: datetime) -> datetime:
    """First moment of the quarter after the one that holds `moment`, UTC."""
    first = quarter_start(moment)
    return first.replace(year=first.year + (first.month == 10), month=(first.month + 3) % 12)


@dataclass(frozen=True)
class PartitionSelection:
    """The (venue, quarter) partitions that a run is about."""

    partitions: tuple[Partition, ...]

    @property
    def venues(self) -> tuple[str, ...]:
        """Venues in order of name."""
        return tuple(sorted({venue for venue, _ in self.partitions}))

    @property
    def quarters(self) -> tuple[str, ...]:
        """Quarters as `2025-07`, in order."""
        return tuple(sorted({quarter for _, quarter in self.partitions}))

    @property
    def start(self) -> datetime:
        """First moment of the first quarter."""
        return datetime.strptime(self.quarters[0], QUARTER_FORMAT).replace(tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """End (exclusive) of the last quarter."""
        return quarter_after(datetime.strptime(self.quarters[-1], QUARTER_FORMAT).replace(tzinfo=UTC))

    def with_unplaced(self, venues: Iterable[str]) -> tuple[Partition, ...]:
        """These partitions and those of rows that could not be placed in any quarter or venue."""
        return (*self.partitions, *((venue, UNPLACED) for venue in (*venues, UNKNOWN_VENUE)))

    def frame(self) -> pl.DataFrame:
        """One row per partition, columns `venue` and `quarter`."""
        return pl.DataFrame(self.partitions, schema={"venue": pl.String, "quarter": pl.String}, orient="row")


def every_partition(span: MarketSpan) -> tuple[Partition, ...]:
    """All that the market has, the unplaced ones too: what else is stored has been withdrawn."""
    return selection_of(market_partitions(span).get_partition_keys()).with_unplaced(span.venues)


def selection_of(keys: Sequence[str]) -> PartitionSelection:
    """Selection of Dagster partition keys such as `2025-07|binance`."""
    pairs = (key.split("|", 1) for key in keys)
    return PartitionSelection(tuple((venue, quarter) for quarter, venue in pairs))


def keys_of_run(tags: Mapping[str, str], partitions: dg.PartitionsDefinition[str]) -> Sequence[str] | None:
    """Partition keys that a run's tags name, or None for a run about the whole table."""
    if "dagster/asset_partition_range_start" in tags:
        key_range = dg.PartitionKeyRange(
            tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"]
        )
        return partitions.get_partition_keys_in_range(key_range)
    return [tags["dagster/partition"]] if "dagster/partition" in tags else None


def with_partition(frame: pl.DataFrame, event_time: pl.Expr) -> pl.DataFrame:
    """`frame` with the column `quarter` of its event; rows without time or venue are marked so."""
    return frame.with_columns(
        quarter=event_time.dt.truncate("1q").dt.strftime(QUARTER_FORMAT).fill_null(UNPLACED),
        venue=pl.col("venue").fill_null(UNKNOWN_VENUE),
    )
