"""The convex problem of one decision, compiled once by cvxpy (DPP) and re-solved with new numbers.

With w = long - short the signed notional per leg (in units of `scale_usd`), t = buy - sell = w - w0:

    maximise   -f'w - c'(buy + sell) - h'(long + short) - |R w|^2 - |K t|^2
    subject to lower <= w <= upper                      per leg
               B (u * w) = 0                            per base: net quantity is zero
               V (long + short) <= venue gross          per venue
               |V (beta * w)| <= venue band             per venue
               |1'w| <= delta band                      portfolio

f is expected funding over the hold (a positive rate costs the long), c trading cost, h the cost of
holding one unit over the hold, R risk and K impact. The shape is that of the whole universe; a leg
out of use has lower = upper = 0.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from funding_pipeline.core.errors import OptimisationError
from funding_pipeline.portfolio.legs import Floats, Universe

_USABLE = {"optimal", "optimal_inaccurate"}


@dataclass(frozen=True)
class ProblemNumbers:
    """Parameters of one decision, per leg unless said otherwise, in units of the problem's scale."""

    current: Floats
    funding: Floats
    trade_cost: Floats
    hold_cost: Floats
    risk_root: Floats
    impact_root: Floats
    lower: Floats
    upper: Floats
    base_units: Floats
    beta: Floats
    venue_gross: Floats
    venue_beta: Floats
    delta_band: float


class PortfolioProblem:
    """A compiled problem for one universe. Keep it for a run; building takes about a second."""

    def __init__(self, universe: Universe, *, solver: str = "CLARABEL") -> None:
        """Build the problem for all legs of `universe`; `solver` is a name that cvxpy knows."""
        self._solver = solver
        self._n = len(universe)
        self._parameters, self._variables, self._problem = _build(universe)

    def solve(self, numbers: ProblemNumbers) -> Floats:
        """Optimal w (legs), or OptimisationError saying what the solver answered."""
        import cvxpy as cp

        try:
            for name, parameter in self._parameters.items():
                parameter.value = getattr(numbers, name)
            with warnings.catch_warnings():
                # an inaccurate solution is judged by the limits it keeps, not by a warning
                warnings.simplefilter("ignore", UserWarning)
                self._problem.solve(solver=self._solver, ignore_dpp=False)
        except (cp.error.SolverError, ValueError, ArithmeticError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise OptimisationError(f"the solver {self._solver} failed: {reason}") from None
        status = str(self._problem.status)
        long, short = self._variables
        if status not in _USABLE or long.value is None or short.value is None:
            raise OptimisationError(f"the solver {self._solver} found no portfolio: status {status}")
        return np.asarray(long.value - short.value, dtype=np.float64)


def _build(universe: Universe) -> tuple[dict[str, Any], tuple[Any, Any], Any]:
    import cvxpy as cp

    n, venues = len(universe), len(universe.venues)
    p: dict[str, Any] = {}
    for name in ("current", "funding", "lower", "upper", "base_units", "beta"):
        p[name] = cp.Parameter(n)
    for name in ("trade_cost", "hold_cost", "risk_root", "impact_root"):
        p[name] = cp.Parameter(n, nonneg=True)
    for name in ("venue_gross", "venue_beta"):
        p[name] = cp.Parameter(venues, nonneg=True)
    p["delta_band"] = cp.Parameter(nonneg=True)
    long, short, buy, sell = (cp.Variable(n, nonneg=True) for _ in range(4))
    w, traded = long - short, buy - sell
    objective = (
        p["funding"] @ w
        + p["trade_cost"] @ (buy + sell)
        + p["hold_cost"] @ (long + short)
        + cp.sum_squares(cp.multiply(p["risk_root"], w))
        + cp.sum_squares(cp.multiply(p["impact_root"], traded))
    )
    venue_beta = universe.venue_matrix @ cp.multiply(p["beta"], w)
    constraints = [
        w - p["current"] == traded,
        w <= p["upper"],
        w >= p["lower"],
        universe.base_matrix @ cp.multiply(p["base_units"], w) == 0,
        universe.venue_matrix @ (long + short) <= p["venue_gross"],
        venue_beta <= p["venue_beta"],
        venue_beta >= -p["venue_beta"],
        cp.sum(w) <= p["delta_band"],
        cp.sum(w) >= -p["delta_band"],
    ]
    return p, (long, short), cp.Problem(cp.Minimize(objective), constraints)
