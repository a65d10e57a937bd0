"""Faults about an account: orders and positions by other hands, settings that change, an odd refusal.

What lives here: how each begins and ends. What does not: the rules and when they fire (`faults`), or what
they do to the engine's state (`engine.by_hand`, `engine.interventions`).
"""

from decimal import Decimal
from hashlib import blake2b
from typing import Protocol

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.trading import MarginMode, Side
from funding_pipeline.testnet.engine import by_hand, interventions
from funding_pipeline.testnet.engine.values import Account, PositionMode, Rejected
from funding_pipeline.testnet.testnet import Seat

ACCOUNT_KINDS = (
    "refused_after_fill",
    "delisted_position",
    "late_funding_row",
    "foreign_order",
    "leverage_change",
    "hand_position",
    "unified_account",
)
KINDS_OF_ACCOUNT = ("gate", "hyperliquid")
"""Venues with a unified account whose collateral is shown elsewhere than a classic one's."""
_CLIENT_IDS = {"gate": "t-{}", "hyperliquid": "0x{}00000000"}


class AccountRule(Protocol):
    """What is read of a fault's rule; see `faults.Rule`."""

    kind: str
    symbol: str | None
    account: str | None
    seed: int
    fraction: Decimal
    quantity: Decimal | None
    side: Side | None
    conditional: bool
    has_id: bool
    leverage: int | None
    margin_mode: MarginMode | None
    hedge_mode: bool | None


def begin(rule: AccountRule, seat: Seat) -> int | None:
    """Do it; the id of the order that it leaves. Raises Rejected or TestnetError where it cannot be done."""
    desk, now, symbol = seat.exchange.desk, seat.exchange.now(), rule.symbol or ""
    if rule.kind == "refused_after_fill":
        interventions.refuse_after_fill(desk, symbol, rule.fraction)
    elif rule.kind == "delisted_position":
        interventions.unlist(desk, symbol, now)
    elif rule.kind == "late_funding_row":
        interventions.list_funding_late(desk, symbol, now)
    elif rule.kind == "foreign_order":
        return _foreign_order(rule, seat)
    elif rule.kind == "hand_position":
        by_hand.trade(desk, account_of(seat, rule.account), symbol, rule.side, rule.quantity, now)
    elif rule.kind == "leverage_change":
        _change_settings(rule, seat)
    else:
        _unify(seat, account_of(seat, rule.account))
    return None


def end(rule: AccountRule, seat: Seat, order_id: int | None) -> None:
    """Undo what can be undone: the order is withdrawn, the instrument listed, the account as it was.

    Leverage, margin mode and positions stay as they are.
    """
    desk, symbol = seat.exchange.desk, rule.symbol or ""
    if rule.kind == "refused_after_fill":
        desk.state.refused_after_fill.pop(symbol, None)
    elif rule.kind == "delisted_position":
        desk.state.unlisted.discard(symbol)
    elif rule.kind == "late_funding_row":
        interventions.list_funding(desk, symbol)
    elif rule.kind == "foreign_order" and order_id is not None:
        by_hand.withdraw(desk, account_of(seat, rule.account), order_id, seat.exchange.now())
    elif rule.kind == "leverage_change" and rule.hedge_mode:
        account_of(seat, rule.account).position_mode = "one_way"
    elif rule.kind == "unified_account":
        account_of(seat, rule.account).is_unified = False


def account_of(seat: Seat, account_id: str | None) -> Account:
    """The account of that name, or the venue's first. Raises TestnetError."""
    accounts = seat.exchange.accounts()
    found = next((a for a in accounts if account_id in (None, a.account_id)), None)
    if found is None:
        raise TestnetError(f"account {account_id!r} is not on {seat.venue}")
    return found


def foreign_client_id(venue: str, seed: int) -> str:
    """A client id of another program that looks like ours: 24 hex digits, in the venue's form."""
    digits = blake2b(f"another program {venue} {seed}".encode(), digest_size=12).hexdigest()
    return _CLIENT_IDS.get(venue, "{}").format(digits)


def _foreign_order(rule: AccountRule, seat: Seat) -> int:
    desk, now = seat.exchange.desk, seat.exchange.now()
    account, client_id = account_of(seat, rule.account), None
    if rule.has_id:  # an id is used once: the number of the order that comes next makes it another one
        client_id = foreign_client_id(seat.venue, rule.seed + desk.state.next_order)
    make = by_hand.keep_conditional if rule.conditional else by_hand.rest_order
    made = make(desk, account, rule.symbol or "", rule.side or "sell", client_id, now)
    desk.touch(account)
    return made.order_id


def _change_settings(rule: AccountRule, seat: Seat) -> None:
    if rule.leverage is None and rule.margin_mode is None and rule.hedge_mode is None:
        raise TestnetError("leverage_change: leverage, margin_mode or hedge_mode is needed")
    if rule.hedge_mode is not None and seat.venue == "hyperliquid":
        raise Rejected("position_mode", "hyperliquid has no hedge mode")
    mode: PositionMode | None = None
    if rule.hedge_mode is not None:
        mode = "hedge" if rule.hedge_mode else "one_way"
    desk, account, symbol = seat.exchange.desk, account_of(seat, rule.account), rule.symbol or ""
    if rule.margin_mode is not None and seat.venue == "bybit":  # where the mode is the whole account's
        for one in seat.exchange.instruments():
            by_hand.change_settings(
                desk, account, one.symbol, seat.exchange.now(), margin_mode=rule.margin_mode
            )
    by_hand.change_settings(
        desk,
        account,
        symbol,
        seat.exchange.now(),
        leverage=rule.leverage,
        margin_mode=rule.margin_mode,
        position_mode=mode,
    )


def _unify(seat: Seat, account: Account) -> None:
    if seat.venue not in KINDS_OF_ACCOUNT:
        raise TestnetError(f"unified_account: of {', '.join(KINDS_OF_ACCOUNT)}, not of {seat.venue}")
    account.is_unified = True
