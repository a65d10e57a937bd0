"""The testnet's state on disk, so that it survives a restart and a kill.

What lives here: one file, written whole or not at all. What does not: what the state of an exchange is
(`engine.snapshot`), or when to save (`server`).
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import orjson
from pydantic import ValidationError

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.testnet.engine import snapshot
from funding_pipeline.testnet.faults import FaultDesk
from funding_pipeline.testnet.testnet import Seat, Testnet

VERSION = 1


class Keeper(Protocol):
    """Keeps the state of a testnet over a restart."""

    def load(self, testnet: Testnet, faults: FaultDesk) -> None:
        """Put accounts, faults and time back, where there are any."""
        ...

    async def save(self, testnet: Testnet, faults: FaultDesk, *, venue: str | None = None) -> None:
        """Keep the state of one venue (None: of all), faults and time; done when it returns."""
        ...

    async def save_time(self, testnet: Testnet, faults: FaultDesk) -> None:
        """Keep the time, and accounts as they were kept last."""
        ...


class NoState:
    """Keeps nothing: for tests."""

    def load(self, testnet: Testnet, faults: FaultDesk) -> None:
        """There is nothing to put back."""

    async def save(self, testnet: Testnet, faults: FaultDesk, *, venue: str | None = None) -> None:
        """Forget it."""

    async def save_time(self, testnet: Testnet, faults: FaultDesk) -> None:
        """Forget it."""


class StateFile:
    """State in the JSON file `path`, readable by its owner alone: it has the test accounts' keys.

    Raises TestnetError naming the file and the mend where it cannot be read, written or used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._venues: dict[str, bytes] = {}
        self._written: tuple[Mapping[str, bytes], bytes] | None = None
        self._lock = asyncio.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TestnetError(f"{path.parent} cannot be made ({error.strerror}): choose another") from error

    def saved_time(self) -> int | None:
        """The market's time when it was saved, ms; None: nothing is saved."""
        values = self._read()
        return None if values is None else _checked(self._path, lambda: int(values["now_ms"]))

    def has_accounts(self) -> bool:
        """Whether anybody has an account whose history a jump in time would tear."""
        venues = (self._read() or {}).get("venues", {})
        return bool(_checked(self._path, lambda: any(p["exchange"]["accounts"] for p in venues.values())))

    def load(self, testnet: Testnet, faults: FaultDesk) -> None:
        """Put accounts and faults back, and the clock on where it was, if that is later than where it is."""
        values = self._read()
        if values is None:
            return
        if not str(values.get("market")).startswith(testnet.accounts_of):
            raise TestnetError(
                f"{self._path} belongs to another market ({values.get('market')}), not "
                f"{testnet.accounts_of}; `funding-pipeline testnet --fresh` forgets its accounts"
            )
        _checked(self._path, lambda: self._apply(values, testnet, faults))

    def _apply(self, values: Mapping[str, Any], testnet: Testnet, faults: FaultDesk) -> None:
        testnet.clock.set(max(int(values["now_ms"]), testnet.clock.now()))
        for venue, seat in testnet.seats.items():
            if venue in values["venues"]:
                snapshot.load(seat.exchange, values["venues"][venue]["exchange"])
                seat.quotes.load(values["venues"][venue]["quotes"])
        faults.load(values["faults"])
        # A venue that is not served this time keeps its accounts.
        self._venues = {venue: orjson.dumps(part) for venue, part in values["venues"].items()}

    async def save(self, testnet: Testnet, faults: FaultDesk, *, venue: str | None = None) -> None:
        """Write the file, unless it would say the same but for the time.

        Several requests at once wait for one another; the later ones find their change already written.
        """
        async with self._lock:
            for seat in testnet.seats.values() if venue is None else [testnet.seats[venue]]:
                self._venues[seat.venue] = _part(seat)
            content = (dict(self._venues), orjson.dumps(faults.dump()))
            if content != self._written:
                await self._write(testnet, content)

    async def save_time(self, testnet: Testnet, faults: FaultDesk) -> None:
        """Write the file with the time of now; what time has done since is done again after a kill."""
        async with self._lock:
            if self._written is not None:
                await self._write(testnet, self._written)

    async def _write(self, testnet: Testnet, content: tuple[Mapping[str, bytes], bytes]) -> None:
        venues, faults = content
        text = orjson.dumps(
            {
                "version": VERSION,
                "market": testnet.accounts_of,
                "now_ms": testnet.clock.now(),
                "faults": orjson.Fragment(faults),
                "venues": {venue: orjson.Fragment(part) for venue, part in venues.items()},
            }
        )
        try:
            await asyncio.to_thread(_replace, self._path, text)
        except OSError as error:
            raise TestnetError(f"{self._path} was not written: {error.strerror or error}") from error
        self._written = content

    def _read(self) -> Mapping[str, Any] | None:
        try:
            values = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, orjson.JSONDecodeError) as error:
            raise _unusable(self._path, error) from error
        if not isinstance(values, dict) or values.get("version") != VERSION:
            raise _unusable(self._path, ValueError(f"it is no state of version {VERSION}"))
        return values


def _part(seat: Seat) -> bytes:
    return orjson.dumps({"exchange": snapshot.dump(seat.exchange), "quotes": seat.quotes.dump()})


def _checked(path: Path, use: Any) -> Any:
    """What `use` returns; whatever it finds wrong with the file's content is an error about the file."""
    try:
        return use()
    except (ValidationError, LookupError, TypeError, ValueError, AttributeError, TestnetError) as error:
        raise _unusable(path, error) from error


def _replace(path: Path, text: bytes) -> None:
    """Write a whole file or none: a start after a kill finds the old or the new one."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _unusable(path: Path, error: Exception) -> TestnetError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    mend = "`funding-pipeline testnet --fresh` forgets it, or move it away"
    return TestnetError(f"{path} cannot be used ({reason}); {mend}")
