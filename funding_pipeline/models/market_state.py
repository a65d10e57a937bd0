"""The state of the market at one decision: regime, severity of the whole, severity of each instrument.

What lives here: one table made of the feature panel and the features of the decision. What does not: how
each is judged (`regimes`, `market_severity`, `anomalies`), and what follows from it (`execution`).
"""

from datetime import timedelta

import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.models.anomalies import (
    INSTRUMENT_WATCHED,
    NONE,
    NOTICE,
    SEVERITIES,
    anomalies,
)
from funding_pipeline.models.deviations import LEAST_ROWS
from funding_pipeline.models.market_readings import MARKET
from funding_pipeline.models.market_severity import market_severity
from funding_pipeline.models.regimes import market_regime

HISTORY = timedelta(days=400)
"""Enough for typical values, and for the regime's flags to have crossed a threshold."""
_KEY = ["venue", "symbol"]
_SILENT_SINCE = timedelta(days=3)
MARKET_STATE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "as_of": UTC,
    "venue": pl.String,
    "symbol": pl.String,
    "base": pl.String,
    "severity": pl.String,
    "regime": pl.String,
    "reason": pl.String,
}
STATE_FEATURES: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            "as_of",
            *_KEY,
            "base",
            *(watched.feature for watched in INSTRUMENT_WATCHED),
            "momentum_24h",
            "volatility_24h_per_sqrt_hour",
            "market_rate_24h_per_hour",
            "market_rate_168h_per_hour",
            "base_dispersion_168h_per_hour",
        )
    )
)
"""Columns of the feature panel from which a state is made."""


def market_state(panel: pl.DataFrame, decision: pl.DataFrame) -> pl.DataFrame:
    """One row for the market (venue and symbol `market`), first, and one per instrument of `decision`.

    `panel`: features of earlier decision times, at least STATE_FEATURES; later rows are left out.
    `decision`: features at one as_of. `severity`: none, notice, warning, alarm; null where there is too
    little history to judge by. `regime`: of the market, null for instruments. `reason`: the unusual
    readings in words, and venues that have fallen silent. Empty for an empty decision.
    """
    if decision.is_empty():
        return pl.DataFrame(schema=MARKET_STATE_SCHEMA)
    at = decision["as_of"].max()
    columns = [pl.col(name) for name in STATE_FEATURES]
    earlier = panel.select(columns).filter(
        pl.col("as_of").is_between(pl.lit(at) - HISTORY, at, closed="left")
    )
    rows = pl.concat([earlier, decision.select(columns)])
    whole = _whole_market(rows).filter(pl.col("as_of") == at)
    found = pl.concat([whole, _instruments(rows, decision)], how="diagonal")
    return found.select(pl.col(name).cast(dtype) for name, dtype in MARKET_STATE_SCHEMA.items())


def _whole_market(rows: pl.DataFrame) -> pl.DataFrame:
    severity = market_severity(rows).select("as_of", "severity", "reason")
    regime = market_regime(rows).select("as_of", "regime")
    silent = _silent_venues(rows)
    words = pl.format("no funding known for a day on {}", pl.lit(", ".join(silent)))
    found = severity.join(regime, on="as_of", how="left", maintain_order="left").with_columns(
        pl.lit(MARKET).alias("venue"), pl.lit(MARKET).alias("symbol"), pl.lit(MARKET).alias("base")
    )
    if not silent:
        return found
    return found.with_columns(
        pl.col("severity").replace({NONE: NOTICE}),
        pl.concat_str(pl.col("reason").replace({"": None}), words, separator="; ", ignore_nulls=True).alias(
            "reason"
        ),
    )


def _silent_venues(rows: pl.DataFrame) -> list[str]:
    """Venues with rows within the last days and none at the newest as_of."""
    newest = rows["as_of"].max()
    lately = rows.filter(pl.col("as_of") >= pl.lit(newest) - _SILENT_SINCE)
    here = lately.filter(pl.col("as_of") == newest)["venue"].unique()
    return sorted(set(lately["venue"]) - set(here))


def _instruments(rows: pl.DataFrame, decision: pl.DataFrame) -> pl.DataFrame:
    """Of each instrument of the decision the worst of its readings, and all of them in words."""
    at = decision["as_of"].max()
    rank = pl.col("severity").replace_strict(dict(zip(SEVERITIES, range(4), strict=True)))
    found = anomalies(rows).filter(pl.col("as_of") == at, pl.col("venue") != MARKET)
    worst = (
        found.sort(*_KEY, rank, "feature", descending=[False, False, True, False])
        .group_by(_KEY, maintain_order=True)
        .agg(pl.col("severity").first(), pl.col("reason").str.join("; "))
    )
    history = rows.group_by(_KEY).len("rows")
    judged = (
        decision.select("as_of", *_KEY, "base")
        .sort(_KEY)
        .join(worst, on=_KEY, how="left", maintain_order="left")
        .join(history, on=_KEY, how="left", maintain_order="left")
    )
    enough = pl.when(pl.col("rows") > 2 * LEAST_ROWS).then(pl.lit(NONE))
    return judged.with_columns(pl.col("severity").fill_null(enough), pl.col("reason").fill_null("")).drop(
        "rows"
    )
