"""Checks that stop a book from growing: state, ages, facts, concentration, turnover, loss. None reduces.

What lives here: conditions under which nothing, or nothing of a base, is opened. What does not: sizes
(`caps`), or netting (`neutrality`).
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from funding_pipeline.core.governance import LimitBreach
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.book import ZERO, BookState
from funding_pipeline.execution.exposure import beta_of
from funding_pipeline.execution.findings import Case, Finding, Stage, breached, unknown
from funding_pipeline.execution.judged_base import KEPT, JudgedBase, JudgedLeg
from funding_pipeline.execution.market_facts import is_finite, is_known_amount
from funding_pipeline.market_data.instruments import DOLLARS


def state(case: Case) -> Iterator[Finding]:
    """REDUCING: nothing grows."""
    if case.state == "REDUCING" and case.growing:
        yield Finding(Stage.STATE, case.growing, KEPT, "state REDUCING: only what reduces exposure")


def data_age(case: Case) -> Iterator[Finding]:
    """Facts of instruments and books of venues, as old as they are at the judgement."""
    most = case.limits.max_data_age_seconds
    for base in case.bases:
        for leg in _used(base):
            age = _age_seconds(leg.facts.observed_at, case)
            if age is not None and age > most:
                breach = LimitBreach("max_data_age_seconds", leg.name, age, most, "s")
                yield from breached(Stage.DATA_AGE, {base.base} & case.growing, KEPT, breach)
    for name, venue in sorted(case.book.venues.items()):
        age = _age_seconds(venue.at, case)
        if age is not None and age > case.limits.max_book_age_seconds:
            breach = LimitBreach("max_book_age_seconds", name, age, case.limits.max_book_age_seconds, "s")
            yield from breached(Stage.DATA_AGE, case.growing, KEPT, breach)


def model_age(case: Case) -> Iterator[Finding]:
    """The model behind the forecasts."""
    age = _age_seconds(case.market.model_trained_at, case)
    most = case.limits.max_model_age_hours
    if age is None:
        yield from unknown(Stage.MODEL_AGE, case.growing, "when the model was trained")
    elif age / 3600 > most:
        breach = LimitBreach("max_model_age_hours", "model", age / 3600, most, "h")
        yield from breached(Stage.MODEL_AGE, case.growing, KEPT, breach)


def missing_facts(case: Case) -> Iterator[Finding]:
    """What is not known stops growth where it matters: of an instrument, of a base, of a venue, of all."""
    for base in case.bases:
        for leg in _used(base):
            here = {base.base} & case.growing
            for what in leg.facts.missing():
                yield from unknown(Stage.FACTS, here, f"{what} of {leg.name}")
            if leg.price is None:
                yield from unknown(Stage.FACTS, case.growing, f"any price of {leg.name}")
            yield from _below_minimum(case, base, leg)
        yield from _beta_known(case, base)
        if not base.is_known:
            yield from unknown(Stage.FACTS, case.growing, f"what is held of {base.base}")
    yield from _accounts_known(case)


def _below_minimum(case: Case, base: JudgedBase, leg: JudgedLeg) -> Iterator[Finding]:
    """A leg that cannot be opened leaves its base open: nothing of the base grows."""
    wanted, facts = leg.target.quantity, leg.facts
    if base.frozen or leg.kept or leg.price is None or not wanted or not leg.is_below_minimum(wanted):
        return
    sized = ((abs(wanted), facts.min_quantity), (abs(leg.notional(wanted)), facts.min_notional))
    for (value, least), unit in zip(sized, ("quoted units", "USD"), strict=True):
        if least is not None and value < least:
            breach = LimitBreach("venue_minimum", leg.name, float(value), float(least), unit)
            yield from breached(Stage.FACTS, {base.base} & case.growing, KEPT, breach)


def _beta_known(case: Case, base: JudgedBase) -> Iterator[Finding]:
    """Without its beta a base does not grow, and where some of it stays no base grows beside it."""
    if beta_of(case.book.betas, base.base) is not None or not any(_used(base)):
        return
    yield from unknown(Stage.FACTS, {base.base} & case.growing, f"beta of {base.base}")
    for venue in sorted({leg.target.venue for leg in base.legs if leg.kept or (base.frozen and leg.held)}):
        yield from unknown(Stage.FACTS, case.growing_on(venue), f"beta of {base.base}, held on {venue}")


def _accounts_known(case: Case) -> Iterator[Finding]:
    book = case.book
    facts = {
        "equity at the start of the day": is_known_amount(book.equity_at_day_start_usd),
        "highest equity": is_known_amount(book.peak_equity_usd),
        "turnover of the day": is_known_amount(book.turnover_today_usd),
        **{f"book of {venue}": False for venue in book.missing_venues},
        **{f"equity of {name}": is_finite(venue.equity_usd) for name, venue in sorted(book.venues.items())},
    }
    for what, is_known in facts.items():
        if not is_known:
            yield from unknown(Stage.FACTS, case.growing, what)


def collateral(case: Case) -> Iterator[Finding]:
    """Too much of the equity on one venue, or of the wallets in one stablecoin: nothing grows on it."""
    total = case.book.equity_usd
    most = case.limits.max_venue_collateral_fraction
    for name, venue in sorted(case.book.venues.items()):
        if total is not None and total > 0 and venue.equity_usd is not None:
            share = float(venue.equity_usd / total)
            if share > most:
                breach = LimitBreach("max_venue_collateral_fraction", name, share, most, "of all equity")
                yield from breached(Stage.COLLATERAL, case.growing_on(name), KEPT, breach)
    yield from _currencies(case)


def _currencies(case: Case) -> Iterator[Finding]:
    wallets = {c: amount for c, amount in case.book.collateral_by_currency().items() if c in DOLLARS}
    total = sum(wallets.values(), ZERO)
    most = case.limits.max_currency_collateral_fraction
    for name, venue in sorted(case.book.venues.items()):
        told = [b for b in venue.balances if b.currency in DOLLARS]
        if not told or not all(is_finite(b.wallet) for b in told):
            yield from unknown(Stage.COLLATERAL, case.growing_on(name), f"wallets on {name}")
        for currency in sorted({b.currency for b in told if b.wallet}):
            share = float(wallets.get(currency, ZERO) / total) if total > 0 else 1.0
            if share > most:
                breach = LimitBreach("max_currency_collateral_fraction", currency, share, most, "of wallets")
                yield from breached(Stage.COLLATERAL, case.growing_on(name), KEPT, breach)


def adl_rank(case: Case) -> Iterator[Finding]:
    """A leg near the front of the queue of auto-deleveraging does not grow."""
    most = case.limits.max_adl_rank
    for base in (base for base in case.bases if base.grows):
        for leg in base.legs:
            told = leg.adl_rank
            is_told = told is not None and 0 <= told <= 1
            rank = told if told is not None and is_told else case.limits.assumed_adl_rank
            if leg.held and leg.growth and rank > most:
                source = leg.name if is_told else f"{leg.name} (assumed, not told)"
                breach = LimitBreach("max_adl_rank", source, rank, most, "of 1")
                yield from breached(Stage.COLLATERAL, {base.base} & case.growing, KEPT, breach)


def turnover(case: Case) -> Iterator[Finding]:
    """What is traded on the day: reductions are made all the same, growth has what they leave."""
    done = case.book.turnover_today_usd
    if done is None or not done.is_finite():
        return  # said among the missing facts
    closing, opening = ZERO, ZERO
    for leg in (leg for base in case.bases if not base.frozen for leg in base.legs if leg.price):
        closing += abs(leg.notional((leg.held or ZERO) - leg.kept))
        opening += abs(leg.notional(leg.growth))
    most = Decimal(str(case.limits.max_daily_turnover_usd))
    total = done + closing + opening
    if opening and total > most:
        left = max(most - done - closing, ZERO)
        part = KEPT + Fraction(left) / Fraction(opening)
        breach = LimitBreach("max_daily_turnover_usd", "portfolio", float(total), float(most), "USD")
        yield from breached(Stage.TURNOVER, case.growing, part, breach)


def loss(case: Case) -> Iterator[Finding]:
    """After the day's loss, or the fall from the peak, only reductions."""
    for breach in loss_breaches(case.book, case.limits):
        yield from breached(Stage.LOSS, case.growing, KEPT, breach)


def loss_breaches(book: BookState, limits: RiskLimits) -> tuple[LimitBreach, ...]:
    """Daily loss and drawdown where they are beyond their limits; what is not known is no breach here."""
    equity, begun, peak = book.equity_usd, book.equity_at_day_start_usd, book.peak_equity_usd
    found = []
    if equity is not None and begun is not None and begun.is_finite():
        most = limits.max_daily_loss_usd
        found.append(LimitBreach("max_daily_loss_usd", "portfolio", float(begun - equity), most, "USD"))
    if equity is not None and peak is not None and peak.is_finite() and peak > 0:
        fall, most = float(1 - equity / peak), limits.max_drawdown_fraction
        found.append(LimitBreach("max_drawdown_fraction", "portfolio", fall, most, "of the peak"))
    return tuple(breach for breach in found if breach.value > breach.limit)


def _used(base: JudgedBase) -> list[JudgedLeg]:
    """Legs that are held or planned; of a frozen base, for which no plan counts, the former."""
    return [leg for leg in base.legs if leg.held or (not base.frozen and leg.target.quantity)]


def _age_seconds(moment: datetime | None, case: Case) -> float | None:
    """Distance from the judgement either way: what is stamped in the future has a wrong clock."""
    return None if moment is None else abs((case.judged_at - moment).total_seconds())
