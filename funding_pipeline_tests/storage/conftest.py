"""Journals for tests: each test runs on SQLite and, where its server is installed, on PostgreSQL."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_samples import HandClock

_SCHEMAS = count(1)


@pytest.fixture(scope="session")
def postgresql_folder() -> Iterator[str]:
    """Folder with the socket of a PostgreSQL server of this test session's own."""
    programs = _postgresql_programs()
    account = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    folder = tempfile.mkdtemp(prefix="journal-postgresql-")
    if account is not None:
        shutil.chown(folder, account)
    options = f"-c listen_addresses='' -c fsync=off -c unix_socket_directories={folder}"
    make: list[str | Path] = [
        programs / "initdb",
        "-D",
        f"{folder}/data",
        "-A",
        "trust",
        "-U",
        "tester",
        "--no-sync",
    ]
    control: list[str | Path] = [programs / "pg_ctl", "-D", f"{folder}/data", "-w"]
    try:
        _run(make, account, folder)
        _run([*control, "-o", options, "-l", f"{folder}/log", "start"], account, folder)
        yield folder
    finally:
        if Path(folder, "data", "postmaster.pid").exists():
            _run([*control, "-m", "immediate", "stop"], account, folder)
        shutil.rmtree(folder)


def _postgresql_programs() -> Path:
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found is None and not debian:
        pytest.skip("needs a PostgreSQL server: no initdb on the path or in /usr/lib/postgresql")
    if os.geteuid() == 0 and "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("needs an account `postgres`: PostgreSQL refuses to run as root")
    return (Path(found) if found else debian[-1]).parent


def _run(command: list[str | Path], account: str | None, folder: str) -> None:
    subprocess.run(command, check=True, user=account, cwd=folder, stdout=subprocess.DEVNULL)


@pytest.fixture
def postgresql_url(postgresql_folder: str) -> str:
    """Address of an empty schema on the session's PostgreSQL server."""
    server = f"postgresql+psycopg2://tester@/postgres?host={postgresql_folder}"
    schema = f"test_{os.getpid()}_{next(_SCHEMAS)}"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    engine.dispose()
    return f"{server}&options=-csearch_path%3D{schema}"


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a journal that does not exist yet, once on each kind of database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return f"sqlite:///{tmp_path}/journal.db"


@pytest.fixture
def clock() -> HandClock:
    """A clock at NOON."""
    return HandClock()


@pytest.fixture
def journal(journal_url: str, clock: HandClock) -> Iterator[Journal]:
    """An empty journal whose time is that of `clock`."""
    with Journal(journal_url, now=clock) as opened:
        yield opened
