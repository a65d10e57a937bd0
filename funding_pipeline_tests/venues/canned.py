"""A session that answers a real ccxt client with bodies given by path, for golden tests.

What lives here: the stand-in for aiohttp's session. What does not: bodies, or what is expected of them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    """What ccxt reads of an aiohttp response."""

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.reason, self.headers = status, "", {"Content-Type": "application/json"}
        self.content = json.dumps(body).encode()

    async def text(self, errors: str = "replace") -> str:
        return self.content.decode()

    async def __aenter__(self) -> "Answer":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class CannedSession:
    """Serves bodies by path after `prefix`; a tuple is (status, body). `asked`: path, query and headers."""

    headers: Mapping[str, str] = {}

    def __init__(self, bodies: Bodies, prefix: str) -> None:
        self.bodies, self.prefix = bodies, prefix
        self.asked: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = []

    def _answer(self, url: Any, **options: Any) -> Answer:
        path = url.path.removeprefix(self.prefix)
        self.asked.append((path, dict(url.query), options["headers"]))
        found = self.bodies[path]
        status, body = found if isinstance(found, tuple) else (200, found)
        return Answer(status, body)

    get = post = put = delete = _answer

    async def close(self) -> None:
        """Nothing is open."""
