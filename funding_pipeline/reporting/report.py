"""One self-contained HTML page about one back-test and the market it ran on.

What lives here: putting the page together. What does not: any number (`report_*` modules), or
writing a file. The page loads nothing from anywhere: plotly.js is inside, once.
"""

from typing import Any

from funding_pipeline.reporting.palette import NEGATIVE, POSITIVE, SIMULATED, STRATEGY
from funding_pipeline.reporting.report_blocks import Section
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_sections import limits_section, plan_section, result_section
from funding_pipeline.reporting.report_sections_evidence import (
    regimes_section,
    rivals_section,
    studies_section,
)
from funding_pipeline.reporting.report_sections_market import (
    data_section,
    forecast_section,
    market_section,
)
from funding_pipeline.reporting.report_sections_risk import neutrality_section, stress_section
from funding_pipeline.reporting.report_sections_sources import sources_section
from funding_pipeline.reporting.report_verdict import headlines, verdict

__all__ = ["ReportInputs", "render_report"]

_TEMPLATE = "report.html.j2"


def render_report(inputs: ReportInputs) -> str:
    """The page as HTML text, the same for the same inputs.

    Raises AccountingError where profit by source does not add up to the equity.
    """
    from plotly.offline import get_plotlyjs

    page: str = _template().render(
        inputs=inputs,
        sections=_sections(inputs),
        headlines=headlines(inputs),
        verdict=verdict(inputs),
        colours={"simulated": SIMULATED, "positive": POSITIVE, "negative": NEGATIVE, "strategy": STRATEGY},
        plotly_js=get_plotlyjs(),
    )
    return page


def _sections(inputs: ReportInputs) -> tuple[Section, ...]:
    return (
        result_section(inputs),
        rivals_section(inputs),
        sources_section(inputs),
        studies_section(inputs),
        regimes_section(inputs),
        neutrality_section(inputs),
        stress_section(inputs),
        plan_section(inputs),
        market_section(inputs),
        forecast_section(inputs),
        data_section(inputs),
        limits_section(inputs),
    )


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("funding_pipeline.reporting", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(_TEMPLATE)
