"""Dagster beside trading: code server, daemon and web server, each a service of the supervisor's own.

`dagster dev` starts the three in one tree, in which nobody starts a code server that was killed again (no run
could be launched any more, and no sensor would say so), and the end of any other ends them all.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dagster._grpc.client import DagsterGrpcClient

from funding_pipeline.commands.supervision import Service, Supervisor
from funding_pipeline.core.errors import SettingsError
from funding_pipeline.settings import Settings

_LOCATION = "funding_pipeline.definitions"
_START_SECONDS = 120.0
_POLL_SECONDS = 0.2


@contextmanager
def dagster_services(
    settings: Settings, supervisor: Supervisor, *, home: Path, environment: Mapping[str, str], host: str
) -> Iterator[None]:
    """Start the three; they find the code server by a socket of this user's, which no other program can take.

    Raises SettingsError with the last words of a code server that does not start.
    """
    with tempfile.TemporaryDirectory(prefix="funding-") as folder:  # a home's path may be too long for one
        socket = Path(folder) / "code.sock"
        workspace = home / "workspace.yaml"
        workspace.write_text(
            f"load_from:\n  - grpc_server: {{socket: {socket}, location_name: {_LOCATION}}}\n", "utf-8"
        )
        services = _Services(settings, supervisor, home, {**environment, "PYTHONWARNINGS": "ignore"})
        code = services.start(
            "code server", "dagster", "api", "grpc", "--socket", str(socket), "-m", _LOCATION,
            "--location-name", _LOCATION, "--use-python-environment-entry-point",
            "--log-level", "warning", patience_seconds=4,
        )  # fmt: skip
        _await_code(socket, code, services.log_of("code server"))
        services.start("daemon", "dagster._daemon", "run", "-w", str(workspace), "--log-level", "warning")
        web = ("-h", host, "-p", str(settings.web_port), "--dagster-log-level", "warning")
        services.start("web server", "dagster_webserver", "-w", str(workspace), *web, is_vital=True)
        yield


class _Services:
    """Starts Dagster's processes. They watch no parent of ours: the tether does."""

    def __init__(
        self, settings: Settings, supervisor: Supervisor, home: Path, environment: Mapping[str, str]
    ) -> None:
        self._logs, self._supervisor = settings.state_dir / "logs", supervisor
        self._home, self._environment = home, environment

    def log_of(self, name: str) -> Path:
        return self._logs / f"dagster-{name.replace(' ', '-')}.log"

    def start(
        self, name: str, module: str, *arguments: str, is_vital: bool = False, patience_seconds: float = 3
    ) -> "subprocess.Popen[bytes]":
        tether = (sys.executable, "-m", "funding_pipeline.commands.tether", str(os.getpid()))
        service = Service(
            name,
            [*tether, sys.executable, "-m", module, *arguments],
            self._environment,
            self.log_of(name),
            # They work in the state folder: Dagster warns about the checkout's dagster.yaml, the template.
            folder=self._home,
            is_vital=is_vital,
            patience_seconds=patience_seconds,
        )
        return self._supervisor.start(service)


def _await_code(socket: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until it answers: a web server that finds none shows an error until somebody reloads it."""
    client, deadline = DagsterGrpcClient(socket=str(socket)), time.monotonic() + _START_SECONDS
    while not _answers(client):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text("utf-8", errors="replace").strip().splitlines() or ["it printed nothing"]
            raise SettingsError(f"Dagster's code server did not start: {lines[-1].strip()} (log: {log})")
        time.sleep(_POLL_SECONDS)


def _answers(client: DagsterGrpcClient) -> bool:
    try:
        client.ping("")
    except Exception:  # Dagster's error, or grpc's own
        return False
    return True
