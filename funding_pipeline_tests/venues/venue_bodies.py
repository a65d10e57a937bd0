"""Small whole venues: bodies of the nine, in each one's own form, that agree with each other.

What lives here: two instruments (BTC and ETH) with a listing, estimates, three settlements, three bars and
open interest, as of one moment. What does not: serving them (`canned`), or changing them (`mutations`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from funding_pipeline.venues.dialect import Json

HOUR_MS = 3_600_000
NOW_MS = int(datetime(2026, 3, 2, 10, 20, tzinfo=UTC).timestamp() * 1000)
HOUR = NOW_MS // HOUR_MS * HOUR_MS
NEXT = HOUR + 6 * HOUR_MS  # 16:00
SETTLED = [NEXT - 8 * HOUR_MS * number for number in (3, 2, 1)]
HOURLY = [HOUR - HOUR_MS * number for number in (3, 2, 1)]
LISTED = int(datetime(2021, 5, 1, tzinfo=UTC).timestamp() * 1000)
RATES = ("0.00012", "-0.00005", "0.0001")
BARS = (
    ("100", "105", "98", "104", "7.5"),
    ("104", "106", "101", "102", "3"),
    ("102", "103", "99", "100.5", "9"),
)
INTERESTS = ("1000.5", "1010.25", "990.75")


@dataclass(frozen=True)
class Part:
    """One body by the call that reads it: its path below the host, and `rows`, the path to the list in it.

    `choose` names the field of the request by which one row, instead of the list, is answered; `other`: what
    is answered to a request for what is not open yet.
    """

    call: str
    path: str
    rows: str
    body: Any
    choose: str = ""
    other: Any = None


@dataclass(frozen=True)
class WholeVenue:
    """`parts`: listing, intervals (where an answer of its own has them), estimates, settled, candles and
    open_interest. `keeps_interest`: whether open interest is a history. `now_ms`: the clock."""

    btc: str
    eth: str
    parts: tuple[Part, ...]
    keeps_interest: bool = True
    now_ms: int = NOW_MS

    def bodies(self, changed: Part | None = None) -> dict[str, Any]:
        """By path, for a canned session; `changed` takes the place of what has its path."""
        by_path = {part.path: part for part in (*self.parts, *([changed] if changed else ()))}
        if "metaAndAssetCtxs" in by_path:
            return {"info": lambda sent: by_path[sent["type"]].body}
        return {path: _served(part) for path, part in by_path.items()}


def whole_venue(name: str) -> WholeVenue:
    """A fresh copy, to be changed at will."""
    return _VENUES[name]()


def _served(part: Part) -> Any:
    if part.other is not None:
        return lambda sent: part.other if sent.get("status") == "PreLaunch" else part.body
    if not part.choose:
        return part.body
    return lambda sent: {"jsonrpc": "2.0", "result": part.body[0 if "BTC" in sent[part.choose] else 1]}


def _binance() -> WholeVenue:
    def contract(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDT",
            "pair": f"{coin}USDT",
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "onboardDate": LISTED,
            "status": "TRADING",
            "baseAsset": coin,
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "pricePrecision": 2,
            "quantityPrecision": 3,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": ["PoW"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "1000000", "tickSize": "0.1"},
                {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
                {"filterType": "MIN_NOTIONAL", "notional": "100"},
            ],
        }

    def told(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDT",
            "adjustedFundingRateCap": "0.003",
            "adjustedFundingRateFloor": "-0.003",
            "fundingIntervalHours": 8,
            "disclaimer": False,
        }

    def premium(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDT",
            "markPrice": "100.1",
            "indexPrice": "100.0",
            "lastFundingRate": "0.00021",
            "interestRate": "0.0001",
            "nextFundingTime": NEXT,
            "time": NOW_MS,
        }

    settled = [
        {"symbol": "BTCUSDT", "fundingRate": rate, "fundingTime": at, "markPrice": "100"}
        for at, rate in zip(SETTLED, RATES, strict=True)
    ]
    interest = [
        {"symbol": "BTCUSDT", "sumOpenInterest": amount, "sumOpenInterestValue": "1", "timestamp": at}
        for at, amount in zip(HOURLY, INTERESTS, strict=True)
    ]
    klines = [
        [at, *bar, at + HOUR_MS - 1, "1", 10, "1", "1", "0"] for at, bar in zip(HOURLY, BARS, strict=True)
    ]
    return WholeVenue(
        "BTC/USDT:USDT",
        "ETH/USDT:USDT",
        (
            Part(
                "listing", "fapi/v1/exchangeInfo", "symbols", {"symbols": [contract("BTC"), contract("ETH")]}
            ),
            Part("intervals", "fapi/v1/fundingInfo", "", [told("BTC"), told("ETH")]),
            Part("estimates", "fapi/v1/premiumIndex", "", [premium("BTC"), premium("ETH")]),
            Part("settled", "fapi/v1/fundingRate", "", settled),
            Part("candles", "fapi/v1/klines", "", klines),
            Part("open_interest", "futures/data/openInterestHist", "", interest),
        ),
    )


def _bybit() -> WholeVenue:
    def ok(rows: list[Any]) -> Json:
        listed = {"category": "linear", "list": rows, "nextPageCursor": ""}
        return {"retCode": 0, "retMsg": "OK", "result": listed, "retExtInfo": {}, "time": NOW_MS}

    def contract(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDT",
            "contractType": "LinearPerpetual",
            "status": "Trading",
            "baseCoin": coin,
            "quoteCoin": "USDT",
            "settleCoin": "USDT",
            "symbolType": "",
            "launchTime": str(LISTED),
            "deliveryTime": "0",
            "priceScale": "2",
            "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
            "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
            "lotSizeFilter": {
                "maxOrderQty": "1190.000",
                "minOrderQty": "0.001",
                "qtyStep": "0.001",
                "minNotionalValue": "5",
            },
            "unifiedMarginTrade": True,
            "fundingInterval": 480,
            "isPreListing": False,
            "upperFundingRate": "0.005",
            "lowerFundingRate": "-0.005",
        }

    def ticker(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDT",
            "lastPrice": "100",
            "indexPrice": "100.0",
            "markPrice": "100.1",
            "openInterest": "48069.5",
            "fundingRate": "0.00021",
            "nextFundingTime": str(NEXT),
            "fundingIntervalHour": "8",
            "fundingCap": "0.005",
        }

    settled = [
        {"symbol": "BTCUSDT", "fundingRate": rate, "fundingRateTimestamp": str(at)}
        for at, rate in zip(SETTLED, RATES, strict=True)
    ]
    interest = [
        {"openInterest": amount, "timestamp": str(at)} for at, amount in zip(HOURLY, INTERESTS, strict=True)
    ]
    bars = [[str(at), *bar, "1"] for at, bar in zip(HOURLY, BARS, strict=True)]

    listing = ok([contract("BTC"), contract("ETH")])
    return WholeVenue(
        "BTC/USDT:USDT",
        "ETH/USDT:USDT",
        (
            Part("listing", "v5/market/instruments-info", "result.list", listing, other=ok([])),
            Part("estimates", "v5/market/tickers", "result.list", ok([ticker("BTC"), ticker("ETH")])),
            Part("settled", "v5/market/funding/history", "result.list", ok(settled[::-1])),
            Part("candles", "v5/market/kline", "result.list", ok(bars[::-1])),
            Part("open_interest", "v5/market/open-interest", "result.list", ok(interest[::-1])),
        ),
    )


def _okx() -> WholeVenue:
    def ok(rows: list[Any]) -> Json:
        return {"code": "0", "data": rows, "msg": ""}

    def contract(coin: str) -> Json:
        return {
            "instId": f"{coin}-USDT-SWAP",
            "instType": "SWAP",
            "instFamily": f"{coin}-USDT",
            "uly": f"{coin}-USDT",
            "baseCcy": "",
            "quoteCcy": "",
            "settleCcy": "USDT",
            "ctType": "linear",
            "ctVal": "0.01",
            "ctMult": "1",
            "ctValCcy": coin,
            "lever": "100",
            "listTime": str(LISTED),
            "expTime": "",
            "lotSz": "0.01",
            "minSz": "0.01",
            "tickSz": "0.1",
            "state": "live",
            "ruleType": "normal",
            "instCategory": "1",
        }

    def rate(coin: str) -> Json:
        return {
            "instId": f"{coin}-USDT-SWAP",
            "instType": "SWAP",
            "fundingRate": "0.00021",
            "fundingTime": str(NEXT),
            "nextFundingRate": "",
            "nextFundingTime": str(NEXT + 8 * HOUR_MS),
            "minFundingRate": "-0.00375",
            "maxFundingRate": "0.00375",
            "method": "current_period",
            "ts": str(NOW_MS),
        }

    settled = [
        {
            "instId": "BTC-USDT-SWAP",
            "instType": "SWAP",
            "fundingRate": "0.018",
            "realizedRate": paid,
            "fundingTime": str(at),
            "method": "current_period",
        }
        for at, paid in zip(SETTLED, RATES, strict=True)
    ]
    bars = [[str(at), *bar, "1", "1", "1"] for at, bar in zip(HOURLY, BARS, strict=True)]
    interest = [[str(at), "1", amount, "1"] for at, amount in zip(HOURLY, INTERESTS, strict=True)]
    return WholeVenue(
        "BTC/USDT:USDT",
        "ETH/USDT:USDT",
        (
            Part("listing", "api/v5/public/instruments", "data", ok([contract("BTC"), contract("ETH")])),
            Part("estimates", "api/v5/public/funding-rate", "data", ok([rate("BTC"), rate("ETH")])),
            Part("settled", "api/v5/public/funding-rate-history", "data", ok(settled[::-1])),
            Part("candles", "api/v5/market/candles", "data", ok(bars[::-1])),
            Part("history_candles", "api/v5/market/history-candles", "data", ok(bars[::-1])),
            Part(
                "open_interest",
                "api/v5/rubik/stat/contracts/open-interest-history",
                "data",
                ok(interest[::-1]),
            ),
        ),
    )


def _gate() -> WholeVenue:
    def contract(coin: str) -> Json:
        return {
            "name": f"{coin}_USDT",
            "type": "direct",
            "contract_type": "",
            "is_pre_market": False,
            "status": "trading",
            "in_delisting": False,
            "quanto_multiplier": "0.01",
            "order_price_round": "0.1",
            "mark_price_round": "0.01",
            "order_size_min": 1,
            "order_size_max": 1000000,
            "order_price_deviate": "0.5",
            "enable_decimal": False,
            "leverage_min": "1",
            "leverage_max": "100",
            "maintenance_rate": "0.005",
            "mark_price": "100.1",
            "index_price": "100.0",
            "last_price": "100",
            "funding_rate": "0.00021",
            "funding_rate_indicative": "0.00021",
            "funding_interval": 28800,
            "funding_next_apply": NEXT // 1000,
            "funding_rate_limit": "0.003",
            "funding_cap_ratio": "0.75",
            "create_time": LISTED // 1000,
            "config_change_time": LISTED // 1000,
        }

    settled = [{"t": at // 1000, "r": rate} for at, rate in zip(SETTLED, RATES, strict=True)]
    bars = [
        {"t": at // 1000, "o": o, "h": h, "l": low, "c": c, "v": float(v), "sum": "1"}
        for at, (o, h, low, c, v) in zip(HOURLY, BARS, strict=True)
    ]
    interest = [
        {"time": at // 1000, "open_interest": 1000 + number, "open_interest_usd": "1", "mark_price": "100"}
        for number, at in enumerate(HOURLY)
    ]
    contracts = [contract("BTC"), contract("ETH")]
    return WholeVenue(
        "BTC/USDT:USDT",
        "ETH/USDT:USDT",
        (
            Part("listing", "api/v4/futures/usdt/contracts", "", contracts),
            Part("estimates", "api/v4/futures/usdt/contracts", "", contracts),
            Part("settled", "api/v4/futures/usdt/funding_rate", "", settled),
            Part("candles", "api/v4/futures/usdt/candlesticks", "", bars),
            Part("open_interest", "api/v4/futures/usdt/contract_stats", "", interest),
        ),
    )


def _bitget() -> WholeVenue:
    def ok(rows: Any) -> Json:
        return {"code": "00000", "msg": "success", "requestTime": NOW_MS, "data": rows}

    def contract(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDT",
            "baseCoin": coin,
            "quoteCoin": "USDT",
            "makerFeeRate": "0.0002",
            "takerFeeRate": "0.0006",
            "supportMarginCoins": ["USDT"],
            "minTradeNum": "0.001",
            "priceEndStep": "1",
            "volumePlace": "3",
            "pricePlace": "1",
            "sizeMultiplier": "0.001",
            "symbolType": "perpetual",
            "minTradeUSDT": "5",
            "symbolStatus": "normal",
            "offTime": "-1",
            "limitOpenTime": "-1",
            "deliveryTime": "",
            "launchTime": str(LISTED),
            "fundInterval": "8",
            "minLever": "1",
            "maxLever": "125",
            "isRwa": "NO",
        }

    def rate(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDT",
            "fundingRate": "0.00021",
            "fundingRateInterval": "8",
            "nextUpdate": str(NEXT),
            "minFundingRate": "-0.003",
            "maxFundingRate": "0.003",
        }

    settled = [
        {"symbol": "BTCUSDT", "fundingRate": paid, "fundingTime": str(at)}
        for at, paid in zip(SETTLED, RATES, strict=True)
    ]
    bars = [[str(at), *bar, "1"] for at, bar in zip(HOURLY, BARS, strict=True)]
    interest = {"openInterestList": [{"symbol": "BTCUSDT", "size": "1000.5"}], "ts": str(HOUR)}
    return WholeVenue(
        "BTC/USDT:USDT",
        "ETH/USDT:USDT",
        (
            Part("listing", "api/v2/mix/market/contracts", "data", ok([contract("BTC"), contract("ETH")])),
            Part("estimates", "api/v2/mix/market/current-fund-rate", "data", ok([rate("BTC"), rate("ETH")])),
            Part("settled", "api/v2/mix/market/history-fund-rate", "data", ok(settled[::-1])),
            Part("candles", "api/v2/mix/market/candles", "data", ok(bars)),
            Part("history_candles", "api/v2/mix/market/history-candles", "data", ok(bars)),
            Part("open_interest", "api/v2/mix/market/open-interest", "data.openInterestList", ok(interest)),
        ),
        keeps_interest=False,
    )


def _kucoin() -> WholeVenue:
    def ok(rows: Any) -> Json:
        return {"code": "200000", "data": rows}

    def contract(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDTM",
            "rootSymbol": "USDT",
            "type": "FFWCSX",
            "firstOpenDate": LISTED,
            "expireDate": None,
            "settleDate": None,
            "baseCurrency": coin,
            "quoteCurrency": "USDT",
            "settleCurrency": "USDT",
            "maxOrderQty": 1000000,
            "maxPrice": 1000000.0,
            "lotSize": 1,
            "tickSize": 0.1,
            "multiplier": 0.001,
            "makerFeeRate": 0.0002,
            "takerFeeRate": 0.0006,
            "isInverse": False,
            "status": "Open",
            "fundingFeeRate": 0.0001,
            "fundingRateGranularity": 28800000,
            "currentFundingRateGranularity": 28800000,
            "fundingRateCap": 0.003,
            "fundingRateFloor": -0.003,
            "nextFundingRateTime": 20400000,
            "nextFundingRateDateTime": NEXT,
            "maxLeverage": 125,
            "assetClass": "CRYPTO",
            "marketStage": "NORMAL",
        }

    def rate(coin: str) -> Json:
        return {
            "symbol": f"{coin}USDTM",
            "nextFundingRate": 0.00021,
            "fundingTime": NEXT,
            "fundingRateCap": 0.003,
            "fundingRateFloor": -0.003,
            "currentGranularity": 28800000,
            "newGranularity": 28800000,
        }

    settled = [
        {"symbol": "XBTUSDTM", "fundingRate": float(paid), "timepoint": at}
        for at, paid in zip(SETTLED, RATES, strict=True)
    ]
    bars = [[at, *map(float, bar), 1.0] for at, bar in zip(HOURLY, BARS, strict=True)]
    interest = [
        {"symbol": "XBTUSDTM", "openInterest": amount, "ts": at}
        for at, amount in zip(HOURLY, ("1000500", "1010250", "990750"), strict=True)
    ]
    return WholeVenue(
        "BTC/USDT:USDT",
        "ETH/USDT:USDT",
        (
            Part("listing", "api/v1/contracts/active", "data", ok([contract("XBT"), contract("ETH")])),
            Part("estimates", "api/ua/v2/market/funding-rate", "data", ok([rate("XBT"), rate("ETH")])),
            Part("settled", "api/v1/contract/funding-rates", "data", ok(settled[::-1])),
            Part("candles", "api/v1/kline/query", "data", ok(bars)),
            Part("open_interest", "api/ua/v1/market/open-interest", "data", ok(interest[::-1])),
        ),
    )


def _kraken() -> WholeVenue:
    def contract(coin: str) -> Json:
        return {
            "symbol": f"PF_{coin}USD",
            "type": "flexible_futures",
            "tickSize": 0.5,
            "contractSize": 1,
            "tradeable": True,
            "impactMidSize": 1,
            "maxPositionSize": 1000.0,
            "openingDate": "2022-01-01T00:00:00.000Z",
            "marginLevels": [{"numNonContractUnits": 0, "initialMargin": 0.02, "maintenanceMargin": 0.01}],
            "fundingRateCoefficient": 24,
            "maxRelativeFundingRate": 0.0025,
            "contractValueTradePrecision": 4,
            "postOnly": False,
            "base": coin,
            "quote": "USD",
            "pair": f"{coin}:USD",
            "category": "Layer 1",
            "tradfi": False,
            "tags": [],
        }

    def ticker(coin: str) -> Json:
        return {
            "tag": "perpetual",
            "pair": f"{coin}:USD",
            "symbol": f"PF_{coin}USD",
            "markPrice": 100.1,
            "bid": 100.0,
            "ask": 100.2,
            "vol24h": 8309.2,
            "openInterest": 1950.5,
            "indexPrice": 100.0,
            "last": 100.1,
            "lastTime": "2026-03-02T10:19:21.057Z",
            "fundingRate": 0.021,
            "fundingRatePrediction": 0.01,
            "suspended": False,
            "postOnly": False,
        }

    def time(at: int) -> str:
        return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    rates = [
        {"timestamp": time(at), "fundingRate": 0.01, "relativeFundingRate": float(paid)}
        for at, paid in zip(HOURLY, RATES, strict=True)
    ]
    bars = [
        {"time": at, "open": o, "high": h, "low": low, "close": c, "volume": float(v)}
        for at, (o, h, low, c, v) in zip(HOURLY, BARS, strict=True)
    ]
    listed = {
        "result": "success",
        "instruments": [contract("XBT"), contract("ETH")],
        "serverTime": time(NOW_MS),
    }
    tickers = {"result": "success", "tickers": [ticker("XBT"), ticker("ETH")], "serverTime": time(NOW_MS)}
    return WholeVenue(
        "BTC/USD:USD",
        "ETH/USD:USD",
        (
            Part("listing", "derivatives/api/v3/instruments", "instruments", listed),
            Part("estimates", "derivatives/api/v3/tickers", "tickers", tickers),
            Part(
                "settled",
                "derivatives/api/v4/historicalfundingrates",
                "rates",
                {"result": "success", "rates": rates},
            ),
            Part(
                "candles",
                "api/charts/v1/trade/PF_XBTUSD/1h",
                "candles",
                {"candles": bars, "more_candles": False},
            ),
        ),
        keeps_interest=False,
    )


def _deribit() -> WholeVenue:
    def ok(result: Any) -> Json:
        return {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}

    def contract(coin: str) -> Json:
        return {
            "instrument_name": f"{coin}_USDC-PERPETUAL",
            "kind": "future",
            "future_type": "linear",
            "instrument_type": "linear",
            "state": "open",
            "is_active": True,
            "base_currency": coin,
            "quote_currency": "USDC",
            "counter_currency": "USDC",
            "settlement_currency": "USDC",
            "settlement_period": "perpetual",
            "tick_size": 0.5,
            "min_trade_amount": 0.001,
            "contract_size": 0.001,
            "maker_commission": 0.0,
            "taker_commission": 0.0005,
            "max_leverage": 50,
            "creation_timestamp": LISTED,
            "expiration_timestamp": 32503708800000,
            "underlying_type": "crypto",
        }

    tickers = [_deribit_ticker("BTC_USDC-PERPETUAL"), _deribit_ticker("ETH_USDC-PERPETUAL")]
    rates = [
        {
            "timestamp": at,
            "index_price": 100.0,
            "prev_index_price": 99.0,
            "interest_8h": 0.001,
            "interest_1h": r,
        }
        for at, r in zip(HOURLY, map(float, RATES), strict=True)
    ]
    columns = [list(map(float, column)) for column in zip(*BARS, strict=True)]
    names = ("open", "high", "low", "close", "volume")
    chart = {"ticks": HOURLY, **dict(zip(names, columns, strict=True)), "status": "ok", "cost": [1, 1, 1]}
    interest = [{"instrument_name": "BTC_USDC-PERPETUAL", "open_interest": 1000.5, "mark_price": 100.0}]
    return WholeVenue(
        "BTC/USDC:USDC",
        "ETH/USDC:USDC",
        (
            Part(
                "listing", "api/v2/public/get_instruments", "result", ok([contract("BTC"), contract("ETH")])
            ),
            Part("estimates", "api/v2/public/ticker", "", tickers, choose="instrument_name"),
            Part("settled", "api/v2/public/get_funding_rate_history", "result", ok(rates)),
            Part("candles", "api/v2/public/get_tradingview_chart_data", "result.ticks", ok(chart)),
            Part("open_interest", "api/v2/public/get_book_summary_by_instrument", "result", ok(interest)),
        ),
        keeps_interest=False,
    )


def _deribit_ticker(name: str) -> Json:
    return {
        "timestamp": NOW_MS,
        "state": "open",
        "instrument_name": name,
        "open_interest": 1000.5,
        "mark_price": 100.1,
        "index_price": 100.0,
        "last_price": 100.0,
        "funding_8h": 0.0026,
        "current_funding": 0.0016,
        "best_bid_price": 100.0,
        "best_ask_price": 100.2,
        "stats": {"volume": 6.5, "low": 98.0, "high": 106.0},
    }


def _hyperliquid() -> WholeVenue:
    coins: Json = {
        "universe": [
            {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
            {"name": "ETH", "szDecimals": 4, "maxLeverage": 25, "marginTableId": 55},
        ],
        "marginTables": [],
        "collateralToken": 0,
    }
    context = {
        "funding": "0.00021",
        "openInterest": "1000.5",
        "prevDayPx": "100.0",
        "dayNtlVlm": "945058.2",
        "premium": "0.0003",
        "oraclePx": "100.0",
        "markPx": "100.1",
        "midPx": "100.1",
        "impactPxs": ["100.0", "100.2"],
        "dayBaseVlm": "10.5",
    }
    listed = [coins, [context, dict(context)]]
    settled = [
        {"coin": "BTC", "fundingRate": rate, "premium": "0.0003", "time": at + 31}
        for at, rate in zip(HOURLY, RATES, strict=True)
    ]
    bars = [
        {
            "t": at,
            "T": at + HOUR_MS - 1,
            "s": "BTC",
            "i": "1h",
            "o": o,
            "c": c,
            "h": h,
            "l": low,
            "v": v,
            "n": 5,
        }
        for at, (o, h, low, c, v) in zip(HOURLY, BARS, strict=True)
    ]
    return WholeVenue(
        "BTC/USDC:USDC",
        "ETH/USDC:USDC",
        (
            Part("listing", "metaAndAssetCtxs", "0.universe", listed),
            Part("estimates", "metaAndAssetCtxs", "1", listed),
            Part("settled", "fundingHistory", "", settled),
            Part("candles", "candleSnapshot", "", bars),
        ),
        keeps_interest=False,
    )


_VENUES: Mapping[str, Callable[[], WholeVenue]] = {
    "binance": _binance,
    "bybit": _bybit,
    "okx": _okx,
    "gate": _gate,
    "bitget": _bitget,
    "kucoin": _kucoin,
    "kraken": _kraken,
    "deribit": _deribit,
    "hyperliquid": _hyperliquid,
}
