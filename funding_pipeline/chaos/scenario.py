"""An episode drawn from a seed: accounts, targets, verdicts, faults, kills, orders from above.

What lives here: what will be tried, as values. What does not: trying it (`episode`). The same seed and
number give the same scenario, whatever was drawn before.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from funding_pipeline.chaos.engines import base_of
from funding_pipeline.chaos.faults_drawn import DrawnFault, draw_faults
from funding_pipeline.chaos.guard_lives import GuardPlan
from funding_pipeline.chaos.kills import Kill
from funding_pipeline.chaos.lives import Task
from funding_pipeline.chaos.mishaps import Mishap, draw_mishaps
from funding_pipeline.chaos.shapes_drawn import draw_shapes
from funding_pipeline.core.governance import LegDecision, TradingState
from funding_pipeline.testnet.engine.values import Instrument

HOUR_MS = 3_600_000
GUARDED = 0.3
"""Share of the episodes in which a guard runs beside the executors."""
ZERO = Decimal(0)


@dataclass(frozen=True)
class DrawnLeg:
    """A leg of a plan: `quantity` is the target, `allowed` what the verdict lets through."""

    venue: str
    symbol: str
    quantity: Decimal
    allowed: Decimal
    decision: LegDecision


@dataclass(frozen=True)
class Stage:
    """One rebalance, or a flattening of what the stages before it have built."""

    task: Task
    legs: tuple[DrawnLeg, ...]
    verdict_seconds: float


@dataclass(frozen=True)
class StateChange:
    """Somebody sets the trading state, `at_s` seconds into the episode."""

    at_s: float
    state: TradingState


@dataclass(frozen=True)
class Scenario:
    """Everything random about an episode. `guard`: of the guard that looks on, None where there is none;
    `mishaps` come when no executor runs any more, and the guard is to mend what they do.

    `kills`: the end of each life; those after the last one live on.
    `pauses_s`: pauses between lives. `calm_state`: set once the faults
    are over; None: the state stays as it is.
    """

    number: int
    seed: int
    start_ms: int
    balances: Mapping[str, Decimal]
    stages: tuple[Stage, ...]
    faults: tuple[DrawnFault, ...]
    states: tuple[StateChange, ...]
    kills: tuple[Kill, ...]
    pauses_s: tuple[float, ...]
    calm_state: TradingState | None
    guard: GuardPlan | None = None
    mishaps: tuple[Mishap, ...] = ()


def draw(
    seed: int,
    number: int,
    *,
    instruments: Mapping[str, Sequence[Instrument]],
    prices: Mapping[str, Decimal],
    period: tuple[int, int],
) -> Scenario:
    """Scenario `number` of a campaign. `prices`: USD per base unit, roughly; `period`: ms, whole hours."""
    chance = random.Random(f"chaos {seed} {number}")
    venues = sorted(chance.sample(sorted(instruments), chance.choice((2, 2, 3))))
    bases = sorted(chance.sample(sorted(prices), chance.choice((1, 1, 2))))
    listed = {venue: _by_base(instruments[venue]) for venue in venues}
    stages = _stages(chance, listed, bases, prices)
    legs = sorted({(leg.venue, leg.symbol) for stage in stages for leg in stage.legs})
    states = _states(chance)
    # Of their own, so that an episode is the same with and without a guard, or other hands.
    beside = random.Random(f"chaos guard {seed} {number}")
    others = random.Random(f"chaos shapes {seed} {number}")
    is_guarded = beside.random() < GUARDED
    mishaps = draw_mishaps(beside) if is_guarded else ()
    return Scenario(
        number=number,
        seed=chance.getrandbits(32),
        start_ms=_start(chance, period),
        balances={venue: Decimal(chance.choice((3_000, 50_000, 200_000, 500_000))) for venue in venues},
        stages=stages,
        faults=draw_faults(chance, venues, legs) + draw_shapes(others, venues, legs),
        states=states,
        kills=_kills(chance),
        pauses_s=tuple(round(min(chance.expovariate(1 / 6), 60), 1) for _ in range(12)),
        calm_state=chance.choice(("ACTIVE", "ACTIVE", None)) if states else None,
        guard=_guard(beside, len(mishaps)) if is_guarded else None,
        mishaps=mishaps,
    )


def _guard(chance: random.Random, mishaps: int) -> GuardPlan:
    """None to two of its lives end early, as those of executors do, and most that meet a mishap."""
    return GuardPlan(
        kills=tuple(_kill(chance) for _ in range(chance.choice((0, 1, 1, 2)))),
        pauses_s=tuple(round(min(chance.expovariate(1 / 10), 90), 1) for _ in range(4)),
        at_mishaps=tuple(
            Kill("writes", chance.randrange(36)) if chance.random() < 0.7 else None for _ in range(mishaps)
        ),
    )


def _by_base(instruments: Sequence[Instrument]) -> Mapping[str, Instrument]:
    return {base_of(instrument.symbol)[0]: instrument for instrument in instruments}


def _start(chance: random.Random, period: tuple[int, int]) -> int:
    """Any second; one time in four within two minutes before a settlement."""
    first, last = period
    hour = chance.randrange(first // HOUR_MS, last // HOUR_MS) * HOUR_MS
    if chance.random() < 0.25:
        eight = 8 * HOUR_MS
        return hour // eight * eight + eight - chance.randrange(5, 120) * 1000
    return hour + chance.randrange(0, 3_600) * 1000


def _stages(
    chance: random.Random,
    listed: Mapping[str, Mapping[str, Instrument]],
    bases: Sequence[str],
    prices: Mapping[str, Decimal],
) -> tuple[Stage, ...]:
    stages = [_rebalance(chance, listed, bases, prices)]
    if chance.random() < 0.45:
        again = _rebalance(chance, listed, bases, prices)
        stages.append(Stage("flatten", again.legs, 900) if chance.random() < 0.35 else again)
    return tuple(stages)


def _rebalance(
    chance: random.Random,
    listed: Mapping[str, Mapping[str, Instrument]],
    bases: Sequence[str],
    prices: Mapping[str, Decimal],
) -> Stage:
    legs = [leg for base in bases for leg in _pair(chance, listed, base, prices[base])]
    return Stage("rebalance", tuple(legs), chance.choice((900.0, 900.0, 45.0)))


def _pair(
    chance: random.Random, listed: Mapping[str, Mapping[str, Instrument]], base: str, price: Decimal
) -> list[DrawnLeg]:
    """Long one venue, short another; a verdict cuts or refuses both alike. Every venue has a leg."""
    venues = [venue for venue in listed if base in listed[venue]]
    chance.shuffle(venues)
    notional = Decimal(chance.choice((40, 900, 6_000, 25_000, 40_000)))
    step = max(listed[venue][base].step for venue in venues)
    size = notional * Decimal(str(round(chance.uniform(0.5, 1.5), 3))) / price
    if chance.random() < 0.8:  # else: off every grid, so that there is dust
        size = size // step * step
    kept = Decimal(str(chance.choice((1, 1, 1, 1, 0.5, 0))))
    allowed = (size * kept).quantize(Decimal("1e-8"), ROUND_DOWN) if kept != 1 else size
    decision: LegDecision = "pass" if kept == 1 else "cut" if kept else "refuse"
    signs = {venues[0]: 1, venues[1]: -1}
    return [
        DrawnLeg(
            venue,
            listed[venue][base].symbol,
            signs.get(venue, 0) * size,
            signs.get(venue, 0) * allowed,
            decision,
        )
        for venue in sorted(venues)
    ]


def _states(chance: random.Random) -> tuple[StateChange, ...]:
    """Two episodes in five are interrupted from above, some of them twice."""
    if chance.random() > 0.4:
        return ()
    first = StateChange(round(min(chance.expovariate(1 / 4), 30), 2), chance.choice(("HALTED", "REDUCING")))
    if chance.random() < 0.5:
        return (first,)
    later = round(first.at_s + chance.uniform(0.2, 30), 2)
    return first, StateChange(later, chance.choice(("ACTIVE", "REDUCING", "HALTED")))


def _kills(chance: random.Random) -> tuple[Kill, ...]:
    """None to four lives end early, most of them where something is written."""
    return tuple(_kill(chance) for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 4))))


def _kill(chance: random.Random) -> Kill:
    if chance.random() < 0.3:
        return Kill("any", int(chance.expovariate(1 / 45)))
    return Kill("writes", int(chance.expovariate(1 / 12)))
