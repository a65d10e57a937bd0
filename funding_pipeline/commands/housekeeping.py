"""`funding-pipeline housekeeping`: the nightly job, now, with a table of what was there and is left."""

from datetime import UTC, datetime

import dagster as dg
from rich.markup import escape
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.commands.instance import prepare_home, require_sound_databases
from funding_pipeline.core.errors import StorageError
from funding_pipeline.defs.housekeeping import keep_house as tidy
from funding_pipeline.settings import Settings


def keep_house(settings: Settings) -> int:
    """Tidy the state of a market and print it; 1 where a part could not be tidied.

    Raises StorageError where there is no state.
    """
    if not settings.state_dir.is_dir():
        raise StorageError(f"{settings.state_dir}: there is no state yet: `make run` makes it")
    require_sound_databases(settings)
    prepare_home(settings)
    with dg.DagsterInstance.get() as instance:
        done = tidy(settings, instance, now=datetime.now(UTC))
    rows = [part.row() for part in done]
    table = Table(title=f"state in {settings.state_dir}", title_justify="left")
    for name, value in rows[0].items():
        table.add_column(name, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(
            *(escape(f"{value:,}" if isinstance(value, int | float) else value) for value in row.values())
        )
    console.print(table)
    return int(any(part.problem for part in done))
