"""Ingestion of odd answers: nothing of a series, an instrument or a venue ends another, nothing is lost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.errors import VenueUnavailableError
from funding_pipeline.market import ingestion
from funding_pipeline.market.ingestion import IngestReport, Wanted, ingest
from funding_pipeline.market.landing import Landing, Series
from funding_pipeline.market.windows import covered
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.registry import PUBLIC_VENUES, dialect_of
from funding_pipeline_tests.venues.canned import CannedSession
from funding_pipeline_tests.venues.canned_gateway import CannedConnection
from funding_pipeline_tests.venues.venue_bodies import LISTED, NOW_MS, Part, whole_venue

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
START = NOW - timedelta(hours=26)


class Venues(CannedConnection):
    """Every venue with its own bodies; one part of a venue may be changed."""

    def __init__(self, changed: dict[str, Part]) -> None:
        super().__init__({}, "/", NOW_MS)
        self.changed = changed
        self.sessions: dict[str, CannedSession] = {}

    def session(self, venue: str, record: Any) -> CannedSession:
        bodies = whole_venue(venue).bodies(self.changed.get(venue))
        self.sessions[venue] = CannedSession(bodies, "/")
        return self.sessions[venue]


def fetched(folder: Path, changed: dict[str, Part], *, start: datetime = START) -> IngestReport:
    dialects = [dialect_of(venue) for venue in PUBLIC_VENUES]
    wanted = Wanted(frozenset({"funding_rates"}), start, NOW, coins=frozenset({"BTC"}))
    return ingest(dialects, Venues(changed), Landing(folder), wanted)


def rates(folder: Path) -> dict[str, int]:
    frame = Landing(folder).read("funding_rates", venues=PUBLIC_VENUES, start=START, end=NOW)
    counted = frame.group_by("venue").len()
    return dict(counted.iter_rows())


def part_of(venue: str, call: str, body: Any = None) -> Part:
    part = next(part for part in whole_venue(venue).parts if part.call == call)
    return part if body is None else Part(part.call, part.path, part.rows, body, other=part.other)


def test_no_venue_ends_another_and_what_was_no_answer_is_asked_again(tmp_path: Path) -> None:
    gate = part_of("gate", "listing")
    gate.body[0]["funding_interval"] = ""
    changed = {
        "gate": gate,
        "bybit": part_of("bybit", "settled", {"retCode": 0, "retMsg": "OK", "result": None}),
        "okx": part_of("okx", "listing", {"code": "0", "data": None, "msg": ""}),
        "deribit": part_of("deribit", "settled", {"jsonrpc": "2.0", "result": "busy"}),
    }
    report = fetched(tmp_path, changed)
    assert set(report.unreachable) == {"okx"}
    assert report.refused["gate BTC/USDT:USDT"].endswith("funding_interval '' is no such value")
    assert any(line.startswith("bybit: fetch_funding_rate_history BTC/USDT") for line in report.problems)
    assert any(line.startswith("deribit: fetch_funding_rate_history BTC/USDC") for line in report.problems)
    assert set(rates(tmp_path)) == set(PUBLIC_VENUES) - set(changed)
    fetched(tmp_path, {})  # and now all of them answer
    assert rates(tmp_path) == dict.fromkeys(PUBLIC_VENUES, 3)


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "bitget", "kucoin", "hyperliquid"])
def test_a_row_that_could_not_be_read_is_asked_again(tmp_path: Path, venue: str) -> None:
    odd = part_of(venue, "settled")
    rows: Any = odd.body
    for key in filter(None, odd.rows.split(".")):
        rows = rows[key]
    rows[1] = None
    report = fetched(tmp_path, {venue: odd})
    assert any("is left out: not a row" in line for line in report.problems)
    assert rates(tmp_path) == {**dict.fromkeys(PUBLIC_VENUES, 3), venue: 2}
    fetched(tmp_path, {})
    assert rates(tmp_path) == dict.fromkeys(PUBLIC_VENUES, 3)


def test_an_empty_answer_covers_only_what_lies_before_the_listing(tmp_path: Path) -> None:
    """Kraken and Hyperliquid do not state when an instrument was listed here."""
    before = datetime.fromtimestamp(LISTED / 1000, UTC) - timedelta(days=100)
    wanted = Wanted(frozenset({"funding_rates"}), before, before + timedelta(days=20), frozenset({"BTC"}))
    dialects = [dialect_of(venue) for venue in ("bybit", "hyperliquid")]
    empty = {
        "bybit": part_of(
            "bybit", "settled", {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": []}}
        ),
        "hyperliquid": part_of("hyperliquid", "settled", []),
    }
    ingest(dialects, Venues(empty), Landing(tmp_path), wanted)

    def missing(venue: str, symbol: str) -> int:
        series = Series("funding_rates", venue, symbol, "settled")
        return len(Landing(tmp_path).missing(series, start=wanted.start, end=wanted.end))

    assert missing("bybit", "BTC/USDT:USDT") == 0
    assert missing("hyperliquid", "BTC/USDC:USDC") == 1


def test_one_series_that_a_venue_does_not_serve_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = ingestion.rows_of

    async def rows_of(gateway: PublicGateway, series: Series, start: datetime, end: datetime) -> Any:
        if series.venue == "binance":
            raise VenueUnavailableError("binance: fetch_funding_rate_history: HTTP 502")
        if series.venue == "bybit":
            raise KeyError("nobody foresaw it")
        return await usual(gateway, series, start, end)

    monkeypatch.setattr(ingestion, "rows_of", rows_of)
    report = fetched(tmp_path, {})
    assert not report.unreachable
    assert (
        "bybit: funding_rates of BTC/USDT:USDT: cannot be read (KeyError: 'nobody foresaw it')"
        in report.problems
    )
    assert set(rates(tmp_path)) == set(PUBLIC_VENUES) - {"binance", "bybit"}


def test_what_a_gap_of_unread_rows_leaves_covered() -> None:
    hour = timedelta(hours=1)
    window = (START, START + 10 * hour)
    second = timedelta(seconds=1)
    assert covered(window, START + 2 * hour, None) == [window]
    assert covered(window, START + 2 * hour, []) == [(START + 2 * hour, window[1])]
    holes = [(START + 3 * hour, START + 5 * hour)]
    assert covered(window, START, holes) == [
        (START, START + 3 * hour + second),
        (START + 5 * hour, window[1]),
    ]
