"""Removes old MLflow runs with their artifacts; versions of models and their evidence stay.

What lives here: which runs may go. What does not: trials of studies, which count for ever
(`trials`), or tables (`storage.lake_upkeep`).
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from funding_pipeline.core.errors import StorageError
from funding_pipeline.tracking.backtests import EXPERIMENT as BACKTESTS
from funding_pipeline.tracking.forecasters import EXPERIMENT as FORECASTS
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import CHALLENGER, CHAMPION
from funding_pipeline.tracking.runs import quiet

_GROWING = (FORECASTS, BACKTESTS)
_OVER = ("FINISHED", "FAILED", "KILLED")
_AT_ONCE = 500


def remove_old_runs(tracking: ModelTracking, *, before: datetime) -> int:
    """Remove runs that ended before a time and that no registered version came from; how many they were.

    Raises StorageError when MLflow's database cannot be read or written.
    """
    if not tracking.database.exists():
        return 0
    try:
        mlflow = tracking.connect()
        with quiet():
            client = mlflow.MlflowClient()
            old = list(_old_runs(client, before))
            for run_id in old:
                client.delete_run(run_id)
            _erase(tracking, old)
    except Exception as error:  # MLflow raises what its database raises
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise StorageError(f"old runs of MLflow were not removed: {first}") from error
    return len(old)


def versions_in_use(tracking: ModelTracking) -> dict[str, set[int]]:
    """Versions of tables, by name, from which the champion and the challenger were made."""
    if not tracking.database.exists():
        return {}
    found: dict[str, set[int]] = {}
    for alias in (CHAMPION, CHALLENGER):
        model = tracking.registry.of_alias(alias)
        for name, version in {} if model is None else model.card.data_versions.items():
            found.setdefault(name.removeprefix("delta_"), set()).add(int(version))
    return found


def _old_runs(client: Any, before: datetime) -> Iterator[str]:
    registered = {version.run_id for version in client.search_model_versions()}
    for name in _GROWING:
        experiment = client.get_experiment_by_name(name)
        page: str | None = None
        while experiment is not None:
            stamp = f"attributes.start_time < {int(before.timestamp() * 1000)}"
            runs = client.search_runs(
                [experiment.experiment_id], stamp, max_results=_AT_ONCE, page_token=page
            )
            for run in runs:
                ended = run.info.end_time
                is_old = ended is not None and ended < before.timestamp() * 1000
                if is_old and run.info.status in _OVER and run.info.run_id not in registered:
                    yield run.info.run_id
            page = runs.token
            if not page:
                break


def _erase(tracking: ModelTracking, run_ids: list[str]) -> None:
    """What a deleted run has left in the database and in files."""
    from mlflow.cli import gc

    for start in range(0, len(run_ids), _AT_ONCE):
        chosen = ",".join(run_ids[start : start + _AT_ONCE])
        arguments = ["--backend-store-uri", tracking.uri, "--tracking-uri", tracking.uri, "--run-ids", chosen]
        gc.main(arguments, standalone_mode=False)
    for run_id in run_ids:
        with suppress(OSError):  # the folder around the artifacts stays behind, empty
            (tracking.artifacts / run_id).rmdir()
