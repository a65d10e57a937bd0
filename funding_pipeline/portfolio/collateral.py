"""The collateral plan: what a person might move between venues, what it costs and when that is earned back.

Nothing here moves money: a proposal is shown, and a person withdraws and deposits. The optimiser decides how
much capital it would want on each venue after the first stage; here its worth is the difference between
the optimum with and without moving.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from funding_pipeline.core.errors import OptimisationError
from funding_pipeline.portfolio.compilation import ProblemNumbers
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.portfolio.problem import PortfolioProblem

_HOURS_PER_YEAR = 24 * 365


@dataclass(frozen=True)
class CollateralMove:
    """`amount_usd` from one venue to another; `delay_hours` until it can be used there."""

    source: str
    target: str
    amount_usd: float
    cost_usd: float
    delay_hours: float


@dataclass(frozen=True)
class CollateralPlan:
    """Moves with their total cost, the gain a year that they make possible, and days until it is earned back.

    `break_even_days`: None where nothing is gained.
    """

    moves: tuple[CollateralMove, ...] = ()
    cost_usd: float = 0.0
    gain_usd_per_year: float = 0.0
    break_even_days: float | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """Plain data for a plan's metadata."""
        return {
            "moves": [asdict(move) for move in self.moves],
            "cost_usd": self.cost_usd,
            "gain_usd_per_year": self.gain_usd_per_year,
            "break_even_days": self.break_even_days,
            "carried_out_by": "a person; the system never moves money",
        }


def proposal(
    problem: PortfolioProblem,
    numbers: ProblemNumbers,
    *,
    scale: float,
    venues: Sequence[str],
    config: PortfolioConfig,
) -> CollateralPlan:
    """What to move for the optimum of `numbers`: worth the objective with moving less that without.

    Empty where either has no solution. The gain is over the expected hold and before the transfer's own cost,
    which the objective has taken off: the plan compares the two.
    """
    try:
        free = problem.solve(numbers)
        fixed = problem.solve(replace(numbers, allocation_cap=numbers.allocation))
    except OptimisationError:
        return CollateralPlan()
    moved = float(np.maximum(free.allocation - numbers.allocation, 0.0).sum())
    gain = (fixed.objective - free.objective + numbers.transfer_cost * moved) * 1e-4 * scale
    return collateral_plan(
        venues,
        now_usd=numbers.allocation * scale / config.gross_leverage,
        wanted_usd=free.allocation * scale / config.gross_leverage,
        gain_usd_per_year=gain * _HOURS_PER_YEAR / config.expected_hold_hours,
        config=config,
    )


def collateral_plan(
    venues: Sequence[str],
    *,
    now_usd: Floats,
    wanted_usd: Floats,
    gain_usd_per_year: float,
    config: PortfolioConfig,
) -> CollateralPlan:
    """Moves from `now_usd` to `wanted_usd` (per venue, same sum), largest surplus to largest want first.

    Amounts below one percent of the capital are left; a plan that does not earn its cost within the expected
    hold is empty.
    """
    moves = _moves(venues, np.asarray(wanted_usd) - np.asarray(now_usd), config=config)
    cost = sum(move.cost_usd for move in moves)
    gain_per_day = gain_usd_per_year / 365
    earned_in_hold = gain_per_day * config.expected_hold_hours / 24
    if not moves or earned_in_hold <= cost:
        return CollateralPlan()
    days = cost / gain_per_day + config.transfer_delay_hours / 24
    return CollateralPlan(tuple(moves), cost, gain_usd_per_year, days)


def _moves(venues: Sequence[str], change: Floats, *, config: PortfolioConfig) -> list[CollateralMove]:
    left, moves = change.copy(), []
    least = 0.01 * config.capital_usd
    for _ in range(2 * len(venues)):
        source, target = int(np.argmin(left)), int(np.argmax(left))
        amount = min(-left[source], left[target])
        if amount < least:
            break
        moves.append(
            CollateralMove(
                source=venues[source],
                target=venues[target],
                amount_usd=float(amount),
                cost_usd=config.transfer_cost_usd + float(amount) * config.transfer_cost_bp * 1e-4,
                delay_hours=config.transfer_delay_hours,
            )
        )
        left[source] += amount
        left[target] -= amount
    return moves
