"""How Deribit writes things: errors, parameters, names of instruments.

What lives here: the venue's spelling. What does not: any method.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument

Query = Mapping[str, str]


class RpcError(Exception):
    """An error in the venue's own words: JSON-RPC code, message, and which parameter."""

    def __init__(
        self, code: int, message: str, *, param: str = "", reason: str = "", status: int = 400
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, "code": code}
        if param:
            self.body["data"] = {"reason": reason, "param": param}

    @classmethod
    def invalid(cls, param: str, reason: str = "wrong format") -> "RpcError":
        """A parameter that the venue does not take."""
        return cls(-32602, "Invalid params", param=param, reason=reason)


def instrument_of(exchange: Exchange, query: Query) -> Instrument:
    """The instrument that `instrument_name` names; raises RpcError."""
    wanted = query.get("instrument_name")
    for instrument in exchange.quotes.instruments():
        if name_of(instrument) == wanted:
            return instrument
    raise RpcError.invalid("instrument_name")


def name_of(instrument: Instrument) -> str:
    """BTC_USDC-PERPETUAL."""
    return f"{instrument.quoted}_{instrument.quote}-PERPETUAL"


def whole(query: Query, name: str, default: int | None = None) -> int:
    """An integer parameter; raises RpcError where it is none, or missing without a default."""
    value = query.get(name, default)
    try:
        return int(Decimal(str(value)))
    except (ArithmeticError, ValueError) as error:
        raise RpcError.invalid(name) from error
