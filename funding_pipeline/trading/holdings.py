"""What the journal adds up to: positions from all that it knows to be filled.

What lives here: the sum. What does not: trusting it (`carrying_out`); a venue's own word goes before it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.orders import Key, signed_fill
from funding_pipeline.trading.statements import own_orders, signed_quantity


def holdings(journal: Journal, keys: Sequence[Key]) -> Mapping[Key, Decimal]:
    """Signed quantity per instrument: what our orders filled, and statements' fills of orders not ours."""
    total = dict.fromkeys(keys, Decimal(0))
    records = journal.intents()
    for record in records:
        key = (record.intent.request.venue, record.intent.request.symbol)
        if key in total and record.order is not None:
            total[key] += signed_fill(record.order)
    own = own_orders(records)
    for key in keys:
        others = journal.fills(venue=key[0], symbol=key[1])
        total[key] += sum(
            (signed_quantity(fill) for fill in others if (fill.venue, fill.order_id) not in own), Decimal(0)
        )
    return total
