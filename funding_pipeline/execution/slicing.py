"""Sizes and prices of single orders: steps, minimums, depth, price bounds. Pure.

What lives here: what fits one instrument's rules, or two at once. What does not: which leg is next
(`reconcile`), sending (`trading`).

Quantities are unsigned, in quoted base units, unless said; "base units" are quoted units x multiplier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import lcm

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.core.trading import InstrumentTerms, Side

ZERO = Decimal(0)
BP = Decimal("1e-4")


@dataclass(frozen=True)
class SizeRules:
    """What an instrument's orders must fit. `multiplier`: base units per quoted unit."""

    step: Decimal
    tick: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    multiplier: Decimal

    @classmethod
    def of(cls, terms: InstrumentTerms, multiplier: Decimal) -> "SizeRules":
        """Raises UnknownInstrumentError where step or tick is not known: it cannot be traded then."""
        if not terms.quantity_step or not terms.price_tick:
            raise UnknownInstrumentError(f"{terms.venue} {terms.symbol}: quantity step or price tick unknown")
        least = terms.min_quantity or terms.quantity_step
        return cls(terms.quantity_step, terms.price_tick, least, terms.min_notional or ZERO, multiplier)


@dataclass(frozen=True)
class Quote:
    """Best prices, and the quantity within the price bound on each side."""

    bid: Decimal
    ask: Decimal
    bid_depth: Decimal
    ask_depth: Decimal

    @property
    def mid(self) -> Decimal:
        """Between bid and ask."""
        return (self.bid + self.ask) / 2

    def best(self, side: Side) -> Decimal:
        """The price that a taker of `side` gets first."""
        return self.ask if side == "buy" else self.bid

    def depth(self, side: Side) -> Decimal:
        """What a taker of `side` finds."""
        return self.ask_depth if side == "buy" else self.bid_depth


def quote_of(
    bids: Sequence[tuple[Decimal, Decimal]], asks: Sequence[tuple[Decimal, Decimal]], *, bound_bp: float
) -> Quote:
    """From levels (price, quantity), best first; both sides have at least one."""
    bid, ask, reach = bids[0][0], asks[0][0], Decimal(str(bound_bp)) * BP
    low, high = bid * (1 - reach), ask * (1 + reach)
    return Quote(
        bid=bid,
        ask=ask,
        bid_depth=sum((size for price, size in bids if price >= low), ZERO),
        ask_depth=sum((size for price, size in asks if price <= high), ZERO),
    )


def side_of(change: Decimal) -> Side:
    """The side of a signed change."""
    return "buy" if change > 0 else "sell"


def whole(quantity: Decimal, step: Decimal, *, rounding: str = ROUND_FLOOR) -> Decimal:
    """`quantity` as a multiple of `step`."""
    return (quantity / step).to_integral_value(rounding) * step


def common_step(first: SizeRules, second: SizeRules) -> Decimal:
    """The smallest quantity in base units that is a multiple of both steps: the coarser one, as a rule."""
    steps = [(rules.step * rules.multiplier).normalize() for rules in (first, second)]
    places = max(0, *(-int(step.as_tuple().exponent) for step in steps))
    scaled = [int(step.scaleb(places)) for step in steps]
    return Decimal(lcm(*scaled)).scaleb(-places)


def order_size(
    rules: SizeRules, wanted: Decimal, *, price: Decimal, held: Decimal | None, is_nearest: bool = False
) -> Decimal:
    """The quantity to send for `wanted`, zero where the venue would not take it.

    `held`: what is held, unsigned, where the order reduces it; None for one that opens. An order that
    reduces needs no minimum notional, and none at all where it closes the whole.
    """
    size = whole(wanted, rules.step, rounding=ROUND_HALF_EVEN if is_nearest else ROUND_FLOOR)
    if held is not None:
        size = min(size, whole(held, rules.step))
        is_enough = size >= rules.min_quantity or size == held
    else:
        is_enough = size >= rules.min_quantity and size * price >= rules.min_notional
    return size if size > 0 and is_enough else ZERO


def worst_price(side: Side, reference: Decimal, *, bound_bp: float, tick: Decimal) -> Decimal:
    """The limit of a taker: `bound_bp` beyond `reference`, on the tick, never further."""
    reach = Decimal(str(bound_bp)) * BP
    if side == "buy":
        return whole(reference * (1 + reach), tick)
    return max(whole(reference * (1 - reach), tick, rounding=ROUND_CEILING), tick)


def passive_price(side: Side, quote: Quote, tick: Decimal) -> Decimal:
    """The price of a maker: the best of the own side, on the tick."""
    if side == "buy":
        return whole(quote.bid, tick)
    return whole(quote.ask, tick, rounding=ROUND_CEILING)
