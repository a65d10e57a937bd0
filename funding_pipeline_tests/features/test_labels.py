"""Labels: sums over the horizon by hand, coverage, and what they never depend on."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.horizons import NEXT_SETTLEMENT
from funding_pipeline.features.labels import LABELS_SCHEMA, realised_funding
from funding_pipeline_tests.features.synthetic_market import (
    START,
    every,
    settled_rows,
    synthetic_market,
    until,
)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def label(rows: list[tuple[float, float, float]], *, at: float, horizon: int) -> float | None:
    settled = settled_rows("alpha", "BTC/USDT:USDT", [(START + hours(t), r, i) for t, r, i in rows])
    frame = realised_funding(settled.lazy(), as_of=pl.Series([START + hours(at)]), horizons_hours=[horizon])
    return frame["rate_per_hour"].item()


def test_the_settlement_at_as_of_is_past_and_the_one_at_the_end_is_in() -> None:
    rows = [(8.0, 5e-4, 8.0), (16.0, 1e-4, 8.0), (24.0, 2e-4, 8.0), (32.0, 3e-4, 8.0), (40.0, 9e-4, 8.0)]
    assert label(rows, at=8, horizon=24) == pytest.approx(6e-4 / 24)


def test_interval_change_keeps_the_sum_right() -> None:
    rows = [(8.0, 1e-4, 8.0), (16.0, 1e-4, 8.0), *[(16.0 + 2 * i, 1e-5, 2.0) for i in range(1, 5)]]
    rows += [(32.0, 4e-4, 8.0), (40.0, 1e-4, 8.0)]
    assert label(rows, at=8, horizon=24) == pytest.approx((1e-4 + 4e-5 + 4e-4) / 24)


def test_a_missing_settlement_or_the_end_of_data_is_null() -> None:
    rows = [(8.0 * i, 1e-4, 8.0) for i in range(1, 10) if i != 4]
    assert label(rows, at=8, horizon=24) is None
    assert label(rows, at=40, horizon=24) == pytest.approx(3e-4 / 24)
    assert label(rows, at=56, horizon=24) is None


def test_unaligned_times_of_day_are_covered() -> None:
    rows = [(4.0 + 8 * i, 1e-4, 8.0) for i in range(20)]
    assert label(rows, at=32, horizon=24) == pytest.approx(3e-4 / 24)


def test_a_label_is_known_at_the_end_of_its_horizon_and_never_changes() -> None:
    settled = synthetic_market(days=12).settled_funding
    full = realised_funding(settled, as_of=every(8, days=12), horizons_hours=[24, 72])
    assert dict(full.schema) == LABELS_SCHEMA
    assert (
        full["known_at"] - full["as_of"] == pl.Series([hours(1)] * full.height) * full["horizon_hours"]
    ).all()
    cut = START + timedelta(days=9)
    earlier = until(synthetic_market(days=12), cut).settled_funding
    known = pl.col("known_at") <= cut
    past = realised_funding(earlier, as_of=every(8, days=12), horizons_hours=[24, 72])
    assert_frame_equal(past.filter(known), full.filter(known), check_exact=True)
    assert past.filter(~known)["rate_per_hour"].null_count() == past.filter(~known).height


def test_no_settlements_give_no_labels() -> None:
    empty = settled_rows("alpha", "BTC/USDT:USDT", [])
    assert realised_funding(empty.lazy(), as_of=pl.Series([START]), horizons_hours=[24]).is_empty()


def test_the_next_settlement_is_the_first_after_as_of_over_its_interval() -> None:
    rows = [(8.0, 5e-4, 8.0), (16.0, 1e-4, 8.0), (18.0, 6e-5, 2.0), (32.0, 3e-4, 8.0)]
    assert label(rows, at=8, horizon=NEXT_SETTLEMENT) == pytest.approx(1e-4 / 8)
    assert label(rows, at=16, horizon=NEXT_SETTLEMENT) == pytest.approx(6e-5 / 2)
    assert label(rows, at=18, horizon=NEXT_SETTLEMENT) is None  # one is missing before 32 h
    assert label(rows, at=25, horizon=NEXT_SETTLEMENT) == pytest.approx(3e-4 / 8)


def test_the_next_settlement_is_known_when_it_is_told() -> None:
    settled = synthetic_market(days=3).settled_funding.with_columns(pl.col("known_at") + hours(0.5))
    frame = realised_funding(settled, as_of=every(8, days=3), horizons_hours=[NEXT_SETTLEMENT])
    told = (frame["known_at"] - frame["as_of"]).unique()
    assert frame.height
    assert told.min() > hours(0.5)
    assert told.max() <= hours(8.5)


def test_a_label_is_not_known_before_its_settlements_were_published() -> None:
    rows = [(START + hours(8.0 * i), 1e-4, 8.0) for i in range(1, 9)]
    late = START + hours(100)
    third = pl.col("settled_at") == START + hours(24)
    settled = settled_rows("alpha", "BTC/USDT:USDT", rows).with_columns(
        pl.when(third).then(late).otherwise("known_at").alias("known_at")
    )
    times = pl.Series([START + hours(8), START + hours(32)])
    frame = realised_funding(settled.lazy(), as_of=times, horizons_hours=[24])
    assert frame["rate_per_hour"].is_not_null().all()
    assert frame["known_at"].to_list() == [late, late]  # what comes behind a late row waits for it


def test_a_label_between_settlements_waits_for_the_next() -> None:
    rows = [(START + hours(8.0 * i), 1e-4, 8.0) for i in range(1, 6)]
    settled = settled_rows("alpha", "BTC/USDT:USDT", rows)
    frame = realised_funding(settled.lazy(), as_of=pl.Series([START + hours(9)]), horizons_hours=[24])
    assert frame["known_at"].item() == START + hours(40)
    shorter = settled.filter(pl.col("settled_at") < START + hours(40))
    again = realised_funding(shorter.lazy(), as_of=pl.Series([START + hours(9)]), horizons_hours=[24])
    assert again["rate_per_hour"].item() is None
