"""A small seeded market for the tests of features and models: funding alone, or with prices."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core import tables as schema
from funding_pipeline.core.tables import MarketTables

START = datetime(2024, 1, 1, tzinfo=UTC)
INTERVALS = {"alpha": 8, "beta": 8, "gamma": 1}


def settled_rows(venue: str, symbol: str, rates: list[tuple[datetime, float, float]]) -> pl.DataFrame:
    """SETTLED_FUNDING rows of one instrument from (settled_at, rate, interval_hours)."""
    frame = pl.DataFrame(rates, schema=["settled_at", "rate", "interval_hours"], orient="row")
    keyed = frame.with_columns(
        pl.lit(venue).alias("venue"), pl.lit(symbol).alias("symbol"), pl.col("settled_at").alias("known_at")
    )
    return schema.SETTLED_FUNDING.conform(keyed)


def instrument_rows(settled: pl.DataFrame) -> pl.DataFrame:
    """INSTRUMENTS rows for the symbols in `settled`; `kX` is 1000 X."""
    listed = settled.group_by("venue", "symbol").agg(pl.col("settled_at").min().alias("effective_from"))
    quoted = pl.col("symbol").str.split("/").list.first()
    thousand = quoted.str.starts_with("k")
    return schema.INSTRUMENTS.conform(
        listed.with_columns(
            pl.when(thousand).then(quoted.str.slice(1)).otherwise(quoted).alias("base"),
            pl.when(thousand).then(1000.0).otherwise(1.0).alias("multiplier"),
            pl.lit(1.0).alias("contract_size"),
            pl.lit("USDT").alias("quote"),
            pl.lit("USDT").alias("settle"),
            pl.lit("linear").alias("contract_type"),
            pl.lit("proven").alias("identity"),
            *(
                pl.lit(None).alias(name)
                for name in schema.INSTRUMENTS.nullable - {"multiplier", "contract_size", "identity"}
            ),
            pl.col("effective_from").alias("known_at"),
        )
    )


def market_of(settled: pl.DataFrame, **tables: pl.DataFrame) -> MarketTables:
    """MarketTables of `settled`, its instruments, and any table given by name; the rest are empty."""
    empty = {t.name: t.empty().lazy() for t in schema.NORMALIZED}
    given = {"settled_funding": settled, "instruments": instrument_rows(settled), **tables}
    return MarketTables(**{**empty, **{name: frame.lazy() for name, frame in given.items()}})


def synthetic_market(
    *, days: int, bases: tuple[str, ...] = ("BTC", "ETH", "SOL"), seed: int = 3, prices: bool = False
) -> MarketTables:
    """Mean-reverting funding with a common part, a venue's offset and own noise."""
    rng = np.random.default_rng(seed)
    frames, bars = [], []
    for b, base in enumerate(bases):
        common = _reverting(rng, days * 24, 0.99, 2e-6 * (b + 1)) + 1e-5
        for v, (venue, interval) in enumerate(INTERVALS.items()):
            hourly = common + 4e-6 * (v - 1) + _reverting(rng, days * 24, 0.95, 2e-6)
            paid = hourly.reshape(-1, interval).sum(axis=1)
            times = [START + timedelta(hours=interval * (i + 1)) for i in range(len(paid))]
            rows = [(t, float(r), float(interval)) for t, r in zip(times, paid, strict=True)]
            frames.append(settled_rows(venue, f"{base}/USDT:USDT", rows))
            if prices:
                bars.append(_bars(rng, venue, f"{base}/USDT:USDT", days))
    settled = schema.SETTLED_FUNDING.conform(pl.concat(frames))
    return market_of(settled, **({"prices": schema.PRICES.conform(pl.concat(bars))} if prices else {}))


def until(tables: MarketTables, moment: datetime) -> MarketTables:
    """The same tables without any row that was known after `moment`."""
    cut = {f.name: getattr(tables, f.name).filter(pl.col("known_at") <= moment) for f in fields(tables)}
    return replace(tables, **cut)


def shuffled(tables: MarketTables, seed: int = 11) -> MarketTables:
    """The same rows in another order."""
    mixed = {
        f.name: getattr(tables, f.name).collect().sample(fraction=1.0, shuffle=True, seed=seed).lazy()
        for f in fields(tables)
    }
    return replace(tables, **mixed)


def every(hours: int, *, days: int, start_day: int = 1) -> pl.Series:
    """Decision times from `start_day` to `days` after START."""
    first, last = START + timedelta(days=start_day), START + timedelta(days=days)
    return pl.datetime_range(first, last, f"{hours}h", eager=True).alias("as_of")


def _reverting(rng: np.random.Generator, steps: int, persistence: float, size: float) -> np.ndarray:
    shocks = rng.normal(0, size * np.sqrt(1 - persistence**2), steps)
    out = np.zeros(steps)
    for i in range(1, steps):
        out[i] = persistence * out[i - 1] + shocks[i]
    return out


def _bars(rng: np.random.Generator, venue: str, symbol: str, days: int) -> pl.DataFrame:
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.005, days * 24)))
    times = [START + timedelta(hours=i + 1) for i in range(days * 24)]
    return pl.DataFrame({"close_time": times, "close": closes}).with_columns(
        pl.lit(venue).alias("venue"),
        pl.lit(symbol).alias("symbol"),
        pl.lit("trade").alias("kind"),
        pl.lit(1.0).alias("timeframe_hours"),
        *[pl.lit(None, dtype=pl.Float64).alias(c) for c in ("open", "high", "low", "volume")],
        pl.col("close_time").alias("known_at"),
    )
