"""The guard: look, judge, act, give a sign of life; again, for ever.

What lives here: one pass and the loop. What does not: what is seen (`looking`), what follows from it
(`assessment`), the orders of a reduction (`shedding`), the process around it (`process`).

The order of a pass is the order in which it may be killed: first the state, which stops what is going on;
then the sign of life; then people are told; then legs are reduced. A guard that starts again sees the same
and does what is left.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.governance import Alert, Heartbeat, StateRecord
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.states import is_stricter
from funding_pipeline.guard.alerts import Alerts
from funding_pipeline.guard.assessment import Lasting, assess
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Finding, GuardReport
from funding_pipeline.guard.journal_tap import JournalTap
from funding_pipeline.guard.looking import Betas, Looking
from funding_pipeline.guard.seen import Seen
from funding_pipeline.guard.shedding import reducing_executor, shed_verdict
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.account_look import AccountLook, LookedFinding
from funding_pipeline.trading.executor import Executor
from funding_pipeline.trading.report import ExecutionReport
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.statements import record_statements

PROCESS = "guard"
_STATEMENTS_SINCE = timedelta(days=7)
_FIRST_PAUSE, _LONGEST_PAUSE = 3, 30
"""A reduction that could send nothing is tried again after so many times `naked_seconds`, twice as many each
time: it holds the lock, which a person's `flatten` may want."""
_LONGEST_STATUS = 500
_log = logging.getLogger(__name__)


def never() -> bool:
    """The guard runs until its process ends."""
    return False


def no_betas() -> Mapping[str, float]:
    """Nobody tells betas."""
    return {}


class Guard:
    """Watches the accounts of `session`. `config` in real seconds; `betas`: to BTC by base, asked each look.

    `make_executor`: what carries a reduction out; by default one that can only reduce. `report`: of the last
    look.
    """

    def __init__(
        self,
        session: TradingSession,
        *,
        config: GuardConfig,
        alerts: Alerts,
        make_executor: Callable[[], Executor] | None = None,
        betas: Betas = no_betas,
    ) -> None:
        self._session, self._config, self._alerts = session, config, alerts
        self._make_executor = make_executor or (lambda: reducing_executor(session, config))
        self.report: GuardReport | None = None
        self._tap = JournalTap(session.journal)
        self._looking = Looking(session, tap=self._tap, real=config, betas=betas)
        self._memory: Mapping[str, Lasting] = {}
        self._tightened: Mapping[str, float] = {}
        self._noted_at: datetime | None = None
        self._shed: asyncio.Task[ExecutionReport] | None = None
        self._shed_not_before: datetime | None = None
        self._pause = _FIRST_PAUSE

    async def look(self) -> GuardReport:
        """One pass: read, judge, act, heartbeat. Raises nothing for a venue or the journal."""
        began = asyncio.get_running_loop().time()
        self._tap.begin()
        acted: list[str] = []
        problems: list[str] = self._finished_shed(acted)
        config = self._config.at_speed(self._session.speed)
        seen, limits, findings = await self._judge(config, problems)
        changed = self._set_state(seen, findings, acted)
        self._note_equity(seen, findings, config)
        self._beat(seen, findings)
        self._keep_look(seen, limits, findings)
        self._tell(seen, findings)
        if changed is not None:
            self._alerts.tell(changed)
        await self._keep_statements(findings, problems)
        await self._reduce(seen, findings, limits, config, acted, problems)
        self._session.forget_remarks()
        self.report = self._reported(seen, findings, acted, problems, began)
        return self.report

    async def inspect(self) -> GuardReport:
        """One look for a person, at once with its full weight: nothing is written, set, told or sent."""
        began = asyncio.get_running_loop().time()
        self._tap.begin()
        problems: list[str] = []
        at_once = {name: 0.0 for name in GuardConfig.model_fields if name.endswith("_seconds")}
        kept = ("max_clock_skew_seconds", "soft_patience_seconds", "slow_look_seconds")
        config = self._config.at_speed(self._session.speed)
        hasty = {name: value for name, value in at_once.items() if name not in kept}
        config = config.model_copy(update={**hasty, "confirming_looks": 1})
        seen, _, findings = await self._judge(config, problems)
        return self._reported(seen, findings, [], problems, began)

    async def _judge(
        self, config: GuardConfig, problems: list[str]
    ) -> tuple[Seen, RiskLimits, tuple[Finding, ...]]:
        """Read everything and judge it."""
        seen = await self._looking.see(config)
        limits = self._limits(problems)
        judged = assess(seen, limits=limits, config=config, memory=self._memory)
        self._memory = judged.memory
        return seen, limits, judged.findings

    def _reported(
        self,
        seen: Seen,
        findings: tuple[Finding, ...],
        acted: list[str],
        problems: list[str],
        began: float,
    ) -> GuardReport:
        problems = [*problems, *self._looking.problems, *([self._tap.problem] if self._tap.problem else [])]
        state = self._tap.ask(lambda journal: journal.state().state, seen.state.state if seen.state else None)
        seconds = asyncio.get_running_loop().time() - began
        return GuardReport(seen.at, state, findings, tuple(acted), tuple(problems), seconds)

    async def run(self, *, until: Callable[[], bool] = never) -> None:
        """Look and pause, until `until`. A failure that nobody foresaw is told and ends nothing; without a
        whole look there is no sign of life, so that nothing is opened meanwhile."""
        try:
            while not until():
                try:
                    before, report = self.report, await self.look()
                    said = () if before is None else (*before.acted, *before.problems)
                    for line in (*report.acted, *report.problems):
                        if line not in said:
                            _log.info("%s", line)
                except Exception as error:
                    _log.exception("a look failed")
                    self._tell_failure(error)
                if not until():
                    await asyncio.sleep(self._config.poll_seconds)
        finally:
            await self.close()

    async def close(self) -> None:
        """End what is under way; what was sent is in the journal."""
        if self._shed is not None:
            self._shed.cancel()
            await asyncio.gather(self._shed, return_exceptions=True)
            self._shed = None
        await self._looking.close()

    # --- judging
    def _limits(self, problems: list[str]) -> RiskLimits:
        """Limits in force; those tightened at run time as last known where the journal does not tell."""
        session = self._session
        self._tightened = self._tap.ask(lambda journal: journal.tightened(), self._tightened)
        try:
            return session.setup.limits_in_force(self._tightened, at=session.now(), speed=session.speed)
        except FundingPipelineError as error:
            problems.append(f"tightened limits: {error}")
            return session.setup.limits_at(session.now(), speed=session.speed)

    # --- the journal
    def _set_state(self, seen: Seen, findings: tuple[Finding, ...], acted: list[str]) -> Alert | None:
        """Toward HALTED only: what stopped trading never starts it again. Each change is told, also where
        what led to it is a repeat."""
        asking = [finding for finding in findings if finding.state is not None]
        halting = [finding for finding in asking if finding.state == "HALTED"]
        wanted = (halting or asking)[:1]
        if not wanted:
            return None
        state, reason = wanted[0].state, wanted[0].title
        assert state is not None
        if seen.state is not None and not is_stricter(state, seen.state.state):
            return None

        def change(journal: Journal) -> StateRecord:
            return journal.set_state(state, reason=reason, by=PROCESS, stricter_only=True)

        set_now = self._tap.ask(change, None)
        if set_now is None or set_now.state != state:
            return None
        acted.append(f"{state}: {reason}")
        key = f"state {set_now.since.isoformat()}"
        return Alert(key, "critical", f"trading is {state} now: {reason}", wanted[0].advice, seen.at)

    def _note_equity(self, seen: Seen, findings: tuple[Finding, ...], config: GuardConfig) -> None:
        """What all accounts are worth, if all of them say, at marks that are believed: a peak that never was
        would look like a drawdown for ever."""
        if any(finding.key.startswith("mark ") for finding in findings):
            return
        equity = seen.book(with_last=False).equity_usd
        is_due = self._noted_at is None or seen.at - self._noted_at >= timedelta(
            seconds=config.equity_seconds
        )
        if equity is None or not is_due:
            return
        if self._tap.tell(lambda journal: journal.note_equity(seen.at, equity)):
            self._noted_at = seen.at
            self._looking.forget_equity()

    def _beat(self, seen: Seen, findings: tuple[Finding, ...]) -> None:
        """A sign of life, which says what was found."""
        serious = [finding.title for finding in findings if finding.severity != "info"]
        status = "; ".join(serious)[:_LONGEST_STATUS] or "ok"
        self._tap.tell(lambda journal: journal.beat(Heartbeat(PROCESS, self._session.now(), status)))

    def _keep_look(self, seen: Seen, limits: RiskLimits, findings: tuple[Finding, ...]) -> None:
        """What was seen, for `state`: the newest look that there is."""
        look = AccountLook.of(
            seen.book(with_last=False),
            seen.down,
            market=seen.market,
            limits=limits,
            findings=(LookedFinding(f.severity, f.title, f.advice) for f in findings),
        )
        self._tap.tell(lambda journal: look.keep(journal, PROCESS))

    async def _keep_statements(self, findings: tuple[Finding, ...], problems: list[str]) -> None:
        """A position that was told is not told for ever: the venue's own statement goes into the journal."""
        told = [f for f in findings if f.key.startswith("unexplained ") and f.action != "none"]
        if not told or self._tap.problem:
            return
        legs = [(venue, symbol) for _, venue, symbol in (f.key.split(" ", 2) for f in told)]
        since = self._session.now() - _STATEMENTS_SINCE
        try:
            async with asyncio.timeout(self._config.venue_timeout_seconds):
                problems += await self._tap.ask_async(
                    lambda journal: record_statements(journal, self._session.gateways, legs, since=since), ()
                )
        except TimeoutError:
            problems.append("a venue's statement did not come in time")

    # --- people
    def _tell(self, seen: Seen, findings: tuple[Finding, ...]) -> None:
        for finding in findings:
            if finding.severity != "info":
                self._alerts.tell(finding.alert(seen.at))

    def _tell_failure(self, error: Exception) -> None:
        self._alerts.tell(
            Alert(
                key="guard failed",
                severity="critical",
                title=f"the guard's look failed: {type(error).__name__}: {error}",
                action="see the guard's log; nothing is opened until it looks again. Restart it if it stays",
                raised_at=self._session.now(),
            )
        )

    # --- reducing
    async def _reduce(
        self,
        seen: Seen,
        findings: tuple[Finding, ...],
        limits: RiskLimits,
        config: GuardConfig,
        acted: list[str],
        problems: list[str],
    ) -> None:
        """Start a reduction where one is due and nobody else is at work, and wait for it a little."""
        due = [finding for finding in findings if finding.action == "shed"]
        if due and self._shed is None and self._may_send(seen, acted) and self._is_time(seen.at):
            verdict = shed_verdict(seen, due, limits=limits, config=config, at=self._session.now())
            if verdict is not None:
                self._shed = asyncio.ensure_future(self._make_executor().rebalance(verdict))
                names = ", ".join(sorted({leg.target.base for leg in verdict.legs})) or "orders left behind"
                acted.append(f"reducing {names}: {due[0].title}")
        if self._shed is not None:
            await asyncio.wait([self._shed], timeout=self._config.shed_wait_seconds)
            problems += self._finished_shed(acted)

    def _may_send(self, seen: Seen, acted: list[str]) -> bool:
        state = self._tap.ask(lambda journal: journal.state(), seen.state)
        if state is not None and state.state == "HALTED":
            acted.append(f"nothing is sent: trading is HALTED by {state.by}")
            return False
        return state is not None and not seen.is_executing and not self._tap.problem

    def _is_time(self, at: datetime) -> bool:
        return self._shed_not_before is None or at >= self._shed_not_before

    def _finished_shed(self, acted: list[str]) -> list[str]:
        """Take a reduction that has ended; problems, where it had some."""
        if self._shed is None or not self._shed.done():
            return []
        task, self._shed = self._shed, None
        try:
            report = task.result()
        except FundingPipelineError as error:
            return [f"the reduction did not go on: {error}"]
        acted.append(f"reduced: {report.status}, {report.orders_sent} orders, {report.orders_filled} filled")
        if report.orders_sent:
            self._shed_not_before, self._pause = None, _FIRST_PAUSE
        else:
            seconds = self._pause * self._config.at_speed(self._session.speed).naked_seconds
            self._shed_not_before = self._session.now() + timedelta(seconds=seconds)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return [problem for problem in report.problems if not problem.startswith("only what reduces")]
