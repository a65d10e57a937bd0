"""Dagster glue only: partitions, resources, assets per layer, checks and jobs. No domain logic."""
