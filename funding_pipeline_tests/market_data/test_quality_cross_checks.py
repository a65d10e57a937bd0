"""Rules between tables: settlement gaps, other tokens under one ticker, age, look-ahead."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from funding_pipeline.core.tables import (
    ESTIMATED_FUNDING,
    FUNDING_INTERVALS,
    INSTRUMENTS,
    PRICES,
    SETTLED_FUNDING,
)
from funding_pipeline.market_data.cross_checks import (
    intervals_consistent,
    nothing_known_early,
    prices_within_band,
    staleness,
)

T = datetime(2024, 1, 1, tzinfo=UTC)
SYMBOL = "SOL/USDT:USDT"


def paid(hours: list[float], intervals: list[float]) -> pl.DataFrame:
    at = [T + timedelta(hours=h) for h in hours]
    frame = pl.DataFrame({"settled_at": at, "interval_hours": intervals, "known_at": at})
    return SETTLED_FUNDING.conform(
        frame.with_columns(venue=pl.lit("bybit"), symbol=pl.lit(SYMBOL), rate=pl.lit(1e-4))
    )


def in_effect(*rows: tuple[float, float]) -> pl.DataFrame:
    frame = pl.DataFrame(
        {"effective_from": [T + timedelta(hours=h) for h, _ in rows], "interval_hours": [i for _, i in rows]}
    )
    return FUNDING_INTERVALS.conform(
        frame.with_columns(
            venue=pl.lit("bybit"),
            symbol=pl.lit(SYMBOL),
            effective_to=None,
            known_at=pl.col("effective_from"),
        )
    )


def names(results: object) -> list[str]:
    return [result.expectation for result in results]  # type: ignore[attr-defined]


def test_a_regular_clock_is_consistent_and_without_warning() -> None:
    report = intervals_consistent(paid([0, 8, 16, 20, 24], [8, 8, 8, 4, 4]), in_effect((0, 8), (20, 4)))
    assert report.success
    assert report.warnings == ()


def test_a_missing_settlement_is_listed_and_does_not_fail() -> None:
    report = intervals_consistent(paid([0, 8, 24, 32], [8] * 4), in_effect((0, 8)))
    assert report.success
    assert names(report.warnings) == ["no settlement missing"]
    assert '"gap_hours":16.0' in report.warnings[0].sample[0]


def test_a_gap_that_the_interval_cannot_explain_fails() -> None:
    for hours in ([0, 8, 12, 20], [0, 8, 20, 28], [0, 8, 15, 23]):
        report = intervals_consistent(paid(hours, [8] * 4), in_effect((0, 8)))
        assert names(report.failures) == ["gap is a whole multiple of the interval"]


def test_a_switch_with_an_odd_first_gap_is_listed_and_does_not_fail() -> None:
    into = intervals_consistent(paid([0, 8, 14, 16], [8, 8, 2, 2]), in_effect((0, 8), (14, 2)))
    back = intervals_consistent(paid([0, 2, 4, 12], [2, 2, 8, 8]), in_effect((0, 2), (4, 8)))
    for report in (into, back):
        assert report.success
        assert names(report.warnings) == ["a switched interval begins with its own gap"]


def test_a_switch_does_not_excuse_every_gap() -> None:
    report = intervals_consistent(paid([0, 8, 21], [8, 8, 2]), in_effect((0, 8), (21, 2)))
    assert not report.success


def test_a_silent_change_of_interval_fails() -> None:
    report = intervals_consistent(paid([0, 8, 9, 10], [8, 8, 1, 1]), in_effect((0, 8)))
    assert "interval_hours is the interval in effect" in names(report.failures)
    uncovered = intervals_consistent(paid([0, 8], [8, 8]), in_effect((8, 8)))
    assert "an interval is in effect" in names(uncovered.failures)


def listing(venue: str, symbol: str, *, base: str, multiplier: float | None, quote: str = "USDT") -> dict:
    return dict.fromkeys(INSTRUMENTS.columns) | {
        "venue": venue, "symbol": symbol, "base": base, "multiplier": multiplier, "contract_size": 1.0,
        "quote": quote, "settle": quote, "contract_type": "linear", "effective_from": T, "known_at": T,
    }  # fmt: skip


def closes(venue: str, symbol: str, values: list[float]) -> pl.DataFrame:
    at = [T + timedelta(hours=i + 1) for i in range(len(values))]
    frame = pl.DataFrame({"close_time": at, "close": values, "known_at": at}).with_columns(
        venue=pl.lit(venue), symbol=pl.lit(symbol), kind=pl.lit("trade"), timeframe_hours=1.0,
        open=None, high=None, low=None, volume=None,
    )  # fmt: skip
    return PRICES.conform(frame)


PEPE = INSTRUMENTS.conform(
    pl.DataFrame(
        [
            listing("binance", "1000PEPE/USDT:USDT", base="PEPE", multiplier=1000.0),
            listing("okx", "PEPE/USDT:USDT", base="PEPE", multiplier=1.0),
            listing("hyperliquid", "kPEPE/USDC:USDC", base="PEPE", multiplier=1000.0, quote="USDC"),
            listing("kraken", "PEPE/EUR:EUR", base="PEPE", multiplier=1.0, quote="EUR"),
        ]
    )
)
PEPE_CLOSES = [
    closes("binance", "1000PEPE/USDT:USDT", [0.010] * 10),
    closes("hyperliquid", "kPEPE/USDC:USDC", [0.0101] * 10),
]


def test_multipliers_are_resolved_before_prices_are_compared() -> None:
    same = pl.concat([*PEPE_CLOSES, closes("okx", "PEPE/USDT:USDT", [1e-5] * 10)])
    report = prices_within_band(same, PEPE)
    assert report.success
    assert report.warnings == ()
    assert report.rows == 30


def test_an_hour_of_stress_is_a_warning() -> None:
    stressed = pl.concat([*PEPE_CLOSES, closes("okx", "PEPE/USDT:USDT", [1.4e-5] * 2 + [1e-5] * 8)])
    report = prices_within_band(stressed, PEPE)
    assert report.success
    assert report.warnings[0].unexpected_count == 2


def test_other_currencies_and_lonely_venues_are_not_compared() -> None:
    euro = pl.concat([PEPE_CLOSES[0], closes("kraken", "PEPE/EUR:EUR", [9.0] * 10)])
    report = prices_within_band(euro, PEPE)
    assert report.success
    assert report.rows == 0


def test_age_counts_from_what_was_known_by_then() -> None:
    frame = paid([0, 8, 16], [8] * 3)
    assert staleness(SETTLED_FUNDING, frame, as_of=T + timedelta(hours=20), limit_hours=9).success
    assert not staleness(SETTLED_FUNDING, frame, as_of=T + timedelta(hours=26), limit_hours=9).success
    early = staleness(SETTLED_FUNDING, frame, as_of=T + timedelta(hours=15), limit_hours=6.9)
    assert not early.success  # the settlement at 16 h does not make the one at 8 h younger


def test_an_expected_instrument_without_rows_is_stale() -> None:
    expected = pl.DataFrame({"venue": ["bybit", "okx"], "symbol": [SYMBOL, SYMBOL]})
    report = staleness(
        SETTLED_FUNDING, paid([0], [8]), as_of=T + timedelta(hours=1), limit_hours=9, expected=expected
    )
    assert names(report.failures) == ["every instrument has rows"]
    assert '"venue":"okx"' in report.failures[0].sample[0]


def test_known_early_and_known_later_are_both_found() -> None:
    frame = paid([0, 8], [8, 8])
    assert nothing_known_early(SETTLED_FUNDING, frame, as_of=T + timedelta(hours=8)).success
    early = frame.with_columns(known_at=pl.col("known_at") - timedelta(seconds=1))
    assert not nothing_known_early(SETTLED_FUNDING, early).success
    later = nothing_known_early(SETTLED_FUNDING, frame, as_of=T + timedelta(hours=7))
    assert later.failures[0].unexpected_count == 1
    assert nothing_known_early(ESTIMATED_FUNDING, ESTIMATED_FUNDING.empty()).success


def test_recorded_intervals_pass_and_the_odd_switches_are_listed(recorded_dir: Path) -> None:
    from funding_pipeline.market.recorded import RecordedMarket
    from funding_pipeline.market_data.intervals import funding_intervals
    from funding_pipeline.market_data.normalization import normalize

    market = RecordedMarket(recorded_dir)
    span = market.span()
    raw = market.read("funding_rates", venues=("bybit", "gate"), start=span.start, end=span.end)
    settled, _ = normalize("settled_funding", raw)
    report = intervals_consistent(settled, funding_intervals(settled.lazy()))
    assert report.success, report.failures
    assert {w.expectation: w.unexpected_count for w in report.warnings} == {
        "a switched interval begins with its own gap": 3
    }
