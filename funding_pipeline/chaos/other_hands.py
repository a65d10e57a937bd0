"""What is left of other hands once an episode has settled: nothing of theirs is ours, and nothing is unnamed.

What lives here: the rules for the end about orders and positions that are not ours. What does not: orders
of theirs that we cancel (`audit`), what is unhedged and statements (`final_audit`).
"""

import re
from collections.abc import Collection, Iterable, Mapping

from funding_pipeline.chaos.violation import Violation
from funding_pipeline.storage.journal import Journal
from funding_pipeline.testnet.engine.values import Account
from funding_pipeline.testnet.testnet import Testnet

_HEX = re.compile(r"[0-9a-f]{24}")


def unnamed_positions(
    testnet: Testnet, accounts: Mapping[str, Account], told: str, *, gone: Iterable[str]
) -> tuple[Violation, ...]:
    """Positions in instruments that their venue lists no more, and that `told` (the last report, and the
    alerts) does not name."""
    return tuple(
        Violation("unlisted_not_named", f"{venue} {position.symbol} {position.quantity}")
        for venue, account in sorted(accounts.items())
        if venue not in frozenset(gone)
        for position in testnet.seat(venue).exchange.positions(account)
        if position.symbol in testnet.seat(venue).exchange.desk.state.unlisted
        and f"{venue} {position.symbol}" not in told
    )


def claimed_orders(
    testnet: Testnet, accounts: Mapping[str, Account], journal: Journal, ours: Collection[tuple[str, int]]
) -> tuple[Violation, ...]:
    """Orders that are not among `ours` (venue and number) and of which the journal has an intent."""
    return tuple(
        Violation("foreign_orders_claimed", f"{venue} {order.ticket.symbol} {order.ticket.client_id}")
        for venue, account in sorted(accounts.items())
        for order in account.orders.values()
        if (venue, order.order_id) not in ours
        and (digits := _HEX.search(order.ticket.client_id or ""))
        and journal.intent(digits[0]) is not None
    )
