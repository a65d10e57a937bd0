"""The compiled problem of one universe: built once, solved again and again with new numbers (DPP).

What lives here: solving, and what comes out. What does not: how the problem is written down (`compilation`).

Most constraints of the first stage almost never bind (margin, survival, stress losses, currencies,
turnover), and they are most of the work. So the lean problem without them is solved first: where its
optimum keeps them all it is the optimum of the full problem, which is solved, and compiled, only where it
does not.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from funding_pipeline.core.errors import OptimisationError, PlanNumbersError
from funding_pipeline.portfolio.compilation import CompiledParts, Kind, ProblemNumbers, build_parts
from funding_pipeline.portfolio.legs import Floats, Universe
from funding_pipeline.portfolio.scenarios import scenario_set

_GIVE = {"base_neutral": 100.0, "portfolio_delta": 10.0, "portfolio_delta_short": 10.0}  # a hedge goes last
_MOVE_PRICE = 1e-3  # of a trade, against breaking a limit by as much
_OTHER_SOLVER = "SCS"  # a first-order method: slower, and seldom at a loss where an interior-point method is
_ACCURACY: dict[str, dict[str, float]] = {
    "CLARABEL": dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-6),
    "SCS": {"eps_abs": 1e-6, "eps_rel": 1e-7, "max_iters": 50_000, "time_limit_secs": 30.0},
}
"""Millionths of the scale and of a basis point; limits are given tighter than that (`formulation`)."""
_FAST = {"CLARABEL": {"iterative_refinement_enable": False}}
"""Refining each step costs a quarter of the time and changes no solution; a second attempt does refine."""
_CAREFUL = {
    "CLARABEL": {"max_step_fraction": 0.9}
}  # shorter steps: bands of zero are solved that otherwise are not
_USABLE = {"optimal", "optimal_inaccurate"}
_TOLERANCE = 1e-7  # of the scale, for a constraint that the lean problem does not have


@dataclass(frozen=True)
class Answer:
    """First-stage `notional` (n), collateral wanted after it (V, as `allocation`), and multipliers.

    `objective`: what was minimised, basis points of scale. `duals`: constraint name -> multipliers, basis
    points of scale per unit of scale.
    """

    notional: Floats
    allocation: Floats
    duals: Mapping[str, Floats]
    objective: float


@dataclass
class _Compiled:
    """A problem, and the same again for the other solver: going to and fro would compile it anew."""

    parts: CompiledParts
    problem: Any
    other: Any = None


class PortfolioProblem:
    """A problem for one universe. Keep it for a run; what is compiled stays."""

    def __init__(
        self, universe: Universe, *, stages: int = 2, scenarios: int | None = None, solver: str = "CLARABEL"
    ) -> None:
        """For all legs of `universe`; `scenarios`: how many, by default those of `scenarios.py`."""
        self.universe = universe
        self.stages = stages
        self.solver = solver
        self.scenarios = count_scenarios(universe) if scenarios is None else scenarios
        self.solver_seconds = 0.0
        self._kept: dict[Kind, _Compiled] = {}

    def solve(self, numbers: ProblemNumbers) -> Answer:
        """The optimum, or OptimisationError saying what the solver answered; PlanNumbersError before that.

        `solver_seconds` is afterwards what the solver says that it took, without building its input.
        """
        self.solver_seconds = 0.0
        try:
            answer = self._answer("lean", numbers)
        except OptimisationError:  # more constraints may steady the solver; no solution here is none there
            return self._answer("full", numbers)
        if first_stage_excess(numbers, universe=self.universe, notional=answer.notional) <= _TOLERANCE:
            return answer
        return self._answer("full", numbers)

    def solve_elastic(self, numbers: ProblemNumbers) -> tuple[Answer, dict[str, Floats]]:
        """The book that breaks limits least in sum, and by how much each is broken."""
        answer = self._answer("elastic", numbers)
        slack = self._compiled("elastic").parts.slack
        return answer, {name: np.atleast_1d(item.value) for name, item in slack.items()}

    def _answer(self, kind: Kind, numbers: ProblemNumbers) -> Answer:
        compiled = self._compiled(kind)
        for name, parameter in compiled.parts.parameters.items():
            self._require(name, np.asarray(getattr(numbers, name), dtype=np.float64), parameter)
        solved = solve_compiled(compiled, numbers, solver=self.solver)
        self.solver_seconds += float(solved.solver_stats.solve_time)
        return _answer(compiled.parts, solved)

    def _require(self, name: str, values: Floats, parameter: Any) -> None:
        """Raise PlanNumbersError naming array, leg and value, unless all is as the problem has it."""
        if values.shape != parameter.shape:
            raise PlanNumbersError(f"plan: {name} has the shape {values.shape}, not {parameter.shape}")
        bad = ~np.isfinite(values) | ((values < 0) if parameter.attributes["nonneg"] else False)
        if not bad.any():
            return
        at = tuple(int(index) for index in np.argwhere(bad)[0])
        is_of_legs = bool(at) and values.shape[-1] == len(self.universe)
        leg = self.universe.legs[at[-1]] if is_of_legs else None
        where = f" of {leg.venue} {leg.symbol}" if leg is not None else f" at {at}" if at else ""
        raise PlanNumbersError(f"plan: {name}{where} is {float(values[at])}")

    def _compiled(self, kind: Kind) -> _Compiled:
        if kind not in self._kept:
            self._kept[kind] = _compile(
                build_parts(self.universe, stages=self.stages, scenarios=self.scenarios, kind=kind)
            )
        return self._kept[kind]


def _compile(parts: CompiledParts) -> _Compiled:
    """The problem of `parts`; where limits may be broken, breaking them least goes before everything else."""
    import cvxpy as cp

    objective = parts.objective
    if parts.slack:
        objective = sum(_GIVE.get(name, 1.0) * cp.sum(item) for name, item in parts.slack.items())
        now = parts.parameters["long_now"] - parts.parameters["short_now"]
        objective += _MOVE_PRICE * cp.norm1(parts.notional - now)
    everything = [item for group in parts.constraints.values() for item in group]
    problem = cp.Problem(cp.Minimize(objective), everything)
    if not problem.is_dpp():
        raise ValueError("the problem cannot be compiled once: it is not DPP")
    return _Compiled(parts, problem)


def first_stage_excess(numbers: ProblemNumbers, *, universe: Universe, notional: Floats) -> float:
    """How far a book is over the constraints that the lean problem leaves out, largest, in units of scale."""
    u, size = universe, np.abs(notional)
    margin = u.venue_matrix @ (numbers.maintenance * size)
    left = (numbers.margin_collateral - margin)[u.venue_index]
    long, short = np.maximum(notional, 0.0), np.maximum(-notional, 0.0)
    losses = numbers.scenario_long @ long + numbers.scenario_short @ short
    over = (
        u.base_matrix @ size - numbers.base_gross,
        np.abs(u.currency_matrix @ notional) - numbers.currency_net,
        margin - numbers.margin_share,
        np.where(size > 0, numbers.survival * size - left, 0.0),
        np.abs(notional - numbers.long_now + numbers.short_now).sum(keepdims=True) - numbers.turnover,
        np.array([_weighted_tail(losses, numbers.scenario_weight) - numbers.scenario_cap]),
    )
    return max(float(excess.max(initial=0.0)) for excess in over)


def _weighted_tail(losses: Floats, weight: Floats) -> float:
    """CVaR of losses whose weights are probabilities over (1 - level): the worst, up to weights of 1."""
    order = np.argsort(-losses, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(weight[order])[:-1]])
    return float(losses[order] @ np.clip(1 - before, 0.0, weight[order]))


def count_scenarios(universe: Universe) -> int:
    """How many stress scenarios there are for `universe`, whatever their numbers."""
    ones = np.ones(len(universe))
    found = scenario_set(universe, venue_currency=universe.venue_currency, beta=ones, half_spread=ones * 1e-4)
    return len(found.names)


def solve_compiled(compiled: _Compiled, numbers: ProblemNumbers, *, solver: str) -> Any:
    """Set the parameters and solve; the problem solved. OptimisationError names the solver and its status."""
    import cvxpy as cp

    try:
        for name, parameter in compiled.parts.parameters.items():
            parameter.value = getattr(numbers, name)
        with warnings.catch_warnings():
            # an inaccurate solution is judged by the limits it keeps, not by a warning
            warnings.simplefilter("ignore", UserWarning)
            problem = _solve(compiled, solver)
    except (cp.error.SolverError, ValueError, ArithmeticError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OptimisationError(f"the solver {solver} failed: {reason}") from None
    if str(problem.status) not in _USABLE:
        raise OptimisationError(f"the solver {solver} found no portfolio: status {problem.status}")
    return problem


def _solve(compiled: _Compiled, solver: str) -> Any:
    """Re-solve in the workspace of the last solution; from scratch where that fails; then by another method.

    The workspace keeps the scaling of the first numbers, which may suit later ones badly.
    """
    import cvxpy as cp

    problem, accuracy = compiled.problem, _ACCURACY.get(solver, {})
    try:
        problem.solve(solver=solver, ignore_dpp=False, warm_start=True, **accuracy, **_FAST.get(solver, {}))
        if str(problem.status) in _USABLE:
            return problem
    except cp.error.SolverError:
        pass
    try:
        problem.solve(
            solver=solver, ignore_dpp=False, warm_start=False, **accuracy, **_CAREFUL.get(solver, {})
        )
        return problem
    except cp.error.SolverError:
        compiled.other = compiled.other or cp.Problem(problem.objective, problem.constraints)
        compiled.other.solve(solver=_OTHER_SOLVER, ignore_dpp=False, **_ACCURACY[_OTHER_SOLVER])
        return compiled.other


def _answer(parts: CompiledParts, problem: Any) -> Answer:
    return Answer(
        notional=np.asarray(parts.notional.value, dtype=np.float64),
        allocation=np.asarray(parts.allocation.value, dtype=np.float64),
        duals={name: _multipliers(group) for name, group in parts.constraints.items()},
        objective=float(problem.value),
    )


def _multipliers(group: list[Any]) -> Floats:
    values = [np.atleast_1d(np.asarray(item.dual_value, dtype=np.float64)) for item in group]
    return np.concatenate(values)
