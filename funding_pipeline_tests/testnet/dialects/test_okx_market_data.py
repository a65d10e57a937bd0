"""The testnet's OKX: pages of market data, their bounds, limits and units."""

import pytest

from funding_pipeline.venues.dialect import Json
from funding_pipeline_tests.testnet.dialects.okx_desk import (
    BTC,
    FAMILY,
    HOUR_MS,
    START,
    SWAP,
    OkxDesk,
)


@pytest.fixture
def desk() -> OkxDesk:
    """A fresh exchange with one account."""
    return OkxDesk()


def test_candles_are_newest_first_between_exclusive_bounds(desk: OkxDesk) -> None:
    rows = desk.get("market/history-candles", instId=SWAP, bar="1H", before=START - 4 * HOUR_MS, after=START)[
        "data"
    ]

    assert [int(row[0]) for row in rows] == [START - hours * HOUR_MS for hours in (1, 2, 3)]
    contracts, coins = float(rows[0][5]), float(rows[0][6])
    assert contracts == pytest.approx(coins / 0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("path", "name", "most"),
    [
        ("market/candles", SWAP, 300),
        ("market/history-candles", SWAP, 100),
        ("market/mark-price-candles", SWAP, 100),
        ("market/history-mark-price-candles", SWAP, 100),
        ("market/index-candles", FAMILY, 100),
        ("market/history-index-candles", FAMILY, 100),
    ],
)
def test_pages_of_candles_are_cut_to_the_newest(desk: OkxDesk, path: str, name: str, most: int) -> None:
    rows = desk.get(path, instId=name, bar="1H", limit=1000, before=START - 1000 * HOUR_MS)["data"]

    assert len(rows) == most
    assert int(rows[0][0]) == START
    assert [row[-1] for row in rows[:2]] == ["0", "1"]  # the first is still forming


def test_recent_candles_reach_back_1440_bars_and_history_further(desk: OkxDesk) -> None:
    window: Json = {"instId": SWAP, "bar": "1H", "after": START - 1450 * HOUR_MS}

    assert desk.get("market/candles", **window)["data"] == []
    assert len(desk.get("market/history-candles", **window)["data"]) == 100


def test_index_candles_go_by_family(desk: OkxDesk) -> None:
    assert desk.get("market/index-candles", instId=SWAP, bar="1H")["code"] == "51001"


@pytest.mark.parametrize("bar", ["1m", "1D", "8H", ""])
def test_bars_that_are_not_there_are_refused(desk: OkxDesk, bar: str) -> None:
    assert desk.get("market/candles", instId=SWAP, bar=bar)["code"] == "51000"


def test_settlements_are_a_hundred_a_page_newest_first_and_until_is_ignored(desk: OkxDesk) -> None:
    path = "public/funding-rate-history"
    rows = desk.get(path, instId=SWAP, limit=400, before=START - 90 * 24 * HOUR_MS, until=START - HOUR_MS)[
        "data"
    ]

    times = [int(row["fundingTime"]) for row in rows]
    assert len(rows) == 100
    assert times[0] == START
    assert times == sorted(times, reverse=True)
    older = desk.get(path, instId=SWAP, after=times[-1])["data"]
    assert int(older[0]["fundingTime"]) < times[-1]


def test_realised_rates_are_the_market_s_and_the_estimate_beside_them_is_not(desk: OkxDesk) -> None:
    rows = desk.get("public/funding-rate-history", instId=SWAP, limit=3)["data"]

    settled = desk.quotes.settled(BTC, START - 100 * HOUR_MS, START)["rate"].to_list()[-3:]
    assert [float(row["realizedRate"]) for row in rows] == pytest.approx(settled[::-1], abs=1e-15)
    assert all(row["fundingRate"] != row["realizedRate"] for row in rows)


def test_open_interest_history_has_exclusive_bounds(desk: OkxDesk) -> None:
    path = "rubik/stat/contracts/open-interest-history"
    rows = desk.get(path, instId=SWAP, period="1H", begin=START - 3 * HOUR_MS, end=START)["data"]

    assert [int(row[0]) for row in rows] == [START - 1 * HOUR_MS, START - 2 * HOUR_MS]
    assert float(rows[0][1]) == pytest.approx(float(rows[0][2]) / 0.01)


def test_a_book_of_more_than_400_levels_is_an_error(desk: OkxDesk) -> None:
    assert desk.get("market/books", instId=SWAP, sz=401)["code"] == "51000"
    assert len(desk.get("market/books", instId=SWAP, sz=5)["data"][0]["asks"]) == 5


def test_tiers_are_contracts_without_a_gap(desk: OkxDesk) -> None:
    tiers = desk.get("public/position-tiers", instType="SWAP", tdMode="cross", instFamily=FAMILY)["data"]
    mark = float(desk.quotes.mark(BTC, START))

    assert tiers[0]["minSz"] == "0"
    assert [row["maxSz"] for row in tiers[:-1]] == [row["minSz"] for row in tiers[1:]]
    first = desk.exchange.instrument(BTC).tiers[0]
    assert first.cap is not None
    assert float(tiers[0]["maxSz"]) * 0.01 * mark == pytest.approx(float(first.cap), rel=1e-4)


@pytest.mark.parametrize("value", ["soon", "9" * 40, "1.5"])
def test_bounds_that_are_no_times_are_refused(desk: OkxDesk, value: str) -> None:
    for path in ("market/candles", "public/funding-rate-history"):
        assert desk.get(path, instId=SWAP, bar="1H", before=value)["code"] == "51000"
