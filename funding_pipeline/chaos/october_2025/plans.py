"""Plans of the day: the story's book as targets, judged as every plan is.

What lives here: targets and verdicts. What does not: carrying them out (`play`).
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal

from funding_pipeline.chaos.engines import base_of
from funding_pipeline.chaos.ground import Ground
from funding_pipeline.chaos.october_2025.misdeeds import instrument_of
from funding_pipeline.chaos.october_2025.story import Pair, Story
from funding_pipeline.core.governance import RiskVerdict, TargetPosition
from funding_pipeline.execution.market_state import calm_state
from funding_pipeline.execution.verdict import judge
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.facts_reading import FactsReader
from funding_pipeline.trading.session import TradingSession

_MODEL_AGE = timedelta(hours=2)


async def judged(
    session: TradingSession,
    name: str,
    targets: list[TargetPosition],
    *,
    betas: Mapping[str, float],
    note: Callable[[str], None],
) -> RiskVerdict:
    """What of `targets` the limits allow now; kept in the journal. `note` hears of venues that are silent."""
    book, down = await read_book(session, betas=betas)
    for venue in sorted(down):
        note(f"{name}: {venue} cannot be read")
    market = await FactsReader(session).read(
        [(target.venue, target.symbol) for target in targets],
        model_trained_at=session.now() - _MODEL_AGE,
        state=calm_state(session.now()),  # no models run here: the day is about what they would not see
    )
    verdict = judge(
        targets,
        book,
        market=market,
        limits=session.limits(),
        state=session.journal.state().state,
        rebalance=f"october {name}",
        judged_at=session.now(),
    )
    session.journal.save_verdict(verdict)
    return verdict


def story_targets(
    ground: Ground, story: Story, first: Mapping[str, Decimal], *, scale: Decimal
) -> list[TargetPosition]:
    """Both legs of every pair, of one size, times `scale`. `first`: prices by base at which it was sized."""
    return [
        target for pair in story.pairs for target in _pair(ground, pair, Decimal(pair.usd) * scale, first)
    ]


def _pair(ground: Ground, pair: Pair, usd: Decimal, first: Mapping[str, Decimal]) -> list[TargetPosition]:
    legs, steps = [], []
    for venue, sign in ((pair.long_on, 1), (pair.short_on, -1)):
        symbol = instrument_of(ground, venue, pair.base)
        multiplier, quotes = base_of(symbol)[1], ground.testnet.seat(venue).quotes
        steps.append(ground.testnet.seat(venue).exchange.instrument(symbol).step * multiplier)
        mark = quotes.mark(symbol, ground.testnet.clock.now())
        legs.append((venue, symbol, multiplier, sign, mark))
    units = usd / first[pair.base] // max(steps) * max(steps)
    return [TargetPosition(v, s, pair.base, m, sign * units / m, mark) for v, s, m, sign, mark in legs]
