"""Layer 3, the state of the market: regimes and anomalies over the history, and the state at a decision.

What lives here: the assets. What does not: the judgement (`models`), and what the state allows (`execution`).
"""

from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import decision_schedule, first_and_last
from funding_pipeline.core.market import Market
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.decision import DECISION_FEATURES, LOOK_BACK, DecisionTime, decision_tables
from funding_pipeline.defs.features import FEATURES, read_features
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.anomalies import ALARM, ANOMALIES_SCHEMA, anomalies
from funding_pipeline.models.market_severity import episodes, market_severity
from funding_pipeline.models.market_state import (
    HISTORY,
    MARKET_STATE_SCHEMA,
    STATE_FEATURES,
    market_state,
)
from funding_pipeline.models.regimes import REGIMES_SCHEMA, market_regime
from funding_pipeline.reporting import plots
from funding_pipeline.storage.lake import Lake

GROUP = "models"
REGIMES = "market_regimes"
ANOMALIES = "funding_anomalies"
STATE = "market_state"
_PRICE_OF = "BTC"
_PRICE_GRID = "8h"
_GRID_HOURS = 8
_HOURS_PER_YEAR = 8760


def market_state_assets() -> list[dg.AssetsDefinition]:
    """Regimes and anomalies, over the whole history there is, and the state at the decision time."""
    return [market_regimes, funding_anomalies, market_state_at_decision]


@dg.asset(
    name=REGIMES,
    deps=[FEATURES],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(REGIMES_SCHEMA)},
)
def market_regimes(
    market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """The state of the market at each decision time: calm carry, crowded longs, stress or inverted.

    Filtered: a label never changes when later rows arrive.
    """
    regimes = market_regime(read_features(lake))
    version = lake.replace(REGIMES, regimes)
    shares = regimes.group_by("regime").len("decisions").sort("decisions", descending=True)
    return dg.MaterializeResult(
        metadata={
            **md.stored(REGIMES, version, rows=regimes.height, market_label=market.label),
            "current": str(regimes["regime"][-1]) if regimes.height else "unknown",
            "decisions_by_regime": md.table_preview(shares),
            "regimes_plot": md.plot(
                plots.regimes_over(
                    _price_and_funding(lake, regimes),
                    regimes,
                    price_of=_PRICE_OF,
                    suffix=md.suffix(market),
                )
            ),
        }
    )


@dg.asset(
    name=ANOMALIES,
    deps=[FEATURES],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(ANOMALIES_SCHEMA)},
)
def funding_anomalies(
    market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Readings far outside what was usual until then, with the reason in words."""
    features = read_features(lake)
    found, severities = anomalies(features), market_severity(features)
    version = lake.replace(ANOMALIES, found)
    alarms = _first_alarms(severities)
    return dg.MaterializeResult(
        metadata={
            **md.stored(ANOMALIES, version, rows=found.height, market_label=market.label),
            "newest": md.table_preview(
                found.sort("as_of", descending=True).select("as_of", "venue", "symbol", "severity", "reason")
            ),
            "market_alarms": alarms.height,
            "newest_market_alarms": md.table_preview(
                alarms.sort("as_of", descending=True).select("as_of", "strongest", "reason")
            ),
            "unusual_market_plot": md.plot(
                plots.unusual_market(severities, alarms, suffix=md.suffix(market))
            ),
        }
    )


@dg.asset(
    name=STATE,
    deps=[FEATURES, DECISION_FEATURES],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(MARKET_STATE_SCHEMA)},
)
def market_state_at_decision(
    config: DecisionTime, market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Regime, and how unusual the market and each instrument are, at the time of the decision.

    The risk verdict lets less grow, or nothing, by it. Null severity: too little history to judge.
    """
    decision = lake.scan(DECISION_FEATURES).select(STATE_FEATURES).collect()
    panel = _earlier_features(config, decision, market=market, lake=lake)
    state = market_state(panel, decision)
    version = lake.replace(STATE, state)
    whole = state.row(0, named=True) if state.height else {}
    unusual = state.filter(pl.col("severity") != "none")
    return dg.MaterializeResult(
        metadata={
            **md.stored(STATE, version, rows=state.height, market_label=market.label),
            "regime": whole.get("regime") or "unknown",
            "severity": whole.get("severity") or "unknown",
            "earlier_decisions": panel["as_of"].n_unique(),
            "unusual": md.table_preview(unusual.drop("as_of", "regime"), rows=60),
        }
    )


def _earlier_features(
    config: DecisionTime, decision: pl.DataFrame, *, market: Market, lake: Lake
) -> pl.DataFrame:
    """The stored panel before the decision; in a rebalance with what has landed since, or without it all."""
    if decision.is_empty():
        return decision
    _, at = first_and_last(decision["as_of"])
    stored = _stored_features(lake, at)
    if config.at == "newest":
        return stored
    times = decision_schedule(start=at - LOOK_BACK, end=at - timedelta(seconds=1), every_hours=_GRID_HOURS)
    missing = times if stored.is_empty() else times.filter(times > stored["as_of"].max())
    if missing.is_empty():
        return stored
    landed = build_features(decision_tables(market, at), as_of=missing).select(STATE_FEATURES)
    return pl.concat([stored, landed])


def _stored_features(lake: Lake, at: datetime) -> pl.DataFrame:
    if not lake.exists(FEATURES):
        return lake.scan(DECISION_FEATURES).select(STATE_FEATURES).head(0).collect()
    rows = lake.scan(FEATURES).filter(pl.col("as_of").is_between(at - HISTORY, at, closed="left"))
    return rows.select(STATE_FEATURES).collect()


def _first_alarms(severities: pl.DataFrame) -> pl.DataFrame:
    """The first alarm of each episode of the whole market."""
    times = severities.filter(pl.col("severity") == ALARM)["as_of"]
    first = [group[0] for group in episodes(times)]
    return severities.filter(pl.col("as_of").is_in(first))


def _price_and_funding(lake: Lake, regimes: pl.DataFrame) -> pl.DataFrame:
    """time, price (median of the venues' closes; null where there is none) and funding, a year."""
    funding = pl.col("market_rate_168h_per_hour") * _HOURS_PER_YEAR
    series = regimes.select(pl.col("as_of").alias("time"), funding.alias("funding"))
    if not lake.exists("prices"):
        return series.with_columns(pl.lit(None, pl.Float64).alias("price"))
    own = (pl.col("kind") == "trade") & pl.col("symbol").str.starts_with(f"{_PRICE_OF}/")
    prices = (
        lake.scan("prices")
        .filter(own)
        .group_by(pl.col("close_time").dt.truncate(_PRICE_GRID).alias("time"))
        .agg(pl.col("close").median().alias("price"))
        .collect()
    )
    return series.join(prices, on="time", how="left", maintain_order="left")
