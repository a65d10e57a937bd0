"""Days that everybody remembers, on the recorded market: flagged then, by what was known then."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.clock import decision_schedule
from funding_pipeline.core.market import MarketSpan
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import normalized_market
from funding_pipeline.models.market_severity import market_severity
from funding_pipeline.models.regimes import CALM_CARRY, CROWDED_LONGS, INVERTED, STRESS, market_regime

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "market_data"
pytestmark = pytest.mark.skipif(
    not (RECORDED / "funding_rates.parquet").is_file(), reason=f"no recorded market at {RECORDED}"
)
HISTORY = timedelta(days=190)
VENUES = ("binance", "bybit", "deribit", "gate", "hyperliquid", "kucoin", "okx")


@dataclass(frozen=True)
class Event:
    """Days, UTC; `end`: after the last. `words`: what the reason has to speak of."""

    first: datetime
    end: datetime
    flagged_days: tuple[int, ...]
    words: str


def _at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


EVENTS = {
    "crash": Event(_at(2021, 5, 19), _at(2021, 5, 20), (19,), "price change over 24 h is -"),
    "FTX": Event(_at(2022, 11, 8), _at(2022, 11, 12), (8, 9, 10, 11), "mean funding over 24 h is -"),
    # USDC lost its peg in the night to the 11th, UTC
    "USDC": Event(_at(2023, 3, 10), _at(2023, 3, 13), (11, 12), "contracts quoted in USDC +"),
    "August": Event(_at(2024, 8, 5), _at(2024, 8, 6), (5,), "volatility over 24 h"),
}


def panel_until(last: datetime, *, since: datetime) -> pl.DataFrame:
    """Features of every 8 h made of rows known at `last`: no later row is read at all."""
    span = MarketSpan(since, last + timedelta(seconds=1), VENUES)
    tables = normalized_market(RecordedMarket(RECORDED), span).tables.as_known_at(last)
    times = decision_schedule(start=since + timedelta(days=2), end=last, every_hours=8)
    return build_features(tables, as_of=times)


@lru_cache
def panel_of(event: Event) -> pl.DataFrame:
    """The half year before, and the event's days."""
    return panel_until(event.end - timedelta(seconds=1), since=event.first - HISTORY)


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_the_event_is_flagged_on_its_days_by_what_was_known_then(event: Event) -> None:
    severities = market_severity(panel_of(event))
    flagged = severities.filter(pl.col("as_of") >= event.first, pl.col("severity") == "alarm")
    assert set(flagged["as_of"].dt.day()) == set(event.flagged_days)
    assert event.words in flagged["reason"].str.join(" ").item()
    first = flagged["as_of"][0]
    then = market_severity(panel_until(first, since=event.first - HISTORY))
    assert_frame_equal(then.tail(1), severities.filter(pl.col("as_of") == first), check_exact=True)


@pytest.mark.parametrize(
    ("event", "at", "regime"),
    [
        ("crash", datetime(2021, 4, 5, tzinfo=UTC), CROWDED_LONGS),
        ("crash", datetime(2021, 5, 19, 16, tzinfo=UTC), STRESS),
        ("FTX", datetime(2022, 6, 14, tzinfo=UTC), STRESS),
        ("FTX", datetime(2022, 11, 10, tzinfo=UTC), STRESS),
        ("USDC", datetime(2022, 12, 15, tzinfo=UTC), INVERTED),
        ("USDC", datetime(2023, 3, 12, tzinfo=UTC), STRESS),
        ("August", datetime(2024, 3, 30, tzinfo=UTC), CROWDED_LONGS),
        ("August", datetime(2024, 7, 25, tzinfo=UTC), CALM_CARRY),
        ("August", datetime(2024, 8, 5, 8, tzinfo=UTC), STRESS),
    ],
)
def test_regimes_of_days_that_have_a_name(event: str, at: datetime, regime: str) -> None:
    found = market_regime(panel_of(EVENTS[event]))
    assert found.filter(pl.col("as_of") == at)["regime"].to_list() == [regime]
