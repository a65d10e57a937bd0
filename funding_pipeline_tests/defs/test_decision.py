"""What a decision reads: the rows that can matter to it, however much has been fetched before."""

from datetime import UTC, datetime, timedelta

import polars as pl
from polars.testing import assert_frame_equal

from funding_pipeline.core.market import MarketSpan
from funding_pipeline.defs.decision import LOOK_BACK, decision_tables
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.market_data.normalization import normalized_market

AS_OF = datetime(2024, 2, 10, 3, 30, tzinfo=UTC)
MARKET = SimulatedMarket(
    start=datetime(2024, 1, 1, tzinfo=UTC), end=AS_OF.replace(minute=0) + timedelta(hours=1)
)


def test_what_a_decision_leaves_unread_changes_nothing() -> None:
    read = decision_tables.__wrapped__(MARKET, AS_OF)  # without the cache, whose keys are fetched markets
    span = MarketSpan(AS_OF - LOOK_BACK, AS_OF + timedelta(days=1), MARKET.span().venues)
    whole = normalized_market(MARKET, span).tables.as_known_at(AS_OF)
    times = pl.Series([AS_OF])
    assert_frame_equal(build_features(read, as_of=times), build_features(whole, as_of=times))
    last_day = pl.col("observed_at") > AS_OF - timedelta(days=1)
    for name in ("order_book_depth", "open_interest"):  # the plan takes the last reading of a day
        kept, there = getattr(read, name), getattr(whole, name)
        assert kept.collect().height < there.collect().height
        assert_frame_equal(kept.filter(last_day).collect(), there.filter(last_day).collect())
