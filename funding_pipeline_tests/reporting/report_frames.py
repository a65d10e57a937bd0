"""Seeded frames for the report and the plots: market rows, forecasts with outcomes, a plan."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.tables import PRICES, SETTLED_FUNDING

START = datetime(2024, 1, 1, tzinfo=UTC)
VENUES = ("binance", "okx", "hyperliquid")
BASES = ("BTC", "1000PEPE")


def moments(count: int, *, hours: float = 8) -> list[datetime]:
    return [START + timedelta(hours=hours * i) for i in range(count)]


def legs() -> list[tuple[str, str]]:
    return [(venue, f"{base}/USDT:USDT") for venue in VENUES for base in BASES]


def settled(count: int = 270) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    at = moments(count)
    return SETTLED_FUNDING.conform(
        pl.concat(
            pl.DataFrame({"settled_at": at, "rate": rng.normal(1e-4, 2e-4, count)}).with_columns(
                venue=pl.lit(venue), symbol=pl.lit(symbol), interval_hours=8.0, known_at=pl.col("settled_at")
            )
            for venue, symbol in legs()
        )
    )


def prices(count: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(6)
    at = moments(count, hours=1)
    common = 100 * np.exp(np.cumsum(rng.normal(0, 0.004, count)))
    return PRICES.conform(
        pl.concat(
            pl.DataFrame({"close_time": at, "close": common * (1 + rng.normal(0, 5e-4, count))}).with_columns(
                venue=pl.lit(venue), symbol=pl.lit(symbol), kind=pl.lit("trade"), timeframe_hours=1.0,
                open=None, high=None, low=None, volume=None, known_at=pl.col("close_time"),
            )
            for venue, symbol in legs()
        )
    )  # fmt: skip


def forecasts_and_outcomes(count: int = 200) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(7)
    mean = rng.normal(1e-5, 1e-5, count)
    width = 1.2816e-5  # so that q10 and q90 fit an error of 1e-5
    made = pl.DataFrame(
        {"rate_per_hour": mean, "q10": mean - width, "q50": mean, "q90": mean + width}
    ).with_columns(
        as_of=pl.Series(moments(count)), venue=pl.lit("okx"),
        symbol=pl.lit("BTC/USDT:USDT"), horizon_hours=pl.lit(168, pl.Int64),
        baseline_rate_per_hour=pl.col("rate_per_hour") / 2, model=pl.lit("made up"),
    )  # fmt: skip
    outcome = made.select(
        "as_of", "venue", "symbol", "horizon_hours",
        (pl.col("rate_per_hour") + pl.Series(rng.normal(0, 1e-5, count))).alias("rate_per_hour"),
    )  # fmt: skip
    return made, outcome


def regimes(count: int = 40) -> pl.DataFrame:
    names = ["calm carry"] * 20 + ["stress"] * 5 + ["calm carry"] * (count - 25)
    return pl.DataFrame({"as_of": moments(count, hours=24), "regime": names})


def plan_legs() -> pl.DataFrame:
    usd = [40_000.0, -10_000.0, -25_000.0, 15_000.0, -15_000.0, -5_000.0]
    return pl.DataFrame(
        [
            (v, s, s.split("/")[0], u, 1e-5, "open short; <b>hedge</b>")
            for (v, s), u in zip(legs(), usd, strict=True)
        ],
        schema=["venue", "symbol", "base", "notional_target_usd", "expected_rate_per_hour", "reason"],
        orient="row",
    )


def equity(count: int = 600) -> pl.DataFrame:
    rng = np.random.default_rng(8)
    sources = {
        "pnl_funding": rng.normal(40, 60, count),
        "pnl_basis": rng.normal(0, 150, count),
        "pnl_fees": -rng.exponential(9, count),
        "pnl_slippage": -rng.exponential(2, count),
    }
    frame = pl.DataFrame({"time": moments(count), **{name: np.cumsum(v) for name, v in sources.items()}})
    return frame.with_columns((1e6 + pl.sum_horizontal(*sources)).alias("equity"))
