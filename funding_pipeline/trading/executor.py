"""Carrying out a verdict at the venues: the reconcile loop under the executor's lock, and flattening.

What lives here: what others call. What does not: the loop (`carrying_out`), orders (`orders`), judging
(`execution.verdict`).

Recovery after a crash, at whatever line, is the same call with the same verdict: levels are read, unknown
orders looked up, strays cancelled, and what is still missing is done.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from funding_pipeline.core.governance import RiskVerdict
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.states import Permission
from funding_pipeline.storage.journal import Journal, Lease
from funding_pipeline.trading.accounts_view import AccountsView
from funding_pipeline.trading.base_run import Tools
from funding_pipeline.trading.carrying_out import CarryingOut
from funding_pipeline.trading.flattening import closing_verdict
from funding_pipeline.trading.market_view import MarketView
from funding_pipeline.trading.mode_check import ModeCheck
from funding_pipeline.trading.orders import Clock, OrderDesk, Sleep
from funding_pipeline.trading.report import ExecutionReport, LegReport, StageClock
from funding_pipeline.trading.statements import record_statements
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.public import PublicGateway

__all__ = ["ExecutionConfig", "ExecutionReport", "Executor", "LegReport"]

_FLATTEN_ROUNDS = 3


class Executor:
    """Carries verdicts out over open gateways, one at a time. Nothing here reads a clock of its own.

    `clock`: the venues' time, UTC. `sleep`: seconds of it. `timer`: seconds, for the stages' times (default:
    `clock`). `lock_seconds`: how long a dead executor's lock keeps others out. `resend_on_timeout` breaks
    the protocol on purpose, for the chaos campaign alone. `permission`: what arming allows, asked before
    every order.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        gateways: Mapping[str, PrivateGateway],
        public: Mapping[str, PublicGateway],
        clock: Clock,
        sleep: Sleep,
        config: ExecutionConfig | None = None,
        strategy: str = "carry",
        resend_on_timeout: bool = False,
        terms: Mapping[str, VenueTerms] | None = None,
        timer: Callable[[], float] | None = None,
        owner: str = "executor",
        lock_seconds: float = 60,
        permission: Callable[[], Permission] = lambda: "all",
    ) -> None:
        self._journal, self._gateways = journal, gateways
        self._clock, self._sleep = clock, sleep
        self._config = config or ExecutionConfig()
        self._strategy, self._resend_on_timeout, self._owner = strategy, resend_on_timeout, owner
        self._lock_seconds, self._permission = lock_seconds, permission
        self._timer = timer or (lambda: clock().timestamp())
        self._market = MarketView(public, clock=clock, config=self._config, terms=terms)

    async def rebalance(self, verdict: RiskVerdict) -> ExecutionReport:
        """Bring positions to what the verdict allows. Raises ExecutionLockedError and JournalError; what
        venues do wrong is in the report."""
        with self._journal.lock(self._owner, ttl_seconds=self._lock_seconds) as lease:
            return await self._carry_out(verdict, lease, is_flatten=False)

    async def flatten(self, *, reason: str, verdict: RiskVerdict | None = None) -> ExecutionReport:
        """Close everything that the accounts hold, the legs of each base together; the report says what
        remains. Reduce-only throughout, so that REDUCING allows it; HALTED allows nothing.

        Without `verdict` one is made and kept that allows nothing to be held, whose id names `reason`.
        """
        with self._journal.lock(self._owner, ttl_seconds=self._lock_seconds) as lease:
            if verdict is not None:
                return await self._carry_out(verdict, lease, is_flatten=True)
            for _ in range(_FLATTEN_ROUNDS):
                verdict = await self._closing_verdict(reason)
                report = await self._carry_out(verdict, lease, is_flatten=True)
                if not report.unplanned:  # an order that was unknown may have made a new position
                    break
            return report

    async def _closing_verdict(self, reason: str) -> RiskVerdict:
        lasts = timedelta(seconds=2 * (self._config.deadline_seconds + self._config.grace_seconds))
        return await closing_verdict(
            self._gateways, self._journal, reason=reason, now=self._clock(), lasts=lasts
        )

    async def _carry_out(self, verdict: RiskVerdict, lease: Lease, *, is_flatten: bool) -> ExecutionReport:
        self._journal.save_verdict(verdict)
        tools = Tools(
            desk=self._desk(verdict),
            accounts=AccountsView(
                self._gateways, [(leg.target.venue, leg.target.symbol) for leg in verdict.legs]
            ),
            market=self._market,
            modes=ModeCheck(self._gateways, leverage=self._config.leverage),
            config=self._config,
            clock=self._clock,
            sleep=self._sleep,
            stages=StageClock(self._timer),
            keep_lock=self._keeper(lease),
        )
        work = CarryingOut(verdict, tools, self._journal, is_flatten=is_flatten)
        report = await work.run()
        return replace(report, statement_problems=await self._record_statements(work, tools, report))

    async def _record_statements(
        self, work: CarryingOut, tools: Tools, report: ExecutionReport
    ) -> tuple[str, ...]:
        """Fills and payments of the legs that hold or traded something, of venues that can be reached."""
        legs = [key for key in work.active_legs() if key[0] not in tools.accounts.down]
        gone = tuple(f"{venue}: statement not read" for venue in sorted(tools.accounts.down))
        unread = await record_statements(
            self._journal,
            self._gateways,
            legs,
            since=work.since(report.started_at),
            at_once=self._config.concurrency,
        )
        return gone + unread

    def _desk(self, verdict: RiskVerdict) -> OrderDesk:
        return OrderDesk(
            journal=self._journal,
            gateways=self._gateways,
            clock=self._clock,
            config=self._config,
            strategy=self._strategy,
            rebalance=verdict.rebalance,
            verdict_id=verdict.verdict_id,
            resend_on_timeout=self._resend_on_timeout,
            permission=self._permission,
        )

    def _keeper(self, lease: Lease) -> Callable[[], None]:
        """Renews the lock when a third of its time has passed; intents renew it as well."""
        renewed_at = self._clock()

        def keep() -> None:
            nonlocal renewed_at
            if (self._clock() - renewed_at).total_seconds() > self._lock_seconds / 3:
                lease.renew()
                renewed_at = self._clock()

        return keep
