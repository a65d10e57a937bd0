"""An episode from its first second to its audit: lives of an executor under faults, then calm.

What lives here: the order of things. What does not: what is drawn (`scenario`), a life (`lives`), the
rules (`audit`, `final_audit`).

First the stages are carried out by executors that die and are started again while faults and people
interfere. Then the faults end, except those that are for good, and executors without kills run until one
reports that it is done. Where a guard looks on, it dies and is started again all the while, and now it is
left alone: mishaps make legs naked, and it has to mend them. Then the books are compared.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from funding_pipeline.chaos.engines import EpisodeTestnet, SharedMarket, base_of
from funding_pipeline.chaos.fault_schedule import FaultSchedule
from funding_pipeline.chaos.final_audit import Residual, compare_statements
from funding_pipeline.chaos.ground import lay
from funding_pipeline.chaos.guard_lives import GuardSetting
from funding_pipeline.chaos.guard_watch import GuardTold, GuardWatch
from funding_pipeline.chaos.kills import Kill, KillSwitch
from funding_pipeline.chaos.lives import End, MakeExecutor, Task, execution, is_settled, live
from funding_pipeline.chaos.other_hands import claimed_orders, unnamed_positions
from funding_pipeline.chaos.scenario import Scenario, Stage
from funding_pipeline.chaos.violation import Violation
from funding_pipeline.chaos.virtual_time import VirtualClock, VirtualLoop
from funding_pipeline.core.governance import LegVerdict, RiskVerdict, TargetPosition, TradingState
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.execution.config import ExecutionConfig

MOST_LIVES = 8
"""Lives per stage while faults last; a stage that needs more is left for the calm."""
CALM_LIVES = 6
"""Lives in calm before an episode counts as not settling."""


@dataclass(frozen=True)
class Setting:
    """What all episodes of a campaign share."""

    market: SharedMarket
    make_executor: MakeExecutor
    config: ExecutionConfig
    terms: Mapping[str, VenueTerms]
    folder: Path
    guard: GuardSetting


@dataclass(frozen=True)
class Outcome:
    """What came of an episode. `ends`: how each life ended, for people."""

    number: int
    orders: int
    fills: int
    payments: int
    kills: Counter[str]
    faults: Counter[str]
    residual: Residual
    statements_unreadable: int
    violations: tuple[Violation, ...]
    ends: tuple[str, ...] = field(default=())
    guard: GuardTold = field(default_factory=GuardTold)


class Episode:
    """Plays one scenario in virtual time."""

    def __init__(self, scenario: Scenario, setting: Setting, loop: VirtualLoop) -> None:
        self._scenario, self._setting, self._loop = scenario, setting, loop
        self._clock = VirtualClock(loop, scenario.start_ms)
        ground = lay(
            EpisodeTestnet(setting.market, tuple(scenario.balances), self._clock),
            self._clock,
            balances=scenario.balances,
            journal_url=f"sqlite:///{setting.folder / f'episode-{scenario.number}.db'}",
            terms=setting.terms,
            seed=scenario.seed,
        )
        self._testnet, self._accounts, self._world = ground.testnet, ground.accounts, ground.world
        self.journal, self.audit, self.network = ground.journal, ground.audit, ground.network
        self._faults = FaultSchedule(ground.desk, scenario.faults, loop)
        self._kills, self._pauses = list(scenario.kills), list(scenario.pauses_s)
        self._patience = random.Random(scenario.seed)
        self._killed: Counter[str] = Counter()
        self._ends: list[str] = []
        self._crashes: list[Violation] = []
        self._verdicts = self._lives = 0
        self._watch = GuardWatch(ground, scenario, setting.guard, self._faults, loop)

    def play(self) -> Outcome:
        """From the first stage to the audit."""
        self._faults.start()
        self._watch.begin()
        for change in self._scenario.states:
            self._loop.call_later(change.at_s, self._set_state, change.state)
        for number, stage in enumerate(self._scenario.stages):
            self._carry_out(number, stage)
        self._calm()
        is_done = self._settle()
        self._watch.alone()
        return self._judged(is_done=is_done)

    # --- lives
    def _carry_out(self, number: int, stage: Stage) -> None:
        verdict = self._judge(number, stage)
        for _ in range(MOST_LIVES):
            if verdict.expires_at <= self._clock.moment():
                verdict = self._judge(number, stage)
            end = self._life(stage.task, verdict, self._kills.pop(0) if self._kills else None)
            self._wait(self._pauses.pop(0) if self._pauses else 20.0)
            if end.report is not None:
                return
            self._wait_for_lock()

    def _settle(self) -> bool:
        """Executors without kills until one has nothing left to do; or one, where a fault is for good."""
        number = len(self._scenario.stages) - 1
        stage = self._scenario.stages[number]
        for _ in range(CALM_LIVES):
            end = self._life(stage.task, self._judge(number, replace(stage, verdict_seconds=900)), None)
            if end.report is not None and (is_settled(end.report) or self._faults.last):
                return True
            self._wait_for_lock()
            self._wait(10.0)
        return False

    def _life(self, task: Task, verdict: RiskVerdict, kill: Kill | None) -> End:
        self._lives += 1
        switch = KillSwitch(kill, f"executor {self._lives}")
        work = execution(
            self._world,
            task,
            verdict,
            make_executor=self._setting.make_executor,
            config=self._watch.asked_for(self._setting.config),
        )
        end = live(self._loop, self._world, switch=switch, work=work)
        if end.killed_at is not None:
            self._killed[end.killed_at] += 1
        if end.is_crash:
            self._crashes.append(Violation("executor_failures", end.text))
        self.audit.died(switch.process)
        self._ends.append(f"{self._clock.moment():%d %H:%M:%S} {task}: {end.text}")
        return end

    def _wait_for_lock(self) -> None:
        """Mostly: an executor that finds the lock of a dead one only says so and ends."""
        for _ in range(self._patience.choice((0, 40, 40, 40))):
            if self.journal.lock_holder() is None:
                return
            self._wait(2.0)

    def _wait(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))

    # --- from above
    def _judge(self, number: int, stage: Stage) -> RiskVerdict:
        """A verdict as drawn, about prices of now."""
        self._verdicts += 1
        now = self._clock.moment()
        verdict = RiskVerdict(
            verdict_id=f"verdict-{self._scenario.number}-{self._verdicts}",
            rebalance=f"chaos-{self._scenario.number}-{number}",
            judged_at=now,
            expires_at=now + timedelta(seconds=stage.verdict_seconds),
            state=self.journal.state().state,
            limits_version="chaos",
            legs=tuple(
                LegVerdict(self._target(leg.venue, leg.symbol, leg.quantity), leg.decision, leg.allowed)
                for leg in stage.legs
            ),
        )
        self.journal.save_verdict(verdict)
        return verdict

    def _target(self, venue: str, symbol: str, quantity: Decimal) -> TargetPosition:
        base, multiplier = base_of(symbol)
        mark = self._testnet.seat(venue).quotes.mark(symbol, self._clock.now())
        return TargetPosition(venue, symbol, base, multiplier, quantity, mark)

    def _set_state(self, state: TradingState) -> None:
        self.journal.set_state(state, reason="chaos", by="episode")

    def _calm(self) -> None:
        self._wait(max(0.0, max((c.at_s for c in self._scenario.states), default=0.0) - self._loop.time()))
        self._faults.calm()
        self._wait(30.0)  # what is still under way arrives
        if self._scenario.calm_state is not None:
            self._set_state(self._scenario.calm_state)

    # --- the end
    def _judged(self, *, is_done: bool) -> Outcome:
        told, left = self._watch.told(), self._watch.residual()
        violations = [*self.audit.violations, *left.breaches, *self.network.failures, *self._crashes]
        violations += told.failures
        gone = self._faults.gone()
        statements = compare_statements(self._testnet, self._accounts, self.journal, gone=gone)
        violations += statements.mismatches
        violations += claimed_orders(self._testnet, self._accounts, self.journal, self.audit.ours)
        said = "\n".join((self._ends[-1], *(f"{alert.key} {alert.title}" for alert in self.journal.alerts())))
        violations += unnamed_positions(self._testnet, self._accounts, said, gone=gone)
        if not is_done:
            violations.append(Violation("not_settled", self._ends[-1]))
        accounts = self._accounts.values()
        return Outcome(
            number=self._scenario.number,
            orders=self.audit.orders.total(),
            fills=sum(len(account.fills) for account in accounts),
            payments=sum(len(account.payments) for account in accounts),
            kills=self._killed + told.kills,
            faults=self._faults.hits,
            residual=left,
            statements_unreadable=statements.unreadable,
            violations=tuple(violations),
            ends=(*self._ends, *told.mishaps),
            guard=told,
        )


def play(scenario: Scenario, setting: Setting) -> Outcome:
    """Play a scenario on a loop of its own; the same scenario gives the same outcome."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    before = random.getstate()
    random.seed(scenario.seed)  # retries wait with a jitter from the global generator
    episode = Episode(scenario, setting, loop)
    try:
        return episode.play()
    finally:
        episode.journal.close()
        random.setstate(before)
        asyncio.set_event_loop(None)
        loop.close()
