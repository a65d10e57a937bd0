"""ccxt clients: a venue's class over a connection's session, opened and closed properly.

What lives here: construction. What does not: calls and their errors (`calls`).

A client for public data takes the time of the exchanges behind its connection; one that signs keeps the
machine's: a testnet's clock may stand still or run fast, and nonces must grow and stay within the
receive window (the testnet accepts either time).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from funding_pipeline.venues.connection import Connection, Recorder
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.dialect import Json, VenueDialect
from funding_pipeline.venues.held import checked_class

TIMEOUT_MS = 10_000
OWN_NAMES = {"XBT": "BTC"}
"""ccxt renames coins that it takes for others (ALT, GTC, DEGEN); here a coin is what its venue calls it,
except for the one coin with two names. Whether two venues mean the same coin is judged by prices."""


@asynccontextmanager
async def open_client(
    dialect: VenueDialect,
    connection: Connection,
    *,
    credentials: Credentials | None = None,
    record: Recorder | None = None,
) -> AsyncIterator[Any]:
    """A ccxt client inside the running event loop; its session and sockets are closed at the end."""
    session = connection.session(dialect.name, record)
    try:
        client = checked_class(dialect.client_class())(
            _configuration(dialect, connection, credentials, session)
        )
        client.commonCurrencies = dict(OWN_NAMES)
        if credentials is None:
            client.milliseconds = getattr(connection, "now_ms", client.milliseconds)
        try:
            yield client
        finally:
            await client.close()
    finally:
        await session.close()


def _configuration(
    dialect: VenueDialect, connection: Connection, credentials: Credentials | None, session: Any
) -> Json:
    """`maxRetriesOnFailure` is 0: ccxt would send an order whose answer was lost a second time."""
    if credentials is not None:
        credentials.check(dialect.credentials)
    return {
        "session": session,
        "timeout": TIMEOUT_MS,
        "timeout_on_exit": 0,  # ccxt sleeps 250 ms on closing for websockets, of which there are none
        "enableRateLimit": connection.is_live,
        "maxRetriesOnFailure": 0,
        "verify": False,  # of ccxt's own TLS context, which is not used: the session has its own
        "options": {**dialect.client_options(), "maxRetriesOnFailure": 0},
        **({} if credentials is None else credentials.reveal()),
    }
