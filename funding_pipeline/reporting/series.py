"""Frames made ready to be drawn: thinned, as drawdown, as trailing means, as spans of a regime.

What lives here: polars only, shared by the report and the plots. What does not: any drawing.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.market_data.instruments import parse_symbol

HOURS_PER_YEAR = 24 * 365
MAX_POINTS = 2400
ROUNDING_USD = 0.005  # what the float sums of a source that is nothing leave


def thinned(frame: pl.DataFrame, *, extremes_of: str | None = None, limit: int = MAX_POINTS) -> pl.DataFrame:
    """At most about `limit` rows of `frame`, sorted by `time`; first and last row stay.

    With `extremes_of`, every bucket keeps the lowest and highest row of that column, so that a
    drawdown is never thinned away.
    """
    frame = frame.sort("time")
    if frame.height <= limit:
        return frame
    numbered = frame.with_row_index("_row")
    last = pl.col("_row") == frame.height - 1
    if extremes_of is None:
        step = -(-frame.height // (limit - 1))
        return numbered.filter((pl.col("_row") % step == 0) | last).drop("_row")
    buckets = limit // 2 - 1
    marked = numbered.with_columns((pl.col("_row") * buckets // frame.height).alias("_bucket"))
    by_value = pl.col("_row").sort_by(extremes_of)
    ends = marked.group_by("_bucket").agg(by_value.first().alias("low"), by_value.last().alias("high"))
    kept = pl.concat([ends["low"], ends["high"]]).unique().implode()
    return marked.filter(pl.col("_row").is_in(kept) | (pl.col("_row") == 0) | last).drop("_row", "_bucket")


def drawdown(equity: pl.DataFrame, *, capital_usd: float) -> pl.DataFrame:
    """`time`, `equity` and `drawdown`: the fall from the highest equity so far (at least the capital),
    as a fraction of capital; never positive. The same convention as `statistics.drawdown`.
    """
    peak = pl.col("equity").cum_max().clip(lower_bound=capital_usd)
    fall = ((pl.col("equity") - peak) / capital_usd).alias("drawdown")
    return equity.sort("time").select("time", "equity", fall)


def worst_of_each_kind(stress: pl.DataFrame) -> pl.DataFrame:
    """One row per kind of scenario and book: `kind` in words, the scenario of the largest loss, the loss.

    `stress`: book, scenario ("kind:where" or "kind"), loss_usd, loss_fraction_of_capital. The worst kinds
    come first, books in their order.
    """
    kind = pl.col("scenario").str.split(":").list.first().str.replace_all("_", " ")
    columns = ["book", "kind", "scenario", "loss_usd", "loss_fraction_of_capital"]
    worst = (
        stress.with_columns(kind=kind)
        .sort("loss_usd", "scenario", descending=[True, False], nulls_last=True)
        .unique(["book", "kind"], keep="first", maintain_order=True)
        .select(columns)
    )
    order = worst.group_by("kind").agg(pl.col("loss_usd").max().alias("_size"))
    places = stress.select(pl.col("book").unique(maintain_order=True)).with_row_index("_place")
    return (
        worst.join(order, on="kind")
        .join(places, on="book")
        .sort("_size", "kind", "_place", descending=[True, False, False])
        .select(columns)
    )


def profit_by_level(attribution: pl.DataFrame, level: str) -> pl.DataFrame:
    """One row per name of `level`: profit by source over the whole period, its total, and the total by year.

    `attribution` as in `validation.attribution`, which has rows by year beside those of the period. Sources
    that are zero everywhere are left out; a year without a row of the name earned nothing there.
    """
    rows = attribution.filter(pl.col("level") == level)
    whole = rows.filter(pl.col("year").is_null()).drop("level", "year")
    sources = [name for name in whole.columns if name.endswith("_usd") and name != "total_usd"]
    empty = [name for name in sources if not (whole[name].abs() > ROUNDING_USD).any()]
    whole = whole.drop(empty)
    by_year = rows.filter(pl.col("year").is_not_null())
    if by_year.is_empty():
        return whole
    years = by_year.pivot("year", index="name", values="total_usd", sort_columns=True)
    named = {name: f"{name}_usd" for name in years.columns if name != "name"}
    joined = whole.join(years.rename(named), on="name", how="left", maintain_order="left")
    return joined.with_columns(pl.col(list(named.values())).fill_null(0.0))


def with_base(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with `base`, read off `symbol` where it has none: 1000PEPE and kPEPE are PEPE."""
    return frame if "base" in frame.columns else with_base_and_multiplier(frame).drop("multiplier")


def with_base_and_multiplier(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with `base` and `multiplier` (base units per quoted unit), read off `symbol`.

    A contract that is no perpetual is no instrument (it is refused by name elsewhere): its rows go.
    """
    schema = {"symbol": pl.String, "base": pl.String, "multiplier": pl.Float64}
    symbols = frame["symbol"].unique().sort().to_list()
    terms = pl.DataFrame([row for s in symbols if (row := _terms(s))], schema=schema, orient="row")
    return frame.drop("base", strict=False).join(terms, on="symbol", how="inner", maintain_order="left")


def _terms(symbol: str) -> tuple[str, str, float] | None:
    """Symbol, base and multiplier; a symbol without a settle currency is spot, quoted by the coin."""
    if ":" not in symbol:
        return symbol, symbol.split("/")[0], 1.0
    try:
        parsed = parse_symbol(symbol)
    except UnknownInstrumentError:
        return None
    return symbol, parsed.base, parsed.multiplier


def trailing_annual_funding(settled: pl.DataFrame, *, days: int = 7, every: str = "1d") -> pl.DataFrame:
    """One row per (venue, symbol, base, time = end of `every`): trailing mean funding per year.

    Sum of rates over sum of interval hours in (time - days, time], times 8,760; null windows are
    left out. Columns venue, symbol, base, time, annual.
    """
    keys = ["venue", "symbol"]
    daily = (
        settled.filter(pl.col("interval_hours").is_not_null())
        .sort(*keys, "settled_at")
        .group_by_dynamic("settled_at", every=every, closed="right", label="right", group_by=keys)
        .agg(pl.col("rate").sum(), pl.col("interval_hours").sum())
        .rename({"settled_at": "time"})
    )
    window = f"{days}d"
    hours = pl.col("interval_hours").rolling_sum_by("time", window).over(keys)
    rates = pl.col("rate").rolling_sum_by("time", window).over(keys)
    return with_base(
        daily.sort(*keys, "time").select(*keys, "time", (rates / hours * HOURS_PER_YEAR).alias("annual"))
    )


def pair_differentials(
    annual: pl.DataFrame, *, every: str = "1mo", venues: Sequence[str] | None = None
) -> pl.DataFrame:
    """One row per (base, pair, period): mean annual funding of the first venue less the second's.

    `annual` as made by `trailing_annual_funding`. Pairs are in alphabetical order, `A - B`; positive:
    short on A and long on B would have received. Gross of every cost.
    """
    known = annual if venues is None else annual.filter(pl.col("venue").is_in(list(venues)))
    one = known.group_by("venue", "base", pl.col("time").dt.truncate(every)).agg(pl.col("annual").mean())
    pairs = one.join(one, on=["base", "time"], suffix="_other").filter(
        pl.col("venue") < pl.col("venue_other")
    )
    return pairs.select(
        "base",
        pl.format("{} - {}", "venue", "venue_other").alias("pair"),
        "time",
        (pl.col("annual") - pl.col("annual_other")).alias("differential"),
    ).sort("base", "pair", "time")


def widest_pairs(differentials: pl.DataFrame, *, count: int) -> pl.DataFrame:
    """One row per (base, pair) as `label`, one column per period: the `count` widest on average.

    A pair known for less than a quarter of the longest one's periods is no row to compare with.
    """
    labelled = differentials.with_columns(pl.format("{} {}", "base", "pair").alias("label"))
    size = labelled.group_by("label").agg(pl.col("differential").abs().mean().alias("size"), pl.len())
    long = size.filter(pl.col("len") * 4 >= pl.col("len").max())
    kept = long.sort("size", "label", descending=[True, False]).head(count)["label"].to_list()
    rows = labelled.filter(pl.col("label").is_in(kept))
    return rows.pivot("time", index="label", values="differential", sort_columns=True).sort("label")


def colour_limit(wide: pl.DataFrame) -> float:
    """90 % quantile of the absolute values of `widest_pairs`, so that one month does not bleach the rest."""
    values = wide.drop("label").unpivot()["value"].abs().drop_nulls()
    return float(values.quantile(0.9) or 0.1)


def regime_spans(regimes: pl.DataFrame, end: datetime | None = None) -> pl.DataFrame:
    """Runs of one regime: `start`, `end`, `regime`. A run ends where the next begins, the last at `end`.

    `regimes` has one row per `as_of` with `regime`; `end` defaults to the last `as_of`.
    """
    changed = pl.col("regime").ne_missing(pl.col("regime").shift(1))
    first = pl.int_range(pl.len()) == 0
    last = end or regimes["as_of"].max()
    return (
        regimes.sort("as_of")
        .filter(changed | first)
        .select(
            pl.col("as_of").alias("start"),
            pl.col("as_of").shift(-1).fill_null(pl.lit(last)).alias("end"),
            "regime",
        )
        .filter(pl.col("end") > pl.col("start"))
    )


def calibration(forecasts: pl.DataFrame, realised: pl.DataFrame) -> pl.DataFrame:
    """Per horizon and quantile: `nominal` share, `share` of realised funding at or below it, `rows`.

    Joins FORECASTS with labels (as_of, venue, symbol, horizon_hours, rate_per_hour); a label that is
    null or missing is left out.
    """
    rows = forecast_pairs(forecasts, realised)
    levels = {"q10": 0.1, "q50": 0.5, "q90": 0.9}
    share = rows.group_by("horizon_hours").agg(
        *((pl.col("realised") <= pl.col(name)).mean().alias(name) for name in levels), pl.len().alias("rows")
    )
    long = share.unpivot(
        list(levels), index=["horizon_hours", "rows"], variable_name="quantile", value_name="share"
    )
    nominal = pl.col("quantile").replace_strict(levels, return_dtype=pl.Float64)
    return long.with_columns(nominal.alias("nominal")).sort("horizon_hours", "nominal")


def forecast_pairs(forecasts: pl.DataFrame, realised: pl.DataFrame) -> pl.DataFrame:
    """Forecast rows that have a known outcome, with `realised` (fraction of notional per hour)."""
    keys = ["as_of", "venue", "symbol", "horizon_hours"]
    outcome = realised.select(*keys, pl.col("rate_per_hour").alias("realised"))
    return forecasts.join(outcome, on=keys).filter(pl.col("realised").is_not_null())
