"""The verdict of a flattening: nothing may be held, anywhere.

What lives here: making it from what the accounts hold. What does not: carrying it out (`executor`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.governance import LegVerdict, RiskVerdict, TargetPosition
from funding_pipeline.execution.slicing import ZERO
from funding_pipeline.market_data.instruments import base_of_leg
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.orders import Key
from funding_pipeline.venues.private import PrivateGateway


async def closing_verdict(
    gateways: Mapping[str, PrivateGateway],
    journal: Journal,
    *,
    reason: str,
    now: datetime,
    lasts: timedelta,
) -> RiskVerdict:
    """Legs: every position held, in whatever it is, and every instrument with an unresolved intent; allowed:
    zero.

    A venue that cannot be read contributes the instruments that the journal knows of: its positions are
    not known to be flat. Its id is a function of time, reason and legs.
    """
    prices: dict[Key, Decimal] = {}
    for venue, gateway in sorted(gateways.items()):
        try:
            found = await gateway.read_positions()
            prices.update({(venue, symbol): ZERO for symbol in found.unread})
            for held in found.held:
                prices[venue, held.symbol] = held.mark_price or held.entry_price or ZERO
        except FundingPipelineError:
            prices.update(_known_to(journal, venue))
    for record in journal.unresolved():
        request = record.intent.request
        prices.setdefault((request.venue, request.symbol), request.price or ZERO)
    legs = tuple(_closing(key, price) for key, price in sorted(prices.items()) if key[0] in gateways)
    digest = sha256(repr((legs, journal.state().state)).encode()).hexdigest()[:8]
    name = f"flatten {now:%Y-%m-%dT%H:%M:%S.%f} {reason} {digest}"
    return RiskVerdict(
        verdict_id=name,
        rebalance=name,
        judged_at=now,
        expires_at=now + lasts,
        state=journal.state().state,
        limits_version="flatten: only what reduces",
        legs=legs,
    )


def _closing(key: Key, price: Decimal) -> LegVerdict:
    venue, symbol = key
    target = TargetPosition(venue, symbol, *base_of_leg(symbol), ZERO, price)
    return LegVerdict(target, "pass", ZERO)


def _known_to(journal: Journal, venue: str) -> dict[Key, Decimal]:
    """Instruments of the venue that the journal has ever had an order in, with its price."""
    totals = journal.instrument_totals(venue=venue)
    return {key: total.last_price or ZERO for key, total in totals.items() if total.intents}
