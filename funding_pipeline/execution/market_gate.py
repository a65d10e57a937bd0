"""What the state of the market allows to grow: in stress less of the book, in an alarm nothing.

What lives here: the policy, a share of a limit up to which something may grow, by severity and regime. What
does not: judging the market (`models`).

Closing into a market that has come loose costs what the move has not cost yet; the limits that reduce do so
as ever. A share is of the size that is reached, not of each step toward it: a rebalance every hour does not
creep past. A plan that moves a leg to another venue of its base has something to grow and something to
close: without the one the other would leave the base unhedged, so the rest of the base goes with it.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from funding_pipeline.core.governance import LimitBreach
from funding_pipeline.execution.book import ZERO
from funding_pipeline.execution.caps import free_bases, held_size, kept_size, sum_of, target_size
from funding_pipeline.execution.findings import Case, Finding, Stage, largest_part
from funding_pipeline.execution.judged_base import KEPT, WHOLE
from funding_pipeline.execution.market_state import Unusual
from funding_pipeline.models.anomalies import ALARM, SEVERITIES, WARNING
from funding_pipeline.models.regimes import STRESS

_REASON_CHARACTERS = 240


def whole_market(case: Case) -> Iterator[Finding]:
    """Gross over all: a share of its limit in stress, a warning, an alarm, and where nothing is known."""
    for name, share, why in _shares_of_gross(case):
        most = Decimal(str(share * case.limits.max_gross_notional_usd))
        free = free_bases(case)
        taken = sum_of([base for base in case.bases if base.frozen], held_size)
        sums = (sum_of(free, kept_size), sum_of(free, target_size))
        part = max(largest_part(*sums, most - taken), KEPT)
        if part < WHOLE and case.growing:
            breach = LimitBreach(name, "portfolio", float(sums[1] + taken), float(most), "USD")
            yield Finding(Stage.MARKET, case.growing, part, f"{why}: {breach.text()}", breach)


def _shares_of_gross(case: Case) -> Iterator[tuple[str, float, str]]:
    """Limit, share of the gross, and why, for each that applies."""
    state, limits = case.market.state, case.limits
    doubt = _doubt(case)
    if doubt:
        yield "max_warning_fraction", limits.max_warning_fraction, doubt
    if state is None:
        return
    if state.regime == STRESS:
        yield "max_stress_fraction", limits.max_stress_fraction, f"regime {STRESS}"
    if state.market.severity == WARNING:
        yield "max_warning_fraction", limits.max_warning_fraction, _said("market warning", state.market)
    if state.market.severity == ALARM:
        yield "max_alarm_fraction", limits.max_alarm_fraction, _said("market alarm", state.market)


def _doubt(case: Case) -> str:
    """Why the state cannot be relied on; empty where it can."""
    state, most = case.market.state, case.limits.max_market_state_age_hours
    if state is None or state.market.severity not in SEVERITIES:
        return "unknown: state of the market"
    age = _age_hours(state.judged_at, case)
    return f"state of the market is {age:.1f} h old, limit {most:g} h" if age > most else ""


def instruments(case: Case) -> Iterator[Finding]:
    """A leg whose instrument is unusual grows to a share of the largest leg; its base is cut together."""
    state = case.market.state
    if state is None:
        return  # said of the whole market
    shares = {
        WARNING: ("max_warning_fraction", case.limits.max_warning_fraction),
        ALARM: ("max_alarm_fraction", case.limits.max_alarm_fraction),
    }
    for base in free_bases(case):
        for leg in base.legs:
            found = state.of(leg.key)
            if found.severity not in shares or not leg.growth or leg.price is None:
                continue
            name, share = shares[found.severity]
            most = Decimal(str(share * case.limits.max_instrument_notional_usd))
            wanted = target_size(leg) or ZERO
            part = max(largest_part(kept_size(leg) or ZERO, wanted, most), KEPT)
            if part < WHOLE:
                breach = LimitBreach(name, leg.name, float(wanted), float(most), "USD")
                text = f"{_said(found.severity, found)}: {breach.text()}"
                yield Finding(Stage.MARKET, frozenset({base.base}), part, text, breach)


def _said(what: str, unusual: Unusual) -> str:
    reason = unusual.reason
    shown = reason if len(reason) <= _REASON_CHARACTERS else f"{reason[:_REASON_CHARACTERS]}..."
    return f"{what} ({shown})" if shown else what


def _age_hours(moment: datetime, case: Case) -> float:
    """Distance either way: what is stamped in the future has a wrong clock."""
    return abs((case.judged_at - moment).total_seconds()) / 3600
