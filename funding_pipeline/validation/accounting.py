"""The ledger: every dollar by its source and by its venue, and the proof that the sources add up.

Equity is cash plus positions at their own marks, kept by cash flows alone and apart for every venue; the
split into funding, basis, fees, slippage and liquidation is kept apart and must give the same number to
1e-6 USD (for large accounts to 1e-14 of capital and turnover).

    trade      cash -= quantity * fill + fee;  slippage -= quantity * (fill - mark)
    marks      basis += quantity * (mark - previous mark)
    funding    cash += -quantity held at T * reference price(T) * rate(T)
    forced     the fill price carries the whole loss, which is booked as liquidation (`liquidation`)
    moved      cash between venues; the sum stays

Quantities are in the units that the price is quoted in, so that quantity * price is USD; USDT, USDC
and USD count as 1 USD. An inverse contract is held at a fixed base quantity: at each decision its
coin profit is swept to USD and its number of USD contracts is set to quantity * price again. Between
decisions its profit is exactly quantity * (P1 - P0); the fee at a decision is charged on the change
of USD contracts, and the half-spread of contracts traded beyond the change of quantity is booked
with the fee, because no fill price of a zero quantity can carry it. What does not live here: when a
venue liquidates (`liquidation`) and how much collateral is moved (`levelling`).
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Bools, Floats, Universe

TOLERANCE_USD = 1e-6
RELATIVE_TOLERANCE = 1e-14
"""Of capital and turnover together: what doubles lose over a long run of a large account."""


@dataclass(frozen=True)
class Fills:
    """One moment's trades, one entry per leg: signed quantity, fill price, fee and slippage in USD.

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

    def __init__(self, *, capital_usd: float, universe: Universe, open_venues: Bools) -> None:
        """An account without positions, `capital_usd` spread evenly over the open venues.

        `open_venues` has one entry per venue of `universe`; where none is open, all get a share.
        """
        size = len(universe)
        share = open_venues if open_venues.any() else np.ones_like(open_venues)
        self._universe = universe
        self._capital = capital_usd
        self.quantity: Floats = np.zeros(size)
        self.mark_price: Floats = np.zeros(size)
        self._contracts_usd: Floats = np.zeros(size)
        self.cash: Floats = np.where(share, capital_usd / share.sum(), 0.0)
        self._moved = capital_usd
        self.funding = 0.0
        self.basis = 0.0
        self.fees = 0.0
        self.slippage = 0.0
        self.liquidation = 0.0

    @property
    def equity(self) -> float:
        """Cash and positions at the last marks, USD."""
        return float(self.cash.sum()) + float(self.quantity @ self.mark_price)

    @property
    def venue_equity_usd(self) -> Floats:
        """The same per venue of the universe: its collateral with the profit not yet realised."""
        return self.cash + self._by_venue(self.quantity * self.mark_price)

    @property
    def sources(self) -> tuple[float, float, float, float, float]:
        """Profit so far: funding, basis, fees, slippage, liquidation; USD, negative when it costs."""
        return self.funding, self.basis, self.fees, self.slippage, self.liquidation

    def mark(self, price: Floats) -> None:
        """Move all marks to `price`; a leg without a price (NaN) keeps its last one."""
        new = np.where(np.isfinite(price), price, self.mark_price)
        self.basis += float(self.quantity @ (new - self.mark_price))
        self.mark_price = new

    def settle(self, usd_per_unit: Floats) -> None:
        """Funding of the positions held now; `usd_per_unit` is the sum of reference price * rate."""
        cash = -self.quantity * usd_per_unit
        self.cash = self.cash + self._by_venue(cash)
        self.funding += float(cash.sum())

    def trade_to(self, target: Floats, costs: LegCosts) -> Fills:
        """Trade at the marks, worse by half-spread and impact, until `target` quantities are held."""
        fills = self._fills(target, costs=costs)
        self._pay(fills)
        self.fees -= float(fills.fee_usd.sum())
        self.slippage -= float(fills.slippage_usd.sum())
        self.quantity = target.copy()
        self._contracts_usd = target * self.mark_price
        return fills

    def liquidate(self, venue: int, *, equity_after_usd: float) -> Fills:
        """Close all legs of a venue (its position in the universe), so that this equity is left there.

        All fills are worse than their marks by one fraction, which carries the loss; it is a gain where
        the venue takes over a position whose loss exceeds the equity.
        """
        mine = self._universe.venue_index == venue
        closed = np.where(mine, -self.quantity, 0.0)
        gross = float(np.abs(closed) @ self.mark_price)
        loss = float(self.venue_equity_usd[venue]) - equity_after_usd if gross > 0 else 0.0
        price = self.mark_price * (1 + np.sign(closed) * (loss / gross if gross > 0 else 0.0))
        fills = Fills(
            quantity=closed,
            price=price,
            mark=self.mark_price.copy(),
            fee_usd=np.zeros_like(closed),
            slippage_usd=closed * (price - self.mark_price),
        )
        self._pay(fills)
        self.liquidation -= float(fills.slippage_usd.sum())
        self.quantity = np.where(mine, 0.0, self.quantity)
        self._contracts_usd = np.where(mine, 0.0, self._contracts_usd)
        return fills

    def move(self, usd: Floats) -> None:
        """Move collateral: `usd` per venue, positive where it arrives; AccountingError if it sums to more."""
        if not abs(float(usd.sum())) <= self._tolerance:
            raise AccountingError(f"moving collateral would change it by {float(usd.sum()):.8f} USD")
        self.cash = self.cash + usd

    def check(self) -> None:
        """Raise AccountingError unless the sources add up to the change of equity."""
        by_source = sum(self.sources)
        gap = self.equity - self._capital - by_source
        if not abs(gap) <= self._tolerance:
            raise AccountingError(
                f"profit by source is {by_source:.8f} USD, equity changed by {by_source + gap:.8f} USD"
            )

    @property
    def _tolerance(self) -> float:
        return max(TOLERANCE_USD, RELATIVE_TOLERANCE * self._moved)

    def _by_venue(self, per_leg: Floats) -> Floats:
        return np.asarray(self._universe.venue_matrix @ per_leg, dtype=np.float64)

    def _pay(self, fills: Fills) -> None:
        paid = fills.quantity * fills.price + fills.fee_usd
        self.cash = self.cash - self._by_venue(paid)
        self._moved += float(np.abs(paid).sum())

    def _fills(self, target: Floats, *, costs: LegCosts) -> Fills:
        change = target - self.quantity
        traded = change * self.mark_price
        price = self.mark_price * (1 + np.sign(change) * costs.slippage_fraction(traded))
        contracts = np.abs(target * self.mark_price - self._contracts_usd)
        contracts = np.where(self._universe.inverse, contracts, np.abs(traded))
        beyond = np.maximum(contracts - np.abs(traded), 0.0)
        return Fills(
            quantity=change,
            price=price,
            mark=self.mark_price.copy(),
            fee_usd=contracts * costs.fee + beyond * costs.half_spread,
            slippage_usd=change * (price - self.mark_price),
        )
