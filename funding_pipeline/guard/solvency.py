"""Margin, distance to liquidation, losses, and what a person should know besides.

What lives here: these checks of a book as it is. What does not: hedges (`hedging`), sizes (`sizes`), or
what is believed (`marks`, `trust`).
"""

from collections.abc import Iterator, Mapping

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.book import BookState
from funding_pipeline.execution.checks import loss_breaches
from funding_pipeline.execution.exposure import Exposure, LegExposure, VenueExposure
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import GuardAction, Symptom
from funding_pipeline.guard.sizes import ALERTING_BETA


def margin(
    view: Exposure, limits: RiskLimits, config: GuardConfig, *, distrusted: frozenset[str], answered: set[str]
) -> Iterator[Symptom]:
    """Maintenance margin of each venue that answered, against its collateral after the haircut."""
    for name, venue in sorted(view.venues.items()):
        if name not in answered or not venue.gross_usd:
            continue
        share = _margin_share(venue)
        if share is None or share <= limits.max_margin_fraction:
            continue
        yield Symptom(
            key=f"margin {name}",
            severity="critical",
            title=f"{name}: {share:.0%} of the collateral is maintenance margin, limit "
            f"{limits.max_margin_fraction:.0%}",
            advice=f"bring collateral to {name}, or let the guard reduce there" + _mistrust(name, distrusted),
            action=_unless(name in distrusted),
            looks=config.confirming_looks,
            bases=_bases_on(view, name),
            limits=frozenset({"max_margin_fraction"}),
            numbers={"margin_fraction": round(share, 4), "limit": limits.max_margin_fraction},
        )


def survival(
    view: Exposure, limits: RiskLimits, config: GuardConfig, *, distrusted: frozenset[str], answered: set[str]
) -> Iterator[Symptom]:
    """Legs that would not survive the test move alone; one finding per venue, the nearest leg named."""
    short = [leg for leg in view.legs if leg.survives is False and leg.venue in answered]
    for name in sorted({leg.venue for leg in short}):
        own = [leg for leg in short if leg.venue == name]
        nearest = min(own, key=_distance)
        distance = _distance(nearest)
        yield Symptom(
            key=f"liquidation {name}",
            severity="critical",
            title=f"{name}: {nearest.symbol} is {distance:.0%} from liquidation, limit "
            f"{limits.survival_move_fraction:.0%} ({len(own)} leg{'s' if len(own) > 1 else ''})",
            advice=f"bring collateral to {name}, or let the guard reduce there" + _mistrust(name, distrusted),
            action=_unless(name in distrusted),
            looks=config.confirming_looks,
            bases=_bases_on(view, name),
            limits=frozenset({"survival_move_fraction"}),
            numbers={leg.symbol: round(_distance(leg), 4) for leg in own},
        )


def losses(
    book: BookState, limits: RiskLimits, config: GuardConfig, *, is_believed: bool
) -> Iterator[Symptom]:
    """Loss of the day and fall from the peak: nothing opens any more, and a person decides."""
    for breach in loss_breaches(book, limits):
        is_daily = breach.limit_name == "max_daily_loss_usd"
        text = (
            f"{breach.value:,.0f} USD are lost since 00:00 UTC, limit {breach.limit:,.0f}"
            if is_daily
            else f"equity is {breach.value:.1%} below its peak, limit {breach.limit:.1%}"
        )
        yield Symptom(
            key="loss of the day" if is_daily else "drawdown",
            severity="critical",
            title=text + ("" if is_believed else "; but a mark is not believed: nothing is done"),
            advice="decide whether to `flatten` in the web UI. To go on: accept the loss (rebase), `resume`",
            action="REDUCING" if is_believed else "none",
            looks=config.confirming_looks,
            numbers={"value": breach.value, "limit": breach.limit},
        )


def warnings(
    view: Exposure, limits: RiskLimits, config: GuardConfig, *, betas: Mapping[str, float]
) -> Iterator[Symptom]:
    """What a person should know and nothing follows from: deleveraging near, things that are not known."""
    for leg in view.legs:
        if leg.adl_rank is not None and leg.adl_rank > limits.max_adl_rank:
            yield Symptom(
                key=f"deleveraging {leg.venue} {leg.symbol}",
                severity="warning",
                title=f"{leg.venue}: {leg.symbol} is near the front of the queue of auto-deleveraging "
                f"({leg.adl_rank:.0%})",
                advice="it may be closed by the venue at any time, which leaves its other leg naked: "
                "consider a smaller position",
                looks=config.confirming_looks,
                numbers={"adl_rank": leg.adl_rank},
            )
    unknown = [text for text in view.unknowns if not text.startswith(("ADL rank", "beta of", "book of"))]
    if unknown:
        yield Symptom(
            key="unknown",
            severity="warning",
            title=f"not known, so not judged: {'; '.join(unknown)}",
            advice="see at the venue; what is not known is not taken as zero",
            after_seconds=config.venue_down_seconds,
            looks=config.confirming_looks,
        )
    without = sorted({leg.base for leg in view.legs} - set(betas))
    if without:
        yield Symptom(
            key="betas",
            severity="info",
            title=f"no betas are known of {', '.join(without)}: {ALERTING_BETA:g} is taken, for alerts",
            advice="they come with the next portfolio plan",
        )


def _margin_share(venue: VenueExposure) -> float | None:
    """Of the collateral; infinite where there is none left."""
    if venue.collateral_usd is not None and venue.collateral_usd <= 0:
        return float("inf")
    return None if venue.margin_fraction is None else float(venue.margin_fraction)


def _distance(leg: LegExposure) -> float:
    return float(leg.liquidation_distance_fraction or 0)


def _bases_on(view: Exposure, venue: str) -> frozenset[str]:
    return frozenset(leg.base for leg in view.legs if leg.venue == venue)


def _unless(is_doubted: bool) -> GuardAction:
    return "none" if is_doubted else "shed"


def _mistrust(venue: str, distrusted: frozenset[str]) -> str:
    return "; a mark there is not believed, so it does nothing by itself" if venue in distrusted else ""
