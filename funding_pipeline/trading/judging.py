"""A plan judged against what the accounts hold and the venues say now.

What lives here: reading what the judgement needs, and keeping it in the journal. What does not: the
judgement itself (`execution.verdict`), or carrying it out (`executor`).
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.governance import RiskVerdict, TradingState
from funding_pipeline.execution.book import BookState
from funding_pipeline.execution.orders import planned_targets
from funding_pipeline.execution.states import strictest
from funding_pipeline.execution.verdict import judge
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.facts_reading import FactsReader
from funding_pipeline.trading.session import TradingSession


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it was made from. `problems`: what could not be read, by venue or leg."""

    verdict: RiskVerdict
    book: BookState
    problems: tuple[str, ...]


async def judge_plan(
    session: TradingSession, legs: pl.DataFrame, *, rebalance: str, model_trained_at: datetime | None
) -> Judgement:
    """The risk verdict of a plan (rows of portfolio.plan.LEG_SCHEMA), kept in the journal.

    Positions that the plan does not know are judged as to be held. Live trading that is not armed is judged
    as REDUCING. Raises JournalError, and GovernanceError for a plan that is too old; what a venue does not
    tell refuses by name.
    """
    _refuse_old(session, legs)
    betas = {base: beta for base, beta in legs.select("base", "beta").iter_rows() if beta is not None}
    book, down = await read_book(session, betas=betas)
    keys = set(legs.select("venue", "symbol").iter_rows()) | {(p.venue, p.symbol) for p in book.positions}
    reader = FactsReader(session)
    facts = await reader.read(keys, model_trained_at=model_trained_at)
    steps = {key: found.quantity_step for key, found in facts.instruments.items()}
    verdict = judge(
        planned_targets(legs, steps),
        book,
        market=facts,
        limits=session.limits(),
        state=allowed_state(session),
        rebalance=rebalance,
        judged_at=session.now(),
    )
    session.journal.save_verdict(verdict)
    return Judgement(verdict, book, (*down.values(), *reader.problems.values()))


def _refuse_old(session: TradingSession, legs: pl.DataFrame) -> None:
    """GovernanceError for a plan that is older than a verdict may become."""
    made, now = legs["time"].min(), session.now()
    most = session.limits().verdict_valid_seconds
    if isinstance(made, datetime) and (now - made).total_seconds() > most:
        raise GovernanceError(
            f"the plan is of {made:%Y-%m-%d %H:%M} UTC and it is {now:%Y-%m-%d %H:%M} UTC: make a new one "
            "(job `rebalance`)"
        )


def allowed_state(session: TradingSession) -> TradingState:
    """The journal's state, or a stricter one where live trading is not armed."""
    permitted: dict[str, TradingState] = {"all": "ACTIVE", "reduce": "REDUCING", "none": "HALTED"}
    return strictest(session.journal.state().state, permitted[session.permission()])
