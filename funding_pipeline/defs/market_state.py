"""Layer 3, the state of the market: regimes and anomalies, both known at the time."""

import dagster as dg
import polars as pl

from funding_pipeline.core.market import Market
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.features import FEATURES, read_features
from funding_pipeline.models.anomalies import ANOMALIES_SCHEMA, anomalies
from funding_pipeline.models.regimes import REGIMES_SCHEMA, market_regime
from funding_pipeline.reporting import plots
from funding_pipeline.storage.lake import Lake

GROUP = "models"
REGIMES = "market_regimes"
ANOMALIES = "funding_anomalies"


def market_state_assets() -> list[dg.AssetsDefinition]:
    """Regimes and anomalies, over the whole history there is."""
    return [market_regimes, funding_anomalies]


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
                    regimes.select(pl.col("as_of").alias("time"), _market_funding().alias("value")),
                    regimes,
                    what="market funding, 168 h mean, % a year",
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
    found = anomalies(read_features(lake))
    version = lake.replace(ANOMALIES, found)
    return dg.MaterializeResult(
        metadata={
            **md.stored(ANOMALIES, version, rows=found.height, market_label=market.label),
            "newest": md.table_preview(
                found.sort("as_of", descending=True).select("as_of", "venue", "symbol", "reason")
            ),
        }
    )


def _market_funding() -> pl.Expr:
    return pl.col("market_rate_168h_per_hour") * 24 * 365 * 100
