"""The always-on process beside Dagster: it watches accounts and markets every second or two, and acts."""
