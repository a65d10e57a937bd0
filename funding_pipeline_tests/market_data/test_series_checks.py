"""Series that cannot be what they claim are refused whole, by name and with the factor; real ones are not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.market import RAW_FUNDING_RATES
from funding_pipeline.market_data.normalization import normalize, settled_funding
from funding_pipeline.market_data.series_checks import refused_series

START = datetime(2024, 1, 1, tzinfo=UTC)
INTERVALS = {"binance": 8, "bybit": 8, "hyperliquid": 1, "okx": 8}
COINS = ("BTC", "ETH", "PEPE")


def settled(days: int = 40, *, on_interest: float = 0.4) -> pl.DataFrame:
    """Raw settlements of four venues with one funding in common, some at the bare interest; okx never is."""
    rng = np.random.default_rng(5)
    frames = []
    for coin in COINS:
        hourly = 1.2e-5 + 8e-6 * np.cumsum(rng.normal(0, 0.15, days * 24))
        for venue, interval in INTERVALS.items():
            hours = np.arange(interval, days * 24, interval)
            rate = hourly[hours] * interval * rng.lognormal(0, 0.2, len(hours))
            if venue != "okx":
                rate = np.where(rng.random(len(hours)) < on_interest, 1e-4 * interval / 8, rate)
            at = [START + timedelta(hours=int(h)) for h in hours]
            frames.append(
                pl.DataFrame(
                    {
                        "venue": venue,
                        "symbol": f"{coin}/USDT:USDT",
                        "kind": "settled",
                        "settled_at": at,
                        "venue_time": None,
                        "rate": rate,
                        "interval_hours": float(interval),
                    },
                    schema=dict(RAW_FUNDING_RATES),
                )
            )
    return pl.concat(frames)


def refused(raw: pl.DataFrame) -> dict[tuple[str, str], tuple[str, float | None]]:
    found = refused_series(settled_funding(raw))
    return {
        (row["venue"], row["symbol"]): (row["rule"], row["factor"]) for row in found.iter_rows(named=True)
    }


def of(venue: str) -> pl.Expr:
    return pl.col("venue") == venue


@pytest.mark.parametrize("factor", [100.0, 1095.0, 8760.0, 10_000.0, 0.01])
@pytest.mark.parametrize("venue", list(INTERVALS))
def test_a_venue_in_another_unit_is_refused_whole_and_alone(venue: str, factor: float) -> None:
    """At the bare interest the factor is exact; without it (okx) the other venues tell it."""
    raw = settled().with_columns(rate=pl.when(of(venue)).then(pl.col("rate") * factor).otherwise("rate"))
    found = refused(raw)
    assert set(found) == {(venue, f"{coin}/USDT:USDT") for coin in COINS}
    for _, told in found.values():
        assert told == pytest.approx(factor, rel=0.3 if venue == "okx" else 1e-9)


@pytest.mark.parametrize("factor", [8.0, 0.125])
def test_a_rate_per_8_hours_every_hour(factor: float) -> None:
    raw = settled().with_columns(
        rate=pl.when(of("hyperliquid")).then(pl.col("rate") * factor).otherwise("rate")
    )
    assert set(refused(raw).values()) == {("wrong unit", factor)}


def test_a_single_venue_shows_its_unit_by_the_bare_interest() -> None:
    raw = settled().filter(of("binance")).with_columns(pl.col("rate") * 100)
    assert set(refused(raw).values()) == {("wrong unit", 100.0)}


@pytest.mark.parametrize(("label", "factor"), [(8.0, 8.0), (2.0, 2.0)])
def test_an_interval_that_is_not_the_spacing(label: float, factor: float) -> None:
    raw = settled().with_columns(
        interval_hours=pl.when(of("hyperliquid")).then(label).otherwise("interval_hours")
    )
    assert set(refused(raw).items()) == {
        (("hyperliquid", f"{coin}/USDT:USDT"), ("wrong interval", factor)) for coin in COINS
    }


def test_settlements_stated_twice_an_hour_apart() -> None:
    raw = settled()
    twice = pl.concat([raw, raw.filter(of("bybit")).with_columns(pl.col("settled_at") + timedelta(hours=1))])
    assert set(refused(twice).values()) == {("settlements stated twice", 2.0)}
    assert {venue for venue, _ in refused(twice)} == {"bybit"}


def test_settlements_stated_twice_minutes_apart_are_booked_once() -> None:
    raw = settled()
    twice = pl.concat(
        [raw, raw.filter(of("bybit")).with_columns(pl.col("settled_at") + timedelta(minutes=5))]
    )
    accepted, bad = normalize("settled_funding", twice)
    assert accepted.equals(normalize("settled_funding", raw)[0])
    assert bad["reason"].unique().to_list() == ["settled again within 30 minutes at the same rate"]


def test_two_rates_minutes_apart_are_a_conflict_and_cost_no_other_row() -> None:
    raw = settled()
    other = (
        raw.filter(of("bybit"))
        .head(1)
        .with_columns(pl.col("settled_at") + timedelta(minutes=5), pl.col("rate") + 1e-3)
    )
    accepted, bad = normalize("settled_funding", pl.concat([raw, other]))
    assert (accepted.height, bad.height) == (raw.height - 1, 2)


@pytest.mark.parametrize("spelled", ["Binance", "binanceusdm", "BINANCE"])
def test_a_venue_under_two_names(spelled: str) -> None:
    raw = settled()
    again = pl.concat([raw, raw.filter(of("binance")).with_columns(venue=pl.lit(spelled))])
    assert {venue for venue, _ in refused(again)} == {spelled}
    alone = raw.with_columns(venue=pl.when(of("binance")).then(pl.lit(spelled)).otherwise("venue"))
    assert refused(alone) == {}  # a spelling of its own is no fault


def test_a_copy_under_another_symbol() -> None:
    raw = settled()
    own = raw.filter(of("bybit"), pl.col("symbol") == "BTC/USDT:USDT")
    copy = own.with_columns(symbol=pl.lit("BTC/USDC:USDC"))
    assert refused(pl.concat([raw, copy])) == {("bybit", "BTC/USDT:USDT"): ("copy of another series", None)}


def test_sound_series_and_series_with_holes_are_kept() -> None:
    raw = settled()
    assert refused(raw) == {}
    holes = raw.with_row_index("row").filter(pl.col("row") % 11 != 3).drop("row")
    assert refused(holes) == {}
    assert refused(raw.clear()) == {}


@pytest.mark.parametrize("days", [30, 120])
def test_no_recorded_series_is_refused(recorded_dir: Path, days: int) -> None:
    """Also not in pieces: stress, Deribit near zero, and Hyperliquid far above the others among them."""
    rows = settled_funding(pl.read_parquet(recorded_dir / "funding_rates.parquet"))
    assert refused_series(rows).is_empty()
    at = rows["settled_at"].min()
    assert isinstance(at, datetime)
    while at < datetime(2025, 9, 1, tzinfo=UTC):
        piece = rows.filter(pl.col("settled_at").is_between(at, at + timedelta(days=days)))
        assert refused_series(piece).is_empty()
        at += timedelta(days=days)
