"""Netting limits after the caps: beta per venue, delta of the portfolio, and the largest part within both.

What lives here: measuring nets and, where a cut has unbalanced them, choosing what else to cut. What does
not: caps on size (`caps`).

Cutting a leg can break a net that the whole plan keeps: an ALT pair is balanced on each venue by a BTC pair.
So nets are checked again after every cut. What is left then is the solution of a linear program: of each
base the share x of what is kept and y of what would be opened,
    maximise   sum of 2 x |kept| + y |opened|   (USD; closing costs fees, so what is held counts double)
    such that  |net of each row| <= limit,  0 <= y <= x,  x and y within what the caps allow.
Nothing at all is always a solution, and a tighter limit never has a larger one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from funding_pipeline.core.governance import LimitBreach
from funding_pipeline.execution.book import ZERO
from funding_pipeline.execution.caps import unit_price
from funding_pipeline.execution.exposure import beta_of
from funding_pipeline.execution.findings import Case, Stage
from funding_pipeline.execution.judged_base import JudgedBase, JudgedLeg

Positions = Mapping[str, tuple[Decimal, ...]]
"""Quantities by base, leg by leg."""
Shares = Mapping[str, tuple[Fraction, Fraction]]
"""Of each base the shares of what is kept and of what would be opened."""
_SNAP = 1e-9


@dataclass(frozen=True)
class Row:
    """One netting limit: signed USD per unit of quantity, leg by leg; `fixed`: of frozen bases."""

    stage: Stage
    name: str
    subject: str
    limit: Decimal
    weights: Mapping[str, tuple[Decimal, ...]]
    fixed: Decimal = ZERO

    def part(self, base: str, quantities: Sequence[Decimal]) -> Decimal:
        """What these quantities of a base add to the net."""
        weights = self.weights.get(base, ())
        return sum((w * q for w, q in zip(weights, quantities, strict=bool(weights))), ZERO)

    def net(self, positions: Positions) -> Decimal:
        """Net of the book, USD."""
        return self.fixed + sum((self.part(base, q) for base, q in positions.items()), ZERO)

    @property
    def reachable(self) -> Decimal:
        """The limit, or what frozen bases already use where that is more."""
        return max(self.limit, abs(self.fixed))

    def is_kept(self, positions: Positions) -> bool:
        """Whether the net is within what can be reached."""
        return abs(self.net(positions)) <= self.reachable

    def breach(self, positions: Positions) -> LimitBreach:
        """The numbers, of these positions."""
        return LimitBreach(self.name, self.subject, float(abs(self.net(positions))), float(self.limit), "USD")


def rows(case: Case) -> tuple[Row, ...]:
    """Venue beta of each venue, then portfolio delta, then each base's own net.

    A row that something unknown belongs to is left out: growth beside it is stopped already.
    """
    limits = case.limits
    found = [_venue_beta(case, venue, Decimal(str(limits.max_venue_beta_usd))) for venue in case.venues]
    found.append(_portfolio_delta(case, Decimal(str(limits.max_portfolio_delta_usd))))
    found += [
        _base_row(base, Decimal(str(limits.max_base_delta_usd))) for base in case.bases if not base.frozen
    ]
    return tuple(row for row in found if row is not None)


def _venue_beta(case: Case, venue: str, limit: Decimal) -> Row | None:
    weights = {base.base: _beta_weights(case, base, venue) for base in case.bases if venue in base.venues}
    if any(base_weights is None for base_weights in weights.values()):
        return None
    known = {base: w for base, w in weights.items() if w is not None}
    return _with_fixed(case, Row(Stage.VENUE_BETA, "max_venue_beta_usd", venue, limit, known))


def _beta_weights(case: Case, base: JudgedBase, venue: str) -> tuple[Decimal, ...] | None:
    """Beta x price on the venue, zero elsewhere; None: some of it is held or kept, and not known."""
    beta = beta_of(case.book.betas, base.base)
    out = []
    for leg in base.legs:
        if leg.target.venue != venue or _is_nothing(leg, base, is_known=beta is not None):
            out.append(ZERO)
        elif beta is None or leg.price is None or (base.frozen and leg.held is None):
            return None
        else:
            out.append(beta * leg.price)
    return tuple(out)


def _portfolio_delta(case: Case, limit: Decimal) -> Row | None:
    weights = {}
    for base in case.bases:
        legs = [leg for leg in base.legs if not _is_nothing(leg, base)]
        if any(leg.price is None or (base.frozen and leg.held is None) for leg in legs):
            return None
        weights[base.base] = tuple(leg.price or ZERO for leg in base.legs)
    return _with_fixed(case, Row(Stage.DELTA, "max_portfolio_delta_usd", "portfolio", limit, weights))


def _is_nothing(leg: JudgedLeg, base: JudgedBase, *, is_known: bool = True) -> bool:
    """Nothing will be there: nothing is kept, and nothing is planned, or growth is stopped as unknown."""
    if base.frozen:
        return leg.held is not None and leg.held == 0
    return leg.kept == 0 and (leg.growth == 0 or leg.price is None or not is_known)


def _base_row(base: JudgedBase, limit: Decimal) -> Row:
    price = unit_price(base) or ZERO
    weights = tuple(leg.target.multiplier * price for leg in base.legs)
    return Row(Stage.BASE, "max_base_delta_usd", base.base, limit, {base.base: weights})


def _with_fixed(case: Case, row: Row) -> Row:
    fixed = sum((row.part(base.base, base.held) for base in case.bases if base.frozen), ZERO)
    free = {base.base for base in case.bases if not base.frozen}
    weights = {base: w for base, w in row.weights.items() if base in free}
    return Row(row.stage, row.name, row.subject, row.limit, weights, fixed)


def largest_shares(
    bases: Sequence[JudgedBase], found: Sequence[Row], most: Shares, *, of_limit: float
) -> Shares:
    """The linear program of the module's text, with `of_limit` of each limit. Exact at its ends."""
    free = [base for base in bases if not base.frozen]
    if not free:
        return most
    from scipy.optimize import linprog  # slow to import, and seldom needed

    kept = [[leg.kept for leg in base.legs] for base in free]
    grown = [[leg.growth for leg in base.legs] for base in free]
    sizes = [_usd(base, part) * 2 for base, part in zip(free, kept, strict=True)]
    sizes += [_usd(base, part) for base, part in zip(free, grown, strict=True)]
    matrix, right = [], []
    for row in found:
        scale = max(float(row.limit), 1.0)
        line = [
            float(row.part(b.base, q)) / scale for b, q in zip([*free, *free], [*kept, *grown], strict=True)
        ]
        room, fixed = float(row.reachable) * of_limit / scale, float(row.fixed) / scale
        matrix += [line, [-value for value in line]]
        right += [max(room - fixed, 0.0), max(room + fixed, 0.0)]
    order = np.hstack([-np.eye(len(free)), np.eye(len(free))])
    bounds = [(0.0, float(most[b.base][0])) for b in free] + [(0.0, float(most[b.base][1])) for b in free]
    scaled = np.array(sizes) / max(max(sizes), 1.0)
    answer = linprog(
        -scaled,
        A_ub=np.vstack([np.array(matrix).reshape(-1, 2 * len(free)), order]),
        b_ub=[*right, *np.zeros(len(free))],
        bounds=bounds,
        method="highs",
    )
    if answer.x is None:
        return {base.base: (Fraction(0), Fraction(0)) for base in bases}
    count = len(free)
    chosen = {
        base.base: (
            _snapped(answer.x[i], most[base.base][0]),
            _snapped(answer.x[count + i], most[base.base][1]),
        )
        for i, base in enumerate(free)
    }
    return {**most, **chosen}


def _usd(base: JudgedBase, quantities: Sequence[Decimal]) -> float:
    return float(
        sum((abs(leg.notional(q)) for leg, q in zip(base.legs, quantities, strict=True) if leg.price), ZERO)
    )


def _snapped(value: float, most: Fraction) -> Fraction:
    """The solver's number, exact where it means an end of its range."""
    if value >= float(most) - _SNAP:
        return most
    return Fraction(0) if value <= _SNAP else Fraction(value).limit_denominator(10**9)
