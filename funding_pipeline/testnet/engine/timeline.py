"""What time does to accounts, in order: settlements, fills of resting orders, liquidations.

What lives here: which moments between two calls matter. What does not: what happens at them.

At each moment funding is settled first (the position held AT the settlement pays), then resting orders
are filled, then accounts short of margin are liquidated. The moments are every settlement, every full
hour and now; prices between them are not looked at.
"""

from funding_pipeline.testnet.engine.liquidation import liquidate
from funding_pipeline.testnet.engine.matching import fill_resting
from funding_pipeline.testnet.engine.settlement import Settlement, reference_price, settle, settlements
from funding_pipeline.testnet.engine.state import Desk

HOUR_MS = 3_600_000


def advance(desk: Desk, now: int) -> None:
    """Bring the state from where it was to `now` (ms). A clock set back changes nothing."""
    before = desk.state.advanced_to
    if now <= before:
        return
    if not desk.is_idle:
        _live_through(desk, before, now)
    desk.state.advanced_to = now


def _live_through(desk: Desk, before: int, now: int) -> None:
    due: dict[int, list[Settlement]] = {}
    for settlement in settlements(desk, _symbols(desk), before, now):
        due.setdefault(settlement.time, []).append(settlement)
    hours = range((before // HOUR_MS + 1) * HOUR_MS, now + 1, HOUR_MS)
    for time in sorted({*due, *hours, now}):
        # Prices first, and the time noted once all have paid: should the market fail to answer, before or
        # below, the next call goes on from here, and each settlement is charged exactly once.
        priced = [(settlement, reference_price(desk, settlement)) for settlement in due.get(time, ())]
        for settlement, price in priced:
            settle(desk, settlement, price)
        desk.state.advanced_to = time
        # The book changes by the second: within one there is nothing new to trade through.
        if time // 1000 > before // 1000:
            fill_resting(desk, time)
            for account in desk.busy_accounts():
                liquidate(desk, account, time)
        if desk.is_idle:
            return


def _symbols(desk: Desk) -> list[str]:
    """Symbols with positions or open orders: time can give no other a position."""
    found: set[str] = set()
    for account in desk.busy_accounts():
        found |= {position.symbol for position in desk.held(account)}
        found |= {order.ticket.symbol for order in desk.open_orders(account)}
    return sorted(found)
