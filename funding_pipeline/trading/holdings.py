"""What the journal adds up to: positions from all that it knows to be filled.

What lives here: the sum. What does not: trusting it (`carrying_out`); a venue's own word goes before it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from funding_pipeline.execution.slicing import ZERO
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.orders import Key


def holdings(journal: Journal, keys: Sequence[Key]) -> Mapping[Key, Decimal]:
    """Signed quantity per instrument: what our orders filled, and statements' fills of orders not ours."""
    totals = journal.instrument_totals()
    return {key: totals[key].held if key in totals else ZERO for key in keys}
