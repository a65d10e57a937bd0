"""The jobs by which a person governs trading in the web UI: each asks for name, reason and a typed word.

What lives here: what is asked for, and what a run shows. What does not: the work, which the command line
shares (`trading.governance_actions`, `trading.getting_flat`).

These runs begin beside whatever is running: dagster.yaml has no limit for them.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import dagster as dg
from pydantic import Field

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.governance import TradingState
from funding_pipeline.core.risk_limits import limit_names
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.run_tags import GOVERNANCE_RUN
from funding_pipeline.defs.trading_state import state_event
from funding_pipeline.defs.trading_view import Clock, clock_of
from funding_pipeline.execution.states import Actor
from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.getting_flat import Flattened, flatten_all
from funding_pipeline.trading.governance_actions import (
    Action,
    StateChange,
    arm,
    change_state,
    confirmed,
    disarm,
    guard_report,
    open_journal,
    rebase_equity,
    tighten,
)
from funding_pipeline.trading.session import open_session
from funding_pipeline.trading.setup import TradingSetup


class Ordered(dg.Config):
    """What every order of a person says."""

    person: str = Field(description="Your name; the journal keeps it.")
    reason: str = Field(description="Why; the journal keeps it, and everybody sees it.")


class Halt(Ordered):
    """Nothing but cancels is sent from now on."""

    confirm: str = Field(description="Type HALT to confirm.")


class Reduce(Ordered):
    """Only what reduces exposure is sent from now on."""

    confirm: str = Field(description="Type REDUCE to confirm.")


class Resume(Ordered):
    """Plans are carried out again."""

    confirm: str = Field(description="Type RESUME to confirm. Read first what stopped trading.")
    rebase_equity: bool = Field(
        default=False,
        description="Begin daily loss and drawdown anew from what the accounts are worth now: after a "
        "deposit or withdrawal, or because you accept the loss. Else the guard may stop trading again at "
        "once.",
    )


class Flatten(Ordered):
    """Everything is closed."""

    confirm: str = Field(description="Type FLATTEN to confirm: every position of every account is closed.")


class Arm(Ordered):
    """Live orders are allowed for a while."""

    confirm: str = Field(description="Type ARM to confirm: orders will cost real money.")
    hours: float = Field(default=8.0, description="For how long, at most 24; it ends by itself.")


class Disarm(Ordered):
    """Live orders are no longer allowed, but for what reduces."""

    confirm: str = Field(description="Type DISARM to confirm.")


class Tighten(Ordered):
    """A risk limit is made tighter until the next start."""

    confirm: str = Field(
        description="Type TIGHTEN to confirm; to loosen takes a changed setting and a restart."
    )
    limit: str = Field(description=f"One of {', '.join(limit_names())}.")
    value: float = Field(description="The new value, in the unit with which the limit's name ends.")


class Desk(NamedTuple):
    """What an action works with: who acts, the setup, the journal at the venues' time, and its speed."""

    actor: Actor
    setup: TradingSetup
    journal: Journal
    speed: float


def governance_jobs(*, clock: Clock = clock_of) -> list[dg.JobDefinition]:
    """The seven jobs. `clock`: the venues' time."""

    @contextmanager
    def desk(settings: Settings, action: Action, config: Any) -> Iterator[Desk]:
        """An open journal for a person who has confirmed; errors of ours fail the run in one line."""
        with _told():
            actor = confirmed(action, person=config.person, reason=config.reason, confirm=config.confirm)
            setup, time = settings.trading_setup(), clock(settings)
            with open_journal(setup, time) as journal:
                yield Desk(actor, setup, journal, 1.0 if time is None else time.speed)

    @dg.op(name="halt_trading")
    def halt_op(context: dg.OpExecutionContext, config: Halt, settings: dg.ResourceParam[Settings]) -> None:
        """HALTED: from this moment only cancels are sent; also a rebalance in flight sends nothing more."""
        with desk(settings, "halt", config) as at:
            _set(context, at, "HALTED", config.reason)

    @dg.op(name="reduce_trading")
    def reduce_op(
        context: dg.OpExecutionContext, config: Reduce, settings: dg.ResourceParam[Settings]
    ) -> None:
        """REDUCING: rebalances and the guard may only make positions smaller."""
        with desk(settings, "reduce", config) as at:
            _set(context, at, "REDUCING", config.reason)

    @dg.op(name="resume_trading")
    def resume_op(
        context: dg.OpExecutionContext, config: Resume, settings: dg.ResourceParam[Settings]
    ) -> None:
        """ACTIVE again. Shows what the guard said last."""
        with desk(settings, "resume", config) as at:
            said = guard_report(at.journal)
            context.log.info(said)
            equity = asyncio.run(_rebased(at, config.reason)) if config.rebase_equity else None
            shown = {} if equity is None else {"equity_begun_anew_usd": float(equity)}
            _set(context, at, "ACTIVE", config.reason, more={"guard": said, **shown})

    @dg.op(name="flatten_positions")
    def flatten_op(
        context: dg.OpExecutionContext, config: Flatten, settings: dg.ResourceParam[Settings]
    ) -> None:
        """REDUCING, then everything is closed, the legs of a base together; says what remains."""
        with desk(settings, "flatten", config) as at:
            change = change_state(at.journal, "REDUCING", by=at.actor, reason=f"flatten: {config.reason}")
            _report_state(context, at.journal, change)
            done = asyncio.run(_flat(at, config.reason))
            _show_flattened(context, done)

    @dg.op(name="arm_trading")
    def arm_op(context: dg.OpExecutionContext, config: Arm, settings: dg.ResourceParam[Settings]) -> None:
        """Live orders are allowed until a time; afterwards only what reduces."""
        with desk(settings, "arm", config) as at:
            until = arm(at.journal, at.setup, by=at.actor, reason=config.reason, hours=config.hours)
            context.log.info(f"armed until {until:%Y-%m-%d %H:%M} UTC")
            context.add_output_metadata({"armed_until": until.isoformat(), "by": at.actor.text})

    @dg.op(name="disarm_trading")
    def disarm_op(
        context: dg.OpExecutionContext, config: Disarm, settings: dg.ResourceParam[Settings]
    ) -> None:
        """Ends the arming now."""
        with desk(settings, "disarm", config) as at:
            disarm(at.journal, by=at.actor, reason=config.reason)
            context.log.info("live trading is no longer armed")

    @dg.op(name="tighten_risk_limit")
    def tighten_op(
        context: dg.OpExecutionContext, config: Tighten, settings: dg.ResourceParam[Settings]
    ) -> None:
        """Makes one risk limit tighter; it is in force from the next verdict and the guard's next look."""
        with desk(settings, "tighten", config) as at:
            done = tighten(
                at.journal,
                at.setup,
                config.limit,
                config.value,
                speed=at.speed,
                by=at.actor,
                reason=config.reason,
            )
            context.log.info(f"{done.name}: {done.before:g} is now {done.after:g}")
            context.add_output_metadata(
                {"limit": done.name, "before": done.before, "after": done.after, "version": done.version}
            )

    return [
        _job("halt", halt_op, "Stop trading: only cancels are sent, from this moment on. Type HALT."),
        _job("reduce", reduce_op, "Only reduce: nothing that opens is sent any more. Type REDUCE."),
        _job("resume", resume_op, "Trade again, after a person has looked. Type RESUME."),
        _job(
            "flatten", flatten_op, "Close every position of every account, both legs together. Type FLATTEN."
        ),
        _job("arm_live_trading", arm_op, "Allow live orders for at most a day. Type ARM."),
        _job("disarm_live_trading", disarm_op, "End the arming now. Type DISARM."),
        _job("tighten_limit", tighten_op, "Make a risk limit tighter until the next start. Type TIGHTEN."),
    ]


def _job(name: str, op: dg.OpDefinition, description: str) -> dg.JobDefinition:
    """A job of one step, in the run's own process."""

    @dg.job(
        name=name,
        description=description,
        tags=dict(GOVERNANCE_RUN),
        executor_def=dg.in_process_executor,
    )
    def ordered() -> None:
        op()

    return ordered


@contextmanager
def _told() -> Iterator[None]:
    """An error of ours fails the run with its own words, and is not tried again."""
    try:
        yield
    except FundingPipelineError as error:
        # Not `from error`: the web UI would show the same words twice, with two stack traces.
        raise dg.Failure(description=str(error), allow_retries=False) from None


def _set(
    context: dg.OpExecutionContext,
    desk: Desk,
    state: TradingState,
    reason: str,
    *,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Change the state, and show it in the run and on the asset."""
    change = change_state(desk.journal, state, by=desk.actor, reason=reason)
    _report_state(context, desk.journal, change)
    context.add_output_metadata({"trading": change.text(), **(more or {})})


def _report_state(context: dg.OpExecutionContext, journal: Journal, change: StateChange) -> None:
    context.log.info(change.text())
    if change.before != change.after:
        context.log_event(state_event(change.after, journal.state_history()))


async def _rebased(desk: Desk, reason: str) -> Decimal:
    async with open_session(desk.setup) as session:
        return await rebase_equity(session, by=desk.actor, reason=reason)


async def _flat(desk: Desk, reason: str) -> Flattened:
    async with open_session(desk.setup) as session:
        return await flatten_all(session, reason=reason)


def _show_flattened(context: dg.OpExecutionContext, done: Flattened) -> None:
    """What remains, as a table; the run fails if it could still be closed, or is not known."""
    table = md.table_of(done.rows())
    shown = {
        "legs": table,
        "status": done.report.status,
        "orders_sent": done.report.orders_sent,
        "problems": list(done.report.problems),
    }
    context.log.info(done.text())
    if not done.is_flat:
        raise dg.Failure(description=done.text(), metadata=shown, allow_retries=False)
    context.add_output_metadata(shown)
