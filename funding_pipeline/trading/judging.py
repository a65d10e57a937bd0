"""A plan judged against what the accounts hold and the venues say now.

What lives here: reading what the judgement needs, and keeping it in the journal. What does not: the
judgement itself (`execution.verdict`), or carrying it out (`executor`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import polars as pl

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.governance import RiskVerdict, TargetPosition, TradingState
from funding_pipeline.execution.book import ZERO, BookState
from funding_pipeline.execution.market_state import MarketState
from funding_pipeline.execution.orders import planned_targets
from funding_pipeline.execution.states import strictest
from funding_pipeline.execution.verdict import judge
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.facts_reading import FactsReader
from funding_pipeline.trading.holdings import holdings
from funding_pipeline.trading.orders import Key
from funding_pipeline.trading.session import TradingSession


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it was made from. `problems`: what could not be read, by venue or leg."""

    verdict: RiskVerdict
    book: BookState
    problems: tuple[str, ...]


async def judge_plan(
    session: TradingSession,
    legs: pl.DataFrame,
    *,
    rebalance: str,
    model_trained_at: datetime | None,
    market_state: MarketState | None,
) -> Judgement:
    """The risk verdict of a plan (rows of portfolio.plan.LEG_SCHEMA), kept in the journal.

    Positions that the plan does not know are judged as to be held, with all of their base. Live trading that
    is not armed is judged as REDUCING. Raises JournalError, and GovernanceError for a plan that is too old;
    what a venue does not tell refuses by name.
    """
    _refuse_old(session, legs)
    betas = {base: beta for base, beta in legs.select("base", "beta").iter_rows() if beta is not None}
    book, down = await read_book(session, betas=betas)
    keys = set(legs.select("venue", "symbol").iter_rows()) | {(p.venue, p.symbol) for p in book.positions}
    reader = FactsReader(session)
    facts = await reader.read(keys, model_trained_at=model_trained_at, state=market_state)
    steps = {key: found.quantity_step for key, found in facts.instruments.items()}
    targets, unseen = without_unseen(
        planned_targets(legs, steps),
        book,
        planned=set(legs.select("venue", "symbol").iter_rows()),
        silent=_held_where_silent(session, book),
    )
    verdict = judge(
        targets,
        book,
        market=facts,
        limits=session.limits(),
        state=allowed_state(session),
        rebalance=rebalance,
        judged_at=session.now(),
    )
    session.journal.save_verdict(verdict)
    return Judgement(verdict, book, (*down.values(), *reader.problems.values(), *unseen))


def without_unseen(
    targets: Sequence[TargetPosition],
    book: BookState,
    *,
    planned: Collection[Key],
    silent: Mapping[Key, Decimal],
) -> tuple[tuple[TargetPosition, ...], tuple[str, ...]]:
    """Targets without those of bases of which the plan did not know a leg, and why, by base.

    `planned`: instruments that the plan knows. `silent`: what the journal adds up to where a venue does not
    answer. Such a leg hedges what is held elsewhere: a plan that does not know of it would hedge twice, or
    close its hedge. What is held of the base stays as it is; with a leg that is silent it is frozen.
    """
    unseen = [(p.venue, p.symbol) for p in book.positions if (p.venue, p.symbol) not in planned]
    unseen += [key for key in silent if key not in planned]
    names: dict[str, list[str]] = {}
    for key in sorted(unseen):
        names.setdefault(book.identity(key)[0], []).append(" ".join(key))
    kept = [target for target in targets if target.base not in names]
    silent_legs = [
        TargetPosition(*key, *book.identity(key), quantity, ZERO)
        for key, quantity in silent.items()
        if key not in planned
    ]
    dropped = {target.base for target in targets} & set(names)
    why = (f"{b}: the plan was made without {', '.join(names[b])}: it is left as it is" for b in dropped)
    return (*kept, *silent_legs), tuple(sorted(why))


def _held_where_silent(session: TradingSession, book: BookState) -> Mapping[Key, Decimal]:
    """What the journal adds up to on venues that do not answer, and instruments with an unknown order."""
    if not book.missing_venues:
        return {}
    journal = session.journal
    ordered = journal.ordered()
    unknown = {(r.intent.request.venue, r.intent.request.symbol) for r in journal.unresolved()}
    found = holdings(journal, sorted(key for key in ordered if key[0] in book.missing_venues))
    return {key: quantity for key, quantity in found.items() if quantity or key in unknown}


def _refuse_old(session: TradingSession, legs: pl.DataFrame) -> None:
    """GovernanceError for a plan that is older than a verdict may become, or as far ahead of the clock."""
    made, now = legs["time"].min(), session.now()
    most = session.limits().verdict_valid_seconds
    if isinstance(made, datetime) and abs((now - made).total_seconds()) > most:
        raise GovernanceError(
            f"the plan is of {made:%Y-%m-%d %H:%M} UTC and it is {now:%Y-%m-%d %H:%M} UTC: make a new one "
            "(job `rebalance`)"
        )


def allowed_state(session: TradingSession) -> TradingState:
    """The journal's state, or a stricter one where live trading is not armed."""
    permitted: dict[str, TradingState] = {"all": "ACTIVE", "reduce": "REDUCING", "none": "HALTED"}
    return strictest(session.journal.state().state, permitted[session.permission()])
