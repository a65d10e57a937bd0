"""What to do, and to say, when no portfolio keeps every limit.

The same problem is solved with every limit but the legs' own bounds made breakable: what has to give is the
conflict, and the limits that press against it are named. With bounds that only let positions shrink the same
problem gives the book that breaks least.
"""

from dataclasses import dataclass, replace

import numpy as np

from funding_pipeline.core.errors import OptimisationError
from funding_pipeline.portfolio.compilation import ProblemNumbers
from funding_pipeline.portfolio.fall_back import reduce_around, reduce_to_limits
from funding_pipeline.portfolio.legs import Bools, Floats, Universe
from funding_pipeline.portfolio.limit_names import named_values
from funding_pipeline.portfolio.limits import Limits
from funding_pipeline.portfolio.problem import PortfolioProblem

_DUST_USD = 0.02
_ACCURACY = 1e-5  # of the scale: what the solver breaks without meaning it
_NAMED = 3  # limits on either side of a conflict that are worth a reader's time


@dataclass(frozen=True)
class Relaxed:
    """The book that breaks limits least, and in words what gives and what it conflicts with."""

    notional: Floats
    gives: tuple[str, ...]
    against: tuple[str, ...]

    @property
    def text(self) -> str:
        """One sentence; empty where every limit can be kept."""
        if not self.gives:
            return ""
        against = f" conflicts with {' and '.join(self.against)}" if self.against else " cannot be kept"
        return f"{', '.join(self.gives)}{against}"


def without_optimum(
    problem: PortfolioProblem,
    numbers: ProblemNumbers,
    *,
    current_usd: Floats,
    limits: Limits,
    scale: float,
) -> tuple[Floats, bool, str]:
    """Notional to hold without an optimum, whether that is the present one, and why there is none."""
    if not limits.violations(current_usd, tolerance_usd=_DUST_USD):
        return current_usd.copy(), True, ""
    frozen = (limits.lower == limits.upper) & (limits.lower != 0)
    if not frozen.any():
        return reduce_to_limits(current_usd, limits=limits), False, ""
    try:
        reduced = relaxed(problem, _only_reducing(numbers, problem.universe), limits=limits, scale=scale)
    except OptimisationError as error:
        kept = reduce_around(current_usd, frozen=frozen, limits=limits)
        return kept, False, f"no explanation either: {error}"
    least = max(_DUST_USD, limits.tolerance_usd)
    kept = np.where(frozen, current_usd, between_zero_and(current_usd, reduced.notional, least_usd=least))
    hedges = [
        leg.name
        for leg, over in zip(limits.universe.legs, _over_bounds(kept, limits=limits), strict=True)
        if over
    ]
    said = f"size of {' and '.join(hedges[:_NAMED])} stays: it hedges what is frozen" if hedges else ""
    return kept, False, "; ".join(part for part in (reduced.text, said) if part)


def _over_bounds(notional: Floats, *, limits: Limits) -> Bools:
    least, most = np.minimum(limits.lower, limits.upper), np.maximum(limits.lower, limits.upper)
    return (notional < least - limits.tolerance_usd) | (notional > most + limits.tolerance_usd)


def between_zero_and(current_usd: Floats, notional: Floats, *, least_usd: float) -> Floats:
    """`notional` without the solver's rounding: nothing opened or turned, no dust traded or kept."""
    out = np.clip(notional, np.minimum(current_usd, 0.0), np.maximum(current_usd, 0.0))
    out = np.where(np.abs(out) < least_usd, 0.0, out)
    return np.where(np.abs(out - current_usd) < least_usd, current_usd, out)


def relaxed(problem: PortfolioProblem, numbers: ProblemNumbers, *, limits: Limits, scale: float) -> Relaxed:
    """Solve with breakable limits; OptimisationError where even that fails."""
    answer, slack = problem.solve_elastic(numbers)
    broken = list(named_values({name: s * scale for name, s in slack.items()}, universe=limits.universe,
                               above=max(_DUST_USD, _ACCURACY * scale)))  # fmt: skip
    broken.sort(key=lambda item: -item.value)
    names = {item.text for item in broken}
    pressing = sorted(
        named_values(answer.duals, universe=limits.universe, above=1e-4), key=lambda item: -abs(item.value)
    )
    stuck = (limits.lower == limits.upper) & (limits.lower != 0)
    pressing.sort(key=lambda item: not (item.constraint.startswith("leg_") and stuck[item.index]))
    against = list(dict.fromkeys(item.text for item in pressing if item.text not in names))
    return Relaxed(
        notional=answer.notional * scale,
        gives=tuple(f"{item.text} ({item.value:,.0f} USD over)" for item in broken[:_NAMED]),
        against=tuple(against[:_NAMED]),
    )


def _only_reducing(numbers: ProblemNumbers, universe: Universe) -> ProblemNumbers:
    """Bounds between zero and the present size, or tighter (frozen: as it is); turnover as needed.

    What hedges a frozen leg may keep its size, whatever its cap: cutting it would leave a naked position.
    """
    current = numbers.long_now - numbers.short_now
    frozen = (numbers.lower == numbers.upper) & (numbers.lower != 0)
    hedges = (universe.base_matrix @ frozen > 0)[universe.base_index] & (numbers.lower < numbers.upper)
    short, long = np.minimum(current, 0.0), np.maximum(current, 0.0)
    lower = np.where(hedges, short, np.maximum(numbers.lower, short))
    upper = np.where(hedges, long, np.minimum(numbers.upper, long))
    return replace(numbers, lower=lower, upper=upper, turnover=float(np.abs(current).sum()) * 2)
