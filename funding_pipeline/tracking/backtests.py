"""Back-tests and their studies in MLflow: one run each, with settings, headline figures and pictures.

What lives here: which figures are a run's metrics, and how it is written. What does not: the figures
(`validation`), the pictures (`reporting`), or runs of models (`forecasters`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.runs import quiet

EXPERIMENT = "backtests"
HEADLINE = (
    "net_return_annual",
    "net_return_on_gross_annual",
    "volatility_annual",
    "sharpe",
    "max_drawdown",
    "time_under_water",
    "turnover",
    "mean_gross_usd",
    "liquidations",
)
_PARTS = {
    "pnl": ("funding", "basis", "fees", "slippage", "liquidation"),
    "value_added_by_ai": ("net_annual", "low", "high", "probability"),
    "break_even_cost": ("multiplier", "round_trip_bp"),
    "neutrality": ("max_portfolio_delta_fraction_of_gross", "max_venue_beta_fraction_of_budget"),
    "deflated_sharpe": ("value",),
    "net_return_interval": ("low", "high"),
    "overfitting": ("pbo",),
    "capacity": ("capital_usd",),
}


def log_backtest(
    tracking: ModelTracking,
    *,
    kind: str,
    params: Mapping[str, object],
    summary: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    tables: Mapping[str, pl.DataFrame],
    tags: Mapping[str, str],
) -> str:
    """One run of the experiment `backtests`, closed; its id.

    `kind` (back-test or studies) names it. `summary` is the whole of summary.json: its headline figures are
    metrics, all of it an artifact, the verdict's word a tag. `pictures`: PNG by name, `tables`: frames by
    name, both without a suffix. What MLflow raises is the caller's to handle.
    """
    word = (summary.get("verdict") or {}).get("word")
    known = {**tags, "kind": kind} | ({} if word is None else {"verdict": str(word)})
    with quiet(), tracking.run(kind, tags=known, experiment_name=EXPERIMENT) as run:
        run.log(params=params, metrics=dict(metrics(summary)))
        run.log_json(summary, "summary.json")
        for name, picture in pictures.items():
            run.log_png(picture, f"{name}.png")
        for name, frame in tables.items():
            run.log_table(frame, f"{name}.csv")
        return run.run_id


def metrics(summary: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Headline figures of a summary by name; one that is not known is left out."""
    for name in HEADLINE:
        yield from _known(name, summary.get(name))
    for part, names in _PARTS.items():
        for name in names:
            yield from _known(f"{part}_{name}", (summary.get(part) or {}).get(name))


def _known(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if value is not None and value == value:
        yield name, float(value)
