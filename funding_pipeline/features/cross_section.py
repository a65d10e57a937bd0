"""Features that compare an instrument with the others known at the same moment.

A venue's rate reverts to the mean over venues of its base, but venues keep lasting offsets of their
own: both are measured here. Every aggregate is over the rows of one as_of.
"""

import polars as pl

CROSS_WINDOWS_HOURS = (24, 168, 336, 720, 2160)
MEDIAN_WINDOWS_HOURS = (8, 24, 72, 168, 336, 720, 2160)
OFFSET_WINDOWS_HOURS = (168, 720, 2160)


def cross_section_features(panel: pl.DataFrame) -> pl.DataFrame:
    """`panel` with base, venue and market aggregates; needs `base` and the trailing means.

    `base_rate_*`: mean over the instruments of the base. `base_gap_*`: own less that mean.
    `base_median_gap_*`: own less the median over them, which one illiquid venue does not move.
    `venue_gap_*`: mean `base_gap` of the venue's OTHER instruments; null where it has no other.
    `market_rate_*`: mean over bases of `base_rate`. Rates are fractions of notional per hour.
    """
    by_base = ["as_of", "base"]
    means = [known_mean(_rate(w), by_base).alias(f"base_rate_{w}h_per_hour") for w in CROSS_WINDOWS_HOURS]
    gaps = [
        (_rate(w) - pl.col(f"base_rate_{w}h_per_hour")).alias(f"base_gap_{w}h_per_hour")
        for w in CROSS_WINDOWS_HOURS
    ]
    return (
        panel.lazy()
        .with_columns(means)
        .with_columns(gaps)
        .with_columns(_median_gap(window) for window in MEDIAN_WINDOWS_HOURS)
        .with_columns(_base_shape())
        .with_columns(_venue_gap(window) for window in OFFSET_WINDOWS_HOURS)
        .with_columns(_market_rate(window) for window in (24, 168, 720))
        .with_columns(_base_estimate())
        .collect()
    )


def known_sum(value: pl.Expr, by: list[str]) -> pl.Expr:
    """Sum of the known values of a group, added one after the other.

    polars' own sum adds in an order that depends on nulls and memory chunks of the whole column, so
    that later rows would change an earlier sum in its last bit. A running sum does not.
    """
    return value.fill_null(0.0).cum_sum().last().over(by)


def known_mean(value: pl.Expr, by: list[str]) -> pl.Expr:
    """Mean of the known values of a group; null where none is."""
    known = value.count().over(by)
    return pl.when(known > 0).then(known_sum(value, by) / known)


def _rate(window: int) -> pl.Expr:
    return pl.col(f"rate_{window}h_per_hour")


def _median_gap(window: int) -> pl.Expr:
    """Own rate less the median over the base's instruments of which one is known."""
    median = _rate(window).median().over(["as_of", "base"])
    return (_rate(window) - median).alias(f"base_median_gap_{window}h_per_hour")


def _base_shape() -> list[pl.Expr]:
    """How many instruments the base has, how far they are apart, and where this one stands."""
    by_base = ["as_of", "base"]
    others = pl.len().over(by_base) - 1
    rank = _rate(168).rank("average").over(by_base) - 1
    return [
        pl.len().over(by_base).cast(pl.Float64).alias("base_instruments"),
        known_mean(pl.col("base_gap_168h_per_hour") ** 2, by_base)
        .sqrt()
        .alias("base_dispersion_168h_per_hour"),
        pl.when(others > 0).then(rank / others).alias("base_rank_168h"),
    ]


def _venue_gap(window: int) -> pl.Expr:
    """Mean gap of the venue's other instruments: what is the venue's, not this contract's."""
    gap, by_venue = pl.col(f"base_gap_{window}h_per_hour"), ["as_of", "venue"]
    others = gap.count().over(by_venue) - gap.is_not_null().cast(pl.Int64)
    rest = known_sum(gap, by_venue) - gap.fill_null(0.0)
    return pl.when(others > 0).then(rest / others).alias(f"venue_gap_{window}h_per_hour")


def _market_rate(window: int) -> pl.Expr:
    """Mean over bases, each weighing the same however many venues list it."""
    base_rate, weight = pl.col(f"base_rate_{window}h_per_hour"), 1.0 / pl.col("base_instruments")
    total = known_sum(base_rate * weight, ["as_of"])
    known = known_sum(base_rate.is_not_null().cast(pl.Float64) * weight, ["as_of"])
    return pl.when(known > 0).then(total / known).alias(f"market_rate_{window}h_per_hour")


def _base_estimate() -> pl.Expr:
    """Mean of the venues' own newest estimates for the base, over the venues that tell one."""
    mean = known_mean(pl.col("estimated_rate_per_hour"), ["as_of", "base"])
    return mean.alias("base_estimated_rate_per_hour")
