"""How `funding-pipeline sql` prints rows."""

from enum import StrEnum


class OutputFormat(StrEnum):
    """Formats of a result."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
