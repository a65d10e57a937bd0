"""One base of a rebalance: its legs seen, its next order sent, what is unhedged watched.

What lives here: the orders of one base between two readings of the accounts. What does not: which order is
next (`execution.reconcile`), reading accounts and cleaning up (`carrying_out`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.governance import LegVerdict
from funding_pipeline.core.trading import TimeInForce
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.reconcile import base_action
from funding_pipeline.execution.reconcile_view import (
    LegView,
    Mode,
    Send,
    Wait,
    unhedged_units,
    unit_price,
)
from funding_pipeline.execution.slicing import ZERO, Quote, passive_price, side_of, worst_price
from funding_pipeline.trading.accounts_view import AccountsView
from funding_pipeline.trading.market_view import MarketView
from funding_pipeline.trading.mode_check import ModeCheck
from funding_pipeline.trading.orders import Clock, Key, OrderDesk, Sent, Sleep, Ticket
from funding_pipeline.trading.report import StageClock
from funding_pipeline.trading.unhedged import UnhedgedTime

_PATIENT_SHARE = 0.25
"""Share of the cap on unhedged time that waiting as maker may use."""


@dataclass
class Tools:
    """What the bases of one execution share. `unknown`: instruments with an order of unknown outcome;
    `foreign`: those where an order that is not ours rests, with the order in words."""

    desk: OrderDesk
    accounts: AccountsView
    market: MarketView
    modes: ModeCheck
    config: ExecutionConfig
    clock: Clock
    sleep: Sleep
    stages: StageClock
    keep_lock: Callable[[], None]
    unknown: set[Key] = field(default_factory=set)
    foreign: dict[Key, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        """Something that a person should know, once."""
        if problem not in self.problems:
            self.problems.append(problem)


class BaseRun:
    """The legs of one base under one verdict."""

    def __init__(self, base: str, legs: tuple[LegVerdict, ...], tools: Tools) -> None:
        self.base = base
        self.legs = tuple(sorted(legs, key=lambda leg: (leg.target.venue, leg.target.symbol)))
        self._tools = tools
        self.unhedged = UnhedgedTime()
        self.is_given_up = False
        self._rejections: Counter[tuple[Key, bool]] = Counter()
        self._blocked: dict[tuple[Key, bool], str] = {}

    # --- seeing
    async def views(self, mode: Mode) -> list[LegView]:
        """The legs as they are now, with quotes of those that may have something to do."""
        return [await self._view(leg, mode) for leg in self.legs]

    async def _view(self, leg: LegVerdict, mode: Mode) -> LegView:
        target, tools = leg.target, self._tools
        key = (target.venue, target.symbol)
        held, rules = tools.accounts.held(key), tools.market.rules(target)
        blocked = self._block(leg, mode) or tools.accounts.down.get(target.venue, "")
        if rules is None:
            blocked = blocked or tools.market.refused(target)
        if not tools.market.is_clear(target.venue):
            blocked = blocked or f"{target.venue} settles funding"
        quote: Quote | None = None
        idle = held is None or (held == leg.allowed if mode in ("full", "hedge") else held == 0)
        if not blocked and not idle and self._opens(leg, mode):
            with tools.stages.stage("read"):
                blocked = await tools.modes.refusal(key)
        if not blocked and not idle:
            try:
                with tools.stages.stage("read"):
                    quote = await tools.market.quote(target)
            except FundingPipelineError as error:
                blocked = str(error)
        near = tools.market.is_clear(target.venue, lead_seconds=tools.config.window_lead_seconds)
        return LegView(target, leg.allowed, held, rules, quote, blocked, key in tools.unknown, near)

    def _block(self, leg: LegVerdict, mode: Mode) -> str:
        """Why orders of the kind that the leg would need are not sent any more in this run."""
        key = (leg.target.venue, leg.target.symbol)
        if self._tools.market.is_unlisted(leg.target):
            return self._tools.market.refused(leg.target)
        blocked = self._blocked.get((key, self._reduces(leg, mode)), "")
        if blocked or not self._opens(leg, mode):
            return blocked
        return self._beside_foreign(key) or self._tools.modes.known(key)

    def _reduces(self, leg: LegVerdict, mode: Mode) -> bool:
        held = self._tools.accounts.held(_key(leg)) or ZERO
        return mode in ("reduce", "flatten") or (leg.allowed - held) * held < 0

    def _opens(self, leg: LegVerdict, mode: Mode) -> bool:
        """Whether the leg would grow for its own sake: what is unhedged is hedged in any mode."""
        net = sum((self._missing(one) * one.target.multiplier for one in self.legs), ZERO)
        return not self._reduces(leg, mode) and self._missing(leg) * net <= 0

    def _missing(self, leg: LegVerdict) -> Decimal:
        """To what is allowed, signed."""
        return leg.allowed - (self._tools.accounts.held(_key(leg)) or ZERO)

    def _beside_foreign(self, key: Key) -> str:
        """Why nothing is opened beside an order of somebody else: its fill would make the position one that
        nothing explains."""
        return "" if self._tools.config.open_beside_foreign_orders else self._tools.foreign.get(key, "")

    def is_hopeless(self, wait: Wait, mode: Mode) -> bool:
        """Whether what is waited for will not come: each of its legs is blocked for this run."""
        waited = [leg for leg in self.legs if _key(leg) in wait.legs]
        return bool(waited) and all(self._block(leg, mode) for leg in waited)

    def unhedged_usd(self) -> float:
        """What is held net beyond what was allowed net, at the plan's prices."""
        views = self._bare_views()
        return float(unhedged_units(views) * unit_price(views))

    def _bare_views(self) -> list[LegView]:
        """The legs without asking anybody."""
        held = self._tools.accounts.held
        return [LegView(leg.target, leg.allowed, held(_key(leg)), None, None) for leg in self.legs]

    # --- acting
    async def act(self, mode: Callable[[], Mode | None]) -> Wait | None:
        """Send what is due until nothing is, or until the accounts should be read again (a Wait).

        `mode` is asked before every order; None: nothing may be sent.
        """
        for _ in range(self._tools.config.actions_per_read):
            now = mode()
            if now is None:
                return Wait(self.base, "trading is HALTED")
            views = await self.views(now)
            self.observe(views)
            if self.is_given_up and now != "flatten":
                continue
            with self._tools.stages.stage("judge"):
                action = base_action(views, now, self._tools.config)
            if not isinstance(action, Send):
                return action
            if not await self._carry(action):
                return Wait(self.base, "an order did not do what it should: the accounts are read again")
        return Wait(self.base, "there is more to do")

    def observe(self, views: list[LegView]) -> None:
        """Add up what is unhedged; a base that has been so for too long is given up: its legs are reduced."""
        usd = float(unhedged_units(views) * unit_price(views))
        is_first = self.unhedged.seen_at is None  # what a crash left is given one chance to be hedged
        self.unhedged.observe(usd, self._tools.clock())
        cap = self._tools.config.unhedged_cap_usd_seconds
        if self.unhedged.usd_seconds > cap and usd > 0 and not is_first:
            self.give_up(f"{self.unhedged.usd_seconds:,.0f} USD x s unhedged, cap {cap:,.0f}")

    def give_up(self, why: str) -> None:
        """Flatten what is unhedged instead of going on with the plan."""
        if not self.is_given_up:
            self.is_given_up = True
            self._tools.note(f"{self.base}: given up, the filled leg is flattened: {why}")

    async def _carry(self, send: Send) -> bool:
        """Send an order, as maker first where it may rest; whether all of it was filled."""
        quote = send.leg.quote
        assert quote is not None
        if send.may_rest:
            sent = await self._rest(send, quote)
            if sent.outcome == "unknown" or sent.filled:
                return sent.filled == send.change
            if sent.outcome == "refused":
                return False
        sent = await self._take(send, quote)
        if sent.filled != send.change:
            self._tools.market.forget_quote(send.leg.target)
        return sent.filled == send.change

    async def _take(self, send: Send, quote: Quote) -> Sent:
        """As taker, at once or not at all, no worse than the bound."""
        config, side = self._tools.config, side_of(send.change)
        bound = config.flatten_bound_bp if send.purpose == "flatten" else config.taker_bound_bp
        assert send.leg.rules is not None
        price = worst_price(side, quote.best(side), bound_bp=bound, tick=send.leg.rules.tick)
        return await self._send(send, price, "ioc")

    async def _send(self, send: Send, price: Decimal, time_in_force: TimeInForce) -> Sent:
        tools, key = self._tools, send.leg.key
        if not tools.market.is_clear(key[0]):
            return Sent("refused", text=f"{key[0]} settles funding")
        ticket = Ticket(send.leg.target, send.change, price, time_in_force, send.reduce_only, send.purpose)
        with tools.stages.stage("send"):
            sent = await tools.desk.send(ticket)
        self._count(send, sent)
        tools.accounts.add_fill(key, sent.filled)
        return sent

    def _count(self, send: Send, sent: Sent) -> None:
        tools, key = self._tools, send.leg.key
        if sent.outcome != "refused":
            tools.counts["sent"] += 1
        if sent.filled:
            tools.counts["filled"] += 1
        if sent.outcome == "refused":
            tools.note(sent.text)
        elif sent.outcome == "unknown":
            tools.unknown.add(key)
        elif sent.outcome == "rejected" and sent.reason != "would_take":
            tools.counts["rejected"] += 1
            self._rejected(send, sent)

    def _rejected(self, send: Send, sent: Sent) -> None:
        """After some rejections, or one for want of margin, that kind of order is not tried again."""
        kind = (send.leg.key, send.reduce_only)
        self._rejections[kind] += 1
        is_last = self._rejections[kind] >= self._tools.config.max_rejections
        if sent.reason == "insufficient_margin" or is_last:
            self._blocked[kind] = f"rejected ({sent.reason}): {sent.text}"
            self._tools.note(f"{send.leg.target.leg}: {self._blocked[kind]}")

    # --- as maker
    async def _rest(self, send: Send, quote: Quote) -> Sent:
        """Rest at the best price for a while, then take back what is left."""
        assert send.leg.rules is not None
        price = passive_price(side_of(send.change), quote, send.leg.rules.tick)
        sent = await self._send(send, price, "post_only")
        if sent.order is None or sent.order.status != "open":
            return sent
        with self._tools.stages.stage("fill"):
            return await self._wait_for_fill(send, sent)

    async def _wait_for_fill(self, send: Send, sent: Sent) -> Sent:
        """Poll until filled, time is up, a settlement is near, the state changes, or too much is naked."""
        tools, key = self._tools, send.leg.key
        order = sent.order
        assert order is not None
        assert order.client_order_id is not None
        counted = sent.filled
        until = tools.clock() + timedelta(seconds=tools.config.maker_seconds)
        try:
            while order.status == "open" and tools.clock() < until and self._may_wait(send):
                await tools.sleep(tools.config.poll_seconds)
                tools.keep_lock()
                order = await tools.desk.look(key, order) or order
                counted = self._count_fill(send, Sent("accepted", order), counted)
        except FundingPipelineError:  # the journal is gone: what rests is taken back before all else
            await tools.desk.take_back(key, order)
            raise
        if order.status == "open":
            ended = await tools.desk.take_back(key, order)
            if ended is None:
                tools.unknown.add(key)
                return Sent("unknown", order, text="a resting order could not be taken back")
            order = ended
        done = Sent("accepted", order)
        self._count_fill(send, done, counted)
        if done.filled:
            tools.counts["filled"] += 1
        return done

    def _count_fill(self, send: Send, sent: Sent, counted: Decimal) -> Decimal:
        """Add what has been filled since `counted` to what is held."""
        self._tools.accounts.add_fill(send.leg.key, sent.filled - counted)
        return sent.filled

    def _may_wait(self, send: Send) -> bool:
        tools = self._tools
        lead = tools.config.window_lead_seconds + 2 * tools.config.poll_seconds
        self.observe(self._bare_views())
        patience = _PATIENT_SHARE * tools.config.unhedged_cap_usd_seconds
        return (
            not tools.desk.refusal(reduce_only=send.reduce_only)
            and tools.market.is_clear(send.leg.key[0], lead_seconds=lead)
            and self.unhedged.usd_seconds < patience
        )


def _key(leg: LegVerdict) -> Key:
    return leg.target.venue, leg.target.symbol
