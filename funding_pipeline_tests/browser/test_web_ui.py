"""What a person sees in the web UI after a run, and that a run can be started from there."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from playwright.sync_api import Page, expect

from funding_pipeline.settings import Settings
from funding_pipeline_tests.browser.web_ui import (
    INSTALL,
    browser_page,
    find_chromium,
    open_asset,
    open_first_plot,
    web_server,
)

GROUPS = ("market_data", "features", "decision", "models", "portfolio", "execution", "validation")
JOBS = ("load_market_data", "refresh_reference_data", "build_features", "forecast_plan_and_validate")
PLOTTED = "market_regimes"
STARTED_BY_HAND = "instruments"

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def chromium() -> str:
    found = find_chromium()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(INSTALL)  # what lands has been seen in a browser
        pytest.skip(INSTALL)
    return found


@pytest.fixture(scope="module")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web_ui") / "server.log"


@pytest.fixture(scope="module")
def address(chromium: str, finished_run: Settings, server_log: Path) -> Iterator[str]:
    with web_server(finished_run, log=server_log) as started:
        yield started


@pytest.fixture(scope="module")
def page(chromium: str, address: str) -> Iterator[Page]:
    with browser_page(chromium) as opened:
        yield opened


def test_the_graph_shows_every_group(page: Page, address: str) -> None:
    page.goto(f"{address}/asset-groups")
    graph = page.locator("svg foreignObject")
    for group in GROUPS:
        expect(graph.get_by_text(group, exact=True)).to_be_visible()
    assert graph.count() == len(GROUPS)


def test_an_asset_shows_its_rows_and_its_plot(page: Page, address: str, finished_run: Settings) -> None:
    rows = _latest_metadata(finished_run, PLOTTED)["dagster/row_count"].value
    assert rows > 100
    open_asset(page, address, PLOTTED)
    expect(page.get_by_text("Row count", exact=True).locator("xpath=..")).to_contain_text(f"{rows:,}")
    plot = open_first_plot(page)
    expect(plot).to_be_visible()
    assert plot.evaluate("e => e.naturalWidth") > 300
    assert plot.evaluate("e => e.naturalHeight") > 100


def test_the_runs_page_shows_the_successful_runs(page: Page, address: str) -> None:
    page.goto(f"{address}/runs")
    for job in JOBS:
        row = page.locator("[data-index]", has=page.get_by_text(job, exact=True)).last
        expect(row.get_by_text("Success", exact=True)).to_be_visible()
    expect(page.get_by_text("Failure", exact=True)).to_have_count(0)


def test_a_person_can_start_a_materialization(page: Page, address: str, finished_run: Settings) -> None:
    before = _latest_metadata(finished_run, STARTED_BY_HAND)
    open_asset(page, address, STARTED_BY_HAND)
    page.locator("button", has_text=re.compile(r"^\s*Materialize\s*$")).click()
    page.get_by_text(re.compile("^Launched run")).wait_for()
    page.get_by_text("View", exact=True).click()  # in the same notice
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
    status = page.get_by_text(re.compile(r"^(Success|Failure|Canceled)$")).first
    status.wait_for(timeout=120_000)
    assert status.inner_text() == "Success"
    after = _latest_metadata(finished_run, STARTED_BY_HAND)
    assert after["delta_version"].value > before["delta_version"].value
    assert after["dagster/row_count"].value == before["dagster/row_count"].value


def test_the_server_has_nothing_to_complain_about(
    address: str, server_log: Path, finished_run: Settings
) -> None:
    assert address in server_log.read_text("utf-8")
    logs = [server_log, *(finished_run.state_dir / "logs").glob("dagster-*.log")]
    printed = "\n".join(log.read_text("utf-8") for log in logs)
    assert "Traceback" not in printed
    assert "ERROR" not in printed


def _latest_metadata(settings: Settings, asset: str) -> Mapping[str, Any]:
    """Metadata of the newest materialization, as stored: what the UI has to show."""
    with dg.DagsterInstance.from_config(str(settings.state_dir / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata
