"""Raw rows into tables: units, the moment of knowledge, and nothing dropped."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from funding_pipeline.core.market import RAW_CANDLES, RAW_FUNDING_RATES, RAW_ORDER_BOOKS, RAW_TRADES
from funding_pipeline.core.tables import SETTLED_FUNDING
from funding_pipeline.market_data.intervals import funding_intervals
from funding_pipeline.market_data.normalization import normalize, timeframe_hours

T0 = datetime(2025, 1, 1, tzinfo=UTC)


def _funding(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "venue": "okx",
        "symbol": "BTC/USDT:USDT",
        "kind": "settled",
        "settled_at": T0,
        "venue_time": T0 + timedelta(milliseconds=47),
        "rate": 0.0001,
        "interval_hours": 8.0,
    }
    return row | changes


def _raw(rows: list[dict[str, object]], schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(schema), orient="row")


def test_settled_and_estimated_never_mix() -> None:
    raw = _raw([_funding(), _funding(kind="predicted", rate=0.0009)], RAW_FUNDING_RATES)
    settled, _ = normalize("settled_funding", raw)
    estimated, _ = normalize("estimated_funding", raw)
    assert settled["rate"].to_list() == [0.0001]
    assert estimated["rate"].to_list() == [0.0009]
    assert "settled_at" not in estimated.columns


def test_a_stamp_some_milliseconds_late_is_known_at_the_settlement() -> None:
    settled, _ = normalize("settled_funding", _raw([_funding()], RAW_FUNDING_RATES))
    assert settled["known_at"].to_list() == [T0]


def test_a_late_publication_is_known_late() -> None:
    late = T0 + timedelta(minutes=20)
    settled, _ = normalize("settled_funding", _raw([_funding(venue_time=late)], RAW_FUNDING_RATES))
    assert settled["known_at"].to_list() == [late]


def test_a_null_rate_is_quarantined_and_never_zero() -> None:
    raw = _raw([_funding(rate=None), _funding(settled_at=T0 + timedelta(hours=8))], RAW_FUNDING_RATES)
    settled, refused = normalize("settled_funding", raw)
    assert settled.height == 1
    assert refused.height == 1
    assert "rate" in refused["reason"][0]


def test_an_unknown_kind_is_not_taken_for_a_payment() -> None:
    rows = _raw([_funding(), _funding(kind="indicative")], RAW_FUNDING_RATES)
    accepted, refused = normalize("settled_funding", rows)
    assert accepted.height == 1
    assert refused["reason"].to_list() == ["kind is neither settled nor predicted"]
    assert normalize("estimated_funding", rows)[0].is_empty()


@pytest.mark.parametrize(
    ("text", "hours"), [("1h", 1.0), ("15m", 0.25), ("8h", 8.0), ("1d", 24.0), ("instant", 0.0), ("x", None)]
)
def test_timeframes(text: str, hours: float | None) -> None:
    assert pl.DataFrame({"t": [text]}).select(timeframe_hours(pl.col("t"))).item() == hours


def test_a_bar_is_known_when_it_has_closed() -> None:
    bar = {
        "venue": "hyperliquid", "symbol": "BTC/USDC:USDC", "kind": "trade", "timeframe": "8h",
        "open_time": T0,
        "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 3.0,
    }  # fmt: skip
    instant = {**bar, "kind": "index", "timeframe": "instant", "open": None, "high": None, "low": None}
    prices, refused = normalize("prices", _raw([bar, {**instant, "volume": None}], RAW_CANDLES))
    assert refused.is_empty()
    by_kind = {row["kind"]: row for row in prices.iter_rows(named=True)}
    assert by_kind["trade"]["known_at"] == by_kind["trade"]["close_time"] == T0 + timedelta(hours=8)
    assert by_kind["index"]["known_at"] == T0


def test_an_empty_book_is_quarantined() -> None:
    book = {
        "venue": "binance", "symbol": "BTC/USDT:USDT", "observed_at": T0,
        "bid_px": [], "bid_qty": [], "ask_px": [], "ask_qty": [],
    }  # fmt: skip
    depth, refused = normalize("order_book_depth", _raw([book], RAW_ORDER_BOOKS))
    assert depth.is_empty()
    assert refused.height == 1


def test_depth_and_impact_of_a_known_book() -> None:
    book = {
        "venue": "binance", "symbol": "BTC/USDT:USDT", "observed_at": T0,
        # ascending bids, as one venue lists them: the order must not matter
        "bid_px": [99.0, 99.95], "bid_qty": [1000.0, 50.0],
        "ask_px": [100.05, 101.0], "ask_qty": [50.0, 1000.0],
    }  # fmt: skip
    depth, _ = normalize("order_book_depth", _raw([book], RAW_ORDER_BOOKS))
    row = depth.row(0, named=True)
    assert row["mid"] == pytest.approx(100.0)
    assert row["spread_bp"] == pytest.approx(10.0)
    assert row["ask_depth_10bp_usd"] == pytest.approx(50 * 100.05)
    # 5,002.5 USD at 5 bp and the other 4,997.5 USD at 100 bp
    assert row["impact_buy_10k_bp"] == pytest.approx((5002.5 * 5 + 4997.5 * 100) / 10_000)
    assert row["impact_buy_100k_bp"] is not None
    assert row["imbalance"] == pytest.approx(0.0)


def test_books_of_unknown_contract_size_have_no_usd() -> None:
    book = {
        "venue": "okx", "symbol": "BTC/USDT:USDT", "observed_at": T0,
        "bid_px": [99.0], "bid_qty": [10.0], "ask_px": [101.0], "ask_qty": [10.0],
    }  # fmt: skip
    depth, refused = normalize("order_book_depth", _raw([book], RAW_ORDER_BOOKS))
    assert refused.is_empty()
    assert depth["bid_depth_10bp_usd"].to_list() == [None]
    assert depth["spread_bp"][0] == pytest.approx(200.0)


def test_trade_flow_by_minute() -> None:
    trade = {"venue": "binance", "symbol": "BTC/USDT:USDT", "price": 100.0, "id": "1"}
    rows = [
        {**trade, "traded_at": T0 + timedelta(seconds=5), "side": "buy", "qty": 3.0},
        {**trade, "traded_at": T0 + timedelta(seconds=50), "side": "sell", "qty": 1.0, "id": "2"},
        {**trade, "traded_at": T0 + timedelta(seconds=60), "side": "sell", "qty": 1.0, "id": "3"},
    ]
    flow, _ = normalize("trade_flow", _raw(rows, RAW_TRADES))
    first = flow.row(0, named=True)
    assert flow.height == 2
    assert (first["buy_notional_usd"], first["sell_notional_usd"]) == (300.0, 100.0)
    assert first["imbalance"] == pytest.approx(0.5)
    assert first["known_at"] == T0 + timedelta(minutes=1)


def test_intervals_are_effective_dated() -> None:
    hours = [(0, 8.0), (8, 8.0), (10, 2.0), (12, 2.0), (20, 8.0)]
    rows = [_funding(settled_at=T0 + timedelta(hours=h), venue_time=None, interval_hours=i) for h, i in hours]
    settled, _ = normalize("settled_funding", _raw(rows, RAW_FUNDING_RATES))
    intervals = funding_intervals(settled.lazy())
    assert intervals["interval_hours"].to_list() == [8.0, 2.0, 8.0]
    assert intervals["effective_from"].to_list() == [T0 + timedelta(hours=h) for h in (0, 10, 20)]
    assert intervals["effective_to"].to_list() == [T0 + timedelta(hours=10), T0 + timedelta(hours=20), None]
    assert SETTLED_FUNDING.conform(settled).height == 5


def test_a_settlement_recorded_twice_with_a_venue_s_milliseconds_is_one() -> None:
    stamped = T0 + timedelta(milliseconds=5)
    rows = [_funding(venue_time=None), _funding(settled_at=stamped, venue_time=None)]
    settled, refused = normalize("settled_funding", _raw(rows, RAW_FUNDING_RATES))
    assert settled["settled_at"].to_list() == [T0]
    assert settled["known_at"].to_list() == [T0]
    assert refused.is_empty()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"venue": ""}, "empty venue"),
        ({"symbol": ""}, "empty symbol"),
        ({"venue_time": T0 + timedelta(days=400)}, "known more than 7 days"),
    ],
)
def test_odd_rows_are_refused_by_name(change: dict[str, object], reason: str) -> None:
    settled, refused = normalize("settled_funding", _raw([_funding(**change)], RAW_FUNDING_RATES))
    assert settled.is_empty()
    assert refused["reason"][0].startswith(reason)
