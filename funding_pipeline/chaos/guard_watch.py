"""The guard's part of an episode: it looks on while executors work, then it is left alone with mishaps.

What lives here: when its lives begin and end, what it is left with, and what is counted. What does not: a
life (`guard_lives`), what a mishap does (`mishaps`), the executors' part (`episode`).
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from funding_pipeline.chaos.fault_schedule import FaultSchedule
from funding_pipeline.chaos.final_audit import Residual, residual
from funding_pipeline.chaos.ground import Ground
from funding_pipeline.chaos.guard_lives import GuardSetting, GuardShift
from funding_pipeline.chaos.kills import KillSwitch
from funding_pipeline.chaos.lives import Opened, live
from funding_pipeline.chaos.mishaps import strike
from funding_pipeline.chaos.scenario import Scenario
from funding_pipeline.chaos.violation import Violation
from funding_pipeline.chaos.virtual_time import VirtualLoop
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.orders import Key
from funding_pipeline.trading.statements import record_statements

_FIRST_LOOK_S = 3.0
_GLANCE_S = 5.0
_LONGEST_S = 900.0
"""Its lives may end four times, and each dead one's lock keeps the next from acting for a minute."""
_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class GuardTold:
    """What an episode tells of its guard. `longest_s`: most seconds that a mishap stayed unmended."""

    is_there: bool = False
    looks: int = 0
    orders: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    mishaps: tuple[str, ...] = ()
    longest_s: float = 0.0
    failures: tuple[Violation, ...] = ()


class GuardWatch:
    """The guard of `scenario`, where it has one; else nothing but the measuring of what is left."""

    def __init__(
        self,
        ground: Ground,
        scenario: Scenario,
        setting: GuardSetting,
        faults: FaultSchedule,
        loop: VirtualLoop,
    ) -> None:
        self._ground, self._scenario, self._setting = ground, scenario, setting
        self._faults, self._loop = faults, loop
        self._mishaps: list[str] = []
        self._longest_s = 0.0
        self._shift: GuardShift | None = None
        if scenario.guard is not None:
            self._shift = GuardShift(loop, ground.world, setting, scenario.guard, ground.audit.died)

    def begin(self) -> None:
        """Start the first life, and give it the time of a look."""
        if self._shift is not None:
            self._shift.begin()
            self._wait(_FIRST_LOOK_S)

    def asked_for(self, config: ExecutionConfig) -> ExecutionConfig:
        """How an executor works beside it: nothing is opened without its sign of life."""
        if self._shift is None:
            return config
        return config.model_copy(update={"guard_max_age_seconds": self._setting.max_age_seconds})

    def alone(self) -> None:
        """Let it mend what executors left, and each mishap; then end it and read the statements."""
        if self._shift is None:
            return
        self._mended()
        kills = self._shift.plan.at_mishaps
        for mishap, kill in zip(self._scenario.mishaps, kills, strict=True):
            what = strike(mishap, self._ground.testnet, self._ground.accounts, gone=self._faults.gone())
            if kill is not None:
                self._shift.kill_at(kill)
            if what:
                self._mishaps.append(f"{self._ground.world.clock.moment():%d %H:%M:%S} {what}")
                self._longest_s = max(self._longest_s, self._mended())
        self._shift.end()
        self._keep_statements()

    def residual(self) -> Residual:
        """What is unhedged now, of that which those who were there could have mended."""
        ground = self._ground
        for exchange in ground.testnet.exchanges.values():
            exchange.advance()
        return residual(
            ground.testnet,
            ground.accounts,
            ground.journal,
            gone=self._faults.gone(),
            refused=self._refused(),
            state=ground.journal.state().state,
            least_cap_usd=self._least_cap_usd,
        )

    def told(self) -> GuardTold:
        """The figures."""
        if self._shift is None:
            return GuardTold()
        failed = [alert for alert in self._ground.journal.alerts() if alert.key == "guard failed"]
        return GuardTold(
            is_there=True,
            looks=self._shift.looks,
            orders=self._ground.audit.orders["guard"],
            kills=self._shift.kills,
            mishaps=tuple(self._mishaps),
            longest_s=self._longest_s,
            failures=(*self._shift.crashes, *(Violation("guard_failures", alert.title) for alert in failed)),
        )

    @property
    def _least_cap_usd(self) -> Decimal:
        return (
            Decimal(str(self._setting.limits.max_base_delta_usd)) if self._shift is not None else Decimal(0)
        )

    def _mended(self) -> float:
        """Wait until nothing above its cap is unhedged and nobody is at work; how long that took."""
        began, journal = self._loop.time(), self._ground.journal
        while self._loop.time() - began < _LONGEST_S:
            self._wait(_GLANCE_S)
            if not self.residual().breaches and journal.lock_holder() is None and not self._is_in_doubt():
                break
        return self._loop.time() - began

    def _is_in_doubt(self) -> bool:
        """Whether an order's outcome is unknown at a venue that can be asked."""
        gone = self._faults.gone()
        return any(r.intent.request.venue not in gone for r in self._ground.journal.unresolved())

    def _refused(self) -> frozenset[Key]:
        """Legs that no executor may touch any more; a guard may."""
        last = self._scenario.stages[-1]
        if self._shift is not None or last.task == "flatten":
            return frozenset()
        return frozenset((leg.venue, leg.symbol) for leg in last.legs if leg.decision == "refuse")

    def _keep_statements(self) -> None:
        """As the job after each settlement does it."""
        legs = {(leg.venue, leg.symbol) for stage in self._scenario.stages for leg in stage.legs}
        legs |= self._ground.journal.ordered()
        since = self._ground.world.clock.moment() - _A_DAY

        async def work(journal: Journal, opened: Opened) -> Any:
            return await record_statements(journal, opened.gateways, legs, since=since)

        live(self._loop, self._ground.world, switch=KillSwitch(None, "statements"), work=work)

    def _wait(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))
