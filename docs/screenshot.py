"""Pictures of the web UI and of the report for the README, from a state folder where a run has been.

    make run && make screenshot        (or: docs/screenshot.py --home FOLDER --out docs/images)

Writes asset_graph.png, asset_plot.png and report.png. Needs Debian's chromium.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))  # the tests' helpers are not installed

from playwright.sync_api import Page  # noqa: E402

from funding_pipeline.core.errors import FundingPipelineError, SettingsError  # noqa: E402
from funding_pipeline.settings import Settings, load_settings  # noqa: E402
from funding_pipeline_tests.browser.web_ui import (  # noqa: E402
    INSTALL,
    browser_page,
    find_chromium,
    open_asset,
    open_first_plot,
    web_server,
)

# Layers of one to six assets are drawn open; the 14 tables of market_data would make the rest unreadable.
OPEN_GROUPS = ("features", "models", "portfolio", "execution", "validation")
GRAPH_SIZE = (1600, 1060)  # the UI fits the graph to the width of the window: this height holds all of it
PAGE_SIZE = (1400, 1000)
_STORED_BY_UI = {
    "dagster-nav-collapsed": "true",
    "asset-graph-direction": '"horizontal"',
    "asset-node-facets": '["unsynced-tag"]',  # low boxes: the graph is not taller than the window
}
_SETTLE_MS = 1500  # animations of the UI have no event to wait for


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures; 0, or 2 with one line on standard error that says what is missing."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings()
        if options.home is not None:
            settings = settings.model_copy(update={"home": options.home})
        take_pictures(settings, options.out)
    except FundingPipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def take_pictures(settings: Settings, out: Path) -> None:
    """All pictures of the market of `settings` into `out`; raises SettingsError where nothing has run."""
    report = settings.state_dir / "report" / "report.html"
    if not report.is_file():
        raise SettingsError(f"{report} is missing: do `make run` first")
    chromium = find_chromium()
    if chromium is None:
        raise SettingsError(INSTALL)
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        web_server(settings, log=Path(scratch) / "server.log") as address,
        browser_page(chromium) as page,
    ):
        _open_graph(page, address)
        _save(page, out / "asset_graph.png")
        page.set_viewport_size({"width": PAGE_SIZE[0], "height": PAGE_SIZE[1]})
        open_asset(page, address, "backtest")
        open_first_plot(page)
        _save(page, out / "asset_plot.png")
        page.goto(report.as_uri())
        _save(page, out / "report.png")


def _open_graph(page: Page, address: str) -> None:
    """The lineage of all groups, the small ones open; the UI keeps how to draw it in local storage."""
    page.set_viewport_size({"width": GRAPH_SIZE[0], "height": GRAPH_SIZE[1]})
    page.goto(address)
    for name, value in _STORED_BY_UI.items():
        page.evaluate("([name, value]) => localStorage.setItem(name, value)", [name, value])
    opened = quote(",".join(f"global@global:{group}" for group in OPEN_GROUPS), safe="")
    page.goto(f"{address}/asset-groups?expanded={opened}")
    for asset in ("planned_orders", "validation_report"):
        page.locator("svg foreignObject").get_by_text(asset, exact=True).wait_for()


def _save(page: Page, path: Path) -> None:
    """What the window shows, in its own colours, packed as tightly as PNG allows."""
    from PIL import Image

    page.wait_for_timeout(_SETTLE_MS)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture.save(path, format="PNG", optimize=True)
    print(f"{path}  {picture.width} x {picture.height}, {path.stat().st_size / 1024:.0f} KB")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--home", type=Path, help="state folder; default: that of the settings")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "images", help="folder to write to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
