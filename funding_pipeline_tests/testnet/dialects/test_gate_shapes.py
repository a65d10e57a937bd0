"""Gate's dialect answers with the keys and types of the example bodies."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline_tests.testnet.dialects.gate_requests import Trader
from funding_pipeline_tests.testnet.dialects.shapes import differences, named, same_kind
from funding_pipeline_tests.testnet.running import NOW_MS

ORDERS = "futures/usdt/orders"
HISTORY = "futures/usdt/funding_rate"
POSITION = "futures/usdt/positions/BTC_USDT"


@pytest.fixture(scope="module")
def trader() -> Trader:
    """An account that has traded, holds a position over a settlement, and has cancelled an order."""
    trader = Trader()
    trader.order(100, text="t-bought")
    resting = trader.order(10, price=trader.price("0.9"))
    trader.signed("DELETE", f"{ORDERS}/{resting['id']}", contract="BTC_USDT")
    trader.clock.advance(hours=8)
    return trader


def _resting(trader: Trader) -> Any:
    return trader.order(10, price=trader.price("0.9"))


def _cancelled(trader: Trader) -> Any:
    return trader.signed("DELETE", f"{ORDERS}/{_resting(trader)['id']}", contract="BTC_USDT")


def _all_cancelled(trader: Trader) -> Any:
    _resting(trader)
    return trader.signed("DELETE", ORDERS, contract="BTC_USDT")[0]


def _newest_fill(trader: Trader) -> Any:
    return trader.signed("GET", "futures/usdt/my_trades_timerange", contract="BTC_USDT")[0]


def _candle(trader: Trader) -> Any:
    start = NOW_MS // 1000 - 7200
    query = {"interval": "1h", "from": start, "to": start}
    return trader.get("futures/usdt/candlesticks", contract="mark_BTC_USDT", **query)[0]


def _bought(trader: Trader) -> Any:
    return trader.signed("GET", ORDERS, contract="BTC_USDT", status="finished")[-1]


SWAP = "Swap, Future, Option, Mark and Index price candles"
PLACED = "futures, perpetual swaps and options"
FUTURES_ORDER = "createOrder/cancelOrder/fetchOrder"
CASES: dict[tuple[str, str | None], Callable[[Trader], Any]] = {
    ("fetch_time", None): lambda t: t.get("spot/time"),
    ("parse_contract_market", "Perpetual swap"): lambda t: t.get("futures/usdt/contracts")[0],
    ("fetch_funding_rate", None): lambda t: [t.get("futures/usdt/contracts/BTC_USDT")],
    ("parse_ticker", "LINEAR/DELIVERY"): lambda t: t.get("futures/usdt/tickers", contract="BTC_USDT")[0],
    ("fetch_funding_rate_history", None): lambda t: t.get("futures/usdt/funding_rate", contract="BTC_USDT")[
        0
    ],
    ("parse_ohlcv", SWAP): _candle,
    ("fetch_trades", "perpetual swap"): lambda t: t.get("futures/usdt/trades", contract="BTC_USDT")[:1],
    ("fetch_market_leverage_tiers", None): lambda t: t.get(
        "futures/usdt/risk_limit_tiers", contract="BTC_USDT"
    )[:1],
    ("fetch_open_interest_history", None): lambda t: t.get(
        "futures/usdt/contract_stats", contract="BTC_USDT", interval="1h"
    )[:1],
    ("load_unified_status", None): lambda t: t.signed("GET", "account/detail"),
    ("fetch_trading_fee", None): lambda t: t.signed("GET", "wallet/fee"),
    ("fetch_balance", "Perpetual Swap"): lambda t: t.signed("GET", "futures/usdt/accounts"),
    ("fetch_funding_history", None): lambda t: t.signed("GET", "futures/usdt/account_book", type="fund")[:1],
    ("parse_position", "swap and future"): lambda t: t.signed("GET", POSITION),
    ("fetch_positions", "swap and future"): lambda t: t.signed("GET", "futures/usdt/positions"),
    ("set_leverage", None): lambda t: t.signed(
        "POST", f"{POSITION}/leverage", leverage="0", cross_leverage_limit="8"
    ),
    ("create_order", PLACED): _resting,
    ("parse_order", FUTURES_ORDER): _bought,
    ("cancel_order", "swap, future and option"): _cancelled,
    ("cancel_all_orders", None): lambda t: [_all_cancelled(t)],
    ("fetch_my_trades", "perpetual swap"): lambda t: [_newest_fill(t)],
}
# These were logged behind a parser that quotes every number; the venue sends numbers.
QUOTED = {
    ("fetch_balance", "Perpetual Swap"),
    ("fetch_funding_rate_history", None),
    ("fetch_trades", "perpetual swap"),
    ("fetch_open_interest_history", None),
    ("cancel_order", "swap, future and option"),
}
# Beyond the examples: what the venue's documents list and a client may need.
EXTRA = {
    "funding_cap_ratio", "funding_rate_limit", "contract_type", "enable_bonus", "enable_circuit_breaker",
    "enable_credit", "enable_decimal", "is_pre_market", "launch_time", "create_time", "status",
    "market_order_size_max", "market_order_slip_ratio", "voucher_leverage", "cross_leverage_default",
    "lowest_ask", "highest_bid", "position_mode", "contract", "id", "deduction", "trade_id", "close_size",
    "text", "fee", "point_fee", "update_time", "update_id", "initial_margin", "maintenance_margin",
    "open_time", "trade_max_size",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_keys_and_types_are_those_of_the_example(
    case: tuple[str, str | None], trader: Trader, payloads_dir: Path
) -> None:
    examples = json.loads((payloads_dir / "ccxt_examples" / "gate.json").read_text())
    method, label = case
    bodies = [item["body"] for item in examples[method] if item["label"] == label]
    theirs = next(
        body for body in bodies if "currency_pair" not in json.dumps(body)[:400] or len(bodies) == 1
    )
    is_same = _same_but_quoted if case in QUOTED else same_kind
    found = differences(theirs, CASES[case](trader), is_same=is_same)
    assert {one for one in found if not (one.startswith("extra") and named(one) in EXTRA)} == set()


def _same_but_quoted(name: str, theirs: Any, ours: Any) -> bool:
    """A number of ours may be quoted in theirs."""
    return same_kind(name, theirs, ours) or isinstance(theirs, str)
