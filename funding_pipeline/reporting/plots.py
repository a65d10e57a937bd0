"""Every PNG plot of the pipeline, for asset metadata and for the model registry.

Each takes polars frames and `suffix` (for simulated markets: `simulated_suffix`) and returns PNG
bytes. What lives here: the list of names. The drawing is in the `plots_*` modules beside this one.
"""

from base64 import b64encode

from funding_pipeline.reporting.plots_evidence import forest, regime_profit, studies
from funding_pipeline.reporting.plots_explanation import contribution_plot, forecasts_at_decision
from funding_pipeline.reporting.plots_market import (
    book_depth,
    funding_distribution,
    price_basis,
    settled_funding_by_venue,
    spread_heatmap,
)
from funding_pipeline.reporting.plots_market_state import regimes_over, unusual_market
from funding_pipeline.reporting.plots_models import (
    feature_correlation,
    feature_importance,
    forecast_against_realised,
    interval_coverage,
    plan_legs,
)
from funding_pipeline.reporting.plots_results import equity_curve, equity_in_regimes, pnl_by_source
from funding_pipeline.reporting.plots_risk import exposure, neutrality, scenario_losses, stress_losses
from funding_pipeline.reporting.plots_trading import live_profit

__all__ = [
    "book_depth",
    "contribution_plot",
    "equity_curve",
    "equity_in_regimes",
    "exposure",
    "feature_correlation",
    "feature_importance",
    "forecast_against_realised",
    "forecasts_at_decision",
    "forest",
    "funding_distribution",
    "interval_coverage",
    "live_profit",
    "markdown_image",
    "neutrality",
    "plan_legs",
    "pnl_by_source",
    "price_basis",
    "regime_profit",
    "regimes_over",
    "scenario_losses",
    "settled_funding_by_venue",
    "simulated_suffix",
    "spread_heatmap",
    "stress_losses",
    "studies",
    "unusual_market",
]


def simulated_suffix(*, is_simulated: bool) -> str:
    """What follows every title of a simulated market; nothing for a real one."""
    return "  SIMULATED MARKET" if is_simulated else ""


def markdown_image(png: bytes, *, alternative: str) -> str:
    """The image inside a markdown text, as a data address: no file, no server."""
    return f"![{alternative}](data:image/png;base64,{b64encode(png).decode('ascii')})"
