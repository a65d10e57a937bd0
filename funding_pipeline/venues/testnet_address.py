"""Where a local testnet is found, and whether what answers there is that one.

What lives here: the port of a testnet and its admin API as a client asks it. What does not: connections for
ccxt (`routing`), or starting a testnet (`commands`).
"""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.testnet_identity import IDENTITY_HEADER, RUNNING_FILE, identity_code
from funding_pipeline.venues.connection import LOOPBACK

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class TestnetAddress:
    """A testnet on this machine: the port that is set for it, and what it has to prove.

    `identity`: market, seed or folder, and home; None believes whatever answers. `folder`: where a running
    one leaves its port, which takes precedence over the set one.
    """

    __test__ = False

    set_port: int
    identity: str | None = None
    folder: Path | None = None

    @property
    def code(self) -> str | None:
        """What its answers carry in their header; None: anything."""
        return None if self.identity is None else identity_code(self.identity)

    @property
    def port(self) -> int:
        """Where it runs, or would run."""
        running = self.running()
        return self.set_port if running is None else int(running["port"])

    def running(self) -> Mapping[str, Any] | None:
        """Port, pid and identity of the testnet that noted itself in the folder and still lives."""
        if self.folder is None:
            return None
        try:
            noted = json.loads((self.folder / RUNNING_FILE).read_text("utf-8"))
            os.kill(int(noted["pid"]), 0)
            return noted if 0 < int(noted["port"]) < 65536 else None
        except PermissionError:  # it lives, in another user's name
            return None
        except (OSError, ValueError, TypeError, LookupError):
            return None

    def ask(
        self, path: str, body: Mapping[str, Any] | None = None, *, timeout: float = _TIMEOUT_SECONDS
    ) -> tuple[int, Mapping[str, Any]]:
        """Status and JSON of the admin API; TestnetError where nothing, or another testnet, answers."""
        port = self.port
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{LOOPBACK}:{port}{path}", data, named(self.code))
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                check_identity(answer.headers.get(IDENTITY_HEADER), self.code, port)
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                check_identity(error.headers.get(IDENTITY_HEADER), self.code, port)
                return error.code, {"error": error.read().decode("utf-8", errors="replace")}
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise TestnetError(absent(port)) from error


def named(code: str | None) -> dict[str, str]:
    """Headers of a request that is meant for one testnet alone."""
    return {} if code is None else {IDENTITY_HEADER: code}


def check_identity(found: str | None, code: str | None, port: int) -> None:
    """Raises TestnetError where IDENTITY_HEADER of an answer is not that of the testnet that is meant."""
    if code is None or found == code:
        return
    who = "no local testnet" if found is None else "the testnet of another market or home"
    raise TestnetError(
        f"{LOOPBACK}:{port} is {who}; nothing of it is used: start yours by `make up` or `funding-pipeline "
        "testnet`, or set FUNDING_TESTNET_PORT"
    )


def absent(port: int) -> str:
    """Nothing listens there, and what to do."""
    return f"no local testnet on {LOOPBACK}:{port}: start it with `funding-pipeline testnet` or `make up`"
