"""The random-input campaign: thousands of made-up decisions, each plan judged by its limits.

    python benchmarks/random_markets.py [--decisions 2000] [--seed 0]

Universes of 2 to 6 venues and 1 to 10 coins, legs missing; prices from 1e-7 to 1e5 USD, capital from 1e3
to 1e8 USD; restrictions, frozen legs, closed venues, unknown forecasts and prices, empty books, no
collateral, bands of zero, positions in and far out of limits. Printed: how many plans were optimal, held or
reduced, the reasons in groups, and everything that is wrong with any (the exit code is 1 if anything is).
Reproduce one: `random_decision(seed, random_universe(universe)).plan()` with the seeds printed.
"""

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from funding_pipeline_tests.portfolio.plan_faults import plan_faults
from funding_pipeline_tests.portfolio.random_markets import random_decision
from funding_pipeline_tests.portfolio.random_universes import random_universe

_PER_UNIVERSE = 20


def main() -> int:
    """Plan and judge; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first universe")
    options = parser.parse_args()
    status: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    faults: list[str] = []
    began = time.perf_counter()
    for done in range(options.decisions):
        universe = options.seed + done // _PER_UNIVERSE
        if done % _PER_UNIVERSE == 0:
            market = random_universe(universe)
        decision = random_decision(1_000 * universe + done % _PER_UNIVERSE, market)
        plan = decision.plan()
        status[plan.status] += 1
        if plan.status != "optimal":
            reasons[_kind(plan.status_reason)] += 1
        faults += [
            f"universe {universe}, seed {decision.seed}: {fault}" for fault in plan_faults(decision, plan)
        ]
    print(f"{options.decisions:,} decisions in {time.perf_counter() - began:.0f} s")
    for name in ("optimal", "held", "reduced"):
        print(f"  {name:<8} {status[name]:>6,}  {status[name] / options.decisions:6.1%}")
    print("why there was no optimum")
    for reason, count in reasons.most_common():
        print(f"  {count:>6,}  {reason}")
    print(f"wrong: {len(faults)}")
    for fault in faults:
        print(f"  {fault}")
    return 1 if faults else 0


def _kind(reason: str) -> str:
    """The reason without names and amounts: solver's status, and kinds of limits on either side."""
    solver, _, said = reason.partition("; ")
    if "whole lots" in solver or "outside limits" in solver:
        return re.sub(r":[^,]+", "", solver.split(", ")[0])  # the first limit stands for all
    names = re.sub(r" \([\d,]+ USD over\)| stays: it hedges what is frozen", "", said)
    gives = names.split(" conflicts with ")[0].split("; ")[0].split(", ")[0]
    kind = re.sub(r" (of|on|in) .*", "", gives)
    return f"{solver.removeprefix('the solver CLARABEL ')}: {kind} has to give" if kind else solver


if __name__ == "__main__":
    sys.exit(main())
