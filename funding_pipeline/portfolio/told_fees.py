"""Fees that venues state of themselves go before the defaults of `venues.toml`."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from funding_pipeline.core.venue_terms import VenueTerms, terms_of

_BP = 1e4


def with_told_fees(
    terms: Mapping[str, VenueTerms], instruments: pl.LazyFrame, *, as_of: datetime
) -> Mapping[str, VenueTerms]:
    """`terms` with the fees known at `as_of` (INSTRUMENTS rows): the dearest of a venue's instruments.

    A venue that has told neither fee by then keeps its defaults; one fee told replaces that one only.
    """
    known = (
        instruments.filter(pl.col("known_at") <= as_of)
        .sort("effective_from")
        .group_by("venue", "symbol", maintain_order=True)
        .last()
        .group_by("venue")
        .agg(pl.col("maker_fee").max(), pl.col("taker_fee").max())
        .sort("venue")
        .collect()
    )
    told = {
        venue: {"maker_fee_bp": maker, "taker_fee_bp": taker} for venue, maker, taker in known.iter_rows()
    }
    changed = {
        venue: terms_of(venue, terms).model_copy(
            update={name: fee * _BP for name, fee in fees.items() if fee is not None}
        )
        for venue, fees in told.items()
        if any(fee is not None for fee in fees.values())
    }
    return {**terms, **changed}
