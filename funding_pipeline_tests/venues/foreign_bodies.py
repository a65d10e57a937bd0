"""Whole venues of bodies that we did not write: those of the local testnet, and ccxt's own examples.

What lives here: putting them into the form of `venue_bodies`. What does not: changing them (`mutations`).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import yarl

from funding_pipeline.venues.connection import Exchanged
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.testnet.running import RunningTestnet
from funding_pipeline_tests.venues.mutations import Venue
from funding_pipeline_tests.venues.test_nine_venues import BODIES, EXPECTED
from funding_pipeline_tests.venues.venue_bodies import Part, WholeVenue, whole_venue

RENDERED = ("binance", "bybit", "okx", "gate", "hyperliquid", "deribit")
"""Venues that the local testnet serves."""


def rendered(name: str, testnet: RunningTestnet) -> WholeVenue:
    """BTC and ETH of a venue as the testnet answers now, three rows of each series."""
    like = whole_venue(name)
    now_ms = testnet.clock.now()
    found: dict[str, Any] = {}

    def record(exchanged: Exchanged) -> None:
        body = orjson.loads(exchanged.body)
        sent = orjson.loads(exchanged.request_body) if exchanged.request_body.startswith("{") else {}
        query = yarl.URL(exchanged.url).query
        path = sent.get("type") or yarl.URL(exchanged.url).path.removeprefix("/")
        if query.get("status") != "PreLaunch":
            found.setdefault(path, []).append((query, body))

    venue = Venue.__new__(Venue)
    venue.name, venue.whole = name, replace(like, now_ms=now_ms)
    for call in dict.fromkeys(part.call for part in like.parts if part.call != "intervals"):
        reading = venue.read_over(call, TestnetConnection(testnet.port), record)
        assert reading.error is None, (name, call, reading.error)
    parts = [_with_body(name, part, found) for part in like.parts if part.path in found]
    return replace(like, parts=tuple(parts), now_ms=now_ms)


def examples(name: str, payloads_dir: Path) -> WholeVenue:
    """ccxt's example listing and history of a venue."""
    expected, bodies = EXPECTED[name], BODIES[name](payloads_dir)
    parts = []
    for part in whole_venue(name).parts:
        body = bodies.get(part.path) or bodies.get("info")
        if part.call in ("listing", "intervals", "settled") and body is not None:
            body = body({"status": "", "type": part.path}) if callable(body) else body
            parts.append(replace(part, body=_perpetuals_first(body) if name == "deribit" else body))
    now_ms = int(expected.settled_at.timestamp() * 1000) + 40 * 60_000
    return replace(whole_venue(name), btc=expected.symbol, parts=tuple(parts), now_ms=now_ms)


def _perpetuals_first(body: Any) -> Any:
    if "instrument_name" not in body["result"][0]:
        return body
    ordered = sorted(body["result"], key=lambda row: "PERPETUAL" not in row["instrument_name"])
    return {**body, "result": ordered}


def _with_body(name: str, part: Part, found: Mapping[str, Any]) -> Part:
    """The part with the testnet's body, cut to two instruments or three rows."""
    answers = found[part.path]
    if part.choose:
        chosen = {query[part.choose]: body["result"] for query, body in answers}
        return replace(part, body=[chosen[row["instrument_name"]] for row in part.body])
    body = answers[0][1]
    if part.path == "metaAndAssetCtxs":
        return replace(part, body=_two_coins(body))
    if part.rows == "result.ticks":
        return replace(part, body={**body, "result": {k: _three(v) for k, v in body["result"].items()}})
    label = next((r.name for r in dialect_of(name).answers.values() if r.name and _has(part, r.name)), "")
    wanted = [row[label] for row in _rows(part.body, part.rows)] if label else []
    rows = _rows(body, part.rows)
    kept = [row for row in rows if row[label] in wanted] if _is_by_name(part) else rows[:3]
    rows[:] = sorted(kept, key=lambda row: wanted.index(row[label])) if _is_by_name(part) else kept
    return replace(part, body=body)


def _is_by_name(part: Part) -> bool:
    return part.call in ("listing", "estimates", "intervals")


def _has(part: Part, name: str) -> bool:
    row = _rows(part.body, part.rows)[0]
    return isinstance(row, dict) and name in row


def _rows(body: Any, path: str) -> list[Any]:
    for key in filter(None, path.split(".")):
        body = body[int(key) if key.isdigit() else key]
    rows: list[Any] = body
    return rows


def _three(value: Any) -> Any:
    return value[:3] if isinstance(value, list) else value


def _two_coins(body: Any) -> Any:
    names = [coin["name"] for coin in body[0]["universe"]]
    places = [names.index("BTC"), names.index("ETH")]
    universe = {**body[0], "universe": [body[0]["universe"][place] for place in places]}
    return [universe, [body[1][place] for place in places]]
