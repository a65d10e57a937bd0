"""Where a venue's requests go: to the exchange itself, to the local testnet, or to an archive of bodies.

What lives here: the HTTP session given to ccxt. ccxt's urls stay untouched (overriding them changes
which error classes it raises); only the socket goes elsewhere, with the exchange's name in `Host`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Exchanged:
    """One request and its answer, for the archive. Header values are not kept: they hold signatures."""

    venue: str
    method: str
    url: str
    request_body: str
    status: int
    body: bytes
    received_at_ms: int


Recorder = Callable[[Exchanged], None]


class Connection(Protocol):
    """Opens the session that a ccxt client of `venue` will use."""

    @property
    def label(self) -> str:
        """What messages call it: `live`, `testnet on 127.0.0.1:8717`, `archive <folder>`."""
        ...

    @property
    def is_live(self) -> bool:
        """True where requests leave this machine: then the exchange's rate limits bind."""
        ...

    @property
    def speed(self) -> float:
        """Seconds of the exchanges' time per second of this machine; other than 1 only on a testnet."""
        ...

    def session(self, venue: str, record: Recorder | None) -> Any:
        """An object with get, post, put, delete, patch, headers and close, as ccxt uses aiohttp's."""
        ...

    async def clock_ms(self) -> int:
        """Now, in the time of the exchanges behind this connection."""
        ...

    def now_ms(self) -> int:
        """The same without waiting: as last told, and this machine's clock since."""
        ...
