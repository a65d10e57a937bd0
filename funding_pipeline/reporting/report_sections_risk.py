"""Sections on what was held and what could break it: neutrality, exposure, margin, stress, replays.

What lives here: which charts, tables and sentences. What does not: any figure (`validation.stress`,
`validation.replays`).
"""

import polars as pl

from funding_pipeline.reporting.report_blocks import Block, Section, chart, rows, text
from funding_pipeline.reporting.report_charts_risk import (
    PORTFOLIO,
    exposure_chart,
    margin_chart,
    neutrality_chart,
    stress_chart,
    venues_of,
)
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_tables import table
from funding_pipeline.reporting.series import worst_of_each_kind

_REPLAY_NAMES = {
    "event_net_usd": "in the event, USD",
    "max_drawdown": "largest drawdown",
    "worst_margin_used_fraction": "most margin used",
    "max_venue_beta_fraction": "venue beta, of budget",
}


def neutrality_section(inputs: ReportInputs) -> Section:
    """Use of the permitted bands, gross exposure and margin."""
    venues = venues_of(inputs.neutrality)
    worst = inputs.neutrality.group_by("scope").agg(
        pl.col("fraction").max().alias("largest_net_fraction"),
        pl.col("fraction").mean().alias("mean_net_fraction"),
        pl.col("fraction_of_band").max().alias("largest_use_of_band_fraction"),
        pl.col("gross_usd").mean().alias("mean_gross_usd"),
    )
    used = inputs.margin.group_by(pl.col("venue").alias("scope")).agg(
        pl.col("worst_used_fraction").max().alias("most_margin_used_fraction")
    )
    worst = worst.join(used, on="scope", how="left").sort(pl.col("scope") != PORTFOLIO, "scope")
    return Section(
        "neutrality",
        "What was held: neutrality, exposure, margin",
        "Right after each decision: the portfolio's net over its gross, and each venue's beta-weighted net "
        "over its budget, both as a share of the permitted band. Between decisions prices move them.",
        (
            *chart(
                neutrality_chart(
                    inputs, scopes=[PORTFOLIO], title="Portfolio: net notional, share of the band"
                ),
                identity="neutral-portfolio",
            ),
            *chart(
                neutrality_chart(inputs, scopes=venues, title="Venues: beta-weighted net, share of the band"),
                identity="neutral-venues",
            ),
            *chart(exposure_chart(inputs), identity="exposure"),
            *chart(margin_chart(inputs.margin, suffix=inputs.suffix), identity="margin"),
            *rows(table(worst)),
        ),
    )


def stress_section(inputs: ReportInputs) -> Section:
    """Made-up breaks on the book at its largest and at the end, and recorded crises replayed."""
    stress = inputs.stress
    columns = ["book", "scenario", "loss_usd", "of_capital_fraction", "worst_venue", "note"]
    of_capital = pl.col("loss_fraction_of_capital").alias("of_capital_fraction")
    worst = worst_of_each_kind(stress)
    descriptions = stress.select("book", "scenario", "description", "note")
    shown = worst.join(descriptions, on=["book", "scenario"], how="left", maintain_order="left")
    first = shown.filter(pl.col("book") == pl.col("book").first()).select(
        "scenario", "description", "loss_usd", of_capital, "note"
    )
    whole = stress.sort("book", "loss_usd", descending=[True, True], nulls_last=True)
    whole = whole.with_columns(of_capital).select(columns)
    return Section(
        "stress",
        "What could break it",
        "Losses in stated scenarios, positions and collateral together: a venue's failure takes what lies "
        "there, whatever the positions. The sizes are assumptions; none of them is in the curve above.",
        (
            *chart(stress_chart(stress, suffix=inputs.suffix), identity="stress"),
            *rows(
                table(first, bars=("loss_usd",)),
                caption="The worst of each kind, on the book at its largest",
            ),
            *rows(table(whole), caption="Every scenario and venue, both books", folded=True),
            *_replays(inputs),
        ),
    )


def _replays(inputs: ReportInputs) -> list[Block]:
    if inputs.replays is None or inputs.replays.is_empty():
        return text(f"Replays of recorded crises: {inputs.studies_missing or 'not run'}.")
    shown = inputs.replays.drop("from", "to", "venues", "net_fraction")
    caption = "Recorded crises, decided and accounted as in the back-test, 30 days before to 7 days after"
    return rows(table(shown, names=_REPLAY_NAMES, signed=("net_usd", "event_net_usd")), caption=caption)
