"""Which code this is: the package's version and, in a checkout, the commit."""

import subprocess
from functools import lru_cache
from pathlib import Path

from funding_pipeline import __version__

UNKNOWN = "unknown"
_SECONDS = 5


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Short commit of the checkout, with `-dirty` where files differ from it; `unknown` elsewhere."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return UNKNOWN
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        said = subprocess.run(command, cwd=checkout, capture_output=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return said.stdout.decode().strip() or UNKNOWN


def package_version() -> str:
    """Version of this package."""
    return __version__
