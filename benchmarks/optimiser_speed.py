"""How long a decision over 1,000 legs takes, beside its solver's own time and cvxportfolio's optimisation.

    python benchmarks/optimiser_speed.py [--venues 5] [--bases 200] [--decisions 12] [--without-cvxportfolio]

Decisions follow each other as in a back-test: the forecasts drift, and what was planned is what is held.
Per decision: `optimise` (numbers, problem, solution, limits), `plan_portfolio` (scenarios, limits and whole
lots as well), and what the solver says that it took. Goals: a median within 1.5 times the solver's own, and
three times faster than cvxportfolio's single-period optimisation on the same legs and forecasts.

cvxportfolio gets the same expected returns, costs with their power of 1.5, a diagonal covariance (its
cheapest risk), leverage, caps of legs, venue betas, and flat bases as a constraint of its own (`_neutral`).
It has no stages, scenarios, margin, lots or collateral. It is not a dependency: `pip install cvxportfolio`,
best in a copy of the environment. The first decision of both compiles, and is left out of the medians.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import funding_pipeline.portfolio.planning as planning
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import LegInputs, Universe
from funding_pipeline.portfolio.optimiser import optimise
from funding_pipeline.portfolio.planning import plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline_tests.portfolio.situations import costs_of, inputs_of, universe_of

_FEE, _HALF_SPREAD = 3e-4, 1e-4
_IMPACT = 0.25 * 0.03 / np.sqrt(1e9)  # b x a day's volatility / root of a day's volume


@dataclass(frozen=True)
class Seconds:
    """Of one decision."""

    plan: float
    optimise: float
    solver: float


def main() -> None:
    """Run ours, then the other; print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--venues", type=int, default=5)
    parser.add_argument("--bases", type=int, default=200)
    parser.add_argument("--decisions", type=int, default=12)
    parser.add_argument("--without-cvxportfolio", action="store_true")
    options = parser.parse_args()
    universe = universe_of("abcdefgh"[: options.venues], tuple(f"C{i:03}" for i in range(options.bases)))
    print(f"{len(universe):,} legs, {options.decisions} decisions; load average {os.getloadavg()[0]:.1f}")
    ours = _ours(universe, decisions=options.decisions)
    if options.without_cvxportfolio:
        return
    try:
        import cvxportfolio
    except ImportError:
        print("cvxportfolio is not installed (pip install cvxportfolio): nothing to compare with")
        return
    theirs = _theirs(cvxportfolio, universe, decisions=options.decisions)
    print(
        f"cvxportfolio {cvxportfolio.__version__}: {theirs:.2f} s, {theirs / ours:.1f} times ours (goal: 3)"
    )
    print(f"load average {os.getloadavg()[0]:.1f}")


def _decisions(universe: Universe, *, count: int) -> Iterator[LegInputs]:
    """Forecasts that drift: half of each leg's level stays from one decision to the next."""
    rng = np.random.default_rng(5)
    n = len(universe)
    path = rng.normal(0, 4e-6, (3, n)) + rng.normal(0, 1e-5, n)
    basis, venue_basis = rng.uniform(5e-4, 2e-3, n), rng.uniform(2e-4, 5e-4, len(universe.venues))
    beta = rng.uniform(0.5, 1.8, len(universe.bases))[universe.base_index]
    for _ in range(count):
        path = 0.8 * path + 0.6 * (rng.normal(0, 4e-6, (3, n)) + rng.normal(0, 1e-5, n))
        rate = np.array([24.0, 48.0, 96.0]) @ path / 168
        yield inputs_of(
            universe, rate=rate, rate_path=path, basis_sd=basis, venue_basis_sd=venue_basis, beta=beta
        )


def _costs(universe: Universe) -> LegCosts:
    plain = costs_of(universe, cost=_FEE, impact=_IMPACT)
    return replace(plain, half_spread=np.full(len(universe), _HALF_SPREAD))


def _ours(universe: Universe, *, decisions: int) -> float:
    """Print medians; the median second of `plan_portfolio`."""
    config = PortfolioConfig(no_trade_multiple=1.0)
    problem, costs = PortfolioProblem(universe, stages=3), _costs(universe)
    inside: list[float] = []
    planning.optimise = partial(_timed, into=inside)  # the decision's own call, with a clock beside it
    quantities, taken = np.zeros(len(universe)), []
    for inputs in _decisions(universe, count=decisions):
        began, earlier = time.perf_counter(), len(inside)
        plan = plan_portfolio(
            inputs=inputs,
            quantities=quantities,
            problem=problem,
            universe=universe,
            costs=costs,
            config=config,
        )
        seconds = time.perf_counter() - began
        taken.append(Seconds(seconds, sum(inside[earlier:]), problem.solver_seconds))
        traded = int((plan.trade_quantity != 0).sum())
        print(
            f"  {plan.status} {traded:>4} trades, gross {plan.gross_usd:>9,.0f} USD: plan {seconds:6.2f} s, "
            f"optimise {taken[-1].optimise:6.2f} s, solver {problem.solver_seconds:6.2f} s"
        )
        quantities = plan.quantity_target
    later = taken[1:]
    plan_s, optimise_s, solver_s = (
        statistics.median(getattr(item, name) for item in later) for name in ("plan", "optimise", "solver")
    )
    ratios = [statistics.median(getattr(i, name) / i.solver for i in later) for name in ("plan", "optimise")]
    print(
        f"median: plan {plan_s:.2f} s ({ratios[0]:.2f} times the solver's own), optimise {optimise_s:.2f} s "
        f"({ratios[1]:.2f}), solver {solver_s:.2f} s (goal: 1.5); compiled within {taken[0].plan:.1f} s"
    )
    return plan_s


def _timed(*, into: list[float], **given: Any) -> Any:
    began = time.perf_counter()
    try:
        return optimise(**given)
    finally:
        into.append(time.perf_counter() - began)


def _theirs(cvx: Any, universe: Universe, *, decisions: int) -> float:
    """Median second of its policy in its own simulator, which compiles it once; the first left out."""
    import pandas as pd

    warnings.simplefilter("ignore")
    names = [leg.name for leg in universe.legs]
    times = pd.date_range("2024-01-01", periods=decisions + 1, freq="8h", tz="UTC")
    flat = pd.DataFrame(0.0, index=times, columns=[*names, "cash"])
    data = cvx.UserProvidedMarketData(returns=flat, cash_key="cash", min_history=pd.Timedelta(0))
    policy = _single_period(cvx, universe, decisions=decisions, times=times)
    result = cvx.MarketSimulator(market_data=data, costs=[]).backtest(
        policy, start_time=times[0], end_time=times[-1], initial_value=PortfolioConfig().capital_usd
    )
    taken = [float(value) for value in result.policy_times.dropna()]
    gross = result.w[names].abs().sum(axis=1)
    for seconds, held in zip(taken, gross.iloc[1:], strict=False):
        print(f"  cvxportfolio {seconds:6.2f} s, gross {held * PortfolioConfig().capital_usd:>9,.0f} USD")
    return statistics.median(taken[1:])


def _neutral(cvx: Any, base_matrix: Any) -> Any:
    """Flat bases as a constraint of its own kind, with a constant matrix.

    FactorNeutral takes the 200 x 1,000 exposures as parameters, and 24 GB are not enough to compile that.
    """

    class NeutralBases(cvx.constraints.Constraint):
        def compile_to_cvxpy(self, w_plus: Any, **_: Any) -> list[Any]:
            return [base_matrix @ w_plus[:-1] == 0]

    return NeutralBases()


def _single_period(cvx: Any, universe: Universe, *, decisions: int, times: Any) -> Any:
    """Its policy: returns, costs and risk over the same hold, and what it can of the constraints."""
    import pandas as pd

    config, names = PortfolioConfig(), [leg.name for leg in universe.legs]
    steps = list(_decisions(universe, count=decisions))
    gains = [-step.rate_per_hour * config.expected_hold_hours for step in steps]
    forecast = pd.DataFrame([*gains, gains[-1]], index=times, columns=names)
    beta = pd.DataFrame((universe.venue_matrix * steps[0].beta).T, index=names, columns=list(universe.venues))
    venues = pd.Series(config.venue_beta_band_fraction / len(universe.venues), index=list(universe.venues))
    cap = config.leg_cap_fraction / len(universe.venues)
    trading = cvx.TransactionCost(
        a=2 * (_FEE + _HALF_SPREAD), b=2 * 0.25, volume_hat=pd.Series(1e9, index=names),
        sigma=pd.Series(0.03, index=names),
    )  # fmt: skip
    risk = cvx.DiagonalCovariance(pd.Series(steps[0].basis_sd ** 2, index=names))
    return cvx.SinglePeriodOptimization(
        cvx.ReturnsForecast(forecast) - config.risk_aversion / 2 * risk - trading,
        [
            cvx.LeverageLimit(config.gross_leverage),
            cvx.MaxWeights(cap),
            cvx.MinWeights(-cap),
            _neutral(cvx, universe.base_matrix),
            cvx.FactorMaxLimit(beta, venues),
            cvx.FactorMinLimit(beta, -venues),
        ],
        include_cash_return=False,
        solver="CLARABEL",
    )


if __name__ == "__main__":
    main()
