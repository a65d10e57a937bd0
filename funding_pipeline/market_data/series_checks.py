"""Whole series of settled funding that cannot be what they claim: other units, labels, copies, spellings.

What lives here: the rules, each over all rows of a series, and leaving a refused series out. What does not:
rules about single rows (`quarantine`), or prices (`cross_checks`).

A fault of this kind lies in the source, not in the market: a file that states percent stated it from its
first row. A series is therefore refused as a whole, whichever of its rows gave it away.
"""

import re
from collections.abc import Callable, Mapping

import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.core.tables import REFUSED_SERIES
from funding_pipeline.market_data.funding_units import (
    FEWEST_ROWS,
    INTEREST_PER_8H,
    SERIES,
    at_a_multiple_of_the_interest,
    at_a_multiple_of_the_others,
    refusal,
)
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.market_data.quarantine import SHORTEST_GAP

_SHARE = 0.8  # of the rows that must show a pattern: holes and switches break it here and there
_COPIED_SHARE = 0.98
# Words that a recording adds to a venue's name: binanceusdm, krakenfutures, gate.io.
_ADDED_WORDS = re.compile(r"(usdm|coinm|usdtm|futures|swaps?|perpetuals?|perps?|linear|io|com)$")


def refused_series(candidates: pl.DataFrame) -> pl.DataFrame:
    """REFUSED_SERIES rows from settled funding before any row of it was refused (`normalization`).

    One row per (venue, symbol) that must not be booked: the rule, the factor where there is one, how many
    rows from when to when. A later rule does not see what an earlier one has refused.
    """
    rows = candidates.drop_nulls(["venue", "symbol", "settled_at", "rate"]).filter(
        pl.col("rate").is_finite() & (pl.col("venue") != "") & (pl.col("symbol") != "")
    )
    bases = {symbol: _base(symbol) for symbol in rows["symbol"].unique()}
    base = pl.col("symbol").replace_strict(bases, return_dtype=pl.String)
    rows = rows.with_columns(base=base).sort(*SERIES, "settled_at", "known_at")
    since_last = pl.col("settled_at").diff().over(SERIES)
    rows = rows.filter((since_last >= SHORTEST_GAP).fill_null(value=True))  # repeats are refused row by row
    found = [REFUSED_SERIES.empty()]
    for rule, judge in _RULES.items():
        refused = judge(rows).with_columns(rule=pl.lit(rule))
        seen = rows.join(refused.select(*SERIES, "rule", "factor", "reason"), on=SERIES)
        found.append(
            seen.group_by(*SERIES, "rule", "factor", "reason")
            .agg(
                pl.len().cast(pl.Int64).alias("rows"),
                pl.col("settled_at").min().alias("first"),
                pl.col("settled_at").max().alias("last"),
            )
            .select(*REFUSED_SERIES.columns)
        )
        rows = without_refused(rows.lazy(), refused).collect()
    return REFUSED_SERIES.conform(pl.concat(found))


def without_refused(rows: pl.LazyFrame, refused: pl.DataFrame) -> pl.LazyFrame:
    """`rows` of any table without those of a refused series."""
    if refused.is_empty():
        return rows
    return rows.join(refused.lazy().select(SERIES), on=SERIES, how="anti", maintain_order="left")


def _base(symbol: str) -> str | None:
    try:
        return parse_symbol(symbol).base
    except UnknownInstrumentError:
        return None


def _spelled_twice(rows: pl.DataFrame) -> pl.DataFrame:
    """Series of a venue that is there under another name too: the plain name stays, or that of most rows."""
    names = rows.group_by("venue").len("rows").sort("rows", "venue", descending=[True, False])
    plain = pl.col("venue").map_elements(_plain_name, return_dtype=pl.String)
    ranked = names.with_columns(plain=plain).sort(pl.col("venue") != pl.col("plain"), maintain_order=True)
    stays = ranked.unique("plain", keep="first", maintain_order=True).select("plain", stays="venue")
    others = ranked.join(stays, on="plain").filter(pl.col("venue") != pl.col("stays"))
    reason = pl.format("venue {} is {} spelled another way", "venue", "stays")
    return refusal(rows.select(SERIES).unique().join(others, on="venue"), reason)


def _plain_name(venue: str) -> str:
    letters = re.sub(r"[^a-z0-9]", "", venue.casefold())
    return _ADDED_WORDS.sub("", letters) or letters


def _copied(rows: pl.DataFrame) -> pl.DataFrame:
    """Series whose rates are those of another symbol of its venue and base, the bare interest left aside."""
    per_8h = pl.col("rate") * 8 / pl.col("interval_hours").fill_null(8.0)
    is_interest = (per_8h.abs() - INTEREST_PER_8H).abs() < 1e-9
    telling = rows.filter(~is_interest, pl.col("rate") != 0).with_columns(own=pl.len().over(SERIES))
    telling = telling.filter(pl.col("own") >= FEWEST_ROWS)
    pairs = (
        telling.join(telling, on=["venue", "base", "settled_at", "rate"], suffix="_of")
        .filter(pl.col("symbol") != pl.col("symbol_of"))
        .group_by(*SERIES, "symbol_of", "own", "own_of")
        .len("same")
        .filter(pl.col("same") >= _COPIED_SHARE * pl.min_horizontal("own", "own_of"))
    )
    is_longer = pl.col("own_of") > pl.col("own")
    goes = is_longer | ((pl.col("own_of") == pl.col("own")) & (pl.col("symbol_of") < pl.col("symbol")))
    lesser = pairs.filter(goes).sort("symbol_of").unique(SERIES, keep="first", maintain_order=True)
    return refusal(lesser, pl.format("its rates are those of {}: one of them is a copy", "symbol_of"))


def _on_two_grids(rows: pl.DataFrame) -> pl.DataFrame:
    """Series with two settlements to each period, such as 1 h and 7 h apart."""
    gap = pl.col("gap")
    alternates = (gap == gap.shift(2)) & (gap != gap.shift(1))
    found = (
        _with_gaps(rows)
        .group_by(SERIES)
        .agg(
            pl.len().alias("rows"),
            alternates.fill_null(value=False).mean().alias("share"),
            gap.min().round(2).alias("short"),
            (gap + gap.shift(1)).median().round(2).alias("period"),
        )
        .filter(pl.col("rows") >= FEWEST_ROWS, pl.col("share") >= _SHARE)
    )
    reason = pl.format("two settlements every {} h, {} h apart: each is stated twice", "period", "short")
    return refusal(found, reason, factor=pl.lit(2.0))


def _mislabelled(rows: pl.DataFrame) -> pl.DataFrame:
    """Series whose stated interval is another than the spacing of its settlements, throughout."""
    ratio = pl.col("interval_hours") / pl.col("gap")
    usual = ratio.median()
    found = (
        _with_gaps(rows)
        .drop_nulls("interval_hours")
        .group_by(SERIES)
        .agg(
            pl.len().alias("rows"),
            usual.alias("factor"),
            ((ratio / usual - 1).abs() < 0.01).mean().alias("share"),
            pl.col("interval_hours").median().round(2).alias("label"),
            pl.col("gap").median().round(2).alias("spacing"),
        )
        .filter(pl.col("rows") >= FEWEST_ROWS, pl.col("share") >= _SHARE, (pl.col("factor") - 1).abs() > 0.1)
    )
    reason = pl.format("labelled as settling every {} h, and settles every {} h", "label", "spacing")
    return refusal(found, reason, factor=pl.col("factor"))


def _with_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `gap`, the hours since the one before them in their series; the first ones are left out."""
    at = pl.col("settled_at").dt.round("1m")
    gap = at.diff().over(SERIES).dt.total_minutes() / 60
    return rows.with_columns(gap=gap).filter(pl.col("gap") > 0)


_RULES: Mapping[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "venue spelled two ways": _spelled_twice,
    "copy of another series": _copied,
    "settlements stated twice": _on_two_grids,
    "wrong interval": _mislabelled,
    "wrong unit": at_a_multiple_of_the_interest,
    "wrong level": at_a_multiple_of_the_others,
}
"""In the order of judging."""
