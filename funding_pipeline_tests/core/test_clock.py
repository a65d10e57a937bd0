"""Decision times."""

from datetime import UTC, datetime

import polars as pl
import pytest

from funding_pipeline.core.clock import decision_schedule, first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError


def test_schedule_is_on_whole_multiples_and_inclusive() -> None:
    times = decision_schedule(
        start=datetime(2025, 1, 1, 0, 30, tzinfo=UTC), end=datetime(2025, 1, 2, tzinfo=UTC), every_hours=8
    )
    assert [f"{t:%d %H}" for t in times] == ["01 08", "01 16", "02 00"]
    assert times.dtype == pl.Datetime("us", "UTC")


def test_schedule_without_a_time_says_so() -> None:
    with pytest.raises(InsufficientHistoryError, match="every 8 h"):
        decision_schedule(
            start=datetime(2025, 1, 1, 1, tzinfo=UTC),
            end=datetime(2025, 1, 1, 7, tzinfo=UTC),
            every_hours=8,
        )


def test_first_and_last_of_nothing() -> None:
    with pytest.raises(InsufficientHistoryError, match="as_of"):
        first_and_last(pl.Series("as_of", [], dtype=pl.Datetime("us", "UTC")))
