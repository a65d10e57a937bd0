"""Alerts: each once, again when it goes on, never too often, never in the way, and no address ever shown."""

import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest

from funding_pipeline.core.governance import Alert
from funding_pipeline.guard.alerts import Alerts
from funding_pipeline.guard.messenger import by_apprise
from funding_pipeline.storage.journal import Journal

NOW = datetime(2025, 10, 10, 21, 0, tzinfo=UTC)
URLS = ("json://127.0.0.1:9/hook-of-secret-token-a1b2c3",)
BOSS = ("json://127.0.0.1:9/boss-of-secret-token-d4e5f6",)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(
        f"sqlite:///{tmp_path / 'journal.sqlite'}", now=lambda: NOW, busy_timeout_seconds=0.05
    ) as one:
        yield one


class Service:
    """Takes messages, or fails as told."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.messages: list[tuple[tuple[str, ...], str, str]] = []
        self.failing = failing
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, urls: Sequence[str], title: str, body: str) -> bool:
        self.gate.wait(20)
        if self.failing is not None:
            raise self.failing
        self.messages.append((tuple(urls), title, body))
        return True

    @property
    def titles(self) -> list[str]:
        return [title for _, title, _ in self.messages]


def alert(
    key: str = "naked BTC",
    *,
    after: float = 0,
    severity: Literal["info", "warning", "critical"] = "critical",
) -> Alert:
    at = NOW + timedelta(seconds=after)
    return Alert(key, severity, f"{key} is wrong", "close it by hand", at, {"delta_usd": 6_000.0})


def made(journal: Journal | None, service: Service, **options: Any) -> Alerts:
    return Alerts(journal, URLS, BOSS, notify=service, **options)


def test_an_alert_says_what_is_wrong_and_what_to_do(journal: Journal) -> None:
    service = Service()
    alerts = made(journal, service)
    assert alerts.tell(alert())
    assert alerts.flush()
    (urls, title, body) = service.messages[0]
    assert urls == URLS
    assert title == "[critical] naked BTC is wrong"
    assert "What to do: close it by hand" in body
    assert "delta_usd: 6000.0" in body
    assert [kept.key for kept in journal.alerts()] == ["naked BTC"]


def test_repeats_are_told_once_a_window_and_worse_at_once(journal: Journal) -> None:
    service = Service()
    alerts = made(journal, service, escalate_after_seconds=1e6)
    told = [alerts.tell(alert(after=s, severity="warning")) for s in (0, 2, 60, 300, 880, 901)]
    assert told == [True, False, False, False, False, True]
    assert alerts.tell(alert(after=905, severity="critical"))
    assert not alerts.tell(alert(after=907, severity="warning"))
    assert alerts.flush()
    assert len(service.messages) == 3


def test_another_process_and_a_later_life_do_not_repeat(journal: Journal) -> None:
    service = Service()
    assert made(journal, service).tell(alert())
    assert not made(journal, service).tell(alert(after=5))
    assert len(journal.alerts()) == 1


@pytest.mark.parametrize("has_journal", [True, False])
def test_a_clock_put_back_an_hour_holds_no_alert_back(journal: Journal, has_journal: bool) -> None:
    alerts = Alerts(journal if has_journal else None)
    assert alerts.tell(alert(after=3_600))
    assert alerts.tell(alert(after=0))
    assert not alerts.tell(alert(after=30))


def test_without_the_journal_memory_tells_repeats(journal: Journal) -> None:
    service = Service()
    alerts = made(None, service)
    assert [alerts.tell(alert(after=s)) for s in (0, 30, 870, 901)] == [True, False, False, True]
    journal.close()
    import sqlite3

    locker = sqlite3.connect(journal.name, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    locked = made(journal, service)
    assert [locked.tell(alert(after=s)) for s in (0, 30, 60)] == [True, False, False]
    locker.execute("ROLLBACK")
    locker.close()
    assert locked.tell(alert(after=90)), "the journal does not have it yet: it is kept now"
    assert [kept.key for kept in journal.alerts()] == ["naked BTC"]


def test_what_goes_on_unacknowledged_is_escalated_once_a_window(journal: Journal) -> None:
    service = Service()
    alerts = made(journal, service, escalate_after_seconds=300)
    for seconds in range(0, 880, 20):
        alerts.tell(alert(after=seconds))
    assert alerts.flush()
    assert [(urls, title) for urls, title, _ in service.messages] == [
        (URLS, "[critical] naked BTC is wrong"),
        (BOSS, "[critical] STILL, after 5 min: naked BTC is wrong"),
    ]


def test_what_is_acknowledged_is_neither_escalated_nor_told_again(journal: Journal) -> None:
    service = Service()
    alerts = made(journal, service, escalate_after_seconds=300)
    alerts.tell(alert())
    assert journal.acknowledge("naked BTC", by="person anna")
    assert not journal.acknowledge("no such alert", by="person anna")
    for seconds in range(20, 2000, 20):
        alerts.tell(alert(after=seconds))
    assert alerts.flush()
    assert len(service.messages) == 1
    assert alerts.tell(alert(after=6000)), "it ended, and began again"


@pytest.mark.parametrize("severity", ["info", "warning"])
def test_only_what_is_critical_is_escalated(journal: Journal, severity: Any) -> None:
    service = Service()
    alerts = made(journal, service, escalate_after_seconds=300)
    for seconds in range(0, 880, 20):
        alerts.tell(alert(after=seconds, severity=severity))
    assert alerts.flush()
    assert len(service.messages) == 1


def test_what_flickers_is_not_taken_for_going_on(journal: Journal) -> None:
    service = Service()
    alerts = made(journal, service, escalate_after_seconds=300)
    for seconds in (0, 250, 500, 750):
        alerts.tell(alert(after=seconds))
    assert alerts.flush()
    assert len(service.messages) == 1


def test_seconds_grow_with_the_speed_of_the_market(journal: Journal) -> None:
    alerts = made(journal, Service(), speed=60)
    assert [alerts.tell(alert(after=s)) for s in (0, 52_000, 54_001)] == [True, False, True]


def test_a_storm_is_held_back_and_counted(journal: Journal) -> None:
    service = Service()
    alerts = made(journal, service, most_per_minute=5)
    for number in range(30):
        alerts.tell(alert(f"limit {number}", severity="warning"))
    for number in range(30):
        alerts.tell(alert(f"leg {number}", after=1))
    alerts.tell(alert("later", after=70))
    assert alerts.flush()
    assert len(service.messages) == 11, "5 warnings, then critical ones up to 10, then the later one"
    assert "and 25 more alerts" in service.titles[5], "the warnings that were left out"
    assert "and 25 more alerts" in service.titles[-1]
    assert len(journal.alerts()) == 61, "all of them are in the journal"


def test_a_slow_service_keeps_nobody_waiting(journal: Journal) -> None:
    service = Service()
    service.gate.clear()
    alerts = made(journal, service)
    assert alerts.tell(alert())
    assert alerts.tell(alert("another"))
    assert not alerts.flush(0.05)
    service.gate.set()
    assert alerts.flush(20)
    assert len(service.messages) == 2


def test_a_failing_service_is_logged_without_its_address(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(failing=RuntimeError(f"cannot reach {URLS[0]}"))
    alerts = made(journal, service)
    assert alerts.tell(alert())
    assert alerts.flush()
    assert "a service failed with RuntimeError" in caplog.text
    assert "secret-token" not in caplog.text


@pytest.mark.filterwarnings("default")
def test_apprise_shows_no_address(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        urls = ["json://127.0.0.1:9/secret-token-1", "nonsense://secret-token-2", "secret-token-3"]
        assert not by_apprise(urls, "title", "body")
    shown = capfd.readouterr()
    assert "secret-token" not in caplog.text + shown.out + shown.err


def test_apprise_posts_to_a_service_that_is_there() -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    received: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        assert by_apprise([f"json://127.0.0.1:{server.server_port}/x"], "[critical] BTC", "What to do: close")
    finally:
        thread.join(20)
        server.server_close()
    assert received[0]["title"] == "[critical] BTC"
    assert received[0]["message"] == "What to do: close"


def test_the_log_has_one_line_of_json_and_no_address(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        made(journal, Service()).tell(alert())
    lines = [record.message for record in caplog.records if record.name.startswith("funding_pipeline.guard")]
    assert len(lines) == 1
    told = orjson.loads(lines[0])
    assert (told["key"], told["action"], told["severity"]) == ("naked BTC", "close it by hand", "critical")
    assert "secret-token" not in caplog.text


def test_telling_never_raises(journal: Journal) -> None:
    broken = Alert("k", "critical", "t", "a", NOW, {"x": object()})  # type: ignore[dict-item]
    assert made(journal, Service()).tell(broken) in (True, False)
