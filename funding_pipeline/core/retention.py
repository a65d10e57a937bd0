"""How long things are kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Retention:
    """Days. `tables`: files of a table's earlier versions; `runs`: Dagster's runs with their events and
    output; `models`: MLflow's runs that no registered version came from; `bodies`: answers as they came."""

    tables: int = 7
    runs: int = 30
    models: int = 90
    bodies: int = 30
