"""A real ccxt client whose every answer is a given body, for golden tests.

What lives here: the stand-in for aiohttp's session, and the client over it. What does not: bodies, or what
is expected of them.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from funding_pipeline.venues.dialect import VenueDialect

Bodies = Mapping[str, Any]
Examples = Mapping[str, list[dict[str, Any]]]


def read_examples(payloads_dir: Path, venue: str) -> Examples:
    """Example bodies of ccxt's own source, by method."""
    found: Examples = json.loads((payloads_dir / "ccxt_examples" / f"{venue}.json").read_text())
    return found


def example(examples: Examples, method: str, label: str | None = None) -> Any:
    """One body, by ccxt's method and the label that its source gives it."""
    return next(item["body"] for item in examples[method] if item["label"] == label)


class Answer:
    """What ccxt reads of an aiohttp response. A body that is no bytes is written as JSON."""

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.reason, self.headers = status, "", {"Content-Type": "application/json"}
        self.content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def text(self, errors: str = "replace") -> str:
        return self.content.decode()

    async def __aenter__(self) -> "Answer":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class CannedSession:
    """Serves bodies by path after `prefix`. `asked`: path, what was sent (query and JSON), and headers.

    A body that is a tuple is (status, body); one that is a function is given what was sent.
    """

    headers: Mapping[str, str] = {}

    def __init__(self, bodies: Bodies, prefix: str) -> None:
        self.bodies, self.prefix = bodies, prefix
        self.asked: list[tuple[str, dict[str, Any], Mapping[str, str]]] = []

    def _answer(self, url: Any, *, data: bytes | None = None, **options: Any) -> Answer:
        path = url.path.removeprefix(self.prefix)
        sent = {**url.query, **(json.loads(data) if data else {})}
        self.asked.append((path, sent, options["headers"]))
        found = self.bodies[path]
        body = found(sent) if callable(found) else found
        return Answer(*body) if isinstance(body, tuple) else Answer(200, body)

    get = post = put = delete = _answer

    async def close(self) -> None:
        """Nothing is open."""


def ask_client(
    dialect: VenueDialect, session: Any, ask: Callable[[Any], Awaitable[Any]], **configuration: Any
) -> Any:
    """What `ask` makes of the dialect's client over `session`."""
    return ask_class(dialect.client_class(), session, ask, options=dialect.client_options(), **configuration)


def ask_class(
    client_class: type, session: Any, ask: Callable[[Any], Awaitable[Any]], **configuration: Any
) -> Any:
    """The same for any of ccxt's classes."""

    async def run() -> Any:
        common = {"session": session, "enableRateLimit": False, "timeout_on_exit": 0}
        client = client_class({**common, **configuration})
        try:
            return await ask(client)
        finally:
            await client.close()

    return asyncio.run(run())
