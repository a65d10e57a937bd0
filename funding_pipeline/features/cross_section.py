"""Features that compare an instrument with the others known at the same moment.

A venue's rate reverts to the mean over venues of its base, but venues keep lasting offsets of their
own: both are measured here. Every aggregate is over the rows of one as_of.
"""

import polars as pl

CROSS_WINDOWS_HOURS = (24, 168, 336, 720, 2160)
OFFSET_WINDOWS_HOURS = (168, 720, 2160)


def cross_section_features(panel: pl.DataFrame) -> pl.DataFrame:
    """`panel` with base, venue and market aggregates; needs `base` and the trailing means.

    `base_rate_*`: mean over the instruments of the base. `base_gap_*`: own less that mean.
    `venue_gap_*`: mean `base_gap` of the venue's OTHER instruments; null where it has no other.
    `market_rate_*`: mean over bases of `base_rate`. Rates are fractions of notional per hour.
    """
    by_base = ["as_of", "base"]
    means = [_rate(w).mean().over(by_base).alias(f"base_rate_{w}h_per_hour") for w in CROSS_WINDOWS_HOURS]
    gaps = [
        (_rate(w) - pl.col(f"base_rate_{w}h_per_hour")).alias(f"base_gap_{w}h_per_hour")
        for w in CROSS_WINDOWS_HOURS
    ]
    return (
        panel.lazy()
        .with_columns(means)
        .with_columns(gaps)
        .with_columns(_base_shape())
        .with_columns(_venue_gap(window) for window in OFFSET_WINDOWS_HOURS)
        .with_columns(_market_rate(window) for window in (24, 168, 720))
        .with_columns(_base_estimate())
        .collect()
    )


def _rate(window: int) -> pl.Expr:
    return pl.col(f"rate_{window}h_per_hour")


def _base_shape() -> list[pl.Expr]:
    """How many instruments the base has, how far they are apart, and where this one stands."""
    by_base = ["as_of", "base"]
    others = pl.len().over(by_base) - 1
    rank = _rate(168).rank("average").over(by_base) - 1
    return [
        pl.len().over(by_base).cast(pl.Float64).alias("base_instruments"),
        _rate(168).std(ddof=0).over(by_base).alias("base_dispersion_168h_per_hour"),
        pl.when(others > 0).then(rank / others).alias("base_rank_168h"),
    ]


def _venue_gap(window: int) -> pl.Expr:
    """Mean gap of the venue's other instruments: what is the venue's, not this contract's."""
    gap, by_venue = pl.col(f"base_gap_{window}h_per_hour"), ["as_of", "venue"]
    others = gap.count().over(by_venue) - gap.is_not_null().cast(pl.Int64)
    rest = gap.sum().over(by_venue) - gap.fill_null(0.0)
    return pl.when(others > 0).then(rest / others).alias(f"venue_gap_{window}h_per_hour")


def _market_rate(window: int) -> pl.Expr:
    """Mean over bases, each weighing the same however many venues list it."""
    base_rate, weight = pl.col(f"base_rate_{window}h_per_hour"), 1.0 / pl.col("base_instruments")
    total = (base_rate * weight).sum().over("as_of")
    known = (base_rate.is_not_null().cast(pl.Float64) * weight).sum().over("as_of")
    return pl.when(known > 0).then(total / known).alias(f"market_rate_{window}h_per_hour")


def _base_estimate() -> pl.Expr:
    """Mean of the venues' own newest estimates for the base, over the venues that tell one."""
    estimate = pl.col("estimated_rate_per_hour")
    return estimate.mean().over(["as_of", "base"]).alias("base_estimated_rate_per_hour")
