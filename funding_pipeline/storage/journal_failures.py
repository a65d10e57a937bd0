"""What went wrong with the journal's database, in one line with its mend.

What lives here: reading the error codes of SQLite and PostgreSQL. What does not: raising.
"""

from pathlib import Path

from sqlalchemy.exc import DBAPIError, StatementError

_MENDS = {
    "SQLITE_BUSY": "another process kept it locked too long: nothing was written; find who holds it open",
    "SQLITE_LOCKED": "another connection kept it locked too long: nothing was written",
    "SQLITE_FULL": "the disk is full: nothing was written; free space on it, then start again",
    "SQLITE_READONLY": "it may not be written: make the file and its folder writable for this user",
    "SQLITE_PERM": "it may not be opened: make the file and its folder writable for this user",
    "SQLITE_CANTOPEN": "it cannot be opened: its folder must exist and be writable for this user",
    "SQLITE_IOERR": "the disk failed or is full: nothing was written; check the disk, then start again",
    "SQLITE_CORRUPT": "damaged",
    "SQLITE_NOTADB": "damaged",
    "55P03": "another process kept it locked too long: nothing was written; find who holds it",
    "40P01": "two writers waited for each other: nothing was written; try again",
    "53100": "the server's disk is full: nothing was written; free space, then start again",
    "25006": "the server is read-only: connect to its primary",
    "28P01": "the server refuses the password: mend the address or the password",
    "3D000": "there is no such database: create it, or mend the address",
    "42501": "the user lacks rights on the tables: grant them",
}
_DAMAGED = (
    "it is damaged or is no journal: move it aside together with its -wal and -shm files, restore a copy "
    "or start a new one, and compare with the venues' statements before anything is sent"
)
_UNREACHABLE = "the server cannot be reached: start it, or mend the address"


def failure_text(error: BaseException, name: str) -> str:
    """One line about `error`: which journal, what is wrong, and what to do.

    `name`: the file, or the address without its password.
    """
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    mend = _mend(error, cause)
    return f"journal {name}: {reason}" + (f"; {mend}" if mend else "")


def damaged_text(reason: str, name: str) -> str:
    """One line about stored values that cannot be what was written."""
    return f"journal {name}: {reason}; {_DAMAGED}"


def is_contention(error: BaseException) -> bool:
    """Whether another process was in the way while the tables were being made: worth another try."""
    code = _code(getattr(error, "orig", None) or error)
    return code in {"SQLITE_BUSY", "SQLITE_LOCKED", "23505", "42P07", "42710", "40P01"}


def file_of(database: str | None) -> Path | None:
    """File of a SQLite URL's database; None for one in memory."""
    if not database or database == ":memory:":
        return None
    return Path(database.removeprefix("file:").split("?")[0])


def file_identity(file: Path | None) -> tuple[int, int] | None:
    """Device and number of a file: another file of the same name has another; None where there is none."""
    try:
        status = None if file is None else file.stat()
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def _mend(error: BaseException, cause: BaseException) -> str:
    code = _code(cause)
    mend = _MENDS.get(code, "")
    if mend == "damaged":
        return _DAMAGED
    if not mend and isinstance(error, DBAPIError) and (error.connection_invalidated or not code):
        return _UNREACHABLE if type(cause).__name__ == "OperationalError" else ""
    return mend


def _code(cause: BaseException) -> str:
    """SQLite's name without the part after the second word, or PostgreSQL's five characters."""
    name = getattr(cause, "sqlite_errorname", None)
    if isinstance(name, str):
        return "_".join(name.split("_")[:2])
    return str(getattr(cause, "pgcode", None) or "")
