"""Files that are there whole or not at all: written beside their place, then moved there."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import get_ident

import polars as pl

from funding_pipeline.core.errors import StorageError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write through a file beside `path`, so that a full disk leaves the old one or none, and no other.

    Raises StorageError naming the file.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    except (OSError, pl.exceptions.PolarsError) as error:  # polars has an error of its own for a full disk
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise StorageError(f"{path} was not written: {reason}") from error
    finally:
        partial.unlink(missing_ok=True)
