"""Settled funding in another unit than it claims: percent, a year's rate, eight hours' rate every hour.

What lives here: recognising the unit of a series by itself and by the other venues. What does not: the other
faults of whole series, and refusing them (`series_checks`).
"""

from collections.abc import Mapping

import polars as pl

SERIES = ["venue", "symbol"]
FEWEST_ROWS = 20
INTEREST_PER_8H = 1e-4
# A third and more of all settlements of most venues lie at the bare interest, to the last digit: where they
# lie at a multiple of it, the multiple is the unit (recorded venues: at most 0.5 % of their rows). Elsewhere
# (OKX, Deribit, Kraken) the level of the other venues tells, over weeks; real differentials reach 8 and 24
# times too, but not in all series of a venue alike.
_UNITS: Mapping[float, str] = {
    8.0: "rates per 8 h on hourly settlements",
    24.0: "rates per day on hourly settlements",
    100.0: "rates in percent",
    365.0: "rates annualised from a day's",
    1095.0: "rates annualised from 8 h",
    8760.0: "rates annualised from an hour's",
    10_000.0: "rates in basis points",
    109_500.0: "rates annualised from 8 h, in percent",
    876_000.0: "rates annualised from an hour's, in percent",
}
_FACTORS = pl.DataFrame(
    [(factor**sign, text if sign == 1 else f"{text}, the other way round")
     for factor, text in _UNITS.items() for sign in (1, -1)],
    schema=["factor", "unit"],
    orient="row",
)  # fmt: skip
_FEWEST_DAYS = 28
_INTEREST_SHARE = 0.1
_FACTOR_OFF = 0.2  # decades
_DAY_OFF = 0.35
_DAYS_SHARE = 0.6
_REAL_DECADES = (-1.8, 1.5)  # so far a venue's level may really lie from the others' for weeks


def refusal(series: pl.DataFrame, reason: pl.Expr, *, factor: pl.Expr | None = None) -> pl.DataFrame:
    """Columns of a rule's answer: the series, `factor` and `reason`."""
    no_factor = pl.lit(None, dtype=pl.Float64)
    return series.select(
        *SERIES, (no_factor if factor is None else factor).alias("factor"), reason.alias("reason")
    )


def at_a_multiple_of_the_interest(rows: pl.DataFrame) -> pl.DataFrame:
    """Series that rest at a unit's multiple of the bare interest, and not at the interest itself."""
    per_8h = pl.col("rate").abs() * 8 / pl.col("interval_hours")
    level = (per_8h / INTEREST_PER_8H).round(6).alias("factor")
    resting = rows.with_columns(rows=pl.len().over(SERIES)).group_by(*SERIES, "rows", level).len("resting")
    usual = resting.filter(pl.col("factor") == 1).select(*SERIES, usual="resting")
    units = _FACTORS.with_columns(pl.col("factor").round(6))
    found = (
        resting.join(units, on="factor")
        .join(usual, on=SERIES, how="left")
        .filter(pl.col("resting") >= pl.max_horizontal(FEWEST_ROWS // 4, _INTEREST_SHARE * pl.col("rows")))
        .filter(pl.col("resting") > pl.col("usual").fill_null(0))
        .sort("resting", descending=True)
        .unique(SERIES, keep="first", maintain_order=True)
    )
    found = pl.concat([found, _the_rest_of_the_venue(rows, found)], how="diagonal")
    share = (pl.col("resting") / pl.col("rows") * 100).round(0).cast(pl.Int64)
    at_rest = pl.format("{} % of its rates are {} times the bare interest: {}", share, "factor", "unit")
    as_others = pl.format("most series of {} are {} times the bare interest: {}", "venue", "factor", "unit")
    return refusal(found, pl.coalesce(at_rest, as_others), factor=pl.col("factor"))


def _the_rest_of_the_venue(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Series that do not show the unit in which more than half of their venue's series are."""
    all_series = rows.select(SERIES).unique().with_columns(series=pl.len().over("venue"))
    units = found.group_by("venue", "factor", "unit").len("refused")
    rest = all_series.join(units, on="venue").filter(pl.col("refused") * 2 > pl.col("series"))
    return rest.join(found, on=SERIES, how="anti").select(*SERIES, "factor", "unit")


def at_a_multiple_of_the_others(rows: pl.DataFrame) -> pl.DataFrame:
    """Series of venues whose levels are a unit's factor away from those of the other venues.

    The venue that is furthest off is judged first, and left out: it would mislead the judgement of others.
    """
    found = [refusal(rows.clear(), pl.lit("")).clear()]
    while not (worst := _furthest_venue(rows)).is_empty():
        found.append(worst)
        rows = rows.join(worst, on="venue", how="anti")
    return pl.concat(found)


def _furthest_venue(rows: pl.DataFrame) -> pl.DataFrame:
    usual = pl.col("ratio").median()
    series = (
        _daily_ratios(rows)
        .group_by(SERIES)
        .agg(
            pl.len().alias("days"),
            usual.alias("decades_off"),
            ((pl.col("ratio") - usual).abs() < _DAY_OFF).mean().alias("steady"),
            pl.col("others").median(),
            # Of two venues the one further from the usual level is wrong; of more, the median is right.
            (_decades(pl.col("level").median()) > _decades(pl.col("reference").median())).alias("is_further"),
        )
        .filter(pl.col("days") >= _FEWEST_DAYS)
    )
    off = (pl.col("decades_off") - pl.col("factor").log10()).abs()
    venues = (
        series.join(_FACTORS, how="cross")
        .group_by("venue", "factor", "unit")
        .agg(
            pl.len().alias("series"),
            (off <= _DAY_OFF).mean().alias("alike"),
            pl.col("decades_off").median(),
            pl.col("steady").median(),
            pl.col("days").median().cast(pl.Int64),
            ((pl.col("others") > 1) | pl.col("is_further")).mean().alias("guilty"),
        )
        .with_columns(is_steady=pl.col("steady") >= _DAYS_SHARE)
    )
    # Funding near zero is real on Deribit for weeks, on both of two coins; far above the others it is not.
    fewest = pl.when(pl.col("factor") > 1).then(2).otherwise(3)
    like_one = (
        (pl.col("series") >= fewest) & (pl.col("alike") == 1) & pl.col("is_steady") & (off <= _FACTOR_OFF)
    )
    is_real = pl.col("decades_off").is_between(*_REAL_DECADES)
    far = ~is_real & ((pl.col("series") > 1) | pl.col("is_steady"))
    found = (
        venues.filter(like_one | far, pl.col("guilty") > 0.5)
        .sort(pl.col("decades_off").abs().round(3), -off, "venue", descending=True)
        .head(1)
    )
    times = (10.0 ** pl.col("decades_off")).round_sig_figs(2)
    reason = pl.format("{} times the other venues' level over {} days: {}", times, "days", "unit")
    return refusal(rows.select(SERIES).unique().join(found, on="venue"), reason, factor=pl.col("factor"))


def _decades(level: pl.Expr) -> pl.Expr:
    """How far a level per hour is from the bare interest, either way."""
    return (level * 8 / INTEREST_PER_8H).log10().abs()


def _daily_ratios(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per series and day: `ratio`, the decades of its level over the median of the `others`."""
    day = pl.col("settled_at").dt.truncate("1d").alias("day")
    level = pl.col("rate").abs().sum() / pl.col("interval_hours").sum()
    known = rows.drop_nulls(["interval_hours", "base"])
    daily = known.group_by(*SERIES, "base", day).agg(level.alias("level")).filter(pl.col("level") > 0)
    venues = daily.group_by("venue", "base", "day").agg(pl.col("level").median())
    return (
        daily.join(venues, on=["base", "day"], suffix="_of")
        .filter(pl.col("venue") != pl.col("venue_of"))
        .group_by(*SERIES, "day", "level")
        .agg(pl.col("level_of").median().alias("reference"), pl.len().alias("others"))
        .with_columns(ratio=(pl.col("level") / pl.col("reference")).log10())
    )
