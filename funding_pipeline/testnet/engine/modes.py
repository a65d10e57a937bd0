"""Leverage and margin mode of a position, position mode of an account: changes that an account asks for.

What lives here: the checks and the moves of isolated margin they bring. What does not: the margins
themselves (`margin`).
"""

from decimal import Decimal

from funding_pipeline.core.trading import MarginMode
from funding_pipeline.testnet.engine import margin
from funding_pipeline.testnet.engine.ledger import money
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.tiers import tier_at
from funding_pipeline.testnet.engine.values import Account, Position, PositionMode, Rejected


def set_leverage(desk: Desk, account: Account, symbol: str, leverage: int, time: int) -> Position:
    """Raises Rejected("leverage"): out of the tier's bounds, or margin would not suffice."""
    position = desk.position(account, symbol)
    mark = desk.mark(symbol, time)
    most = tier_at(desk.instrument(symbol).tiers, abs(position.quantity) * mark).max_leverage
    if not 1 <= leverage <= most:
        raise Rejected("leverage", f"{symbol}: leverage is from 1 to {most}")
    before, own = position.leverage, position.isolated_margin
    position.leverage = leverage
    if position.margin_mode == "isolated":
        position.isolated_margin = money(abs(position.quantity) * position.entry / leverage)
    # Fewer turns need more margin; a position that stays short of it keeps its leverage.
    if leverage != before and not _is_carried(desk, account, position, own, time, is_lower=leverage < before):
        position.leverage, position.isolated_margin = before, own
        raise Rejected("leverage", f"{symbol}: not enough margin for leverage {leverage}")
    account.positions[symbol] = position
    return position


def _is_carried(
    desk: Desk, account: Account, position: Position, own_before: Decimal, time: int, *, is_lower: bool
) -> bool:
    if position.quantity and position.margin_mode == "isolated":
        equity = position.isolated_margin + margin.unrealised(desk, position, time)
        if position.isolated_margin < own_before and equity <= margin.maintenance(desk, position, time):
            return False
    return not is_lower or margin.available(desk, account, time) >= 0


def set_margin_mode(desk: Desk, account: Account, symbol: str, mode: MarginMode) -> Position:
    """Raises Rejected("margin_mode") while a position or order is open; the same mode again is no change."""
    position = desk.position(account, symbol)
    if position.margin_mode != mode:
        if position.quantity or desk.open_orders(account, symbol):
            raise Rejected("margin_mode", f"{symbol}: close the position and its orders first")
        position.margin_mode = mode
    account.positions[symbol] = position
    return position


def set_position_mode(desk: Desk, account: Account, mode: PositionMode) -> None:
    """Raises Rejected("position_mode") while anything is open. In hedge mode every order is refused: the
    engine holds no two positions of one instrument."""
    if mode != account.position_mode and (any(desk.held(account)) or desk.open_orders(account)):
        raise Rejected("position_mode", "close positions and orders first")
    account.position_mode = mode
