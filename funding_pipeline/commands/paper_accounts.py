"""Paper accounts: one per trading venue on the local testnet, and their keys for whoever trades with them.

What lives here: opening them where they are missing, and their keys as environment variables. What does
not: what a key is called (`venues.credentials`), the accounts themselves (`testnet`).

They are test accounts: their keys are worth nothing elsewhere. They are shown nowhere all the same.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.settings import Settings
from funding_pipeline.venues.connection import LOOPBACK
from funding_pipeline.venues.credentials import variable_name
from funding_pipeline.venues.registry import dialect_of

ACCOUNT = "paper"
_TIMEOUT_SECONDS = 10.0


def paper_environment(settings: Settings) -> dict[str, str]:
    """Variables of the paper accounts' keys, of those venues of which the environment has none.

    Opens what is missing, with an even share of the capital; an account that is there keeps what it holds.
    Empty where trading is not on paper. Raises TestnetError where the testnet does not run.
    """
    if settings.trading != "paper" or not settings.uses_testnet:
        return {}
    venues = settings.trading_setup().venues
    found: dict[str, str] = {}
    for venue in venues:
        names = dialect_of(venue).credentials
        # One key of a person's and one of ours would be the keys of no account.
        if not any(os.environ.get(variable_name(venue, name), "").strip() for name in names):
            keys = _keys(settings.testnet_port, venue, share_usd(settings, len(venues)))
            found |= {variable_name(venue, name): str(keys[name]) for name in names}
    return found


def add_paper_keys(settings: Settings) -> None:
    """Put them into this process's environment: for a command that opens a trading session by hand."""
    os.environ.update(paper_environment(settings))


def share_usd(settings: Settings, venues: int) -> Decimal:
    """What each account is opened with."""
    return (Decimal(str(settings.capital_usd)) / venues).quantize(Decimal("0.01"))


def _keys(port: int, venue: str, balance: Decimal) -> Mapping[str, Any]:
    path = f"/admin/accounts/{venue}/{ACCOUNT}/credentials"
    status, told = _ask(port, path)
    if status == 404:
        wanted = {"venue": venue, "account_id": ACCOUNT, "balance": str(balance)}
        status, made = _ask(port, "/admin/accounts", wanted)
        # A 400 may mean that another process was faster.
        status, told = (status, made) if status == 200 else _ask(port, path)
        told = made if status == 404 else told
    if status != 200:
        raise TestnetError(f"no paper account on {venue}: {told.get('error', f'status {status}')}")
    return told


def _ask(port: int, path: str, body: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, Any]]:
    """Status and answer of the testnet's admin API; TestnetError where nothing answers."""
    url = f"http://{LOOPBACK}:{port}{path}"
    try:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(url, data, timeout=_TIMEOUT_SECONDS) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {"error": error.read().decode("utf-8", errors="replace")}
    except (OSError, ValueError) as error:
        raise TestnetError(
            f"no local testnet on {LOOPBACK}:{port}: start it with `funding-pipeline testnet` or `make up`"
        ) from error
