"""Seeded frames for the report and the plots: market rows, forecasts with outcomes, a plan."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.core.tables import PRICES, SETTLED_FUNDING
from funding_pipeline.validation.regime_results import RESULTS_SCHEMA
from funding_pipeline.validation.replays import REPLAYS_SCHEMA
from funding_pipeline.validation.stress import STRESS_SCHEMA
from funding_pipeline.validation.studies import RUNS_SCHEMA

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
        "pnl_liquidation": np.zeros(count),
    }
    frame = pl.DataFrame({"time": moments(count), **{name: np.cumsum(v) for name, v in sources.items()}})
    return frame.with_columns((1e6 + pl.sum_horizontal(*sources)).alias("equity"))


def neutrality(count: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(10)
    scopes = {"portfolio": 0.05, "binance": 0.9, "okx": 0.5}
    return pl.concat(
        pl.DataFrame({"time": moments(count)}).with_columns(
            scope=pl.lit(scope),
            gross_usd=pl.Series(rng.uniform(1e5, 2e5, count)),
            fraction=pl.Series(rng.uniform(0, size / 10, count)),
            fraction_of_band=pl.Series(rng.uniform(0, size, count)),
        )
        for scope, size in scopes.items()
    )


def margin(count: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(11)
    return pl.concat(
        pl.DataFrame({"time": moments(count)}).with_columns(
            venue=pl.lit(venue),
            equity_usd=pl.lit(2e5),
            maintenance_usd=pl.lit(2e3),
            used_fraction=pl.Series(rng.uniform(0, 0.02, count)),
            worst_used_fraction=pl.Series(rng.uniform(0.02, 0.03, count)),
        )
        for venue in ("binance", "okx")
    )


def stress() -> pl.DataFrame:
    """Two kinds on two books: the failure of okx is the worst on both."""
    losses = {
        "venue_failure:binance": 100_000.0, "venue_failure:okx": 200_000.0, "delisting:okx": 5_000.0,
        "crash_revalued": -40.0,
    }  # fmt: skip
    rows = [
        (book, START, name, f"what {name} is", share * usd, share * usd / 1e6, "okx", "a note")
        for book, share in (("largest gross", 1.0), ("at the end", 0.5))
        for name, usd in losses.items()
    ]
    return pl.DataFrame(rows, schema=dict(STRESS_SCHEMA), orient="row")


def studies_runs() -> pl.DataFrame:
    """Bands, costs and capital; the run at the back-test's own settings stands in each."""
    runs = [
        ("band", "open", 0.03), ("band", "10%", 0.02), ("band", "closed", -0.001), ("costs", "base", 0.02),
        ("costs", "stress", 0.015), ("capacity", "0.1", 0.025), ("capacity", "1", 0.02),
        ("capacity", "30", 0.004),
    ]  # fmt: skip
    rows = [
        {
            "study": study, "variant": variant, "value": float(variant) if study == "capacity" else None,
            "capital_usd": 1e6 * (float(variant) if study == "capacity" else 1.0), "net_usd": 1e6 * net,
            "net_return_annual": net, "net_low": net - 0.004, "net_high": net + 0.004,
            "net_return_on_gross_annual": 2 * net, "mean_gross_usd": 5e5, "sharpe": 3.0,
            "max_drawdown": 0.002, "turnover": 4.0, "fees_usd": -900.0, "slippage_usd": -200.0,
            "funding_usd": 2e4, "basis_usd": 100.0, "max_venue_beta_fraction_of_budget": 0.1,
            "decisions_every_hours": 24,
        }
        for study, variant, net in runs
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=RUNS_SCHEMA)


def studies_regimes() -> pl.DataFrame:
    rows = [("trend", "bull", 20, 900.0, 0.016, 3.0, 1000.0, 100.0, 0.9),
            ("trend", "bear", 5, -100.0, -0.007, -1.0, 10.0, 20.0, -0.1),
            ("trend", "chop", 0, 0.0, None, None, 0.0, 0.0, 0.0)]  # fmt: skip
    return pl.DataFrame(rows, schema=RESULTS_SCHEMA, orient="row")


def replays() -> pl.DataFrame:
    run = {"event": "2022-11 FTX", "book": "as planned", "from": START, "to": START, "venues": 4, "legs": 9,
           "mean_gross_usd": 1e5, "net_usd": 3794.0, "net_fraction": 0.0038, "event_net_usd": 3966.0,
           "max_drawdown": 0.003, "liquidations": 0, "worst_margin_used_fraction": 0.009,
           "max_venue_beta_fraction": 0.1, "note": "most margin used on gate"}  # fmt: skip
    missing = {"event": "2021-05-19 crash", "note": "not in this history"}
    return pl.DataFrame([run, missing], schema=dict(REPLAYS_SCHEMA))


def comparisons() -> dict[str, Any]:
    """One rule beaten either way, one that is only beaten hedged, one that is the same either way."""

    def row(value: float, fall: float) -> dict[str, float]:
        return {
            "net_annual_difference": value, "low": value - 0.004, "high": value + 0.004,
            "probability_better": 0.9, "drawdown_difference": fall, "drawdown_low": fall - 0.001,
            "drawdown_high": fall + 0.001, "days": 100,
        }  # fmt: skip

    return {
        "cash": {"plain": row(0.01, 0.002), "venue_neutral": row(0.01, 0.002)},
        "threshold_24h": {"plain": row(0.02, -0.01), "venue_neutral": row(0.03, -0.02)},
        "threshold_72h": {"plain": row(-0.001, -0.002), "venue_neutral": row(0.012, -0.004)},
    }
