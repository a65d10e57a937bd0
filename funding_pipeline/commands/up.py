"""`funding-pipeline up`: Dagster's web UI and daemon on the loopback address, until interrupted.

The local testnet runs beside it where the market comes from there, and ends with it.
"""

import os
import sys
from typing import NoReturn

from funding_pipeline.commands.console import console
from funding_pipeline.commands.instance import fixed_environment, prepare_home
from funding_pipeline.commands.local_testnet import testnet_beside
from funding_pipeline.core.errors import SettingsError
from funding_pipeline.settings import Settings, project_root

LOOPBACK = "127.0.0.1"


def start_web_ui(settings: Settings) -> NoReturn:
    """Serve on 127.0.0.1 only, until Ctrl-C; this process becomes the server."""
    market = settings.open_market()
    home = prepare_home(settings)
    address = f"http://{LOOPBACK}:{settings.web_port}"
    if _in_use(settings.web_port):
        raise SettingsError(f"{address} is in use: set FUNDING_WEB_PORT to a free port")
    console.print(f"[bold]{market.label}[/]  state in {home.parent}")
    settings = testnet_beside(settings)
    console.print(f"web UI: [link={address}]{address}[/]  (Ctrl-C stops it)")
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(project_root() / "workspace.yaml")]
    arguments = ["--host", LOOPBACK, "--port", str(settings.web_port), "--log-level", "warning"]
    # The server works in the state folder: Dagster warns about the checkout's dagster.yaml, the template.
    os.environ.update(fixed_environment(settings), PYTHONWARNINGS="ignore")
    os.chdir(home)
    sys.stdout.flush()
    # In place of this process, so that a signal to it (systemd, kill) reaches the server itself.
    os.execve(sys.executable, [*command, *arguments], os.environ)


def _in_use(port: int) -> bool:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
