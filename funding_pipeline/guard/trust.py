"""Whether the guard can believe what it sees: venues that are silent, clocks, orders and positions not ours.

What lives here: these checks. What does not: whether what is held is within limits (`hedging`, `solvency`).
"""

from collections.abc import Iterator
from decimal import Decimal
from statistics import median

from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Symptom
from funding_pipeline.guard.seen import Seen


def state(seen: Seen) -> Iterator[Symptom]:
    """What the trading state means for the guard."""
    if seen.state is None:
        return
    if seen.state.state == "HALTED":
        yield Symptom(
            key="halted",
            severity="info",
            title=f"trading is HALTED by {seen.state.by}: {seen.state.reason}; the guard sends nothing",
            advice="when the reason is gone: `reduce` or `resume` in the web UI",
        )


def venues(seen: Seen, config: GuardConfig) -> Iterator[Symptom]:
    """Venues that do not answer. What is at stake there is not known, which is not nothing."""
    for venue, why in sorted(seen.down.items()):
        bases = seen.at_stake.get(venue, frozenset())
        stake = f"{', '.join(sorted(bases))} may be held there" if bases else "nothing is held there"
        symptom = Symptom(
            key=f"venue {venue}",
            severity="warning",
            title=f"{venue} does not answer; {stake}: {why}",
            advice=f"look at the status page of {venue} and at the network; "
            "nothing is closed because of it, as its legs may still hedge the others",
            looks=config.confirming_looks,
        )
        yield symptom
        if bases:
            yield Symptom(
                key=f"venue {venue} for long",
                severity="critical",
                title=f"{venue} has not answered for long; {stake}",
                advice=f"see at {venue} itself what is held; close there by hand what must not stay, then "
                "`resume` or `flatten` in the web UI",
                action="REDUCING",
                after_seconds=config.venue_down_seconds,
                looks=config.confirming_looks,
                early=None,
                bases=bases,
            )


def clocks(seen: Seen, config: GuardConfig) -> Iterator[Symptom]:
    """This machine's clock against the venues'. Most of them against us: it is ours that is wrong."""
    bound = config.max_clock_skew_seconds
    skews = seen.skews_seconds
    off = {venue: skew for venue, skew in skews.items() if abs(skew) > bound}
    most = max((sum(sign * skew > bound for skew in skews.values()) for sign in (1, -1)), default=0)
    if len(skews) > 1 and most > len(skews) / 2:  # of two venues both: one alone may be wrong itself
        middle = median(skews.values())
        yield Symptom(
            key="clock",
            severity="critical",
            title=f"this machine's clock is {abs(middle):.1f} s {'behind' if middle > 0 else 'ahead of'} "
            "the venues'",
            advice="mend the machine's clock (chrony, ntp), then `resume` in the web UI",
            action="HALTED",
            after_seconds=config.clock_seconds,
            looks=config.confirming_looks,
            early="warning",
            numbers={venue: round(skew, 3) for venue, skew in sorted(skews.items())},
        )
        return
    for venue, skew in sorted(off.items()):
        yield Symptom(
            key=f"clock {venue}",
            severity="warning",
            title=f"the clock of {venue} is {skew:+.1f} s off, the others agree with ours",
            advice=f"orders to {venue} may be refused; look at its status page",
            looks=config.confirming_looks,
            numbers={"skew_seconds": round(skew, 3)},
        )


def orders(seen: Seen, config: GuardConfig) -> Iterator[Symptom]:
    """Orders that rest although nobody of ours wants them.

    Ours are those of which the journal has the intent. Others are left alone: what they fill is a position
    that nothing explains, and stops growth.
    """
    for order in seen.foreign:
        yield Symptom(
            key=f"foreign order {order.venue} {order.order_id}",
            severity="warning",
            title=f"{order.venue}: an order that is not ours rests: "
            f"{'conditional ' if order.is_conditional else ''}{order.side} {order.quantity:f} "
            f"{order.symbol} at {_price(order.limit_price)}",
            advice=f"find who else trades on this account of {order.venue} (another bot, a person, a key "
            "that leaked); cancel it there, change the keys if in doubt; `halt` stops all trading",
            looks=config.confirming_looks,
        )
    for text in seen.contradictions:
        yield Symptom(
            key=f"contradiction {text}",
            severity="critical",
            title=f"journal and venue contradict each other: {text}",
            advice="compare the journal with the venue's statement; nothing is sent until a person resumes",
            action="HALTED",
            after_seconds=config.naked_seconds / 2,
            looks=config.confirming_looks,
        )
    if (seen.strays or seen.unresolved) and not seen.is_executing:
        left = [f"{order.venue} {order.symbol} {order.client_order_id}" for order in seen.strays]
        left += [f"{r.intent.leg} {r.intent.client_order_id} ({r.outcome})" for r in seen.unresolved]
        yield Symptom(
            key="left orders",
            severity="warning",
            title=f"orders of ours that nobody looks after: {'; '.join(sorted(set(left)))}",
            advice="the guard cancels or looks them up by itself; see that the executor's run did not die",
            action="shed",
            after_seconds=config.tidy_seconds,
            looks=config.confirming_looks,
        )


def positions(seen: Seen, config: GuardConfig) -> Iterator[Symptom]:
    """Positions that our orders do not add up to: a liquidation, deleveraging, a person, a transfer."""
    for one in seen.unexplained:
        name = " ".join(one.key)
        told = f"; the venue tells of {'; '.join(one.fills)}" if one.fills else "; the venue tells no fill"
        yield Symptom(
            key=f"unexplained {name}",
            severity="critical",
            title=f"{name}: {one.held:f} is held, {one.expected:f} by our orders{told}",
            advice="a liquidation, deleveraging, or somebody else: see the venue's statement. The other leg "
            "is reduced if it is not hedged any more. Then `resume` in the web UI",
            action="REDUCING",
            looks=config.confirming_looks,
            numbers={"held": float(one.held), "expected": float(one.expected)},
        )


def unlisted(seen: Seen, config: GuardConfig) -> Iterator[Symptom]:
    """Positions to which no order can be sent: in what is listed no more, or is no perpetual."""
    for held in (held for held in seen.book().positions if not held.is_listed):
        yield Symptom(
            key=f"unlisted {held.venue} {held.symbol}",
            severity="warning",
            title=f"{held.venue} {held.symbol}: {held.quantity:f} is held, and no order can be sent to it",
            advice=f"see at {held.venue} what becomes of it (delisting, delivery, another product), and "
            "close it there; what hedges it elsewhere stays until it is gone",
            looks=config.confirming_looks,
            numbers={"held": float(held.quantity)},
        )


def modes(seen: Seen, config: GuardConfig) -> Iterator[Symptom]:
    """Instruments that are held in other modes than they were opened in: somebody changed them."""
    for position in seen.book().positions:
        key = (position.venue, position.symbol)
        facts = seen.market.instruments.get(key)
        most = facts.tiers[0].max_leverage if facts is not None and facts.tiers else None
        stated = seen.modes.get(key)
        found = [
            *_other_margin({position.margin_mode, stated.margin_mode if stated else None}),
            *_other_leverage(position.leverage or (stated.leverage if stated else None), seen.leverage, most),
            *(["hedge mode"] if stated is not None and stated.is_one_way is False else []),
        ]
        if found:
            yield Symptom(
                key=f"modes {position.venue} {position.symbol}",
                severity="warning",
                title=f"{position.venue} {position.symbol} is held in other modes than are set here: "
                f"{', '.join(found)}",
                advice=f"somebody changed them at {position.venue}, or `execution.leverage` was changed: "
                "the next rebalance sets them again before it opens more, where the venue allows it; else "
                "close the position first",
                looks=config.confirming_looks,
            )


def _other_margin(stated: set[str | None]) -> list[str]:
    return ["isolated margin"] if "isolated" in stated else []


def _other_leverage(stated: Decimal | None, wanted: int | None, most: Decimal | None) -> list[str]:
    """`most`: what the venue allows; where it is not known, only a higher leverage is sure to be another."""
    if stated is None or wanted is None or stated == wanted:
        return []
    is_other = stated > wanted or (most is not None and stated != min(most, Decimal(wanted)))
    return [f"leverage {stated.normalize():f}, not {wanted}"] if is_other else []


def journal(seen: Seen, config: GuardConfig) -> Iterator[Symptom]:
    """The journal cannot be used: nothing can be sent, and no state be set."""
    if not seen.journal_problem:
        return
    advice = "free the disk, or end what holds the journal open; nothing opens without the guard's heartbeat"
    title = f"the journal cannot be used: {seen.journal_problem}"
    yield Symptom("journal", "warning", title, advice, looks=config.confirming_looks)
    yield Symptom(
        "journal for long", "critical", title, advice, after_seconds=config.journal_seconds, early=None
    )


def _price(price: object) -> str:
    return "market" if price is None else f"{price}"
