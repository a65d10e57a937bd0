"""The whole state of an exchange as JSON values, and back.

What lives here: the two directions. What does not: files, and where they lie (the server's `state`).

Decimals are written as strings, so that nothing is lost. Credentials of the test accounts are part of it.
"""

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from funding_pipeline.testnet.engine.state import State

if TYPE_CHECKING:
    from funding_pipeline.testnet.engine.exchange import Exchange

_STATE = TypeAdapter(State)


def dump(exchange: "Exchange") -> dict[str, Any]:
    """Accounts, orders, fills, ledgers, counters, insurance fund, taken liquidity, halts, time: all of it."""
    values: dict[str, Any] = _STATE.dump_python(exchange.desk.state, mode="json")
    return values


def load(exchange: "Exchange", values: dict[str, Any]) -> None:
    """Put the exchange into a dumped state. Raises pydantic.ValidationError; then nothing has changed."""
    # JSON mode: keys that were integers or Decimals are strings in JSON.
    exchange.desk.replace(_STATE.validate_python(values))
