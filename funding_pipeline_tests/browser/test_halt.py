"""A person stops trading in the web UI while a rebalance sends orders, and lets it go on again.

Everything is real: `up` with testnet, guard and Dagster, and a browser in front of it. Orders are made slow
by a fault of the testnet, so that the rebalance is under way when the halt comes.
"""

import json
import os
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from playwright.sync_api import Page, expect

from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.browser.web_ui import INSTALL, browser_page, find_chromium, web_server
from funding_pipeline_tests.trading.rig import ORDER_PATHS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOCATION = "__repository__@funding_pipeline.definitions"
REASON = "a person does not like what it sees"
SLOW_MS = 3_000  # below the 5 s after which Bybit calls a signed request too old
PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def chromium() -> str:
    found = find_chromium()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    return found


@pytest.fixture(scope="module")
def paper(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a small market read from the testnet, on which the pipeline has been through once."""
    from funding_pipeline.commands.run import run_pipeline

    settings = Settings(
        market="simulated",
        way="testnet",
        home=tmp_path_factory.mktemp("paper"),
        simulated_from=datetime(2025, 4, 1, tzinfo=UTC),
        simulated_to=datetime(2025, 7, 1, tzinfo=UTC),
        testnet_port=_free_port(),
        portfolio={"no_trade_multiple": 0.5},  # a market of three months: a rebalance has to have orders
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        run_pipeline(settings, full=False)
    return settings


@pytest.fixture(scope="module")
def address(paper: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with web_server(paper, log=tmp_path_factory.mktemp("up") / "up.log") as started:
        yield started


@pytest.fixture(scope="module")
def page(chromium: str, address: str) -> Iterator[Page]:
    with browser_page(chromium) as opened:
        yield opened


def test_a_halt_from_the_web_ui_stops_a_rebalance_in_flight(
    page: Page, address: str, paper: Settings
) -> None:
    _admin(paper, "/admin/faults", [_slow(venue, path) for venue, path in ORDER_PATHS.items()])
    with closing(_journal(paper)) as journal:
        _launch(page, address, "rebalance")
        _await_that(lambda: len(journal.intents()) >= 2)

        assert _launch(page, address, "halt", _order("halt_trading", "HALT")) == "Success"
        halted = journal.state()
        assert (halted.state, halted.reason, halted.by) == ("HALTED", REASON, "person ann")
        rebalance = journal.intents()[0].intent.rebalance
        _await_that(lambda: _status_of_orders(paper))
        assert _status_of_orders(paper) == "halted"  # it was under way, and stopped for this
        intents = {record.intent.client_order_id: record for record in journal.intents()}
        orders = [order for venue in ORDER_PATHS for order in _orders(paper, venue)]
    assert intents
    assert orders
    assert {record.intent.rebalance for record in intents.values()} == {rebalance}
    assert max(record.intent.written_at for record in intents.values()) <= halted.since
    # What was under way already arrives at most as much later as the testnet delays it.
    latest = halted.since + timedelta(milliseconds=SLOW_MS) + timedelta(seconds=3)
    assert max(_moment(order["created"]) for order in orders) <= latest
    assert not [record for record in intents.values() if record.outcome in ("pending", "unknown")]


def test_the_state_and_its_reason_are_shown(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/trading_state")
    expect(page.get_by_text("HALTED", exact=True).first).to_be_visible()
    expect(page.get_by_text(REASON).first).to_be_visible()


def test_to_resume_takes_its_word(page: Page, address: str, paper: Settings) -> None:
    with closing(_journal(paper)) as journal:
        assert _launch(page, address, "resume", _order("resume_trading", "yes")) == "Failure"
        expect(page.get_by_text("resume is not confirmed: type RESUME").first).to_be_visible()
        assert journal.state().state == "HALTED"

        assert _launch(page, address, "resume", _order("resume_trading", "RESUME")) == "Success"
        newest = journal.state_history()
        assert [record.state for record in newest if record.by == "person ann"] == ["ACTIVE", "HALTED"]
    page.goto(f"{address}/assets/trading_state")
    expect(page.get_by_text("ACTIVE", exact=True).first).to_be_visible()


def _launch(page: Page, address: str, job: str, config: str | None = None) -> str:
    """Launch a job from its launchpad, as a person does; with `config` also wait for its end, and say how
    it ended. The page is the run's then."""
    page.goto(f"{address}/locations/{LOCATION}/jobs/{job}/playground")
    button = page.locator("button", has_text="Launch Run")
    button.wait_for()
    if config is not None:
        editor = page.locator(".CodeMirror").first
        editor.click()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.insert_text(config)
    expect(button).to_be_enabled()
    button.click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
    if config is None:
        return "Launched"
    status = page.get_by_text(re.compile(r"^(Success|Failure|Canceled)$")).first
    status.wait_for(timeout=PATIENCE_SECONDS * 1000)
    return status.inner_text()


def _order(op: str, confirm: str) -> str:
    """A governance job's config: YAML of one line, so that the editor indents nothing."""
    return json.dumps({"ops": {op: {"config": {"person": "ann", "reason": REASON, "confirm": confirm}}}})


def _slow(venue: str, path: str) -> dict[str, Any]:
    return {"kind": "latency", "venue": venue, "method": "POST", "path": path, "latency_ms": SLOW_MS}


def _orders(settings: Settings, venue: str) -> list[Any]:
    """Orders of the paper account as the engine has them."""
    found: list[Any] = _admin(settings, f"/admin/accounts/{venue}/paper")["orders"]
    return found


def _status_of_orders(settings: Settings) -> str | None:
    """How the newest execution ended; None: none has ended yet."""
    with dg.DagsterInstance.from_config(str(settings.state_dir / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("executed_orders"))
    return None if event is None else str(event.asset_materialization.metadata["status"].value)


def _journal(settings: Settings) -> Journal:
    """At the testnet's time, as guard and runs open it."""
    url = f"sqlite:///{settings.state_dir / 'journal.sqlite'}"
    return Journal(url, now=lambda: _moment(_admin(settings, "/admin/clock")["now_ms"]))


def _admin(settings: Settings, path: str, bodies: list[dict[str, Any]] | None = None) -> Any:
    url = f"http://127.0.0.1:{settings.testnet_port}{path}"
    answers = []
    for body in bodies or [None]:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(url, data, timeout=30) as answer:
            answers.append(json.loads(answer.read()))
    return answers[-1]


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _await_that(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
