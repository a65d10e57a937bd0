"""Random markets, ordinary and absurd: every plan keeps every limit or says why not.

The same with 2,000 decisions and a table: benchmarks/random_markets.py.
"""

import pytest

from funding_pipeline_tests.portfolio.plan_faults import plan_faults
from funding_pipeline_tests.portfolio.random_markets import random_decision
from funding_pipeline_tests.portfolio.random_universes import random_universe

DECISIONS = 15


@pytest.mark.parametrize("universe", range(10))
def test_every_plan_keeps_every_limit_or_says_why_not(universe: int) -> None:
    market = random_universe(universe)
    for number in range(DECISIONS):
        decision = random_decision(1_000 * universe + number, market)
        plan = decision.plan()
        assert plan_faults(decision, plan) == [], (decision.seed, plan.status, plan.status_reason)


def test_a_decision_is_the_same_for_its_seed() -> None:
    market = random_universe(3)
    one, two = (random_decision(7, market) for _ in range(2))
    assert (one.quantities == two.quantities).all()
    assert one.config == two.config
