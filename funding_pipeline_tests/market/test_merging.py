"""Merging landed files: the rows before are the rows after, wherever the process dies and whoever reads."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.market import RAW_CANDLES, RAW_ORDER_BOOKS
from funding_pipeline.market import merging
from funding_pipeline.market.landed_files import Part, holding, landed_paths, parts_of
from funding_pipeline.market.landing import Landing, Series

START = datetime(2025, 1, 1, tzinfo=UTC)
SERIES = Series("candles", "okx", "BTC/USDT:USDT", "trade")
BOOKS = Series("order_books", "okx", "BTC/USDT:USDT", "snapshot")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def bars(first: int, last: int, *, volume: float = 0.0) -> pl.DataFrame:
    """Hourly bars opening in [first, last) hours."""
    hours = range(first, last)
    return pl.DataFrame(
        {
            "venue": "okx", "symbol": SERIES.symbol, "kind": "trade", "timeframe": "1h",
            "open_time": [at(h) for h in hours], "open": 1.0, "high": 2.0, "low": 0.5,
            "close": [float(h) for h in hours], "volume": volume,
        },
        schema=dict(RAW_CANDLES),
    )  # fmt: skip


def book(hour: float) -> pl.DataFrame:
    row = {
        "venue": "okx", "symbol": BOOKS.symbol, "observed_at": at(hour), "bid_px": [99.0, 98.0],
        "bid_qty": [1.0, hour], "ask_px": [101.0], "ask_qty": [1.0], "contract_size": 1.0,
    }  # fmt: skip
    return pl.DataFrame([row], schema=dict(RAW_ORDER_BOOKS))


def land(landing: Landing, first: int, last: int, *, volume: float = 0.0) -> None:
    landing.write(
        SERIES, bars(first, last, volume=volume), start=at(first), end=at(last), fetched_at=at(last + 0.01)
    )


def everything(landing: Landing, table: str = "candles") -> pl.DataFrame:
    return landing.read(table, venues=["okx"], start=at(-1000), end=at(20_000))


def files(landing: Landing, series: Series = SERIES) -> list[Path]:
    return landed_paths(landing._folder(series))


def without_merging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_FEW", 10_000)


def test_four_months_of_fetches_stay_at_a_handful_of_files(tmp_path: Path) -> None:
    landing, rows = Landing(tmp_path), bars(0, 24 * 120)
    for hour in range(0, rows.height, 2):
        window = {"start": at(hour), "end": at(hour + 2), "fetched_at": at(hour + 2)}
        landing.write(SERIES, rows[hour : hour + 2], **window)
        if hour % 24 == 0:
            landing.write(BOOKS, book(hour), **{**window, "end": at(hour + 0.1)})
    assert len(files(landing)) <= 10
    assert len(files(landing, BOOKS)) <= 10
    assert everything(landing).equals(rows)
    assert everything(landing, "order_books")["observed_at"].to_list() == [at(24 * day) for day in range(120)]
    assert landing.missing(SERIES, start=at(0), end=at(rows.height)) == []
    landing.merge()
    assert len(files(landing)) == len(files(landing, BOOKS)) == 2  # quarters


def test_a_reader_beside_a_fetch_sees_every_row_that_was_there(tmp_path: Path) -> None:
    landing, rows = Landing(tmp_path), bars(0, 300)

    def fetch() -> None:
        for hour in range(rows.height):
            landing.write(SERIES, rows[hour], start=at(hour), end=at(hour + 1), fetched_at=at(hour + 1))
            if hour % 50 == 0:
                landing.merge()

    with ThreadPoolExecutor(1) as pool:
        writer, seen = pool.submit(fetch), [0]
        while seen[-1] < rows.height:
            done = writer.done()
            read = everything(landing)
            assert read.equals(rows[: read.height])
            assert read.height >= seen[-1]
            seen.append(read.height)
            assert not done or read.height == rows.height
        writer.result()
    assert len(seen) > 10


def test_what_no_fetch_covered_stays_missing(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    for hour in (0, 1, 2, 5, 6, 9):
        land(landing, hour, hour + 1)
    landing.merge()
    assert len(files(landing)) == 1
    assert landing.missing(SERIES, start=at(0), end=at(11)) == [
        (at(3), at(5)),
        (at(7), at(9)),
        (at(10), at(11)),
    ]
    land(landing, 3, 5)
    landing.merge()
    assert landing.missing(SERIES, start=at(0), end=at(7)) == []


WINDOWS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(1, 400), st.sampled_from([0.0, 1.0])), min_size=1, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(windows=WINDOWS, periods=st.lists(st.tuples(st.integers(0, 3400), st.integers(1, 900)), max_size=4))
def test_rows_before_are_rows_after(
    tmp_path_factory: pytest.TempPathFactory,
    windows: list[tuple[int, int, float]],
    periods: list[tuple[int, int]],
) -> None:
    """Overlapping windows, gaps, two values for one hour, quarters: every read and gap is as it was."""
    landing = Landing(tmp_path_factory.mktemp("landing"))
    with pytest.MonkeyPatch.context() as patch:
        without_merging(patch)
        for first, length, volume in windows:
            land(landing, first, first + length, volume=volume)
        asked = [(at(first), at(first + length)) for first, length in [(0, 4000), *periods]]
        before = [landing.read("candles", venues=["okx"], start=s, end=e) for s, e in asked]
        gaps = [landing.missing(SERIES, start=s, end=e) for s, e in asked]
        marks = [landing.fingerprint(start=s, end=e) for s, e in asked]
        newest = [landing.last_before(SERIES, end) for _, end in asked]
        parts = sorted(part for path in files(landing) for part in parts_of(path))
    landing.merge()
    assert len(files(landing)) <= 2
    key = ["open_time", "volume"]
    for (s, e), rows in zip(asked, before, strict=True):
        assert landing.read("candles", venues=["okx"], start=s, end=e).sort(key).equals(rows.sort(key))
    assert [landing.missing(SERIES, start=s, end=e) for s, e in asked] == gaps
    assert [landing.fingerprint(start=s, end=e) for s, e in asked] == marks
    assert [landing.last_before(SERIES, end) for _, end in asked] == newest
    assert sorted(part for path in files(landing) for part in parts_of(path)) == parts


class Killed(BaseException):
    """The process is gone: nothing that handles errors comes to run."""


KILLED_AT: dict[str, tuple[object, str]] = {
    "writing": (pl.DataFrame, "write_parquet"),
    "placing": (Path, "replace"),
    "removing": (Path, "unlink"),
}


@pytest.mark.parametrize("call", range(3))
@pytest.mark.parametrize("point", KILLED_AT)
@pytest.mark.parametrize("late", [False, True])
def test_a_kill_at_any_point_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, call: int, late: bool
) -> None:
    """Before or after the `call`-th write, rename or removal; the next merge goes on."""
    landing = Landing(tmp_path)
    for hour in (0, 1, 2, 4, 2200, 2201, 2202, 2203):  # two quarters, one with a gap
        land(landing, hour, hour + 1)
    before = everything(landing)
    gaps = landing.missing(SERIES, start=at(0), end=at(2300))

    owner, name = KILLED_AT[point]
    really, calls = getattr(owner, name), itertools.count()

    def deadly(*given: object, **named: object) -> object:
        turn = next(calls) == call
        if turn and not late:
            raise Killed
        done = really(*given, **named)
        if turn:
            raise Killed
        return done

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(owner, name, deadly)
        landing.merge()
    assert everything(landing).equals(before)
    assert landing.missing(SERIES, start=at(0), end=at(2300)) == gaps
    landing.merge()
    assert len(files(landing)) == 2
    assert everything(landing).equals(before)
    assert landing.missing(SERIES, start=at(0), end=at(2300)) == gaps


def test_nobody_removes_files_while_somebody_reads(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    with holding(tmp_path, alone=False):
        for hour in range(20):
            land(landing, hour, hour + 1)
        assert len(files(landing)) == 20
    land(landing, 20, 21)
    assert len(files(landing)) == 6
    assert everything(landing).height == 21


def test_a_fetch_merges_few_of_many_files_and_the_night_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A landing of before files were merged."""
    landing = Landing(tmp_path)
    with monkeypatch.context() as patch:
        without_merging(patch)
        for hour in range(100):
            land(landing, hour, hour + 1)
    land(landing, 100, 101)
    assert len(files(landing)) == 101 - 15
    assert everything(landing).equals(bars(0, 101))
    assert landing.merge() == 85
    assert everything(landing).equals(bars(0, 101))


def test_a_file_with_a_row_of_no_time_is_left_alone(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    odd = pl.concat([bars(1, 2), bars(1, 2).with_columns(open_time=None).cast(dict(RAW_CANDLES))])
    landing.write(SERIES, odd, start=at(1), end=at(2), fetched_at=at(2))
    for hour in (0, 2, 3):
        land(landing, hour, hour + 1)
    before = everything(landing)
    landing.merge()
    assert len(files(landing)) == 2
    assert everything(landing).equals(before)


def test_a_rewrite_replaces_the_rows_of_its_parts_alone(tmp_path: Path) -> None:
    """What a replay does, of whose windows one has lost its bodies."""
    landing = Landing(tmp_path)
    for hour in (0, 1, 3):
        land(landing, hour, hour + 1)
    landing.merge()
    [merged] = landing.landed("candles", "okx", "trade")
    assert [(part.start, part.end) for part in merged.parts] == [(at(h), at(h + 1)) for h in (0, 1, 3)]
    assert merged.parts[2] == Part(at(3), at(4), at(4.01))
    assert landing.rewrite(merged, {part: bars(0, 1, volume=5.0) for part in merged.parts[:1]})
    assert everything(landing)["volume"].to_list() == [5.0, 0.0, 0.0]
    assert landing.missing(SERIES, start=at(0), end=at(4)) == [(at(2), at(3))]
    merged.path.rename(merged.path.with_name("20240101T000000-20240102T000000.parquet"))
    assert not landing.rewrite(merged, {part: bars(0, 1) for part in merged.parts[:1]})
