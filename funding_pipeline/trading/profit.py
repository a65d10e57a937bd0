"""Profit by source from the journal alone: funding, fees, and prices as what is left of the change of equity.

What lives here: the sums. What does not: profit of one settlement against the venues' statements (`pnl`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from funding_pipeline.market_data.instruments import DOLLARS
from funding_pipeline.storage.journal import Journal

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Profit:
    """USD, with stablecoins at par. `prices`: what convergence and slippage made. None: not known."""

    funding: float | None
    fees: float | None
    prices: float | None
    total: float | None


def profit_today(journal: Journal, *, at: datetime, equity_usd: Decimal | None) -> Profit:
    """Since midnight UTC of the market's time; `equity_usd`: now. Raises JournalError."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    funding = _sum((p.currency, p.amount) for p in journal.payments(since=midnight))
    fees = _sum((fill.fee_currency, fill.fee) for fill in journal.fills(since=midnight))
    return _profit(funding, fees, journal.equity_at_start_of(midnight), equity_usd)


def profit_since_start(journal: Journal, *, equity_usd: Decimal | None) -> Profit:
    """Since the first mark of equity in the journal. Raises JournalError."""
    totals = journal.currency_totals()
    funding = _sum((total.currency, total.funding) for total in totals if total.payments)
    fees = _sum((total.currency, total.fees) for total in totals if total.fills)
    return _profit(funding, fees, journal.first_equity(), equity_usd)


def _sum(amounts: Iterable[tuple[str | None, Decimal | None]]) -> Decimal | None:
    """Of dollars; None where one is another currency, or not known."""
    total = _ZERO
    for currency, amount in amounts:
        if amount is None or currency not in DOLLARS:
            return None
        total += amount
    return total


def _profit(
    funding: Decimal | None, paid: Decimal | None, begun: Decimal | None, now: Decimal | None
) -> Profit:
    fees = None if paid is None else -paid
    total = None if begun is None or now is None else now - begun
    prices = None if total is None or funding is None or fees is None else total - funding - fees
    return Profit(*(None if value is None else float(value) for value in (funding, fees, prices, total)))
