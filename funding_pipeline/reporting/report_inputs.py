"""What a report is made of: frames and values only, none of which the report changes.

What lives here: the one argument of `render_report`, with the columns each frame must have. What
does not: where they come from. A frame that is None leaves its section out and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl


@dataclass(frozen=True)
class ReportInputs:
    """Inputs of one report. Times UTC, money USD, rates fractions per hour unless a name says more.

    From the back-test (`BacktestResult`): `summary`, `equity`, `neutrality`, `margin`, `attribution`,
    `stress`; `baseline_equity` and `baseline_equity_venue_neutral` map a name to a frame (time, equity).
    From the studies: `studies_runs`, `studies_regimes`, `replays`, None where they were not run, for which
    `studies_missing` says why.
    Optional: `settled_funding` (SETTLED_FUNDING rows of the period), `instruments` (INSTRUMENTS), `gaps` (any
    frame), `quarantine` (QUARANTINE rows), `regimes` (as_of, regime), `anomalies` (as_of, venue, symbol,
    reason, robust_z), `forecast_skill` (any frame), `forecasts` (FORECASTS) with `realised` (labels),
    `plan_legs` (venue, symbol, base, notional_target_usd or notional_usd, expected_rate_per_hour, reason).
    `forecast_method` is a sentence on how forecasts were made, `provenance` versions, revision and settings:
    printed as they are.
    """

    market_label: str
    is_simulated: bool
    generated_at: datetime
    summary: Mapping[str, Any]
    equity: pl.DataFrame
    neutrality: pl.DataFrame
    margin: pl.DataFrame
    attribution: pl.DataFrame
    stress: pl.DataFrame
    baseline_equity: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    baseline_equity_venue_neutral: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    studies_runs: pl.DataFrame | None = None
    studies_regimes: pl.DataFrame | None = None
    replays: pl.DataFrame | None = None
    studies_missing: str = ""
    settled_funding: pl.DataFrame | None = None
    instruments: pl.DataFrame | None = None
    gaps: pl.DataFrame | None = None
    quarantine: pl.DataFrame | None = None
    regimes: pl.DataFrame | None = None
    anomalies: pl.DataFrame | None = None
    forecast_skill: pl.DataFrame | None = None
    forecasts: pl.DataFrame | None = None
    realised: pl.DataFrame | None = None
    plan_legs: pl.DataFrame | None = None
    forecast_method: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def capital_usd(self) -> float:
        """Starting capital of the back-test, USD."""
        return float(self.summary["capital_usd"])

    @property
    def suffix(self) -> str:
        """Follows every figure's title."""
        return " · SIMULATED MARKET" if self.is_simulated else ""
