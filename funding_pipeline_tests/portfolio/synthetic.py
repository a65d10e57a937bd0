"""A small made-up market as normalized tables: three venues, four bases, known mechanics.

Hourly (venue c: 8-hourly) closes around a common random walk, 8-hourly funding (venue c: hourly), an
inverse BTC contract on venue b, a 1000-fold quoted PEPE on venue a.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core import tables as schemas
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 40
_BASES = {"BTC": 40_000.0, "ETH": 2_000.0, "SOL": 100.0, "PEPE": 1e-6}
_DRIFT = {"a": 0.0, "b": 4e-6, "c": 9e-6}  # mean funding per hour


def terms() -> dict[str, VenueTerms]:
    """Venue a charges on mark, b on index, c on the oracle; c is thin in SOL."""
    plain = VenueTerms(
        maker_fee_bp=1, taker_fee_bp=4, half_spread_bp=1, thin_half_spread_bp=5,
        reference_price="mark", settlement_window_seconds=15,
    )  # fmt: skip
    return {
        "a": plain,
        "b": plain.model_copy(update={"reference_price": "index"}),
        "c": plain.model_copy(
            update={"reference_price": "oracle", "liquid_bases": frozenset({"BTC", "ETH", "PEPE"})}
        ),
    }


def symbol(venue: str, base: str) -> str:
    """The synthetic venue's name for its contract in `base`."""
    if venue == "b" and base == "BTC":
        return "BTC/USD:BTC"
    return f"{'1000' if venue == 'a' and base == 'PEPE' else ''}{base}/USDT:USDT"


def market(*, seed: int = 1, days: int = DAYS) -> MarketTables:
    """The market's tables, deterministic for a seed."""
    rng = np.random.default_rng(seed)
    walks = {base: price * np.exp(np.cumsum(_returns(rng, days))) for base, price in _BASES.items()}
    prices, funding, instruments = [], [], []
    for base, walk in walks.items():
        prices.append(_bars("s", f"{base}/USDT", "spot", walk, every=1))
        for venue in "abc":
            name, multiplier = symbol(venue, base), 1000.0 if (venue, base) == ("a", "PEPE") else 1.0
            own = walk * multiplier * np.exp(rng.normal(0, 5e-4, len(walk)))
            prices.append(_bars(venue, name, "trade", own, every=8 if venue == "c" else 1))
            if venue == "a":
                prices.append(_bars(venue, name, "mark", own * (1 + 1e-4), every=1))
            if venue == "b":
                prices.append(_bars(venue, name, "index", walk * multiplier, every=1, instant=True))
            funding.append(_funding(rng, venue, name, days=days))
            instruments.append(_instrument(venue, name, base, multiplier))
    return MarketTables(
        instruments=_conform(schemas.INSTRUMENTS, instruments),
        settled_funding=_conform(schemas.SETTLED_FUNDING, funding),
        prices=_conform(schemas.PRICES, prices),
        **{
            name: getattr(schemas, name.upper()).empty().lazy()
            for name in (
                "estimated_funding", "funding_intervals", "order_book_depth", "trade_flow", "open_interest"
            )
        },
    )  # fmt: skip


def baseline_forecasts(tables: MarketTables, *, times: list[datetime], hours: int = 72) -> pl.DataFrame:
    """Half the trailing mean per hour, from settlements known at each time; FORECASTS schema."""
    funding = tables.settled_funding.collect()
    rows = []
    for time in times:
        window = funding.filter(
            (pl.col("known_at") <= time) & (pl.col("settled_at") > time - timedelta(hours=hours))
        )
        mean = window.group_by("venue", "symbol").agg(
            rate_per_hour=0.5 * pl.col("rate").sum() / pl.col("interval_hours").sum()
        )
        rows.append(mean.with_columns(as_of=pl.lit(time)))
    rate = pl.col("rate_per_hour")
    frame = pl.concat(rows).with_columns(
        horizon_hours=168, q10=rate - 1e-6, q50=rate, q90=rate + 1e-6, baseline_rate_per_hour=rate,
        model=pl.lit("baseline"),
    )  # fmt: skip
    return schemas.FORECASTS.conform(frame)


def without_rows_after(tables: MarketTables, *, venue: str, name: str, time: datetime) -> MarketTables:
    """The market when one instrument's prices and funding stop at `time`."""
    other = (pl.col("venue") != venue) | (pl.col("symbol") != name)
    early = other | (pl.col("known_at") <= time)
    return replace(
        tables, prices=tables.prices.filter(early), settled_funding=tables.settled_funding.filter(early)
    )


def _returns(rng: np.random.Generator, days: int) -> np.ndarray:
    return rng.normal(0, 0.006, days * 24 + 1)


def _conform(schema: schemas.TableSchema, parts: list[pl.DataFrame]) -> pl.LazyFrame:
    return schema.conform(pl.concat(parts)).lazy()


def _bars(
    venue: str, name: str, kind: str, values: np.ndarray, *, every: int, instant: bool = False
) -> pl.DataFrame:
    hours = range(0, len(values), every)
    times = [START + timedelta(hours=h) for h in hours]
    close = values[list(hours)]
    return pl.DataFrame(
        {"close_time": times, "close": close},
        schema={"close_time": schemas.UTC, "close": pl.Float64},
    ).with_columns(
        venue=pl.lit(venue), symbol=pl.lit(name), kind=pl.lit(kind),
        timeframe_hours=pl.lit(0.0 if instant else float(every)),
        open=pl.lit(None), high=pl.lit(None), low=pl.lit(None), volume=pl.lit(None),
        known_at=pl.col("close_time"),
    )  # fmt: skip


def _funding(rng: np.random.Generator, venue: str, name: str, *, days: int) -> pl.DataFrame:
    every = 1 if venue == "c" else 8
    times = [START + timedelta(hours=h) for h in range(every, days * 24 + 1, every)]
    own = _DRIFT[venue] + rng.normal(0, 4e-6)
    rates = (own + rng.normal(0, 3e-6, len(times))) * every
    return pl.DataFrame(
        {"settled_at": times, "rate": rates}, schema={"settled_at": schemas.UTC, "rate": pl.Float64}
    ).with_columns(
        venue=pl.lit(venue), symbol=pl.lit(name), interval_hours=pl.lit(float(every)),
        known_at=pl.col("settled_at"),
    )  # fmt: skip


def _instrument(venue: str, name: str, base: str, multiplier: float) -> pl.DataFrame:
    inverse = name.endswith(":BTC")
    nothing = {column: [None] for column in schemas.INSTRUMENTS.columns}
    return pl.DataFrame(
        nothing | {
            "venue": [venue], "symbol": [name], "base": [base], "multiplier": [multiplier],
            "identity": ["proven"], "contract_size": [1.0], "quote": ["USD" if inverse else "USDT"],
            "settle": ["BTC" if inverse else "USDT"],
            "contract_type": ["inverse" if inverse else "linear"],
            "effective_from": [START], "known_at": [START],
        }
    )  # fmt: skip
