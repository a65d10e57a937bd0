"""Layer 5: the risk verdict between plan and orders, the orders, and what settlements paid."""

import asyncio
from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.governance import Alert, RiskVerdict
from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import UTC
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.accounts import BOOK, GROUP, subject_of
from funding_pipeline.defs.market_state import STATE
from funding_pipeline.defs.models import LATEST
from funding_pipeline.defs.portfolio import PLAN
from funding_pipeline.defs.run_tags import REBALANCE
from funding_pipeline.defs.sensors import tell_people
from funding_pipeline.execution.market_state import MarketState, market_state_of
from funding_pipeline.models.anomalies import ALARM
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.judging import Judgement, judge_plan
from funding_pipeline.trading.rebalancing import ORDERS_SCHEMA, Rebalanced, carry_out, order_rows
from funding_pipeline.trading.report import ExecutionReport
from funding_pipeline.trading.session import TradingSession, open_session, require_accounts

VERDICT = "risk_verdict"
EXECUTED = "executed_orders"
POOL = "trading"
VERDICT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "verdict_id": pl.String,
    "rebalance": pl.String,
    "judged_at": UTC,
    "expires_at": UTC,
    "state": pl.String,
    "limits_version": pl.String,
    "venue": pl.String,
    "symbol": pl.String,
    "base": pl.String,
    "decision": pl.String,
    "quantity_target": pl.Float64,
    "quantity_allowed": pl.Float64,
    "price": pl.Float64,
    "reasons": pl.String,
}
_SAID_ONCE = ("verdict_id", "rebalance", "judged_at", "expires_at")
_KEPT = timedelta(days=30)


def trading_assets() -> list[dg.AssetsDefinition]:
    """Verdict and orders."""
    return [risk_verdict, executed_orders]


@dg.asset(
    name=VERDICT,
    deps=[PLAN, BOOK, LATEST, STATE],
    group_name=GROUP,
    kinds={"ccxt", "deltalake"},
    pool=POOL,
    metadata={"dagster/column_schema": md.columns_of(VERDICT_SCHEMA)},
)
def risk_verdict(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """What of the plan may be held, leg by leg: passed, cut down or refused, with reasons and numbers.

    Judged against what the accounts hold and the venues say at this moment. No order exists without it.
    Only the job `rebalance` makes one: another's would take the place of a verdict that is being carried out.
    """
    require_rebalance(context, BOOK, PLAN)
    legs = lake.scan(PLAN).collect()
    trained_at = lake.scan(LATEST).select(pl.col("trained_at").min()).collect().item()
    state = market_state_of(lake.scan(STATE).collect()) if lake.exists(STATE) else None

    async def judged() -> Judgement:
        async with open_session(settings.trading_setup()) as session:
            require_accounts(session)
            _tell_of_alarm(session, state)
            return await judge_plan(
                session,
                legs,
                rebalance=subject_of(context),
                model_trained_at=trained_at,
                market_state=state,
            )

    judgement = asyncio.run(judged())
    verdict = judgement.verdict
    for problem in judgement.problems:
        context.log.warning(problem)
    frame = _verdict_rows(verdict)
    version = lake.replace(VERDICT, frame)
    return dg.MaterializeResult(
        metadata={
            **md.stored(VERDICT, version, rows=frame.height, market_label=market.label),
            "decision": verdict.decision if verdict.legs else "nothing is planned or held",
            "state": verdict.state,
            **_market(state),
            "limits_version": verdict.limits_version,
            "verdict_id": verdict.verdict_id,
            "breaches": md.table_of([{"breach": breach.text()} for breach in verdict.breaches]),
            "legs": md.table_preview(frame.drop(_SAID_ONCE), rows=120),
        }
    )


def require_rebalance(context: dg.AssetExecutionContext, *upstream: str) -> None:
    """Raise GovernanceError unless this run of `rebalance` has itself made the newest of `upstream`.

    Tags are not asked: whoever launches a run can write any, and a re-execution from the step that failed has
    those of the run before, whose book and plan are of an earlier moment.
    """
    if context.run.job_name != REBALANCE:
        raise _refusal("this run is none")
    for asset in upstream:
        made = context.instance.get_latest_materialization_event(dg.AssetKey(asset))
        if made is None or made.run_id != context.run.run_id:
            raise _refusal(f"the newest {asset} is not of this run")


def _refusal(why: str) -> GovernanceError:
    return GovernanceError(
        f"orders are sent by the job `{REBALANCE}` only, by a whole run of it, and {why}: nothing was sent. "
        f"Launch `{REBALANCE}` as a whole under Jobs, or wait for the next settlement"
    )


def _market(state: MarketState | None) -> dict[str, str]:
    """The market's state as the verdict took it."""
    if state is None:
        return {"market": "unknown"}
    severity = state.market.severity or "unknown"
    return {"market": f"{severity}, regime {state.regime or 'unknown'}", "market_reason": state.market.reason}


def _tell_of_alarm(session: TradingSession, state: MarketState | None) -> None:
    """People hear of an alarm of the whole market, once per rebalance while it lasts."""
    if state is None or state.market.severity != ALARM:
        return
    alert = Alert(
        "market_alarm",
        "warning",
        f"market alarm: {state.market.reason}",
        "nothing grows while it lasts; what is held stays hedged. Look at the asset market_state",
        session.now(),
    )
    tell_people(session.journal, session.setup, alert, session.speed)


def _verdict_rows(verdict: RiskVerdict) -> pl.DataFrame:
    rows = [
        (
            verdict.verdict_id,
            verdict.rebalance,
            verdict.judged_at,
            verdict.expires_at,
            verdict.state,
            verdict.limits_version,
            leg.target.venue,
            leg.target.symbol,
            leg.target.base,
            leg.decision,
            float(leg.target.quantity),
            float(leg.allowed),
            float(leg.target.price),
            "; ".join(leg.reasons),
        )
        for leg in verdict.legs
    ]
    return pl.DataFrame(rows, schema=VERDICT_SCHEMA, orient="row")


@dg.asset(
    name=EXECUTED,
    deps=[VERDICT],
    group_name=GROUP,
    kinds={"ccxt", "deltalake"},
    pool=POOL,
    metadata={"dagster/column_schema": md.columns_of(ORDERS_SCHEMA)},
)
def executed_orders(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Orders of the last 30 days; this run's are those that lead from what is held to what is allowed.

    Each was written into the journal before it was sent. Safe to run again: what is done is not repeated.
    Only the job `rebalance` sends orders, by the verdict that it made itself.
    """
    require_rebalance(context, BOOK, PLAN, VERDICT)
    verdict_id = _verdict_to_carry_out(context.instance, lake)

    async def carried_out() -> tuple[Rebalanced | None, pl.DataFrame, str]:
        async with open_session(settings.trading_setup()) as session:
            done = None
            if verdict_id is not None:
                verdict = _kept_verdict(session, verdict_id)
                done = await carry_out(session, verdict, owner=f"rebalance {context.run.run_id[:8]}")
            rows = order_rows(session.journal.intents(since=session.now() - _KEPT))
            return done, rows, session.permission_text()

    done, rows, permission = asyncio.run(carried_out())
    version = lake.replace(EXECUTED, rows)
    shown = md.stored(EXECUTED, version, rows=rows.height, market_label=market.label)
    if done is None:
        return dg.MaterializeResult(metadata={**shown, "status": "nothing is planned or held"})
    for problem in (*done.report.problems, *done.report.statement_problems, *done.problems):
        context.log.warning(problem)
    return dg.MaterializeResult(
        metadata={
            **shown,
            "trading": permission,
            **_report(done.report),
            "differences": md.table_of([{"difference": found.text()} for found in done.differences]),
            "profit_usd": md.table_of(done.pnl.rows()),
            "orders": md.table_preview(rows.filter(pl.col("verdict_id") == verdict_id), rows=120),
        }
    )


def _kept_verdict(session: TradingSession, verdict_id: str) -> RiskVerdict:
    """The verdict as the journal has it; GovernanceError where it has none such."""
    verdict = session.journal.verdict(verdict_id)
    if verdict is None:
        raise GovernanceError(f"there is no risk verdict {verdict_id}: materialize {VERDICT} first")
    return verdict


def _verdict_to_carry_out(instance: dg.DagsterInstance, lake: Lake) -> str | None:
    """Id of this rebalance's verdict, if it is about any leg.

    Raises GovernanceError where the table has that of a run that has judged meanwhile.
    """
    found = lake.scan(VERDICT).select("verdict_id").first().collect()
    if found.is_empty():
        return None
    made = instance.get_latest_materialization_event(dg.AssetKey(VERDICT))
    said = None if made is None or made.asset_materialization is None else made.asset_materialization.metadata
    if said is None or said["verdict_id"].value != found.item():
        raise _refusal(f"the table {VERDICT} is not of this run")
    return str(found.item())


def _report(report: ExecutionReport) -> dict[str, Any]:
    left = [
        {"venue": leg.venue, "symbol": leg.symbol, "allowed": leg.allowed, "held": leg.after, "why": leg.note}
        for leg in report.remaining
    ]
    return {
        "status": report.status,
        "orders_sent": report.orders_sent,
        "orders_filled": report.orders_filled,
        "orders_rejected": report.orders_rejected,
        "residual_unhedged_usd": report.residual_unhedged_usd,
        "seconds": {name: round(seconds, 3) for name, seconds in report.seconds.items()},
        "not_as_allowed": md.table_of(left),
        "given_up": list(report.given_up),
        "problems": list(report.problems + report.statement_problems),
    }
