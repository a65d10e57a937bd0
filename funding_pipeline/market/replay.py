"""Make landed history anew from the bodies that were kept, through the parser and normalization of today.

What lives here: asking the archive exactly what the venues were asked. What does not: fetching
(`ingestion`). Snapshots of the present are not replayed: their bodies are repeats of one request.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from funding_pipeline.core.errors import StorageError, UnknownInstrumentError, VenueError
from funding_pipeline.market.ingestion import HISTORY, IngestReport, Progress, first_error, rows_of
from funding_pipeline.market.landing import Landing
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.routing import ArchiveConnection


def replay(
    dialects: Sequence[VenueDialect], bodies: Path, landing: Landing, *, progress: Progress
) -> IngestReport:
    """Rewrite every landed window of history from the archive in `bodies`; a window fails by name.

    A window whose bodies are missing keeps the rows it had.
    """
    report = IngestReport()

    async def everything() -> None:
        for dialect in dialects:
            try:
                await _venue(dialect, bodies, landing, report, progress)
            except* (VenueError, StorageError) as errors:
                report.unreachable[dialect.name] = str(first_error(errors))

    asyncio.run(everything())
    return report


async def _venue(
    dialect: VenueDialect, bodies: Path, landing: Landing, report: IngestReport, progress: Progress
) -> None:
    lengths = (1,) if dialect.candles_kept is None else (1, dialect.coarse_hours)
    windows = [
        found
        for table, kinds in HISTORY.items()
        for kind in kinds
        for hours in lengths
        for found in landing.landed(table, dialect.name, kind, hours=hours)
    ]
    connection = ArchiveConnection(bodies)
    async with PublicGateway(dialect, connection) as gateway:
        for done, window in enumerate(windows, start=1):
            connection.work_at(int(window.fetched_at.timestamp() * 1000))
            try:
                rows = await rows_of(gateway, window.series, window.start, window.end)
            except (VenueError, UnknownInstrumentError) as error:
                report.problems.append(str(error))
                progress(dialect.name, done, len(windows))
                continue
            landing.write(
                window.series, rows, start=window.start, end=window.end, fetched_at=window.fetched_at
            )
            report.series += 1
            report.rows += rows.height
            progress(dialect.name, done, len(windows))
