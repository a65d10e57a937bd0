"""The reconcile loop over all bases of a verdict: read, clear up, act, read again, until nothing is due.

What lives here: the passes and when they end. What does not: one base's orders (`base_run`), the protocol
of an order (`orders`), the lock and what is called from outside (`executor`).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from funding_pipeline.core.governance import IntentRecord, LegVerdict, RiskVerdict
from funding_pipeline.core.trading import OrderState
from funding_pipeline.execution.reconcile_view import Mode, Wait
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.base_run import BaseRun, Tools
from funding_pipeline.trading.holdings import holdings
from funding_pipeline.trading.orders import Key
from funding_pipeline.trading.report import ExecutionReport, ExecutionStatus, LegReport
from funding_pipeline.trading.side_by_side import side_by_side

_CLOCKS_APART = timedelta(seconds=5)
_CLOSING_SHARE = 0.25
"""Most of the time left that is kept for hedging and flattening at the end."""


class CarryingOut:
    """One execution of `verdict`. `is_flatten`: everything is closed, whatever the verdict's legs allow."""

    def __init__(
        self, verdict: RiskVerdict, tools: Tools, journal: Journal, *, is_flatten: bool = False
    ) -> None:
        self._verdict, self._tools, self._journal = verdict, tools, journal
        self._is_flatten = is_flatten
        # What is refused is not traded at all: where it is zero, it may be so for want of knowledge.
        self._legs = [leg for leg in verdict.legs if is_flatten or leg.decision != "refuse"]
        bases = sorted({leg.target.base for leg in self._legs})
        self._runs = [
            BaseRun(base, tuple(leg for leg in self._legs if leg.target.base == base), tools)
            for base in bases
        ]
        self._started_at = tools.clock()
        self._hard, self._soft = self._deadlines()
        self._before: dict[Key, Decimal | None] = {}
        self._results: dict[str, Wait | None] = {}
        self._passes = 0

    async def run(self) -> ExecutionReport:
        """Pass after pass until nothing is due or time is up. Raises JournalError; no venue's failure."""
        self._remember()
        with self._tools.stages.stage("read"):
            await self._tools.market.refresh([leg.target for leg in self._legs])
        pause = self._tools.config.poll_seconds
        while True:
            is_moving = await self._pass()
            status = self._ending(is_moving)
            if status is not None:
                return self._report(status)
            if not is_moving:
                with self._tools.stages.stage("fill"):
                    await self._tools.sleep(pause)
            longest = self._tools.config.longest_pause_seconds
            pause = self._tools.config.poll_seconds if is_moving else min(2 * pause, longest)

    # --- a pass
    async def _pass(self) -> bool:
        """Read, clear up, act; whether anything was sent."""
        self._passes += 1
        self._tools.keep_lock()
        sent_before = self._tools.counts["sent"]
        await self._read(self._tools.accounts.venues)
        await self._clear_up()
        self._assume()
        if self._passes == 1:
            self._before = {_key(leg): self._tools.accounts.held(_key(leg)) for leg in self._verdict.legs}
        if self._stop() is None:
            acted = await side_by_side([self._act(run) for run in self._runs], self._tools.config.concurrency)
            self._results = dict(zip([run.base for run in self._runs], acted, strict=True))
        return self._tools.counts["sent"] > sent_before

    async def _act(self, run: BaseRun) -> Wait | None:
        if self._tools.clock() >= self._soft + (self._hard - self._soft) / 2 and run.unhedged.usd > 0:
            run.give_up("time is up")
        result = await run.act(lambda: self._mode(run))
        mode = self._mode(run)
        if result is not None and mode is not None and run.is_hopeless(result, mode) and run.unhedged.usd > 0:
            run.give_up("the other leg is refused for good")
            result = await run.act(lambda: self._mode(run))
        return result

    async def _read(self, venues: Iterable[str]) -> None:
        with self._tools.stages.stage("read"):
            reads = [self._tools.accounts.read(venue) for venue in sorted(venues)]
            await side_by_side(reads, self._tools.config.concurrency)

    async def _clear_up(self) -> None:
        """Resolve what is unknown and cancel what is not wanted; read again where that changed anything."""
        with self._tools.stages.stage("fill"):
            resolved = await self._resolve()
            cancelled = await self._cancel()
        if resolved | cancelled:
            await self._read(resolved | cancelled)

    async def _resolve(self) -> set[str]:
        tools = self._tools
        records = self._journal.unresolved()
        asked = [record for record in records if _venue(record) not in tools.accounts.down]
        known = await side_by_side([tools.desk.resolve(record) for record in asked], tools.config.concurrency)
        left = self._journal.unresolved() if records else ()
        tools.unknown = {(_venue(record), record.intent.request.symbol) for record in left}
        return {_venue(record) for record, is_known in zip(asked, known, strict=True) if is_known}

    async def _cancel(self) -> set[str]:
        """Orders of ours that rest: none is wanted between passes. Of those that the journal thinks are
        resting and that are not, the end is asked for."""
        tools = self._tools
        resting = {str(order.client_order_id): order for order in self._resting()}
        listed = tools.accounts.resting()
        own = self._journal.own(listed)
        resting |= {str(o.client_order_id): o for o in listed if o.client_order_id in own}
        self._report_foreign([order for order in listed if order.client_order_id not in own])
        touched = set()
        for _, order in sorted(resting.items()):
            key = (order.venue, order.symbol)
            tools.keep_lock()
            if order.venue in tools.accounts.down or await tools.desk.take_back(key, order) is None:
                tools.unknown.add(key)
            else:
                touched.add(order.venue)
        return touched

    def _report_foreign(self, orders: Iterable[OrderState]) -> None:
        """Orders that are not ours are left alone; each is noted once."""
        self._tools.foreign = {(order.venue, order.symbol): _foreign_text(order) for order in orders}
        for order in orders:
            self._tools.note(_foreign_text(order))

    def _resting(self) -> list[OrderState]:
        """Orders that are open as far as the journal knows: of all rebalances in the first pass."""
        wanted = None if self._passes == 1 else self._verdict.rebalance
        records = self._journal.resting(rebalance=wanted)
        return [record.order for record in records if record.order is not None]

    def _assume(self) -> None:
        """Legs on a venue that cannot be read are taken to hold what the journal adds up to, if it is right
        about the other legs of their base."""
        accounts = self._tools.accounts
        for run in self._runs:
            keys = [_key(leg) for leg in run.legs]
            missing = [key for key in keys if accounts.held(key) is None]
            if missing and len(missing) < len(keys):
                kept = holdings(self._journal, keys)
                if all(kept[key] == accounts.held(key) for key in keys if key not in missing):
                    for key in missing:
                        accounts.assume(key, kept[key])

    # --- modes and endings
    def _deadlines(self) -> tuple[datetime, datetime]:
        """When nothing is sent any more, and before that when no slice is begun any more."""
        config = self._tools.config
        hard = min(
            self._started_at + timedelta(seconds=config.deadline_seconds + config.grace_seconds),
            self._verdict.expires_at,
        )
        closing = min(timedelta(seconds=config.grace_seconds), (hard - self._started_at) * _CLOSING_SHARE)
        return hard, hard - max(closing, timedelta(0))

    def _mode(self, run: BaseRun) -> Mode | None:
        """What may be done for a base now; the journal is asked. None: nothing but cancelling."""
        halted, refusal = self._tools.desk.refusals()
        if halted:
            return None
        if self._is_flatten or run.is_given_up:
            return "flatten"
        if refusal:
            self._tools.note(f"only what reduces: {refusal}")
            return "reduce"
        return "hedge" if self._tools.clock() >= self._soft else "full"

    def _stop(self) -> ExecutionStatus | None:
        """Why nothing may be sent any more, if so."""
        now = self._tools.clock()
        if self._tools.desk.refusal(reduce_only=True):
            return "halted"
        if now >= self._verdict.expires_at:
            return "expired"
        return "deadline" if now >= self._hard else None

    def _ending(self, is_moving: bool) -> ExecutionStatus | None:
        """The status with which this pass was the last, if it was."""
        stop = self._stop()
        if stop is not None or is_moving:
            return stop
        modes = {run.base: self._mode(run) for run in self._runs}
        waiting = [run for run in self._runs if self._is_waiting(run)]
        is_late = self._tools.clock() >= self._soft
        if any(not is_late or self._needs_closing(run) for run in waiting):
            return None
        wanted = "flatten" if self._is_flatten else "full"
        is_open = waiting or any(self._results.values()) or self._tools.unknown
        if not is_open and all(mode == wanted for mode in modes.values()):
            return "done"
        return "deadline" if is_late else "incomplete"

    def _is_waiting(self, run: BaseRun) -> bool:
        """Whether something may still come of waiting."""
        tools, mode = self._tools, self._mode(run)
        if any(_key(leg) in tools.unknown for leg in run.legs):
            return True
        result = self._results.get(run.base)
        if result is not None and mode is not None and not run.is_hopeless(result, mode):
            return True
        return any(self._is_due_and_gone(leg, mode) for leg in run.legs)

    def _is_due_and_gone(self, leg: LegVerdict, mode: Mode | None) -> bool:
        """Whether a venue that cannot be reached holds, or may hold, something that should change."""
        if leg.target.venue not in self._tools.accounts.down:
            return False
        held = self._tools.accounts.held(_key(leg))
        return held is None or held != (0 if mode == "flatten" else leg.allowed)

    def _needs_closing(self, run: BaseRun) -> bool:
        """After the soft deadline only what is unhedged, or unknown, is waited for."""
        return run.unhedged.usd > 0 or any(_key(leg) in self._tools.unknown for leg in run.legs)

    # --- before and after
    def _remember(self) -> None:
        """What an earlier call of the same rebalance left behind: bases given up, and since when they are
        unhedged."""
        by_leg = {leg.target.leg: leg.target.base for leg in self._verdict.legs}
        runs = {run.base: run for run in self._runs}
        for record in self._journal.intents(rebalance=self._verdict.rebalance):
            run = runs.get(by_leg.get(record.intent.leg, ""))
            if run is None:
                continue
            run.unhedged.since = record.intent.written_at
            if record.intent.purpose == "flatten" and not self._is_flatten:
                run.give_up("it was given up before")

    def active_legs(self) -> tuple[Key, ...]:
        """Instruments whose statements may say something new: held before or after, ordered in this
        rebalance, legs ever ordered, and what the journal adds up to although it may be gone by now."""
        ordered = self._journal.ordered()
        legs = {_key(leg) for leg in self._verdict.legs}
        mine = {_key(leg) for leg in self._verdict.legs if self._is_active(_key(leg))}
        others = sorted(ordered - legs)
        kept = {key for key, held in holdings(self._journal, others).items() if held}
        return tuple(sorted(mine | (ordered & legs) | kept | set(self._tools.accounts.unplanned())))

    def since(self, started_at: datetime) -> datetime:
        """When the first order of this rebalance was written, or it began."""
        records = self._journal.intents(rebalance=self._verdict.rebalance)
        return min([started_at, *(record.intent.written_at for record in records[:1])]) - _CLOCKS_APART

    def _is_active(self, key: Key) -> bool:
        return bool(self._before.get(key) or self._tools.accounts.held(key))

    def _report(self, status: ExecutionStatus) -> ExecutionReport:
        tools = self._tools
        unplanned = tools.accounts.unplanned()
        return ExecutionReport(
            rebalance=self._verdict.rebalance,
            verdict_id=self._verdict.verdict_id,
            status=status,
            started_at=self._started_at,
            ended_at=tools.clock(),
            legs=tuple(leg for run in self._runs for leg in self._leg_reports(run)),
            orders_sent=tools.counts["sent"],
            orders_filled=tools.counts["filled"],
            orders_rejected=tools.counts["rejected"],
            unhedged_usd={run.base: run.unhedged_usd() for run in self._runs},
            worst_unhedged={run.base: run.unhedged.usd_seconds for run in self._runs},
            given_up=tuple(run.base for run in self._runs if run.is_given_up),
            unresolved=tuple(record.intent.client_order_id for record in self._journal.unresolved()),
            unplanned=tuple(f"{venue} {symbol}" for venue, symbol in unplanned),
            problems=tuple(tools.problems) + tuple(tools.accounts.down.values()),
            seconds=tools.stages.seconds(),
            passes=self._passes,
        )

    def _leg_reports(self, run: BaseRun) -> list[LegReport]:
        out = []
        for leg in run.legs:
            key, allowed = _key(leg), Decimal(0) if self._is_flatten else leg.allowed
            after = self._tools.accounts.held(key)
            note = "" if after == allowed else self._note(run, key)
            out.append(LegReport(*key, run.base, allowed, self._before.get(key), after, note))
        return out

    def _note(self, run: BaseRun, key: Key) -> str:
        """Why a leg is not as allowed."""
        if key in self._tools.unknown:
            return "the outcome of an order is unknown"
        if key[0] in self._tools.accounts.down:
            return self._tools.accounts.down[key[0]]
        target = next(leg.target for leg in run.legs if _key(leg) == key)
        if self._tools.market.is_unlisted(target):
            return f"{self._tools.market.refused(target)}: close it at {key[0]} itself"
        if self._tools.accounts.unread(key):
            return self._tools.accounts.unread(key)
        if run.is_given_up:
            return "given up"
        if run.base not in self._results:
            return "not begun"
        result = self._results[run.base]
        return "dust: below a step or a minimum" if result is None else result.reason


def _key(leg: LegVerdict) -> Key:
    return leg.target.venue, leg.target.symbol


def _foreign_text(order: OrderState) -> str:
    price = "market" if order.limit_price is None else f"{order.limit_price.normalize():f}"
    kind = "conditional " if order.is_conditional else ""
    what = f"{kind}{order.side} {order.quantity.normalize():f} at {price}"
    return f"{order.venue} {order.symbol}: an order that is not ours rests: {what}"


def _venue(record: IntentRecord) -> str:
    return record.intent.request.venue
