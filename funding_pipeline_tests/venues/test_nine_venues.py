"""Every registered venue, from an example body to an accepted row of settled funding and an instrument.

A history of the examples is mostly one row; the row before it is made in its likeness, one interval earlier,
so that an interval which the venue does not tell can be inferred.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from funding_pipeline.market_data.intervals import with_inferred_intervals
from funding_pipeline.market_data.normalization import normalize
from funding_pipeline.venues.dialect import Json
from funding_pipeline.venues.listing import Listing
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.registry import PUBLIC_VENUES, dialect_of
from funding_pipeline_tests.venues import okx_replay
from funding_pipeline_tests.venues.canned import Bodies, Examples, example, read_examples
from funding_pipeline_tests.venues.canned_gateway import gateway_asked


@dataclass(frozen=True)
class Expected:
    """Of the last row of a venue's example history, and of its instrument."""

    symbol: str
    settled_at: datetime
    rate: float
    interval_hours: float
    contract_size: str
    rows: int = 2


EXPECTED: Mapping[str, Expected] = {
    "binance": Expected("BTC/USDT:USDT", datetime(2020, 10, 18, tzinfo=UTC), 0.0001, 8.0, "1", rows=100),
    "bybit": Expected("BTC/USDT:USDT", datetime(2022, 12, 26, 8, tzinfo=UTC), 0.0001, 8.0, "1"),
    "okx": Expected("BTC/USDT:USDT", datetime(2020, 8, 10, tzinfo=UTC), 0.017, 8.0, "0.01"),
    "hyperliquid": Expected("ETH/USDC:USDC", datetime(2024, 1, 3, 14, tzinfo=UTC), 0.0000125, 1.0, "1"),
    "gate": Expected("BTC/USDT:USDT", datetime(2021, 5, 17, 16, tzinfo=UTC), 0.00063521, 8.0, "0.0001"),
    "kucoin": Expected("ETH/USDT:USDT", datetime(2023, 12, 11, 12, tzinfo=UTC), 0.000226, 8.0, "0.01"),
    "bitget": Expected("BTC/USDT:USDT", datetime(2022, 5, 12, 23, tzinfo=UTC), -0.0003, 8.0, "1"),
    "kraken": Expected("BTC/USD:USD", datetime(2023, 10, 27, 17, tzinfo=UTC), 0.000020164637711864, 1.0, "1"),
    "deribit": Expected(
        "BTC/USD:BTC", datetime(2019, 10, 1, 1, tzinfo=UTC), -4.739622041017375e-07, 1.0, "1"
    ),
}


def test_every_registered_venue_is_here() -> None:
    assert set(EXPECTED) == set(BODIES) == set(PUBLIC_VENUES)


@pytest.mark.parametrize("venue", EXPECTED)
def test_a_venues_history_is_accepted_by_the_normalization(venue: str, payloads_dir: Path) -> None:
    expected = EXPECTED[venue]

    async def ask(gateway: PublicGateway) -> tuple[pl.DataFrame, Listing]:
        start = expected.settled_at - timedelta(hours=expected.interval_hours * (expected.rows - 1))
        end = expected.settled_at + timedelta(minutes=30)
        return await gateway.settled_funding(expected.symbol, start, end), await gateway.instruments()

    now_ms = int((expected.settled_at + timedelta(minutes=40)).timestamp() * 1000)
    bodies = BODIES[venue](payloads_dir)
    (raw, listed), _ = gateway_asked(dialect_of(venue), bodies, "/", now_ms, ask)
    accepted, refused = normalize("settled_funding", with_inferred_intervals(raw))

    assert refused.is_empty()
    assert accepted.height == expected.rows
    row = accepted.sort("settled_at").row(-1, named=True)
    assert (row["venue"], row["symbol"], row["rate"]) == (venue, expected.symbol, expected.rate)
    assert (row["settled_at"], row["known_at"]) == (expected.settled_at, expected.settled_at)
    assert set(accepted["interval_hours"]) <= {expected.interval_hours, None}  # two rows are no interval yet
    terms = next(terms for terms in listed.terms if terms.symbol == expected.symbol)
    assert terms.contract_size == Decimal(expected.contract_size)


# --- bodies by path, in each venue's own form
def _pair(row: Json, time: str, last: Any, first: Any) -> list[Json]:
    """The row, and one like it before."""
    return [{**row, time: first}, {**row, time: last}]


def _binance(payloads_dir: Path) -> Bodies:
    recorded = json.loads((payloads_dir / "binance_recorded.json").read_text())
    rates = next(c for c in recorded["/fapi/v1/fundingRate"] if c["queryString"] == "symbol=BTCUSDT")
    paths = ("/fapi/v1/exchangeInfo", "/fapi/v1/fundingInfo")
    listed = {path[1:]: recorded[path][0]["data"] for path in paths}
    return {**listed, "fapi/v1/fundingRate": rates["data"]}


def _bybit(payloads_dir: Path) -> Bodies:
    examples = read_examples(payloads_dir, "bybit")
    listed, body = example(examples, "fetch_future_markets"), example(examples, "fetch_funding_rate_history")
    row = {**body["result"]["list"][0], "symbol": "BTCUSDT"}
    rates = _pair(row, "fundingRateTimestamp", "1672041600000", "1672012800000")

    def instruments(query: Mapping[str, str]) -> Json:
        found = [] if query.get("status") == "PreLaunch" else listed["result"]["list"]
        return {**listed, "result": {"category": "linear", "list": found}}

    return {
        "v5/market/instruments-info": instruments,
        "v5/market/funding/history": {**body, "result": {**body["result"], "list": rates}},
    }


def _okx(payloads_dir: Path) -> Bodies:
    body = example(read_examples(payloads_dir, "okx"), "fetch_funding_rate_history")
    # The example is stamped 02:26:23, which is no settlement.
    rates = _pair(body["data"][0], "fundingTime", "1597017600000", "1596988800000")
    return {
        "api/v5/public/instruments": okx_replay.ok(okx_replay.SWAP),
        "api/v5/public/funding-rate-history": {**body, "data": rates},
    }


def _hyperliquid(payloads_dir: Path) -> Bodies:
    examples = read_examples(payloads_dir, "hyperliquid")
    merged = example(examples, "parse_funding_rate")
    terms = {name: merged[name] for name in ("maxLeverage", "name", "onlyIsolated", "szDecimals")}
    context = {name: value for name, value in merged.items() if name not in terms}
    row = example(examples, "fetch_funding_rate_history")[0]
    answers = {
        "metaAndAssetCtxs": [{"universe": [terms]}, [context]],
        "fundingHistory": _pair(row, "time", row["time"], row["time"] - 3_600_000),
    }
    return {"info": lambda query: answers[query["type"]]}


def _gate(payloads_dir: Path) -> Bodies:
    examples = read_examples(payloads_dir, "gate")
    row = example(examples, "fetch_funding_rate_history")  # its `t` is shown in ms; the venue sends seconds
    return {
        "api/v4/futures/usdt/contracts": example(examples, "fetch_funding_rate"),
        "api/v4/futures/usdt/funding_rate": _pair(row, "t", 1621267200, 1621238400),
    }


def _kucoin(payloads_dir: Path) -> Bodies:
    examples = read_examples(payloads_dir, "kucoin")
    contract = example(examples, "fetch_contract_markets")
    body = examples["fetch_funding_rate_history"][1]["body"]
    row = {**body["data"][0], "symbol": "ETHUSDTM"}
    rates = _pair(row, "timepoint", row["timepoint"], row["timepoint"] - 28_800_000)
    return {
        "api/v1/contracts/active": {**contract, "data": [contract["data"]]},
        "api/v1/contract/funding-rates": {**body, "data": rates},
    }


def _bitget(payloads_dir: Path) -> Bodies:
    examples = read_examples(payloads_dir, "bitget")
    contract = example(examples, "fetch_default_markets", "swap and future")
    body = examples["fetch_funding_rate_history"][1]["body"]
    rates = _pair(body["data"][0], "fundingTime", "1652396400000", "1652367600000")
    return {
        "api/v2/mix/market/contracts": {**body, "data": [contract]},
        "api/v2/mix/market/history-fund-rate": {**body, "data": rates},
    }


def _kraken(payloads_dir: Path) -> Bodies:
    dated = example(read_examples(payloads_dir, "krakenfutures"), "parse_market_leverage_tiers")
    terms = {name: value for name, value in dated.items() if name != "lastTradingTime"}
    # No example has a history: a row as Kraken documents it.
    row = {"fundingRate": 0.8589431919397920, "relativeFundingRate": 0.000020164637711864}
    rates = _pair(row, "timestamp", "2023-10-27T16:00:00.000Z", "2023-10-27T15:00:00.000Z")
    return {
        "derivatives/api/v3/instruments": {
            "result": "success",
            "instruments": [{**terms, "symbol": "PF_XBTUSD", "type": "flexible_futures"}],
        },
        "derivatives/api/v4/historicalfundingrates": {"result": "success", "rates": rates},
    }


def _deribit(payloads_dir: Path) -> Bodies:
    examples: Examples = read_examples(payloads_dir, "deribit")
    listed = next(
        item["body"] for item in examples["fetch_markets"] if "instrument_name" in item["body"]["result"][0]
    )
    body = example(examples, "fetch_funding_rate_history")
    at = body["result"][0]["timestamp"]
    return {
        "api/v2/public/get_instruments": listed,
        "api/v2/public/get_funding_rate_history": {
            **body,
            "result": _pair(body["result"][0], "timestamp", at, at - 3_600_000),
        },
    }


BODIES: Mapping[str, Callable[[Path], Bodies]] = {
    "binance": _binance,
    "bybit": _bybit,
    "okx": _okx,
    "hyperliquid": _hyperliquid,
    "gate": _gate,
    "kucoin": _kucoin,
    "bitget": _bitget,
    "kraken": _kraken,
    "deribit": _deribit,
}
