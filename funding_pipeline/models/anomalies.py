"""Readings far from what was typical of the last 90 days, each with a reason that a person can read.

What lives here: what is watched of an instrument and of the market as a whole, and from how far on it is
called unusual. What does not: the measure (`deviations`), readings of the whole market
(`market_readings`), and what several of them together mean (`market_severity`).
"""

from dataclasses import dataclass

import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.models.deviations import TYPICAL_DAYS, Watched, deviations, wording
from funding_pipeline.models.market_readings import MARKET, MARKET_WATCHED, market_readings

NONE, NOTICE, WARNING, ALARM = "none", "notice", "warning", "alarm"
SEVERITIES = (NONE, NOTICE, WARNING, ALARM)
"""From nothing unusual to what stops growth."""
ANOMALIES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "as_of": UTC,
    "venue": pl.String,
    "symbol": pl.String,
    "feature": pl.String,
    "value": pl.Float64,
    "typical": pl.Float64,
    "robust_z": pl.Float64,
    "severity": pl.String,
    "reason": pl.String,
}
_KEY = ["venue", "symbol"]
_PER_YEAR = 8760.0 * 100
INSTRUMENT_WATCHED = (
    Watched("rate_24h_per_hour", "funding over 24 h", 5e-6, _PER_YEAR, "%/yr"),
    Watched(
        "base_gap_24h_per_hour", "funding over 24 h against the base's other venues", 5e-6, _PER_YEAR, "%/yr"
    ),
    Watched("interval_hours", "funding interval", 0.1, 1.0, "h", steps=True),
    Watched("basis", "price against the cross-venue median", 2e-4, 1e4, "bp"),
    Watched("open_interest_change_24h", "open interest, change over 24 h", 0.02, 100.0, "%"),
    Watched("book_spread_bp", "bid-ask spread", 1.0, 1.0, "bp"),
)


@dataclass(frozen=True)
class Levels:
    """From how many robust deviations on a reading is a notice, a warning, an alarm; None: never."""

    notice: float
    warning: float
    alarm: float | None = None

    def severity(self, size: pl.Expr) -> pl.Expr:
        """The level that |robust_z| reaches; `none` below all and for a null."""
        found = pl.when(size >= self.warning).then(pl.lit(WARNING)).when(size >= self.notice)
        words = found.then(pl.lit(NOTICE)).otherwise(pl.lit(NONE))
        return (
            words if self.alarm is None else pl.when(size >= self.alarm).then(pl.lit(ALARM)).otherwise(words)
        )


INSTRUMENT_LEVELS = Levels(notice=6.0, warning=12.0, alarm=24.0)
MARKET_LEVELS = Levels(notice=3.5, warning=6.0)
"""One reading of the market alone is never an alarm: `market_severity` asks for a second one."""


def anomalies(
    features: pl.DataFrame,
    *,
    instrument: Levels = INSTRUMENT_LEVELS,
    market: Levels = MARKET_LEVELS,
    typical_days: int = TYPICAL_DAYS,
) -> pl.DataFrame:
    """One row per unusual reading: as_of, venue, symbol, feature, value, typical, robust_z, severity, reason.

    A reading is unusual where |value - typical| is at least `notice` robust deviations; severity is notice,
    warning or alarm. Readings of the whole market have venue and symbol `market`. Value and typical are in
    the feature's unit (features.FEATURE_DOCS). An instrument is judged once it has 30 rows and 30
    deviations; a null is never an anomaly. Sorted by as_of, venue, symbol, feature. Known at as_of.
    """
    whole = market_readings(features)
    frames = [pl.DataFrame(schema=ANOMALIES_SCHEMA)]
    frames += [_unusual(features, w, instrument, typical_days) for w in INSTRUMENT_WATCHED]
    frames += [_unusual(whole, w, market, typical_days) for w in MARKET_WATCHED]
    return pl.concat(frames).sort("as_of", "venue", "symbol", "feature")


def _unusual(rows: pl.DataFrame, watched: Watched, levels: Levels, typical_days: int) -> pl.DataFrame:
    scored = deviations(rows, watched, by=_KEY, typical_days=typical_days)
    found = scored.with_columns(levels.severity(pl.col("robust_z").abs()).alias("severity"))
    who = (
        pl.when(pl.col("venue") == MARKET)
        .then(pl.lit("whole market"))
        .otherwise(pl.concat_str("venue", "symbol", separator=" "))
    )
    reason = pl.format("{}: {}", who, wording(watched, typical_days=typical_days))
    found = found.filter(pl.col("severity") != NONE).with_columns(reason.alias("reason"))
    return found.select(pl.col(name).cast(dtype) for name, dtype in ANOMALIES_SCHEMA.items())
