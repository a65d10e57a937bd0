"""The coins by their place in the list, which is how actions name them, and fields of a request's body.

What lives here: asset numbers, and reading a body with the venue's own strictness. What does not:
answers.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from funding_pipeline.testnet.dialects.hyperliquid.spelling import BadBodyError, Json
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument, Rejected

LARGEST_WHOLE = (1 << 63) - 1
LARGEST_DECIMAL = Decimal("1e15")
"""Beyond it remainders by a step no longer fit into 28 digits."""


class Universe:
    """Perpetuals in an order that never changes: a delisted one keeps its number and is marked so."""

    def __init__(self, exchange: Exchange) -> None:
        self.instruments: tuple[Instrument, ...] = exchange.quotes.instruments()
        self._by_coin = {item.quoted: item for item in self.instruments}
        self._coins = {item.symbol: item.quoted for item in self.instruments}

    def of_asset(self, asset: int) -> Instrument:
        """By number. Raises Rejected("unknown_symbol")."""
        if not 0 <= asset < len(self.instruments):
            raise Rejected("unknown_symbol", f"asset {asset}")
        return self.instruments[asset]

    def of_coin(self, coin: str) -> Instrument:
        """By name. Raises Rejected("unknown_symbol")."""
        if coin not in self._by_coin:
            raise Rejected("unknown_symbol", coin)
        return self._by_coin[coin]

    def coin(self, symbol: str) -> str:
        """What the venue calls a unified symbol."""
        return self._coins[symbol]


def text(body: Json, name: str) -> str:
    """A string field. Raises BadBodyError."""
    value = body.get(name)
    if not isinstance(value, str):
        raise BadBodyError(name)
    return value


def whole(body: Json, name: str) -> int:
    """A whole number that is not negative. Raises BadBodyError."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_WHOLE:
        raise BadBodyError(name)
    return value


def optional_whole(body: Json, name: str, default: int) -> int:
    """The same, where the field may be missing or null."""
    return default if body.get(name) is None else whole(body, name)


def flag(body: Json, name: str) -> bool:
    """A boolean field. Raises BadBodyError."""
    value = body.get(name)
    if not isinstance(value, bool):
        raise BadBodyError(name)
    return value


def record(body: Json, name: str) -> Json:
    """A field that is an object. Raises BadBodyError."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise BadBodyError(name)
    return value


def records(body: Json, name: str) -> list[Json]:
    """A field that is a list of objects. Raises BadBodyError."""
    value: Any = body.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadBodyError(name)
    return list(value)


def positive_decimal(body: Json, name: str) -> Decimal:
    """A number in a string, not negative. Raises BadBodyError."""
    try:
        value = Decimal(text(body, name))
    except InvalidOperation as error:
        raise BadBodyError(name) from error
    if not value.is_finite() or value < 0 or value > LARGEST_DECIMAL:
        raise BadBodyError(name)
    return value


def address(body: Json, name: str = "user") -> str:
    """A wallet's address in lower case. Raises BadBodyError."""
    value = text(body, name).lower()
    if len(value) != 42 or not value.startswith("0x"):
        raise BadBodyError(name)
    return value
