"""Where tables live: Delta Lake for storing, DuckDB for asking."""
