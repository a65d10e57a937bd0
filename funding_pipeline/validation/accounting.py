"""The ledger: every dollar by its source, and the proof that the sources add up to the equity.

Equity is cash plus positions at their own marks, kept by cash flows alone; the split into funding,
basis, fees and slippage is kept apart and must give the same number to 1e-6 USD.

    trade      cash -= quantity * fill + fee;  slippage -= quantity * (fill - mark)
    marks      basis += quantity * (mark - previous mark)
    funding    cash += -quantity held at T * reference price(T) * rate(T)

Quantities are in the units that the price is quoted in, so that quantity * price is USD; USDT, USDC
and USD count as 1 USD. An inverse contract is held at a fixed base quantity: at each decision its
coin profit is swept to USD and its number of USD contracts is set to quantity * price again. Between
decisions its profit is exactly quantity * (P1 - P0); the fee at a decision is charged on the change
of USD contracts, and the half-spread of contracts traded beyond the change of quantity is booked
with the fee, because no fill price of a zero quantity can carry it.
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Bools, Floats

TOLERANCE_USD = 1e-6


@dataclass(frozen=True)
class Fills:
    """One decision's trades, one entry per leg: signed quantity, fill price, fee and slippage in USD.

    `fee_usd` and `slippage_usd` are positive when they cost.
    """

    quantity: Floats
    price: Floats
    mark: Floats
    fee_usd: Floats
    slippage_usd: Floats

    @property
    def happened(self) -> Bools:
        """Legs with a trade or, for an inverse contract, a re-strike."""
        return np.asarray((self.quantity != 0) | (self.fee_usd != 0), dtype=np.bool_)


class Ledger:
    """Running accounts of one portfolio. Arrays have one entry per leg; money in USD."""

    def __init__(self, *, capital_usd: float, costs: LegCosts, inverse: Bools) -> None:
        """An account with `capital_usd` in cash and no position."""
        size = len(inverse)
        self._capital = capital_usd
        self._costs = costs
        self._inverse = inverse
        self.quantity: Floats = np.zeros(size)
        self._mark: Floats = np.zeros(size)
        self._contracts_usd: Floats = np.zeros(size)
        self._cash = capital_usd
        self.funding = 0.0
        self.basis = 0.0
        self.fees = 0.0
        self.slippage = 0.0

    @property
    def equity(self) -> float:
        """Cash and positions at the last marks, USD."""
        return self._cash + float(self.quantity @ self._mark)

    def mark(self, price: Floats) -> None:
        """Move all marks to `price`; a leg without a price (NaN) keeps its last one."""
        new = np.where(np.isfinite(price), price, self._mark)
        self.basis += float(self.quantity @ (new - self._mark))
        self._mark = new

    def settle(self, usd_per_unit: Floats) -> None:
        """Funding of the positions held now; `usd_per_unit` is the sum of reference price * rate."""
        cash = -float(self.quantity @ usd_per_unit)
        self._cash += cash
        self.funding += cash

    def trade_to(self, target: Floats) -> Fills:
        """Trade at the marks, worse by half-spread and impact, until `target` quantities are held."""
        fills = self._fills(target)
        self._cash -= float(fills.quantity @ fills.price) + float(fills.fee_usd.sum())
        self.fees -= float(fills.fee_usd.sum())
        self.slippage -= float(fills.slippage_usd.sum())
        self.quantity = target.copy()
        self._contracts_usd = target * self._mark
        return fills

    def _fills(self, target: Floats) -> Fills:
        change = target - self.quantity
        traded = change * self._mark
        worse = self._costs.slippage_fraction(traded)
        price = self._mark * (1 + np.sign(change) * worse)
        contracts = np.where(self._inverse, np.abs(target * self._mark - self._contracts_usd), np.abs(traded))
        beyond = np.maximum(contracts - np.abs(traded), 0.0)
        return Fills(
            quantity=change,
            price=price,
            mark=self._mark.copy(),
            fee_usd=contracts * self._costs.fee + beyond * self._costs.half_spread,
            slippage_usd=change * (price - self._mark),
        )

    def check(self) -> None:
        """Raise AccountingError unless the sources add up to the change of equity."""
        by_source = self.funding + self.basis + self.fees + self.slippage
        gap = self.equity - self._capital - by_source
        if not abs(gap) <= TOLERANCE_USD:
            raise AccountingError(
                f"profit by source is {by_source:.8f} USD, equity changed by {by_source + gap:.8f} USD"
            )
