"""A forecast that knows the future: what the optimiser would have earned with the funding that came.

What lives here: forecasts that are the realised funding. What does not: anything a strategy may use. It is a
ceiling for what better forecasts could bring through the same optimiser, costs and limits, and no rival.
"""

import polars as pl

from funding_pipeline.features.labels import realised_funding

ORACLE_MODEL = "oracle: knows the future"
_KEY = ("as_of", "venue", "symbol", "horizon_hours")


def oracle_forecasts(forecasts: pl.DataFrame, *, settled_funding: pl.LazyFrame) -> pl.DataFrame:
    """`forecasts` with the funding that was realised in place of every number.

    Same rows and columns, each with the realised mean of its own horizon (`features.labels`; a forecast of
    168 h gets that of the next 168 h); null, unlike in a forecast, where a settlement in the span is missing
    or lies after the data's end: there is nothing to plan with, and the leg may only be reduced.
    """
    horizons = sorted(forecasts["horizon_hours"].unique().to_list())
    times = forecasts["as_of"].unique().sort()
    labels = realised_funding(settled_funding, as_of=times, horizons_hours=horizons)
    realised = pl.col("realised")
    frame = forecasts.join(
        labels.select(*_KEY, realised="rate_per_hour"), on=_KEY, how="left", maintain_order="left"
    ).with_columns(
        rate_per_hour=realised,
        q10=realised,
        q50=realised,
        q90=realised,
        baseline_rate_per_hour=realised,
        model=pl.lit(ORACLE_MODEL),
    )
    return frame.select(forecasts.columns)
