"""Dagster glue only: partitions, resources, assets per layer, checks and jobs. No domain logic."""

import warnings

import dagster as dg

# Single-run backfills and the mapping from venue-by-quarter to quarter are marked beta; both are used on
# purpose (docs/adr/0003), and a warning at every start would teach people to overlook warnings.
warnings.filterwarnings("ignore", message=".*(backfill_policy|PartitionMapping).*", category=dg.BetaWarning)
