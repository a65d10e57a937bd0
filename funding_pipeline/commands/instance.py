"""The Dagster instance of a market: its home, its settings file and the environment of its processes."""

import os
import shutil
import sqlite3
from contextlib import AbstractContextManager, closing
from pathlib import Path

from funding_pipeline.core.errors import SettingsError, StorageError
from funding_pipeline.settings import Settings, project_root, settings_file
from funding_pipeline.storage.file_lock import held_alone


def fixed_environment(settings: Settings) -> dict[str, str]:
    """Settings that depend on the working directory, made independent of it for a child process."""
    fixed = {
        "FUNDING_HOME": str(settings.state_dir),
        "FUNDING_TOML": str(settings_file()),
        "FUNDING_TESTNET_PORT": str(settings.testnet_port),
    }
    return fixed if settings.data is None else {**fixed, "FUNDING_DATA": str(settings.data.resolve())}


def only_run(settings: Settings) -> AbstractContextManager[None]:
    """Be the one command that loads tables of this home. Raises StorageError naming who does already."""

    def refuse(who: str) -> StorageError:
        return StorageError(f"{settings.state_dir}: another run is at work there ({who}): wait until it ends")

    return held_alone(settings.state_dir / "run.lock", refuse=refuse)


def require_sound_databases(settings: Settings) -> None:
    """Raise StorageError naming a database of MLflow or Dagster that is cut short or no database."""
    for folder in ("mlflow", "dagster"):
        for path in sorted((settings.state_dir / folder).rglob("*.db")):
            try:
                with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.Error as error:
                found = str(error)
            if found not in ("ok", "database is locked"):
                raise StorageError(
                    f"{path} is damaged ({found}): move it away and run again. It holds runs of "
                    f"{folder} alone; tables, landed rows and the journal are elsewhere"
                )


def prepare_home(settings: Settings) -> Path:
    """Make the market's DAGSTER_HOME, give it the project's dagster.yaml, and point this process to it.

    Telemetry of Dagster, MLflow and Great Expectations is off here and in every child process.
    """
    home = settings.state_dir / "dagster"
    source = project_root() / "dagster.yaml"
    if not source.is_file():
        raise SettingsError(f"{source} is missing: run from a checkout of funding_pipeline")
    try:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, home / "dagster.yaml")
    except OSError as error:
        raise SettingsError(
            f"{home} cannot be written ({error.strerror}): set FUNDING_HOME to a folder of yours"
        ) from error
    os.environ.update(
        DAGSTER_HOME=str(home),
        GX_ANALYTICS_ENABLED="false",
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="1",
    )
    return home
