"""What is listed on Binance's futures and on which terms: `/fapi/v1/exchangeInfo`.

What lives here: contract terms. What does not: prices (`prices`), funding (`funding`).
"""

from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.dialects.binance.parameters import Parameters, digits, market_id, plain
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument

PERPETUAL_DELIVERY_MS = 4_133_404_800_000  # 2100-12-25; the venue's way of saying never
LARGEST_ORDER_STEPS = 1_000_000
HIGHEST_PRICE = "10000000"
ORDER_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]
RATE_LIMITS = [
    {"interval": "MINUTE", "intervalNum": 1, "limit": 2400, "rateLimitType": "REQUEST_WEIGHT"},
    {"interval": "MINUTE", "intervalNum": 1, "limit": 1200, "rateLimitType": "ORDERS"},
    {"interval": "SECOND", "intervalNum": 10, "limit": 300, "rateLimitType": "ORDERS"},
]


def ping(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/ping."""
    return {}


def server_time(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/time."""
    return {"serverTime": exchange.now()}


def exchange_info(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/exchangeInfo: every instrument, whatever was asked."""
    instruments = exchange.instruments()
    return {
        "assets": [
            {"asset": asset, "autoAssetExchange": "-10000", "marginAvailable": True}
            for asset in sorted({instrument.settle for instrument in instruments})
        ],
        "exchangeFilters": [],
        "futuresType": "U_MARGINED",
        "rateLimits": RATE_LIMITS,
        "serverTime": exchange.now(),
        "symbols": [_contract(instrument) for instrument in instruments],
        "timezone": "UTC",
    }


def _contract(instrument: Instrument) -> dict[str, Any]:
    name = market_id(instrument.symbol)
    return {
        "baseAsset": instrument.quoted,
        "baseAssetPrecision": 8,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "filters": _filters(instrument),
        "liquidationFee": "0.012500",
        "maintMarginPercent": "2.5000",
        "marginAsset": instrument.settle,
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "onboardDate": instrument.listed_at,
        "orderTypes": ORDER_TYPES,
        "pair": name,
        "permissionSets": ["GRID", "COPY"],
        "pricePrecision": digits(instrument.tick),
        "quantityPrecision": digits(instrument.step),
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "requiredMarginPercent": "5.0000",
        "status": "TRADING",
        "symbol": name,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "triggerProtect": "0.0500",
        "underlyingSubType": [],
        "underlyingType": "COIN",
    }


def _filters(instrument: Instrument) -> list[dict[str, Any]]:
    tick, step = plain(instrument.tick), plain(instrument.step)
    least = plain(max(instrument.min_quantity, instrument.step))
    most = plain(instrument.step * Decimal(LARGEST_ORDER_STEPS))
    return [
        {"filterType": "PRICE_FILTER", "maxPrice": HIGHEST_PRICE, "minPrice": tick, "tickSize": tick},
        {"filterType": "LOT_SIZE", "maxQty": most, "minQty": least, "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "maxQty": most, "minQty": least, "stepSize": step},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {"filterType": "MIN_NOTIONAL", "notional": plain(instrument.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierDecimal": "4",
            "multiplierDown": "0.9500",
            "multiplierUp": "1.0500",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]
