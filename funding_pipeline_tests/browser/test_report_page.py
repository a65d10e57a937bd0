"""The report in a real browser, wide and narrow as a phone: all is drawn, nothing over anything else."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from funding_pipeline.reporting.report import ReportInputs, render_report
from funding_pipeline_tests.browser.web_ui import INSTALL, browser_page, find_chromium
from funding_pipeline_tests.reporting.conftest import (  # noqa: F401  (fixtures)
    backtest_config,
    bare,
    forecasts,
    full,
    result,
    tables,
)

WIDTHS = (1200, 390)
# Of every chart: what it takes and has, in pixels, and whether its legend and title are inside it.
_MEASURED = """() => [...document.querySelectorAll('.plotly-graph-div')].map(g => {
  const box = g.getBoundingClientRect(), full = g._fullLayout;
  const inside = name => {
    const e = g.querySelector(name);
    if (!e) return true;
    const b = e.getBoundingClientRect();
    return b.left >= box.left - 1 && b.right <= box.right + 2 && b.top >= box.top - 2
      && b.bottom <= box.bottom + 2;
  };
  return {
    id: g.id, drawn: full.height, given: g.parentNode.getBoundingClientRect().height,
    height: full._size.h, width: full._size.w, title: inside('.gtitle'), legend: inside('.legend'),
    axis: inside('.xtitle'), buttons: inside('.updatemenu-container'),
  };
})"""
_SETTLE_MS = 2500  # charts are laid out twice, without an event to wait for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def path(full: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    written = tmp_path_factory.mktemp("report") / "report.html"
    written.write_text(render_report(full), "utf-8")
    return written


@pytest.fixture(scope="module", params=WIDTHS)
def opened(request: pytest.FixtureRequest, path: Path) -> Iterator[tuple[Page, list[str]]]:
    chromium = find_chromium()
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    with browser_page(chromium, width=request.param, height=900) as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: errors.append(request.url) if "http" in request.url[:4] else None)
        page.goto(path.as_uri())
        page.wait_for_timeout(_SETTLE_MS)
        yield page, errors


def measured(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(_MEASURED)
    return found


def test_nothing_fails_nothing_is_loaded_and_the_page_is_no_wider_than_the_window(
    opened: tuple[Page, list[str]],
) -> None:
    page, errors = opened
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")


def test_every_chart_has_its_room_and_its_texts_inside(opened: tuple[Page, list[str]]) -> None:
    charts = measured(opened[0])
    assert len(charts) == 20
    for chart in charts:
        assert chart["drawn"] <= chart["given"] + 1, chart
        assert chart["height"] > 60, chart
        assert chart["width"] > 90, chart
        assert all(chart[part] for part in ("title", "legend", "axis", "buttons")), chart


def test_the_first_screen_tells_the_verdict(opened: tuple[Page, list[str]], full: ReportInputs) -> None:  # noqa: F811
    page, _ = opened
    word = page.locator(".word").bounding_box()
    assert word is not None
    assert word["y"] < 400
    assert str(full.summary["verdict"]["word"]).upper() in page.locator(".word").inner_text().upper()
    if page.evaluate("window.innerWidth") > 1000:
        evidence, kills = page.locator(".checks").bounding_box(), page.locator(".kills").bounding_box()
        assert evidence is not None
        assert kills is not None
        assert max(evidence["y"] + evidence["height"], kills["y"] + kills["height"]) < 900


def test_buttons_choose_how_the_rules_are_drawn(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    shown = "() => document.getElementById('chart-equity').data.map(t => t.visible !== false)"
    before = page.evaluate(shown)
    page.locator("#chart-equity .updatemenu-button").nth(1).click()
    page.wait_for_timeout(300)
    after = page.evaluate(shown)
    assert before != after
    assert sum(before) == sum(after)
