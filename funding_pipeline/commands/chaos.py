"""`funding-pipeline chaos`: adversarial episodes of the executor against the testnet's engines.

What lives here: which market and executor, and printing. What does not: the campaign (`trading.chaos`).
"""

import json
import sys
from datetime import UTC, datetime

from funding_pipeline.chaos.campaign import Campaign, lines
from funding_pipeline.chaos.episode import Outcome
from funding_pipeline.chaos.side_by_side import run
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.trading.executor import Executor

MARKET_SEED = 7
_START, _END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 15, tzinfo=UTC)
CONFIG = ExecutionConfig(
    slice_usd=10_000,
    maker_seconds=6,
    maker_bases=frozenset({"ETH"}),
    deadline_seconds=90,
    grace_seconds=60,
)
"""Several slices per leg, and orders that rest, so that there is something to go wrong between them."""


def run_campaign(episodes: int, seed: int, as_json: bool) -> int:
    """Run the campaign and print its figures; 1 where a rule was broken, else 0."""
    is_person = not as_json and sys.stderr.isatty()
    totals, seconds = run(make_campaign, episodes, seed, told=_tell if is_person else lambda outcome: None)
    figures = totals.as_json(seed, seconds)
    print(json.dumps(figures, indent=2) if as_json else "\n".join(lines(figures)))
    return 0 if totals.is_clean else 1


def make_campaign() -> Campaign:
    """The executor as it is, over the simulated market."""
    return Campaign(simulated_market(), make_executor=Executor, config=CONFIG)


def simulated_market() -> SimulatedMarket:
    """Two weeks of the simulated market; the same for every campaign."""
    return SimulatedMarket(seed=MARKET_SEED, start=_START, end=_END)


def _tell(outcome: Outcome) -> None:
    for violation in outcome.violations:
        print(f"episode {outcome.number}: {violation.rule}: {violation.text}", file=sys.stderr)
