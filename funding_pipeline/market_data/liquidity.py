"""Order-book snapshots into depth measures, and trades into one-minute flow.

Sizes are USD only where the contract size is known; a book or trade of an instrument whose
contract size is unknown keeps its relative measures and has null in the USD columns.
"""

import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.core.tables import MARK, ORDER_BOOK_DEPTH, TRADE_FLOW
from funding_pipeline.market_data.instruments import contract_size, parse_symbol

_DEPTH_BAND = 1e-3  # 10 basis points to each side of mid
_SNAPSHOT = ["venue", "symbol", "observed_at"]


def order_book_depth(raw: pl.DataFrame) -> pl.DataFrame:
    """Candidate rows of ORDER_BOOK_DEPTH, one per snapshot; an empty side gives a null mid.

    Levels are sorted here, since venues list them in either order. Impact is the average price of
    walking the book for a notional, against mid, in basis points; null when the book ends before.
    """
    if raw.is_empty():
        return ORDER_BOOK_DEPTH.empty()
    books = (
        _whole_sides(raw)
        .with_columns(
            bid=pl.col("bid_px").list.max(), ask=pl.col("ask_px").list.min(), row=pl.int_range(pl.len())
        )
        .with_columns(mid=(pl.col("bid") + pl.col("ask")) / 2)
    )
    books = _with_sizes(books)
    bids, asks = _side(books, "bid"), _side(books, "ask")
    sized = books.join(bids, on="row", how="left").join(asks, on="row", how="left")
    return sized.select(
        *_SNAPSHOT,
        "mid",
        ((pl.col("ask") - pl.col("bid")) / pl.col("mid") * 1e4).alias("spread_bp"),
        "bid_depth_10bp_usd",
        "ask_depth_10bp_usd",
        (
            (pl.col("bid_qty_sum") - pl.col("ask_qty_sum")) / (pl.col("bid_qty_sum") + pl.col("ask_qty_sum"))
        ).alias("imbalance"),
        pl.col("ask_impact_10k_bp").alias("impact_buy_10k_bp"),
        pl.col("bid_impact_10k_bp").alias("impact_sell_10k_bp"),
        pl.col("ask_impact_100k_bp").alias("impact_buy_100k_bp"),
        pl.col("bid_impact_100k_bp").alias("impact_sell_100k_bp"),
        pl.col("observed_at").alias("known_at"),
        MARK,
    )


def _whole_sides(raw: pl.DataFrame) -> pl.DataFrame:
    """Sides whose prices and quantities differ in number are unreadable: both become null."""
    return raw.with_columns(
        pl.when(pl.col(f"{side}_px").list.len() == pl.col(f"{side}_qty").list.len())
        .then(pl.col(f"{side}_{part}"))
        .name.keep()
        for side in ("bid", "ask")
        for part in ("px", "qty")
    )


def _side(books: pl.DataFrame, side: str) -> pl.DataFrame:
    """Measures of one side per snapshot `row`: quantity, USD within the band, impact per notional."""
    sign = 1.0 if side == "ask" else -1.0
    px, distance = pl.col("px"), (pl.col("px") / pl.col("mid") - 1) * sign
    usd = pl.when(pl.col("is_inverse")).then(pl.col("qty")).otherwise(pl.col("qty") * px) * pl.col("size")
    levels = (
        books.lazy()
        .select(
            "row",
            "mid",
            "size",
            "is_inverse",
            pl.col(f"{side}_px").alias("px"),
            pl.col(f"{side}_qty").alias("qty"),
        )
        .explode("px", "qty")
        .sort("row", px * sign)
        .with_columns(usd=usd, distance=distance)
        .with_columns(filled=_running(pl.col("usd")))
    )
    near = pl.when(pl.col("distance") <= _DEPTH_BAND).then("usd").otherwise(0.0)
    measures = {
        f"{side}_qty_sum": _running(pl.col("qty")),
        f"{side}_depth_10bp_usd": _running(pl.when(pl.col("usd").is_not_null()).then(near)),
        f"{side}_impact_10k_bp": _impact_bp(10_000.0),
        f"{side}_impact_100k_bp": _impact_bp(100_000.0),
    }
    return levels.with_columns(**measures).group_by("row").agg(pl.col(*measures).last()).collect()


def _running(values: pl.Expr) -> pl.Expr:
    """Sum from the best level outwards. A plain sum adds in an order that depends on where a snapshot
    lies among the others, so its last digits would change with the order of rows."""
    return values.cum_sum().over("row")


def _impact_bp(notional_usd: float) -> pl.Expr:
    """Notional-weighted distance from mid of the levels that fill `notional_usd`, in basis points."""
    before = pl.col("filled") - pl.col("usd")
    taken = (notional_usd - before).clip(0.0, pl.col("usd"))
    cost = _running(taken * pl.col("distance"))
    return pl.when(pl.col("filled") >= notional_usd).then(cost / notional_usd * 1e4)


def trade_flow(raw: pl.DataFrame) -> pl.DataFrame:
    """Candidate rows of TRADE_FLOW: taker buys and sells per instrument and minute."""
    if raw.is_empty():
        return TRADE_FLOW.empty()
    trades = _with_sizes(raw).with_columns(
        window_end=pl.col("traded_at").dt.truncate("1m") + pl.duration(minutes=1),
        usd=pl.when(pl.col("is_inverse")).then(pl.col("qty")).otherwise(pl.col("qty") * pl.col("price"))
        * pl.col("size"),
        buys=pl.col("side") == "buy",
    )
    bought, sold = pl.col("qty").filter(pl.col("buys")).sum(), pl.col("qty").filter(~pl.col("buys")).sum()
    known = pl.col("size").first().is_not_null()
    return (
        trades.sort("venue", "symbol", "traded_at", "id")
        .group_by("venue", "symbol", "window_end", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("trade_count"),
            pl.when(known).then(pl.col("usd").filter(pl.col("buys")).sum()).alias("buy_notional_usd"),
            pl.when(known).then(pl.col("usd").filter(~pl.col("buys")).sum()).alias("sell_notional_usd"),
            ((bought - sold) / (bought + sold)).alias("imbalance"),
            pl.col("price").last().alias("last_price"),
            MARK.any(),
        )
        .with_columns(known_at=pl.col("window_end"))
    )


def _with_sizes(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `size` and `is_inverse`: what the venue told with the row goes before the defaults."""
    told = rows.join(_usd_per_unit(rows), on=["venue", "symbol"], how="left")
    return told.with_columns(size=pl.coalesce("contract_size", "size"))


def _usd_per_unit(rows: pl.DataFrame) -> pl.DataFrame:
    """Per (venue, symbol): contract `size` (null: unknown) and whether it counts quote units."""
    found: list[tuple[str, str, float | None, bool]] = []
    for venue, symbol in rows.select("venue", "symbol").drop_nulls().unique().iter_rows():
        try:
            parsed = parse_symbol(symbol)
        except UnknownInstrumentError:
            found.append((venue, symbol, None, False))
            continue
        found.append((venue, symbol, contract_size(venue, parsed), parsed.contract_type == "inverse"))
    schema = {"venue": pl.String, "symbol": pl.String, "size": pl.Float64, "is_inverse": pl.Boolean}
    return pl.DataFrame(found, schema=schema, orient="row")
