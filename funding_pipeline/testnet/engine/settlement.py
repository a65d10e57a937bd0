"""Funding: charged once per settlement, to the position held at that moment.

What lives here: which settlements a stretch of time holds, and their payments. What does not: the rates
(the market's), and when this runs (`timeline`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from funding_pipeline.testnet.engine.ledger import money, post
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.values import Account, EnginePayment, Position


@dataclass(frozen=True, order=True)
class Settlement:
    """One settlement of one instrument; `rate` is a fraction of notional."""

    time: int
    symbol: str
    rate: Decimal


def settlements(desk: Desk, symbols: Iterable[str], after: int, until: int) -> list[Settlement]:
    """Settlements of the symbols with `after < time <= until`, in order. A null rate settles nothing."""
    found: list[Settlement] = []
    for symbol in symbols:
        if desk.quotes.next_settlement(symbol, after) > until:
            continue  # a look-up; the frame below is a hundred times as dear
        frame = desk.quotes.settled(symbol, after + 1, until)
        for time, rate in frame.select("time", "rate").iter_rows():
            if rate is not None and isfinite(rate):
                found.append(Settlement(time, symbol, Decimal(str(rate))))
    return sorted(found)


def reference_price(desk: Desk, settlement: Settlement) -> Decimal:
    """The price that funding is charged on: the venue's mark, or its index (oracle), at that moment."""
    ask = desk.quotes.index if desk.funding_reference == "index" else desk.quotes.mark
    return ask(settlement.symbol, settlement.time)


def settle(desk: Desk, settlement: Settlement, price: Decimal) -> None:
    """Charge every position held: `-quantity x price x rate`, positive is received."""
    for account in desk.busy_accounts():
        position = account.positions.get(settlement.symbol)
        if position is not None and position.quantity:
            _pay(desk, account, position, settlement, price)


def _pay(desk: Desk, account: Account, position: Position, settlement: Settlement, price: Decimal) -> None:
    amount = money(-position.quantity * price * settlement.rate)
    payment = EnginePayment(
        desk.state.next_payment,
        account.account_id,
        settlement.symbol,
        settlement.time,
        settlement.rate,
        position.quantity,
        price,
        amount,
    )
    desk.state.next_payment += 1
    account.payments.append(payment)
    if position.margin_mode == "isolated":
        position.isolated_margin += amount
    post(
        desk.state,
        account,
        "funding",
        amount,
        time=settlement.time,
        symbol=settlement.symbol,
        reference=payment.payment_id,
    )
