"""A connection to the testnet that changes chosen answers before they are read.

What lives here: which answers, and how. What does not: what is expected of them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yarl

from funding_pipeline.venues.connection import Recorder
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline.venues.sessions import HeldAnswer

Change = Callable[[Any, dict[str, Any]], Any]
"""Takes the venue's body and what was asked (query and JSON); the body to read."""


@dataclass(frozen=True)
class Given:
    """Changes the answers to requests with `path` in their address and `part` in what was sent."""

    path: str
    change: Change
    part: str = ""
    method: str = ""


class GivenConnection(TestnetConnection):
    """The testnet's, with changes."""

    def __init__(self, port: int, *changes: Given) -> None:
        super().__init__(port)
        self.changes = list(changes)
        self.asked: list[str] = []

    def session(self, venue: str, record: Recorder | None) -> Any:
        opened = super().session(venue, record)
        send = opened.send

        async def changed(method: str, url: yarl.URL, options: dict[str, Any]) -> HeldAnswer:
            answer: HeldAnswer = await send(method, url, options)
            sent = (options.get("data") or b"").decode()
            self.asked.append(f"{method} {url.path}?{url.query_string} {sent}")
            asked = {**url.query, **(json.loads(sent) if sent.startswith("{") else {})}
            for given in self.changes:
                about = given.path in url.path and given.part in f"{url.query_string} {sent}"
                if about and given.method in ("", method):
                    body = json.dumps(given.change(json.loads(answer.content), asked)).encode()
                    answer = HeldAnswer(200, "", {"Content-Type": "application/json"}, body)
            return answer

        opened.send = changed  # type: ignore[method-assign]
        return opened
