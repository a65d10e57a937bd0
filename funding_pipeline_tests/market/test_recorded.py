"""A recorded folder: what is missing, what is broken, and what is read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.core.errors import MarketDataError, SettingsError
from funding_pipeline.market.choice import recorded_market
from funding_pipeline.market.recorded import RecordedMarket

T0 = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    times = [T0 + timedelta(hours=8 * i) for i in range(30)]
    pl.DataFrame(
        {
            "venue": ["binance"] * 15 + ["bybit"] * 15,
            "symbol": ["BTC/USDT:USDT"] * 30,
            "kind": ["settled"] * 30,
            "settled_at": times,
            "rate": [0.0001] * 30,
            "interval_hours": [8] * 30,
        }
    ).write_parquet(tmp_path / "funding_rates.parquet")
    return tmp_path


def _read(folder: Path, table: str = "funding_rates") -> pl.DataFrame:
    market = RecordedMarket(folder)
    span = market.span()
    return market.read(table, venues=span.venues, start=span.start, end=span.end)


def test_span_and_rows(folder: Path) -> None:
    span = RecordedMarket(folder).span()
    assert span.venues == ("binance", "bybit")
    assert span.start == T0
    assert span.end == T0 + timedelta(hours=8 * 29 + 1)
    assert _read(folder).height == 30


def test_missing_files_are_empty_tables(folder: Path) -> None:
    for table in ("candles", "order_books", "trades", "open_interest"):
        frame = _read(folder, table)
        assert frame.is_empty()
        assert "venue" in frame.columns


def test_rows_without_a_time_come_with_every_read(folder: Path) -> None:
    path = folder / "funding_rates.parquet"
    frame = pl.read_parquet(path)
    lost = frame.head(1).with_columns(settled_at=pl.lit(None, dtype=frame.schema["settled_at"]))
    pl.concat([frame, lost]).write_parquet(path)
    assert _read(folder).height == 31


def test_no_folder_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="no such folder"):
        RecordedMarket(tmp_path / "none")
    with pytest.raises(MarketDataError, match=r"has no funding_rates\.parquet"):
        RecordedMarket(tmp_path)


def test_a_truncated_file_is_named(folder: Path) -> None:
    path = folder / "funding_rates.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(
        MarketDataError, match=r"funding_rates\.parquet: cannot be read, corrupt or truncated"
    ):
        RecordedMarket(folder).span()


def test_damage_inside_a_file_is_named(folder: Path) -> None:
    path = folder / "funding_rates.parquet"
    content = bytearray(path.read_bytes())
    content[40:160] = b"\xff" * 120
    path.write_bytes(bytes(content))
    with pytest.raises(MarketDataError, match=r"funding_rates\.parquet"):
        _read(folder)


def test_a_missing_column_is_named(folder: Path) -> None:
    path = folder / "funding_rates.parquet"
    pl.read_parquet(path).drop("rate").write_parquet(path)
    with pytest.raises(MarketDataError, match=r"funding_rates\.parquet: column rate is missing"):
        RecordedMarket(folder).span()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("rate", pl.Series(["0.1"] * 30)),
        ("settled_at", pl.Series([T0.replace(tzinfo=None)] * 30)),
        ("venue", pl.Series([1.5] * 30)),
    ],
)
def test_a_wrong_type_is_named_with_its_column(folder: Path, column: str, values: pl.Series) -> None:
    path = folder / "funding_rates.parquet"
    pl.read_parquet(path).with_columns(values.alias(column)).write_parquet(path)
    with pytest.raises(MarketDataError, match=rf"funding_rates\.parquet: column {column} is "):
        _read(folder)


def test_another_time_zone_is_the_same_instant(folder: Path) -> None:
    path = folder / "funding_rates.parquet"
    before = _read(folder)
    pl.read_parquet(path).with_columns(
        pl.col("settled_at").dt.cast_time_unit("ms").dt.convert_time_zone("Asia/Tokyo")
    ).write_parquet(path)
    assert _read(folder).equals(before)


def test_an_empty_file_is_named(folder: Path) -> None:
    path = folder / "funding_rates.parquet"
    pl.read_parquet(path).clear().write_parquet(path)
    with pytest.raises(MarketDataError, match="has no rows"):
        RecordedMarket(folder).span()


def test_the_recorded_history(recorded_dir: Path) -> None:
    span = RecordedMarket(recorded_dir).span()
    assert len(span.venues) >= 2
    assert span.end > span.start


@pytest.mark.parametrize("year", [1970, 2999])
def test_an_impossible_date_is_named(folder: Path, year: int) -> None:
    path = folder / "funding_rates.parquet"
    frame = pl.read_parquet(path)
    odd = frame.head(1).with_columns(settled_at=pl.lit(datetime(year, 1, 1, tzinfo=UTC)))
    pl.concat([frame, odd], how="vertical_relaxed").write_parquet(path)
    with pytest.raises(MarketDataError, match=rf"funding_rates\.parquet: column settled_at has {year}"):
        RecordedMarket(folder).span()


def test_a_venue_that_cannot_be_a_name_is_named(folder: Path) -> None:
    path = folder / "funding_rates.parquet"
    pl.read_parquet(path).with_columns(venue=pl.lit("a|b")).write_parquet(path)
    with pytest.raises(MarketDataError, match=r"venue 'a\|b' is no name"):
        RecordedMarket(folder).span()


def test_a_folder_in_place_of_a_file_is_named(folder: Path) -> None:
    (folder / "candles_binance.parquet").mkdir()
    with pytest.raises(MarketDataError, match=r"candles_binance\.parquet: is no file"):
        RecordedMarket(folder).span()


def test_every_file_has_its_rows_and_a_digest_of_its_content(folder: Path) -> None:
    (file,) = RecordedMarket(folder).files()
    assert (file.name, file.rows) == ("funding_rates.parquet", 30)
    path = folder / "funding_rates.parquet"
    pl.read_parquet(path).with_columns(rate=pl.lit(0.0002)).write_parquet(path)
    (corrected,) = RecordedMarket(folder).files()
    assert corrected.digest != file.digest
    assert RecordedMarket(folder).files() == [corrected]


def test_chosen_venues_and_coins_are_read_and_nothing_else(folder: Path) -> None:
    path = folder / "funding_rates.parquet"
    frame = pl.read_parquet(path)
    others = [frame.with_columns(symbol=pl.lit(name)) for name in ("1000PEPE/USDT:USDT", "odd")]
    pl.concat([frame, *others]).write_parquet(path)
    market = recorded_market(folder, venues=["bybit"], coins=frozenset({"PEPE"}))
    span = market.span()
    assert span.venues == ("bybit",)
    rows = market.read("funding_rates", venues=span.venues, start=span.start, end=span.end)
    assert set(rows["symbol"]) == {"1000PEPE/USDT:USDT", "odd"}  # what has no base is for quarantine
    assert not rows["is_made_up"].any()
    with pytest.raises(SettingsError, match="FUNDING_VENUES: ftx is none of binance, bybit"):
        recorded_market(folder, venues=["ftx"], coins=None)
