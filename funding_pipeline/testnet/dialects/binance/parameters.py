"""Reading a request's parameters and writing its numbers as Binance does.

What lives here: integers, windows and pages out of query strings; market ids (`BTCUSDT`) for unified
symbols; decimals as text. What does not: any endpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from funding_pipeline.testnet.dialects.binance.refusals import RefusedError, invalid, missing
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument, Rejected

Parameters = Mapping[str, str]
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True)
class Window:
    """`startTime` and `endTime` (ms, both inclusive) as sent, and `limit` after its bounds."""

    start: int | None
    end: int | None
    limit: int


def required(parameters: Parameters, name: str) -> str:
    """The text of a parameter that must be there. Raises RefusedError(-1102)."""
    value = parameters.get(name, "")
    if not value:
        raise missing(name)
    return value


def whole(parameters: Parameters, name: str) -> int | None:
    """An integer, or None where it was not sent. Raises RefusedError(-1102) for anything else."""
    text = parameters.get(name, "")
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise missing(name) from None


def decimal(parameters: Parameters, name: str) -> Decimal | None:
    """A finite decimal, or None where it was not sent. Raises RefusedError(-1100)."""
    text = parameters.get(name, "")
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise RefusedError(-1100, f"Illegal characters found in parameter '{name}'.")
    return value


def flag(parameters: Parameters, name: str) -> bool:
    """`true` or `false`; false where it was not sent. Raises RefusedError(-1130)."""
    text = parameters.get(name, "false").lower()
    if text not in ("true", "false"):
        raise invalid(name)
    return text == "true"


def window(parameters: Parameters, *, default: int, most: int) -> Window:
    """The page asked for.

    Raises RefusedError for a limit out of 1..most (-1130) or an end before the start (-1023).
    """
    limit = whole(parameters, "limit")
    if limit is None:
        limit = default
    if not 1 <= limit <= most:
        raise invalid("limit")
    start, end = whole(parameters, "startTime"), whole(parameters, "endTime")
    if start is not None and end is not None and start > end:
        raise RefusedError(-1023, "Start time is greater than end time.")
    return Window(start, end, limit)


def market_id(symbol: str) -> str:
    """`BTCUSDT` for `BTC/USDT:USDT`."""
    return symbol.split(":")[0].replace("/", "")


def listed(exchange: Exchange, parameters: Parameters, name: str = "symbol") -> Instrument:
    """The instrument that a request names. Raises RefusedError(-1102), or Rejected for one not listed."""
    return _named(exchange.instruments(), required(parameters, name))


def known(exchange: Exchange, parameters: Parameters) -> Instrument:
    """The same, also where it has been delisted: its history stays."""
    return _named(exchange.quotes.instruments(), required(parameters, "symbol"))


def _named(instruments: Sequence[Instrument], wanted: str) -> Instrument:
    for instrument in instruments:
        if market_id(instrument.symbol) == wanted:
            return instrument
    raise Rejected("unknown_symbol")


def digits(step: Decimal) -> int:
    """Decimal places of a grid: 2 for 0.01, 0 for 1."""
    return max(0, -int(step.normalize().as_tuple().exponent))


def fixed(value: Decimal | float, places: int) -> str:
    """`value` with this many decimals, never in exponents, and zero without a sign."""
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if text.strip("-0.") == "" else text


def plain(value: Decimal) -> str:
    """`value` with the decimals that it has, never in exponents."""
    return format(value, "f")
