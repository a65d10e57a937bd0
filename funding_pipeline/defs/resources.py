"""Resources of the assets: the market, the store, SQL, MLflow and the settings."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from funding_pipeline.core.market import Market
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.sql import register_views
from funding_pipeline.tracking.forecasters import ModelTracking


class LakeDuckDB(DuckDBResource):  # type: ignore[misc]  # the library ships no types
    """A private in-memory DuckDB per step, with the store's tables as views of their own names."""

    lake_uri: str

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection on which `select * from settled_funding` works."""
        with super().get_connection() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            register_views(connection, Lake(self.lake_uri))
            yield connection


def build_resources(*, settings: Settings, market: Market) -> Mapping[str, Any]:
    """Everything that an asset may ask for, by name."""
    lake = Lake(str(settings.state_dir / "lake"))
    return {
        "settings": dg.ResourceDefinition.hardcoded_resource(settings),
        "market": dg.ResourceDefinition.hardcoded_resource(market),
        "lake": dg.ResourceDefinition.hardcoded_resource(lake),
        "tracking": dg.ResourceDefinition.hardcoded_resource(ModelTracking(settings.state_dir / "mlflow")),
        "duckdb": LakeDuckDB(database=":memory:", lake_uri=lake.uri),
    }
