"""Make landed history anew from the bodies that were kept, through the parser and normalization of today.

What lives here: asking the archive exactly what the venues were asked. What does not: fetching
(`ingestion`). Snapshots of the present are not replayed: their bodies are repeats of one request.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from funding_pipeline.core.errors import StorageError, UnknownInstrumentError, VenueError
from funding_pipeline.market.ingestion import HISTORY, IngestReport, Progress, first_error, rows_of
from funding_pipeline.market.landed_files import Part
from funding_pipeline.market.landing import Landing
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.routing import ArchiveConnection


def replay(
    dialects: Sequence[VenueDialect], bodies: Path, landing: Landing, *, progress: Progress
) -> IngestReport:
    """Rewrite every landed window of history from the archive in `bodies`; a window fails by name.

    A window whose bodies are missing keeps the rows it had; of a merged file each window is asked as it was.
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
    files = [
        found
        for table, kinds in HISTORY.items()
        for kind in kinds
        for hours in lengths
        for found in landing.landed(table, dialect.name, kind, hours=hours)
    ]
    connection = ArchiveConnection(bodies)
    async with PublicGateway(dialect, connection) as gateway:
        for done, file in enumerate(files, start=1):
            rows: dict[Part, pl.DataFrame] = {}
            for part in file.parts:
                connection.work_at(int(part.fetched_at.timestamp() * 1000))
                try:
                    rows[part] = await rows_of(gateway, file.series, part.start, part.end)
                except (VenueError, UnknownInstrumentError) as error:
                    report.problems.append(str(error))
            if rows and not landing.rewrite(file, rows):
                report.problems.append(f"{dialect.name}: {file.path.name} was merged meanwhile: replay again")
            report.series += len(rows)
            report.rows += sum(frame.height for frame in rows.values())
            progress(dialect.name, done, len(files))
