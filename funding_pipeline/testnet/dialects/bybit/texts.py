"""How Bybit writes things down: numbers in strings, ids, symbols, pages with a cursor.

What lives here: both directions, without any endpoint. What does not: what the values mean.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from funding_pipeline.testnet.dialects.bybit.errors import BybitRefusal
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument, Rejected

Params = Mapping[str, Any]

_ID_MASK = 0x5A7C1E90_3B64_4D18_8F25_000000000000  # makes a UUID of version 4 from a counter
_MOST, _MOST_DIGITS = 10**15, 30  # beyond any time, page or price
_WINDOW_MS = 7 * 24 * 3_600_000


def float_text(value: float) -> str:
    """A float in the fewest digits that give it back, without exponent."""
    plain = repr(value)
    if "e" in plain or plain.endswith(".0"):
        return plain_text(Decimal(plain))
    return plain


def id_text(number: int) -> str:
    """An order or execution id in the venue's form, from the engine's counter."""
    return str(UUID(int=_ID_MASK ^ number))


def id_number(written: str) -> int:
    """The other way round; raises Rejected("unknown_order") for an id that is not of this venue."""
    try:
        return UUID(written).int ^ _ID_MASK
    except ValueError as error:
        raise Rejected("unknown_order") from error


def native_symbol(symbol: str) -> str:
    """`BTCUSDT` of `BTC/USDT:USDT`; contracts settled in USDC are `BTCPERP`."""
    quoted, rest = symbol.split("/")
    quote = rest.split(":")[0]
    return quoted + ("PERP" if quote == "USDC" else quote)


def asked_instrument(exchange: Exchange, params: Params) -> Instrument:
    """The instrument that `symbol` names; raises Rejected("unknown_symbol")."""
    require_linear(params)
    wanted = params.get("symbol")
    for instrument in exchange.instruments():
        if native_symbol(instrument.symbol) == wanted:
            return instrument
    raise Rejected("unknown_symbol")


def asked_symbol(exchange: Exchange, params: Params) -> str | None:
    """The unified symbol that `symbol` names, or None where the request names none."""
    return asked_instrument(exchange, params).symbol if params.get("symbol") else None


def require_linear(params: Params) -> None:
    """Only linear perpetuals are served."""
    if params.get("category") != "linear":
        raise BybitRefusal(10001, "params error: Illegal category")


def decimal_of(params: Params, name: str) -> Decimal:
    """A number that the client must send, as the venue wants it: in a string."""
    value = params.get(name)
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise BybitRefusal(10001, f"params error: {name} invalid")
    return number


def integer_of(params: Params, name: str, default: int) -> int:
    """A whole number, or `default` where the client sent none."""
    value = params.get(name)
    if value is None or value == "":
        return default
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BybitRefusal(10001, f"params error: {name} invalid") from error
    if not 0 <= number < _MOST:
        raise BybitRefusal(10001, f"params error: {name} invalid")
    return number


def limit_of(params: Params, *, default: int, most: int) -> int:
    """Rows per page; the venue cuts a larger wish to its maximum without a word."""
    return max(1, min(integer_of(params, "limit", default), most))


def seven_days(params: Params, now: int) -> tuple[int, int]:
    """Start and end (ms, both inclusive) of a statement: at most seven days, the last seven by default."""
    start, end = integer_of(params, "startTime", 0), integer_of(params, "endTime", 0)
    if start and end and end - start > _WINDOW_MS:
        raise BybitRefusal(10001, "The time range between startTime and endTime cannot exceed 7 days")
    if start and end and end < start:
        raise BybitRefusal(10001, "params error: endTime before startTime")
    if start:
        return start, end or start + _WINDOW_MS
    last = end or now
    return last - _WINDOW_MS, last


def page(rows: Sequence[Any], params: Params, *, default: int, most: int) -> tuple[Sequence[Any], str]:
    """One page of `rows` and the cursor of the next one (empty on the last page)."""
    limit = limit_of(params, default=default, most=most)
    first = integer_of(params, "cursor", 0)
    after = first + limit
    return rows[first:after], str(after) if after < len(rows) else ""


def listing(rows: Sequence[Any], cursor: str = "") -> dict[str, Any]:
    """The usual `result` of a list of linear things."""
    return {"category": "linear", "list": list(rows), "nextPageCursor": cursor}
