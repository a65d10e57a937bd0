"""The wallet: each change of it is an entry, so that it equals the sum of its entries exactly.

What lives here: rounding of money and posting. What does not: why money moves.
"""

from decimal import Decimal

from funding_pipeline.testnet.engine.state import State
from funding_pipeline.testnet.engine.values import Account, EntryKind, LedgerEntry

ZERO = Decimal(0)
QUANTUM = Decimal("1e-12")
"""Money is kept to this, in settle units: sums up to 1e16 are then exact in 28 digits."""
_DECIMALS = -12


def money(amount: Decimal) -> Decimal:
    """Rounded to the quantum, half to even; amounts on it are left as they are written."""
    if not amount:
        return ZERO  # "0E-12" is how a zero of many places would be written
    exponent = amount.as_tuple().exponent
    return amount.quantize(QUANTUM) if isinstance(exponent, int) and exponent < _DECIMALS else amount


def post(
    state: State,
    account: Account,
    kind: EntryKind,
    amount: Decimal,
    *,
    time: int,
    symbol: str | None = None,
    reference: int | None = None,
) -> None:
    """Change the wallet by `amount` (already rounded by `money`). Nothing is noted of nothing."""
    if not amount:
        return
    entry = LedgerEntry(state.next_entry, account.account_id, time, kind, amount, symbol, reference)
    state.next_entry += 1
    account.wallet = account.wallet + amount or ZERO
    account.ledger.append(entry)
