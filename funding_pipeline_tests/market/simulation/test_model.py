"""Streams, marginals and the calibrated model against the recorded statistics."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.market import RAW_TABLES
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.market.simulation.calibration import CALIBRATED
from funding_pipeline.market.simulation.grid import HourGrid
from funding_pipeline.market.simulation.marginals import PREMIUMS
from funding_pipeline.market.simulation.parameters import SimulationParameters
from funding_pipeline.market.simulation.paths import MarketPaths, simulate_paths
from funding_pipeline.market.simulation.settlement import RateFormula
from funding_pipeline.market.simulation.streams import Noise, TimeScale, ar1, weighted_mean_sd

YEARS = HourGrid(datetime(2023, 7, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC))
START, END = YEARS.start, YEARS.end


@pytest.fixture(scope="module")
def default() -> SimulatedMarket:
    return SimulatedMarket()


@pytest.fixture(scope="module")
def paths() -> MarketPaths:
    return simulate_paths(CALIBRATED, YEARS, 7)


@pytest.fixture(scope="module")
def settled(default: SimulatedMarket) -> pl.DataFrame:
    rates = default.read("funding_rates", venues=default.span().venues, start=START, end=END)
    return rates.filter(pl.col("kind") == "settled").with_columns(
        per_8h_bp=pl.col("rate") * 8e4 / pl.col("interval_hours")
    )


def test_streams_are_independent_of_one_another_and_of_the_length() -> None:
    short, long = Noise(3, 100), Noise(3, 1000)
    assert np.array_equal(short.normal("a"), long.normal("a")[:100])
    assert abs(np.corrcoef(long.normal("a"), long.normal("b"))[0, 1]) < 0.1
    assert not np.array_equal(long.normal("a"), Noise(4, 1000).normal("a"))


def test_ar1_has_unit_variance_and_its_autocorrelation() -> None:
    series = ar1(np.random.default_rng(0).standard_normal(400_000), hours=10.0)
    assert series.std() == pytest.approx(1.0, abs=0.02)
    assert np.corrcoef(series[:-10], series[10:])[0, 1] == pytest.approx(np.exp(-1.0), abs=0.02)


def test_weighted_mean_sd_is_that_of_a_simulated_mean() -> None:
    scales = (TimeScale(2, 0.6), TimeScale(50, 0.4))
    weights = np.arange(1, 9) / 36.0
    series = Noise(0, 400_000).mixture(scales, "check")
    means = np.convolve(series, weights[::-1], mode="valid")
    assert means.std() == pytest.approx(weighted_mean_sd(scales, weights), rel=0.03)


@pytest.mark.parametrize(("venue", "coin"), [("binance", "BTC"), ("gate", "DOGE"), ("deribit", "AVAX")])
def test_marginals_reproduce_the_recorded_shares_and_quantiles(venue: str, coin: str) -> None:
    marginal, terms = PREMIUMS[venue, coin], CALIBRATED.venues[venue]
    score = np.random.default_rng(1).standard_normal(400_000)
    premium = marginal.premium(score, interest=terms.interest, dampener=terms.dampener)
    rate = RateFormula(terms.interest, terms.dampener, None).rate_bp(premium, 8.0)
    assert np.mean(rate == terms.interest) == pytest.approx(marginal.plateau, abs=0.005)
    assert np.mean(rate < terms.interest) == pytest.approx(marginal.below, abs=0.005)
    excess = rate[rate > terms.interest] - terms.interest
    assert np.quantile(excess, [0.5, 0.9, 0.99]) == pytest.approx(marginal.excess[:3], rel=0.05)
    assert (np.diff(marginal.premium(np.linspace(-6, 6, 999), interest=1.0, dampener=5.0)) > 0).all()


def test_shares_of_variance_are_shares() -> None:
    for terms in CALIBRATED.venues.values():
        assert 0.0 < terms.common_share + terms.venue_share < 1.0
        assert sum(scale.share for scale in terms.own_scales) == pytest.approx(1.0)
    crowd, volatility = CALIBRATED.crowd, CALIBRATED.volatility
    for mixture in (crowd.market_scales, crowd.coin_scales, crowd.venue_scales, volatility.scales):
        assert sum(scale.share for scale in mixture) == pytest.approx(1.0)
    assert set(CALIBRATED.instruments) == {(v, c) for v in CALIBRATED.venues for c in CALIBRATED.coins}


def test_adding_a_coin_changes_no_other(paths: MarketPaths) -> None:
    """Streams are named, so an instrument's path does not depend on which others there are."""
    fewer = replace(
        CALIBRATED,
        coins={coin: terms for coin, terms in CALIBRATED.coins.items() if coin != "XRP"},
        instruments={key: terms for key, terms in CALIBRATED.instruments.items() if key[1] != "XRP"},
    )
    without = simulate_paths(fewer, YEARS, 7)
    assert np.array_equal(without.premiums["gate", "SOL"], paths.premiums["gate", "SOL"])
    assert np.array_equal(without.prices["deribit", "AVAX"].close, paths.prices["deribit", "AVAX"].close)


def test_levels_and_plateau_are_near_the_recorded_ones(settled: pl.DataFrame) -> None:
    """Means over coins, bp per 8 h; another two years of the same market may be half of them off."""
    by_venue = settled.group_by("venue").agg(
        pl.col("per_8h_bp").mean(),
        ((pl.col("rate") * 8 / pl.col("interval_hours") - 1e-4).abs() < 1e-9).mean().alias("flat"),
    )
    level = dict(by_venue.select("venue", "per_8h_bp").iter_rows())
    recorded = {
        "binance": 0.68,
        "bybit": 0.81,
        "gate": 0.67,
        "hyperliquid": 1.43,
        "deribit": 1.24,
        "okx": 0.56,
    }
    assert level == {venue: pytest.approx(mean, abs=0.55 * mean) for venue, mean in recorded.items()}
    flat = dict(by_venue.select("venue", "flat").iter_rows())
    shares = {"binance": 0.31, "bybit": 0.41, "gate": 0.40, "hyperliquid": 0.46}
    assert {venue: flat[venue] for venue in shares} == {
        v: pytest.approx(s, abs=0.12) for v, s in shares.items()
    }


def test_the_default_market_has_shortened_intervals_and_goes_back(settled: pl.DataFrame) -> None:
    short = settled.filter(
        pl.col("venue").is_in(["binance", "bybit", "gate"]) & (pl.col("interval_hours") < 8)
    )
    assert 0 < short.height < 0.05 * settled.height
    last = settled.filter(pl.col("venue") == "binance").sort("settled_at").group_by("symbol").last()
    assert (last["interval_hours"] == 8).all()


def test_returns_have_the_recorded_volatility_tails_and_beta(paths: MarketPaths) -> None:
    returns = {coin: np.diff(paths.references[coin].log_price) for coin in CALIBRATED.coins}
    btc = returns["BTC"]
    assert btc.std() == pytest.approx(0.0051, rel=0.25)
    for coin, terms in CALIBRATED.coins.items():
        own = returns[coin]
        assert np.mean((own - own.mean()) ** 4) / own.var() ** 2 > 6.0
        assert np.cov(own, btc)[0, 1] / btc.var() == pytest.approx(terms.beta, rel=0.12)
        clustered = np.corrcoef(np.abs(own[:-1]), np.abs(own[1:]))[0, 1]
        assert 0.15 < clustered < 0.45


def forecast_r2(settled: pl.DataFrame) -> float:
    """R2 of the trailing 336 h mean shrunk by half for the next 168 h mean of pairwise differentials."""
    hourly = settled.with_columns(
        base=pl.col("symbol").str.extract(r"^(\w+)/"),
        day=(pl.col("settled_at") - pl.duration(microseconds=1)).dt.truncate("1d"),
    )
    daily = hourly.group_by("venue", "base", "day").agg(pl.col("rate").sum() / pl.col("interval_hours").sum())
    pairs = (
        daily.join(daily, on=["base", "day"], suffix="_b")
        .filter(pl.col("venue") < pl.col("venue_b"))
        .with_columns(spread=pl.col("rate") - pl.col("rate_b"))
        .sort("venue", "venue_b", "base", "day")
    )
    over = ["venue", "venue_b", "base"]
    scored = pairs.with_columns(
        guess=pl.col("spread").rolling_mean(14).over(over) / 2,
        truth=pl.col("spread").rolling_mean(7).shift(-7).over(over),
    ).drop_nulls(["guess", "truth"])
    truth, guess = scored["truth"].to_numpy(), scored["guess"].to_numpy()
    return float(1 - np.sum((truth - guess) ** 2) / np.sum((truth - truth.mean()) ** 2))


def test_the_edge_is_no_more_generous_than_the_recorded_one(
    settled: pl.DataFrame, recorded_dir: Path
) -> None:
    recorded = RecordedMarket(recorded_dir).read(
        "funding_rates", venues=tuple(CALIBRATED.venues), start=START, end=END
    )
    linear = recorded.filter((pl.col("kind") == "settled") & pl.col("symbol").str.contains(r":USD[TC]$"))
    deribit = recorded.filter(
        (pl.col("venue") == "deribit") & pl.col("symbol").is_in(["BTC/USD:BTC", "ETH/USD:ETH"])
    )
    assert forecast_r2(settled) <= forecast_r2(pl.concat([linear, deribit])) + 0.03
    assert forecast_r2(settled) > 0.1


def test_two_years_are_light(default: SimulatedMarket) -> None:
    began = perf_counter()
    frames = [default.read(table, venues=default.span().venues, start=START, end=END) for table in RAW_TABLES]
    assert perf_counter() - began < 10.0
    assert sum(frame.estimated_size("mb") for frame in frames) < 300


def test_parameters_can_be_replaced() -> None:
    calm: SimulationParameters = replace(
        CALIBRATED, stress=replace(CALIBRATED.stress, crises_per_coin_year=0.0)
    )
    drawn = simulate_paths(calm, YEARS, 7)
    assert min(premium.min() for (venue, _), premium in drawn.premiums.items() if venue == "binance") > -60.0
