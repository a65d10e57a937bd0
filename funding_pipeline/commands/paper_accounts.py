"""Paper accounts: one per trading venue on the local testnet, and their keys for whoever trades with them.

What lives here: opening them where they are missing, and their keys as environment variables. What does
not: what a key is called (`venues.credentials`), the accounts themselves (`testnet`).

They are test accounts: their keys are worth nothing elsewhere. They are shown nowhere all the same.
"""

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.settings import Settings
from funding_pipeline.venues.credentials import variable_name
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline.venues.testnet_address import TestnetAddress

ACCOUNT = "paper"


def paper_environment(settings: Settings) -> dict[str, str]:
    """Variables of the paper accounts' keys, of those venues of which the environment has none.

    Opens what is missing, with an even share of the capital; an account that is there keeps what it holds.
    Empty where trading is not on paper. Raises TestnetError where the testnet does not run.
    """
    testnet = settings.testnet
    if settings.trading != "paper" or testnet is None:
        return {}
    venues = settings.trading_setup().venues
    found: dict[str, str] = {}
    for venue in venues:
        names = dialect_of(venue).credentials
        # One key of a person's and one of ours would be the keys of no account.
        if not any(os.environ.get(variable_name(venue, name), "").strip() for name in names):
            keys = _keys(testnet, venue, share_usd(settings, len(venues)))
            found |= {variable_name(venue, name): str(keys[name]) for name in names}
    return found


def add_paper_keys(settings: Settings) -> None:
    """Put them into this process's environment: for a command that opens a trading session by hand."""
    os.environ.update(paper_environment(settings))


def share_usd(settings: Settings, venues: int) -> Decimal:
    """What each account is opened with."""
    return (Decimal(str(settings.capital_usd)) / venues).quantize(Decimal("0.01"))


def _keys(testnet: TestnetAddress, venue: str, balance: Decimal) -> Mapping[str, Any]:
    path = f"/admin/accounts/{venue}/{ACCOUNT}/credentials"
    status, stated = testnet.ask(path)
    if status == 404:
        wanted = {"venue": venue, "account_id": ACCOUNT, "balance": str(balance)}
        status, made = testnet.ask("/admin/accounts", wanted)
        # A 400 may mean that another process was faster.
        status, stated = (status, made) if status == 200 else testnet.ask(path)
        stated = made if status == 404 else stated
    if status != 200:
        raise TestnetError(f"no paper account on {venue}: {stated.get('error', f'status {status}')}")
    return stated
