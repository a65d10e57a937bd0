"""Severity of the market: two readings agree for an alarm; nothing to judge by is not calm."""

import math
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.models.market_readings import market_readings
from funding_pipeline.models.market_severity import SEVERITY_SCHEMA, episodes, market_severity
from funding_pipeline_tests.features.synthetic_market import START

BASES = ("BTC", "ETH", "SOL")
VENUES = {"alpha": "USDT", "beta": "USDT", "gamma": "USDC"}
COUNT = 120


def quiet_panel(count: int = COUNT) -> pl.DataFrame:
    """Three bases on three venues, every 8 h: small waves and nothing else."""
    rows = [
        {
            "as_of": START + timedelta(hours=8 * i),
            "venue": venue,
            "symbol": f"{base}/{quote}:{quote}",
            "base": base,
            "momentum_24h": 0.01 * math.sin(i),
            "volatility_24h_per_sqrt_hour": 0.006 + 0.001 * math.sin(2 * i),
            "market_rate_24h_per_hour": 1e-5 + 2e-6 * math.cos(i),
            "base_gap_24h_per_hour": 1e-6 * (v - 1) * (1 + 0.1 * math.sin(3 * i)),
            "basis": 2e-4 * (v - 1) * (1 + 0.1 * math.cos(3 * i)),
        }
        for i in range(count)
        for base in BASES
        for v, (venue, quote) in enumerate(VENUES.items())
    ]
    return pl.DataFrame(rows).with_columns(pl.col("as_of").cast(pl.Datetime("us", "UTC")))


def changed(panel: pl.DataFrame, **values: float) -> pl.DataFrame:
    """The newest decision time with other values."""
    newest = pl.col("as_of") == panel["as_of"].max()
    return panel.with_columns(
        pl.when(newest).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def newest(panel: pl.DataFrame) -> dict[str, object]:
    return market_severity(panel).row(-1, named=True)


def test_nothing_unusual_is_none_and_no_history_is_not_known() -> None:
    found = market_severity(quiet_panel())
    assert dict(found.schema) == SEVERITY_SCHEMA
    assert found["severity"][:60].null_count() == 60
    assert set(found["severity"][60:]) == {"none"}
    assert set(found["reason"]) == {""}


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ({"momentum_24h": -0.05}, "notice"),
        ({"momentum_24h": -0.12}, "warning"),
        ({"momentum_24h": -0.05, "volatility_24h_per_sqrt_hour": 0.012}, "warning"),
        ({"momentum_24h": -0.12, "volatility_24h_per_sqrt_hour": 0.012}, "alarm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_how_far_and_how_many(values: dict[str, float], severity: str) -> None:
    found = newest(changed(quiet_panel(), **values))
    assert found["severity"] == severity
    assert "price change over 24 h is -" in str(found["reason"])
    assert "(last 90 days)" in str(found["reason"])


def test_one_base_alone_is_not_the_market() -> None:
    panel = quiet_panel()
    one = pl.when(pl.col("base") == "SOL", pl.col("as_of") == panel["as_of"].max())
    found = panel.with_columns(one.then(pl.lit(-0.5)).otherwise("momentum_24h").alias("momentum_24h"))
    assert newest(found)["severity"] == "none"


def test_a_quote_currency_that_comes_loose_is_named() -> None:
    panel = quiet_panel()
    loose = pl.when(pl.col("venue") == "gamma", pl.col("as_of") == panel["as_of"].max())
    found = newest(panel.with_columns(loose.then(pl.lit(0.05)).otherwise("basis").alias("basis")))
    assert found["severity"] == "warning"
    assert "contracts quoted in USDC +500 bp" in str(found["reason"])


def test_without_prices_funding_alone_is_judged() -> None:
    blind = quiet_panel().with_columns(
        pl.lit(None, pl.Float64).alias(name)
        for name in ("momentum_24h", "volatility_24h_per_sqrt_hour", "basis")
    )
    assert newest(blind)["severity"] == "none"
    assert newest(changed(blind, market_rate_24h_per_hour=-4e-4))["severity"] == "warning"
    assert market_readings(blind)["price_gap"].null_count() == COUNT


def test_later_rows_and_their_order_change_nothing() -> None:
    panel = changed(quiet_panel(), momentum_24h=-0.2, volatility_24h_per_sqrt_hour=0.05)
    full = market_severity(panel.sample(fraction=1.0, shuffle=True, seed=1))
    for count in range(61, COUNT, 7):
        cut = panel.filter(pl.col("as_of") < START + timedelta(hours=8 * count))
        assert_frame_equal(market_severity(cut), full.head(count), check_exact=True)


def test_an_empty_panel_has_no_severity() -> None:
    assert market_severity(quiet_panel(2).clear()).is_empty()


def test_episodes_end_after_three_days() -> None:
    hours = [0, 8, 80, 160, 168]
    found = episodes([START + timedelta(hours=h) for h in reversed(hours)])
    assert [len(group) for group in found] == [3, 2]
