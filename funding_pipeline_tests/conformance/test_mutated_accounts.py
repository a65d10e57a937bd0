"""One value of a private answer at a time is made odd: what was there is never read as absent, or as zero.

An odd answer may end in an error of ours, or in what it would be anyway. A sample here; all of them with
`FUNDING_ALL_MUTATIONS=1`.
"""

import copy
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.trading import (
    Balance,
    Fill,
    FundingPayment,
    OrderState,
    PositionState,
)
from funding_pipeline_tests.conformance.given import Given, GivenConnection
from funding_pipeline_tests.conformance.rig import VenueRig, run
from funding_pipeline_tests.conformance.test_odd_answers import READS, PrivateGateway, bought, read
from funding_pipeline_tests.testnet.running import RunningTestnet, running_testnet

ODD: tuple[Any, ...] = (None, "", "abc", [], {}, True, "NaN", "1e999", -(10**40))
_GONE = object()
_NAMES = frozenset({"asset", "coin", "ccy", "currency", "symbol", "contract", "instId", "text"})
_SAMPLE = 40

Path = tuple[str | int, ...]


@pytest.fixture(scope="module")
def conformance_testnet() -> Iterator[RunningTestnet]:
    """One of its own: it is hours ahead at the end."""
    with running_testnet() as testnet:
        yield testnet


def leaves(body: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a body, also those that hold a structure."""
    if path:
        yield path
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield from leaves(value, (*path, key))


def mutated(body: Any, path: Path, value: Any) -> Any:
    """A copy with another value, or none, at `path`."""
    found = copy.deepcopy(body)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    if value is _GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return found


def essence(answer: Any) -> Any:
    """What an answer says is there; parts that are unknown are None."""
    if isinstance(answer, tuple):
        return tuple(essence(item) for item in answer)
    if isinstance(answer, Balance):
        return answer.currency, answer.wallet, answer.equity
    if isinstance(answer, PositionState):
        return answer.symbol, answer.quantity
    if isinstance(answer, OrderState):
        return answer.client_order_id, answer.status, answer.filled, answer.quantity
    if isinstance(answer, Fill):
        return answer.side, answer.quantity, answer.price
    if isinstance(answer, FundingPayment):
        return answer.settled_at, answer.amount
    return answer


def is_honest(found: Any, true: Any) -> bool:
    """Whether what was found is as it is, apart from what is unknown."""
    if isinstance(true, tuple) and isinstance(found, tuple):
        same = len(found) == len(true)
        return same and all(is_honest(one, other) for one, other in zip(found, true, strict=True))
    return bool(found == true) or (found is None and not isinstance(true, tuple))


@pytest.mark.parametrize("what", sorted(READS["binance"]))
def test_nothing_odd_reads_as_nothing(venue: VenueRig, what: str) -> None:
    keys = venue.new_keys()
    order = bought(venue, keys)
    resting = venue.order("buy", "limit", quantity=venue.lots(2), price=venue.away("buy"))
    if what == "funding_payments":
        venue.advance(hours=9)
    path, part = READS[venue.name][what]
    change: list[Callable[[Any], Any]] = [lambda body: body]
    bodies: list[Any] = []
    method = "" if "info" in path else "GET"

    def given(body: Any, _: Any) -> Any:
        bodies.append(body)
        try:
            return change[0](body)
        except (LookupError, TypeError):  # a second answer to the same path
            return body

    connection = GivenConnection(venue.testnet.port, Given(path, given, part, method))

    async def case() -> list[str]:
        async with PrivateGateway(venue.dialect, connection, keys.credentials, sleep=venue._sleep) as opened:
            await opened.create_order(resting)
            bodies.clear()
            true = essence(await read(opened, what, venue, order))
            tried = _mutations(bodies[0], f"{venue.name} {what}")
            return [text for trial in tried if (text := await _failure(opened, trial, true))]

    async def _failure(opened: PrivateGateway, trial: tuple[Path, Any], true: Any) -> str:
        at, value = trial
        change[0] = lambda body: mutated(body, at, value)
        try:
            found = essence(await read(opened, what, venue, order))
        except FundingPipelineError:
            return ""
        if is_honest(found, true) or opened.unread:
            opened.unread.clear()
            return ""
        return f"{at} = {value!r}: {found} instead of {true}"

    failures = run(case())
    assert not failures, "\n".join(failures)


def _mutations(body: Any, name: str) -> list[tuple[Path, Any]]:
    every = [
        (path, value)
        for path in leaves(body)
        for value in (*ODD, _GONE)
        if not _says_another_thing(body, path, value)
    ]
    if os.environ.get("FUNDING_ALL_MUTATIONS"):
        return every
    return random.Random(name).sample(every, min(_SAMPLE, len(every)))


def _says_another_thing(body: Any, path: Path, value: Any) -> bool:
    """Whether the changed answer is a plain one: about another name, or with a row less."""
    inner = body
    for key in path:
        inner = inner[key]
    is_row = isinstance(path[-1], int)
    return (
        (path[-1] in _NAMES and isinstance(value, str) and value != "")
        or (is_row and value is _GONE)
        or (isinstance(inner, list) and value == [])
    )
