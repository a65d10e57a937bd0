"""The landing folder: what is missing, that files are whole, and that a broken one is named."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import MarketDataError, StorageError
from funding_pipeline.core.market import RAW_CANDLES, RAW_FUNDING_RATES
from funding_pipeline.market.landing import Landing, Series
from funding_pipeline.market.visits import Visits

START = datetime(2025, 1, 1, tzinfo=UTC)
SERIES = Series("candles", "okx", "BTC/USDT:USDT", "trade")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def bars(first: int, last: int, symbol: str = SERIES.symbol) -> pl.DataFrame:
    """Hourly bars opening in [first, last) hours."""
    hours = range(first, last)
    return pl.DataFrame(
        {
            "venue": "okx", "symbol": symbol, "kind": "trade", "timeframe": "1h",
            "open_time": [at(h) for h in hours], "open": 1.0, "high": 2.0, "low": 0.5,
            "close": [float(h) for h in hours], "volume": 0.0,
        },
        schema=dict(RAW_CANDLES),
    )  # fmt: skip


def test_what_is_written_is_not_missing(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    assert landing.missing(SERIES, start=at(0), end=at(10)) == [(at(0), at(10))]
    landing.write(SERIES, bars(2, 4), start=at(2), end=at(4), fetched_at=START)
    landing.write(SERIES, bars(6, 8), start=at(6), end=at(8), fetched_at=START)
    assert landing.missing(SERIES, start=at(0), end=at(10)) == [
        (at(0), at(2)),
        (at(4), at(6)),
        (at(8), at(10)),
    ]
    assert landing.missing(SERIES, start=at(2), end=at(4)) == []
    assert landing.missing(Series("candles", "okx", "ETH/USDT:USDT", "trade"), start=at(2), end=at(4))


@settings(max_examples=50, deadline=None)
@given(
    windows=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=6),
    asked=st.tuples(st.integers(0, 30), st.integers(1, 30)),
)
def test_filling_what_is_missing_leaves_nothing_missing(
    tmp_path_factory: pytest.TempPathFactory, windows: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    landing = Landing(tmp_path_factory.mktemp("landing"))
    for first, length in windows:
        landing.write(
            SERIES, bars(first, first + length), start=at(first), end=at(first + length), fetched_at=START
        )
    start, end = at(asked[0]), at(asked[0] + asked[1])
    for window in landing.missing(SERIES, start=start, end=end):
        hours = [int((moment - START).total_seconds() // 3600) for moment in window]
        landing.write(SERIES, bars(*hours), start=window[0], end=window[1], fetched_at=START)
    assert landing.missing(SERIES, start=start, end=end) == []
    read = landing.read("candles", venues=["okx"], start=start, end=end)
    assert read["close"].to_list() == [float(h) for h in range(asked[0], sum(asked))]


def test_rows_come_once_and_only_of_the_period(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.write(SERIES, bars(0, 5), start=at(0), end=at(5), fetched_at=START)
    landing.write(SERIES, bars(3, 8), start=at(3), end=at(8), fetched_at=START)
    read = landing.read("candles", venues=["okx", "gate"], start=at(1), end=at(7))
    assert read["open_time"].to_list() == [at(h) for h in range(1, 7)]
    assert read.schema == pl.Schema(RAW_CANDLES)
    assert landing.read("candles", venues=["gate"], start=at(1), end=at(7)).is_empty()


def test_symbols_that_share_letters_do_not_share_a_file(tmp_path: Path) -> None:
    """`BTC/USD:BTC` and `BTC/USD-BTC` cannot both exist, but 1000X and X can."""
    landing = Landing(tmp_path)
    for symbol in ("BTC/USD:BTC", "BTC/USDT:USDT", "1000PEPE/USDT:USDT", "PEPE/USDT:USDT"):
        series = Series("candles", "okx", symbol, "trade")
        landing.write(series, bars(0, 1, symbol), start=at(0), end=at(1), fetched_at=START)
    assert landing.read("candles", venues=["okx"], start=at(0), end=at(1))["symbol"].n_unique() == 4


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.write(SERIES, bars(0, 1), start=at(0), end=at(1), fetched_at=START)
    path = next(tmp_path.rglob("*.parquet"))
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(MarketDataError, match=path.name):
        landing.read("candles", venues=["okx"], start=at(0), end=at(1))


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = Landing(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(StorageError, match="No space left"):
        landing.write(SERIES, bars(0, 1), start=at(0), end=at(1), fetched_at=START)
    assert not list(tmp_path.rglob("*.p*"))
    assert landing.missing(SERIES, start=at(0), end=at(1))


def test_the_fingerprint_changes_with_new_files_of_the_period(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    before = landing.fingerprint(start=at(0), end=at(5))
    landing.write(SERIES, bars(0, 1), start=at(0), end=at(1), fetched_at=START)
    after = landing.fingerprint(start=at(0), end=at(5))
    assert before != after
    landing.write(SERIES, bars(7, 8), start=at(7), end=at(8), fetched_at=START)
    assert landing.fingerprint(start=at(0), end=at(5)) == after


def test_a_visit_counts_for_what_it_asked(tmp_path: Path) -> None:
    visits = Visits(tmp_path / "new" / "visits.json")
    assert not visits.covers("okx", "candles", at(0), at(5))
    visits.note("okx", ["candles", "trades"], at(0), at(5))
    assert visits.covers("okx", "candles", at(1), at(5))
    assert not visits.covers("okx", "candles", at(1), at(6))
    assert not visits.covers("okx", "order_books", at(1), at(5))
    assert not visits.covers("gate", "candles", at(1), at(5))
    assert not Visits(visits.path, coins=frozenset({"BTC"})).covers("okx", "candles", at(1), at(5))
    assert not Visits(visits.path, fresh_seconds=0.0).covers("okx", "candles", at(1), at(5))
    visits.path.write_text("{", "utf-8")
    assert not visits.covers("okx", "candles", at(1), at(5))


@pytest.mark.parametrize(
    "text", ["{bad", "[1]", '{"okx": 5}', '{"okx": {"candles": {"coins": null, "x": 1}}}']
)
def test_visits_that_cannot_be_understood_count_as_none(tmp_path: Path, text: str) -> None:
    visits = Visits(tmp_path / "visits.json")
    visits.path.write_text(text, "utf-8")
    assert not visits.covers("okx", "candles", at(0), at(1))
    visits.note("okx", ["candles"], at(0), at(1))
    assert visits.covers("okx", "candles", at(0), at(1))


def test_a_broken_file_is_named_in_a_replay_too(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.write(SERIES, bars(0, 2), start=at(0), end=at(2), fetched_at=START)
    [path] = tmp_path.rglob("*.parquet")
    path.write_bytes(b"")
    with pytest.raises(MarketDataError, match=path.name):
        list(landing.landed("candles", "okx", "trade"))


def test_the_fingerprint_changes_with_the_content_of_a_file(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.write(SERIES, bars(2, 4), start=at(2), end=at(4), fetched_at=START)
    before = landing.fingerprint(start=at(0), end=at(5))
    landing.write(SERIES, bars(2, 4), start=at(2), end=at(4), fetched_at=START)
    assert landing.fingerprint(start=at(0), end=at(5)) == before
    corrected = bars(2, 4).with_columns(close=pl.col("close") + 1)
    landing.write(SERIES, corrected, start=at(2), end=at(4), fetched_at=START)
    assert landing.fingerprint(start=at(0), end=at(5)) != before


NAMES = [
    "币安人生/USDT:USDT",
    "我踏马来了/USDT:USDT",
    "kPEPE/USDC:USDC",
    "KPEPE/USDC:USDC",
    "A-B/C:D",
    "A/B:C-D",
    "A/B/C:D",
]


def test_folder_names_are_one_to_one_also_where_case_does_not_count(tmp_path: Path) -> None:
    folders = {Landing(tmp_path)._folder(Series("trades", "gate", name)).name.lower() for name in NAMES}
    assert len(folders) == len(NAMES)
    assert all(re.fullmatch(r"[a-z0-9.~-]+", folder) for folder in folders)


def test_a_folder_of_an_ordinary_symbol_keeps_its_name(tmp_path: Path) -> None:
    name = Landing(tmp_path)._folder(Series("trades", "gate", "1000PEPE/USDT:USDT")).name
    assert name == "1000PEPE-USDT-USDT"


def test_a_folder_of_before_is_found_again(tmp_path: Path) -> None:
    """`kPEPE` had the folder `kPEPE-USDC-USDC`."""
    landing = Landing(tmp_path)
    series = Series("funding_rates", "hyperliquid", "kPEPE/USDC:USDC", "settled")
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC)
    row = {
        "venue": "hyperliquid",
        "symbol": series.symbol,
        "kind": "settled",
        "settled_at": start,
        "venue_time": start,
        "rate": 1e-5,
        "interval_hours": 1.0,
    }
    rows = pl.DataFrame([row], schema=dict(RAW_FUNDING_RATES))
    landing.write(series, rows, start=start, end=end, fetched_at=end)
    folder = landing._folder(series)
    folder.rename(folder.with_name("kPEPE-USDC-USDC"))
    assert landing.missing(series, start=start, end=end) == []
    other = Series("funding_rates", "hyperliquid", "KPEPE/USDC:USDC", "settled")
    assert landing.missing(other, start=start, end=end) == [(start, end)]
