"""The web UI in a real browser: a server of its own and Debian's Chromium in front of it.

What lives here: starting both, finding the way to a page, and ending both. What does not: what is
looked at there (`test_web_ui.py`, `docs/screenshot.py`).
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

from funding_pipeline.settings import Settings

LOOPBACK = "127.0.0.1"
INSTALL = "no chromium on the PATH: apt-get install --no-install-recommends chromium"
PLOT = "img[src^='data:image/png']"
_FLAGS = (
    "--no-sandbox",  # containers run as root, where Chromium's sandbox does not start
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The system's Chromium; Playwright's own download is never used."""
    return shutil.which("chromium")


@contextmanager
def web_server(settings: Settings, *, log: Path, patience_seconds: float = 90.0) -> Iterator[str]:
    """Address of `funding-pipeline up` for `settings` on a free port, ended with all its children.

    `log` takes what the server prints; RuntimeError with its end when the server does not answer.
    """
    port = _free_port()
    address = f"http://{LOOPBACK}:{port}"
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(
            [str(Path(sys.executable).parent / "funding-pipeline"), "up"],
            env=server_environment(settings, port=port),
            cwd=log.parent,  # a funding.toml of the checkout must not change which market is meant
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # one group for the server and its children, so that all can be ended
        )
    try:
        _wait_for_answer(server, f"{address}/server_info", log=log, patience_seconds=patience_seconds)
        yield address
    finally:
        _end(server)


def server_environment(settings: Settings, *, port: int) -> dict[str, str]:
    """This process's environment, with FUNDING_* saying the same as `settings` whatever is set outside."""
    values = settings.model_dump(mode="json", exclude_none=True) | {
        "market": settings.market_kind,
        "home": str(settings.state_dir),
        "web_port": port,
    }
    if settings.data is not None:
        values["data"] = str(settings.data.resolve())
    outside = {name: value for name, value in os.environ.items() if not name.startswith("FUNDING_")}
    return outside | {
        f"FUNDING_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


@contextmanager
def browser_page(chromium: str, *, width: int = 1500, height: int = 1000) -> Iterator[Page]:
    """A page of a headless Chromium, times in UTC."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        try:
            page = browser.new_page(
                viewport={"width": width, "height": height}, timezone_id="UTC", locale="en-GB"
            )
            page.set_default_timeout(30_000)
            yield page
        finally:
            browser.close()


def open_asset(page: Page, address: str, asset: str) -> None:
    """The page of an asset, once it shows the latest materialization."""
    page.goto(f"{address}/assets/{asset}")
    page.get_by_text("Latest materialization", exact=True).wait_for()
    page.get_by_text("[Show Markdown]").first.wait_for()


def open_first_plot(page: Page) -> Locator:
    """Click through the open asset page's long metadata until one is a plot; the image, rendered.

    The UI shows metadata of more than 1,000 characters, and so every plot, in a dialog only.
    """
    links = page.get_by_text("[Show Markdown]")
    for index in range(links.count()):
        links.nth(index).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("Close", exact=True).wait_for()
        plot = dialog.locator(PLOT)
        if plot.count():
            page.wait_for_function("e => e.complete", arg=plot.first.element_handle())
            return plot.first
        dialog.get_by_text("Close", exact=True).click()
        dialog.wait_for(state="detached")
    raise AssertionError(f"{page.url} shows no plot")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _wait_for_answer(
    server: "subprocess.Popen[bytes]", url: str, *, log: Path, patience_seconds: float
) -> None:
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    what = "ended" if server.poll() is not None else f"did not answer within {patience_seconds:.0f} s"
    raise RuntimeError(f"the web server {what}:\n{log.read_text('utf-8', errors='replace')[-2000:]}")


def _end(server: "subprocess.Popen[bytes]") -> None:
    """Interrupt the whole group, as Ctrl-C in a terminal does, then kill what is left of it."""
    _signal_group(server, signal.SIGINT)
    deadline = time.monotonic() + 25.0
    while time.monotonic() < deadline:
        if server.poll() is not None and not _signal_group(server, 0):
            return
        time.sleep(0.2)
    _signal_group(server, signal.SIGKILL)
    server.wait()


def _signal_group(server: "subprocess.Popen[bytes]", number: int) -> bool:
    """Send a signal to the server and its children; False when none of them is there any more."""
    try:
        os.killpg(server.pid, number)
    except ProcessLookupError:
        return False
    return True
