"""`funding-pipeline chaos`: adversarial episodes of the executor against the testnet's engines.

What lives here: which market and executor, and printing. What does not: the campaign (`chaos.campaign`).
"""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from funding_pipeline.chaos.campaign import Campaign, journal_folder, lines
from funding_pipeline.chaos.engines import SelectedMarket, SharedMarket
from funding_pipeline.chaos.episode import Outcome
from funding_pipeline.chaos.guard_lives import GuardSetting
from funding_pipeline.chaos.october_2025.outcome import OctoberOutcome
from funding_pipeline.chaos.october_2025.outcome import lines as october_lines
from funding_pipeline.chaos.october_2025.play import play
from funding_pipeline.chaos.october_2025.plot import october_plot
from funding_pipeline.chaos.october_2025.story import Story
from funding_pipeline.chaos.side_by_side import run
from funding_pipeline.core.errors import SettingsError
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.storage.whole_file import write_whole
from funding_pipeline.trading.executor import Executor

MARKET_SEED = 7
SCENARIO = "october-2025"
_START, _END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 15, tzinfo=UTC)
CONFIG = ExecutionConfig(
    slice_usd=10_000,
    maker_seconds=6,
    maker_bases=frozenset({"ETH"}),
    deadline_seconds=90,
    grace_seconds=60,
)
"""Several slices per leg, and orders that rest, so that there is something to go wrong between them."""


GUARD = GuardSetting(
    limits=RiskLimits(
        max_base_delta_usd=50,
        max_portfolio_delta_usd=1e9,
        max_venue_beta_usd=1e9,
        max_gross_notional_usd=1e10,
        max_venue_notional_usd=1e10,
        max_base_notional_usd=1e10,
        max_instrument_notional_usd=1e10,
        max_margin_fraction=1,
        survival_move_fraction=0,
        max_daily_loss_usd=1e9,
        max_drawdown_fraction=1,
    ),
    execution=CONFIG,
    config=GuardConfig(poll_seconds=10, slow_look_seconds=120, naked_seconds=5, tidy_seconds=30),
    max_age_seconds=45,
)
"""A guard that looks after naked legs alone: sizes and margins of an episode are drawn without limits. It
looks less often than in earnest, for each look of an episode takes real time."""


OCTOBER = GuardSetting(
    limits=RiskLimits.for_capital(870_000),
    execution=ExecutionConfig(guard_max_age_seconds=60),
    config=GuardConfig(poll_seconds=10, slow_look_seconds=20),
    max_age_seconds=60,
    betas={"BTC": 1.0, "ETH": 1.1, "SOL": 1.4, "XRP": 1.1, "DOGE": 1.4, "AVAX": 1.4},
)
"""Limits and executor as they are by default for what the accounts hold; the guard looks every ten seconds,
to spare real time."""


def run_campaign(episodes: int, seed: int, as_json: bool) -> int:
    """Run the campaign and print its figures; 1 where a rule was broken, else 0."""
    is_person = not as_json and sys.stderr.isatty()
    totals, seconds = run(make_campaign, episodes, seed, told=_tell if is_person else lambda outcome: None)
    figures = totals.as_json(seed, seconds)
    print(json.dumps(figures, indent=2) if as_json else "\n".join(lines(figures)))
    return 0 if totals.is_clean else 1


def run_scenario(name: str | None, as_json: bool, out: Path | None) -> int:
    """Play 10 October 2025 and print what came of it; 1 where a rule was broken, else 0.

    Raises SettingsError for another name, StorageError where the picture cannot be written.
    """
    if name != SCENARIO:
        raise SettingsError(f"--scenario {name or ''}: there is {SCENARIO}; --out draws it")
    logging.getLogger("funding_pipeline.guard").setLevel(logging.CRITICAL + 1)  # they are in the timeline
    outcome = play_october()
    if out is not None:
        picture = october_plot(outcome)
        write_whole(out, lambda partial: partial.write_bytes(picture))
    print(json.dumps(outcome.as_json(), indent=2) if as_json else "\n".join(october_lines(outcome)))
    return 0 if outcome.is_clean else 1


def play_october(story: Story | None = None) -> OctoberOutcome:
    """The day over the simulated market, with the executor and the guard as they are."""
    chosen = story or Story()
    market = SharedMarket(SelectedMarket(simulated_market(), chosen.venues, chosen.bases))
    with journal_folder() as folder:
        return play(market, chosen, OCTOBER, terms=load_venue_terms(), folder=folder)


def make_campaign() -> Campaign:
    """The executor as it is, over the simulated market."""
    return Campaign(simulated_market(), make_executor=Executor, config=CONFIG, guard=GUARD)


def simulated_market() -> SimulatedMarket:
    """Two weeks of the simulated market; the same for every campaign."""
    return SimulatedMarket(seed=MARKET_SEED, start=_START, end=_END)


def _tell(outcome: Outcome) -> None:
    for violation in outcome.violations:
        print(f"episode {outcome.number}: {violation.rule}: {violation.text}", file=sys.stderr)
