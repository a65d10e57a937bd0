"""What leaves a leg naked while no executor runs: deleveraging, a liquidation, a person who trades by hand.

What lives here: these, done to an engine behind the network's back. What does not: when they happen
(`episode`), or who mends it (the guard).
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from funding_pipeline.core.trading import Side
from funding_pipeline.testnet.engine.ledger import money, post
from funding_pipeline.testnet.engine.values import Account, Position, Rejected, Ticket
from funding_pipeline.testnet.testnet import Seat, Testnet

MishapKind = Literal["adl", "liquidation", "person", "person_adds", "person_opens"]
_OF_MAINTENANCE = Decimal("0.9")
"""Equity that a withdrawal leaves, of the maintenance margin: the next mark liquidates."""


_BY_HAND_USD = Decimal(600)


@dataclass(frozen=True)
class Mishap:
    """`choice`: which of the legs that are held then; `fraction` of it (a liquidation takes all).

    A person closes a leg, adds to it, or opens one of an instrument that is not held; then `fraction` is of
    some 600 USD.
    """

    kind: MishapKind
    choice: int
    fraction: Decimal


def draw_mishaps(chance: random.Random) -> tuple[Mishap, ...]:
    """One or two."""
    return tuple(
        Mishap(
            chance.choice(("adl", "adl", "liquidation", "person", "person", "person_adds", "person_opens")),
            chance.randrange(1_000),
            Decimal(chance.choice(("1", "1", "0.6", "0.3"))),
        )
        for _ in range(chance.choice((1, 1, 2)))
    )


def strike(mishap: Mishap, testnet: Testnet, accounts: Mapping[str, Account], *, gone: frozenset[str]) -> str:
    """Do it to a leg that trades on a venue that is not in `gone`, held or, where a person opens one, not;
    what was done, or empty where there is no such leg."""
    legs = [
        (testnet.seat(venue), account, position)
        for venue, account in sorted(accounts.items())
        if venue not in gone
        for position in _positions(testnet.seat(venue), account, is_held=mishap.kind != "person_opens")
    ]
    if not legs:
        return ""
    seat, account, position = legs[mishap.choice % len(legs)]
    seat.exchange.advance()
    about = f"{mishap.kind}: {seat.venue} {position.symbol} {position.quantity}"
    try:
        if mishap.kind == "liquidation":
            _starve(seat, account)
        elif mishap.kind == "adl":
            seat.exchange.deleverage(account, position.symbol, _part(seat, position, mishap.fraction))
        elif mishap.kind == "person":
            _close(seat, account, position, _part(seat, position, mishap.fraction))
        else:
            _open(seat, account, position, mishap)
    except Rejected as error:
        return f"{about}: refused: {error.message}"
    return f"{about} becomes {seat.exchange.position(account, position.symbol).quantity}"


def _positions(seat: Seat, account: Account, *, is_held: bool) -> list[Position]:
    """In instruments that trade, by symbol; the flat ones where `is_held` is false."""
    exchange = seat.exchange
    known = [exchange.position(account, instrument.symbol) for instrument in exchange.instruments()]
    return [p for p in known if bool(p.quantity) == is_held and not exchange.is_halted(p.symbol)]


def _part(seat: Seat, position: Position, fraction: Decimal) -> Decimal:
    """On the step, at least one."""
    step = seat.exchange.instrument(position.symbol).step
    return max(abs(position.quantity) * fraction // step * step, step)


def _close(seat: Seat, account: Account, position: Position, quantity: Decimal) -> None:
    """As a person does in the venue's own app: a market order without an id."""
    side: Side = "sell" if position.quantity > 0 else "buy"
    seat.exchange.place(account, Ticket(position.symbol, side, "market", quantity, reduce_only=True))


def _open(seat: Seat, account: Account, position: Position, mishap: Mishap) -> None:
    """A market order without an id: onto what is held, or on the side that `choice` says."""
    exchange, step = seat.exchange, seat.exchange.instrument(position.symbol).step
    mark = exchange.quotes.mark(position.symbol, exchange.now())
    quantity = max(_BY_HAND_USD * mishap.fraction / mark // step * step, step)
    side: Side = "buy" if position.quantity > 0 or (not position.quantity and mishap.choice % 2) else "sell"
    exchange.place(account, Ticket(position.symbol, side, "market", quantity))


def _starve(seat: Seat, account: Account) -> None:
    """Take collateral out of the account until the venue liquidates."""
    exchange = seat.exchange
    left = exchange.maintenance_margin(account) * _OF_MAINTENANCE
    taken = exchange.equity(account) - left
    if taken > 0:
        post(exchange.desk.state, account, "deposit", money(-taken), time=exchange.now())
        exchange.desk.touch(account)
    exchange.advance()
