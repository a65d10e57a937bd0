"""Tables are what their source is: what is corrected, appended, cut or withdrawn in a recorded folder."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.market import RAW_TABLES
from funding_pipeline.defs.features import FEATURES
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import MADE_FROM_RAW, normalized_market
from funding_pipeline.storage.lake import Lake
from funding_pipeline.testnet.raw_market import RawMarket, milliseconds
from funding_pipeline_tests.commands.loading import (
    CANDLES,
    FUNDING,
    FUNDING_SCHEMA,
    START,
    load,
    recorded,
    write_folder,
)
from funding_pipeline_tests.testnet.running import running_testnet

SYMBOLS = ("BTC/USDT:USDT", "1000PEPE/USDT:USDT")
BEFORE_A_QUARTER = datetime(2024, 3, 20, tzinfo=UTC)


def stored(lake: Lake, table: str) -> pl.DataFrame:
    """Every row, in one order whatever the store's."""
    frame = lake.scan(table).collect()
    whole = [name for name, dtype in frame.schema.items() if dtype != pl.Float64 and not dtype.is_nested()]
    return frame.select(sorted(frame.columns)).sort(*sorted(whole), *sorted(set(frame.columns) - set(whole)))


def test_a_corrected_value_arrives_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = recorded(write_folder(tmp_path / "data", days=20, rates={10: 0.05}), tmp_path / "home")
    load(settings, monkeypatch)
    assert "settled_funding    120 came, 0 changed, 0 left" in capsys.readouterr().out

    write_folder(tmp_path / "data", days=20, rates={10: 0.0005})
    rows = load(settings, monkeypatch).scan("settled_funding").collect()
    corrected = rows.filter(pl.col("settled_at") == START + timedelta(hours=80))
    assert corrected["rate"].to_list() == [0.0005, 0.0005]
    printed = capsys.readouterr().out
    assert "changed    funding_rates.parquet" in printed
    assert "candles.parquet" not in printed
    assert "settled_funding    0 came, 2 changed, 0 left" in printed


def test_a_recorded_market_has_the_rows_of_its_folder_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "data", days=20)  # it ends at 16:00: no settlement at 00:00
    lake = load(recorded(folder, tmp_path / "home"), monkeypatch)
    for table, raw in {"settled_funding": FUNDING, "prices": CANDLES}.items():
        assert lake.scan(table).collect().height == pl.read_parquet(folder / raw).height
        assert not lake.scan(table).collect()["is_made_up"].any()
    assert lake.scan("settled_funding").collect()["settled_at"].max() == START + timedelta(days=20, hours=-8)
    for table in ("estimated_funding", "order_book_depth", "trade_flow", "open_interest"):
        assert lake.scan(table).collect().is_empty()
    assert not lake.scan(FEATURES).collect()["is_made_up"].any()


def test_what_is_withdrawn_leaves_every_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = recorded(
        write_folder(tmp_path / "data", days=120, venues=("binance", "bybit", "gate")), tmp_path / "home"
    )
    load(settings, monkeypatch)
    write_folder(tmp_path / "data", days=70)
    capsys.readouterr()
    lake = load(settings, monkeypatch, full=True)
    assert "settled_funding    0 came, 0 changed, 660 left" in capsys.readouterr().out
    end = START + timedelta(days=70)
    for table, moment in {"raw_funding_rates": "settled_at", "raw_candles": "open_time"}.items():
        rows = lake.scan(table).collect()
        assert set(rows["venue"]) == {"binance", "bybit"}
        assert rows[moment].max() < end
    features = lake.scan(FEATURES).collect()
    assert set(features["venue"]) == {"binance", "bybit"}
    assert features["as_of"].max() == end
    assert set(lake.scan("instruments").collect()["venue"]) == {"binance", "bybit"}


def test_what_the_testnet_made_up_leaves_when_the_folder_alone_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "data", days=90)  # to the end of March: made-up rows fill a quarter
    rows, end = RawMarket(RecordedMarket(folder)), START + timedelta(days=90)
    with running_testnet(market=rows, now_ms=milliseconds(end) + 40 * 3_600_000) as testnet:
        trading = recorded(folder, tmp_path / "home", way="testnet", testnet_port=testnet.port)
        testnet.serves(trading)
        lake = load(trading, monkeypatch)
    made_up = lake.scan("settled_funding").collect().filter(pl.col("is_made_up"))
    assert made_up["settled_at"].min() >= end - timedelta(hours=8)
    assert set(made_up["quarter"]) == {"2024-01", "2024-04"}
    assert lake.scan("order_book_depth").collect()["is_made_up"].all()
    features = lake.scan(FEATURES).collect()
    assert features.filter(pl.col("is_made_up"))["as_of"].min() >= end - timedelta(hours=8)

    load(recorded(folder, tmp_path / "home"), monkeypatch)
    assert_is_the_folder(lake, folder, "after the testnet")
    assert not lake.scan(FEATURES).collect()["is_made_up"].any()


@pytest.mark.parametrize("seed", [3])
def test_after_any_edits_every_table_is_that_of_a_fresh_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    editor, folder = Editor(seed), tmp_path / "data"
    folder.mkdir()
    for step in range(3):
        editor.edit()
        editor.write(folder)
        lake = load(recorded(folder, tmp_path / "home"), monkeypatch)
        assert_is_the_folder(lake, folder, f"seed {seed}, step {step}: {editor.done}")
    fresh = load(recorded(folder, tmp_path / "fresh"), monkeypatch)
    for table in [path.name for path in (tmp_path / "fresh" / "lake").iterdir()]:
        assert_frame_equal(
            stored(lake, table),
            stored(fresh, table),
            check_exact=False,
            rel_tol=1e-9,
            abs_tol=1e-15,
        )


def assert_is_the_folder(lake: Lake, folder: Path, why: str) -> None:
    """Raw and normalized tables have the rows that the folder gives when it is read at once, in memory."""
    market = RecordedMarket(folder)
    span = market.span()
    for table in RAW_TABLES:
        raw = market.read(table, venues=span.venues, start=span.start, end=span.end)
        assert lake.scan(f"raw_{table}").collect().height == raw.height, f"raw_{table}: {why}"
    normalized = normalized_market(market)
    for name, made in MADE_FROM_RAW.items():
        rows = lake.scan(name).select(*made.schema.columns).collect().sort(made.schema.key)
        assert_frame_equal(rows, getattr(normalized.tables, name).collect())
    refused = lake.scan("quarantine").collect().select("table_name", "symbol", "event_time", "row_json")
    expected = normalized.quarantine.select(refused.columns)
    assert_frame_equal(refused, expected, check_row_order=False)


class Editor:
    """Random edits of a small folder, kept as lists of rows; odd and wrong rows among them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.funding: list[tuple[object, ...]] = []
        self.bars: list[tuple[object, ...]] = []
        self.done: list[str] = []
        self.days = 0
        for venue in ("binance", "bybit", "okx"):
            self.extend(venue, 0, 24)
        self.days = 24

    def edit(self) -> None:
        edits = [self.correct, self.append, self.cut, self.withdraw, self.spoil, self.estimate]
        for edit in self.random.sample(edits, k=2):
            edit()
            self.done.append(edit.__name__)

    def extend(self, venue: str, first: int, last: int) -> None:
        for symbol in SYMBOLS:
            for k in range(3 * first, 3 * last):
                jitter = timedelta(milliseconds=self.random.choice([0, 0, 7, -40]))
                moment = BEFORE_A_QUARTER + timedelta(hours=8 * k) + jitter
                self.funding.append((venue, symbol, "settled", moment, None, self.rate(), 8.0))
            for k in range(6 * first, 6 * last):
                close = 100.0 + self.random.random()
                self.bars.append(
                    (venue, symbol, "trade", "4h", BEFORE_A_QUARTER + timedelta(hours=4 * k), close)
                )

    def rate(self) -> float:
        return round(self.random.gauss(1e-4, 1e-4), 8)

    def correct(self) -> None:
        for _ in range(3):
            at = self.random.randrange(len(self.funding))
            self.funding[at] = (*self.funding[at][:5], self.rate(), 8.0)

    def append(self) -> None:
        venues, more = sorted({str(row[0]) for row in self.funding}), self.random.randint(1, 6)
        for venue in venues:
            self.extend(venue, self.days, self.days + more)
        self.days += more

    def cut(self) -> None:
        self.days -= self.random.randint(1, 15)
        self.days = max(self.days, 3)
        end = BEFORE_A_QUARTER + timedelta(days=self.days) - timedelta(seconds=1)
        self.funding = [row for row in self.funding if row[3] is None or row[3] < end]  # type: ignore[operator]
        self.bars = [row for row in self.bars if row[4] < end]  # type: ignore[operator]

    def withdraw(self) -> None:
        venues = sorted({str(row[0]) for row in self.funding if row[0]})
        gone = (self.random.choice(venues), self.random.choice([*SYMBOLS, None]))
        if len(venues) > 2 or gone[1] is not None:
            for rows in (self.funding, self.bars):
                rows[:] = [r for r in rows if r[0] != gone[0] or gone[1] not in (r[1], None)] or rows

    def spoil(self) -> None:
        """Rows that are refused: no time, no venue, a rate out of bounds, conflicts, an unknown bar."""
        row = self.random.choice(self.funding)
        self.funding += [
            (*row[:3], None, *row[4:]),
            (None, *row[1:]),
            (*row[:5], 0.9, 8.0),
            (*row[:5], self.rate(), 8.0),
        ]
        bar = self.random.choice(self.bars)
        self.bars += [(*bar[:3], "odd", *bar[4:]), (*bar[:5], -1.0), bar]

    def estimate(self) -> None:
        """What venues announced of settlements, up to a day ahead, across the quarter's end too."""
        for venue in sorted({str(row[0]) for row in self.funding if row[0]}):
            for k in self.random.sample(range(3 * self.days), k=6):
                settles = BEFORE_A_QUARTER + timedelta(hours=8 * k)
                seen = settles - timedelta(hours=self.random.randint(1, 23))
                self.funding.append((venue, SYMBOLS[0], "predicted", settles, seen, self.rate(), 8.0))

    def write(self, folder: Path) -> None:
        self.random.shuffle(self.funding)
        pl.DataFrame(self.funding, schema=FUNDING_SCHEMA, orient="row").write_parquet(folder / FUNDING)
        names = ["venue", "symbol", "kind", "timeframe", "open_time", "close"]
        pl.DataFrame(self.bars, schema=names, orient="row").write_parquet(folder / CANDLES)
