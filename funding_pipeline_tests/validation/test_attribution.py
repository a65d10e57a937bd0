"""Profit by source: a small book by hand, and the whole back-test against its equity on every level."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.portfolio.legs import Floats, Leg, Universe
from funding_pipeline.validation.attribution import LEVELS, UNMATCHED, attribution, profit_by_source
from funding_pipeline.validation.price_split import split_prices
from funding_pipeline.validation.profit_flows import SOURCES, LegFlows, backtest_flows, leg_flows
from funding_pipeline.validation.result_frames import equity_frame
from funding_pipeline.validation.simulation import MarketHistory, Run

DAY = timedelta(days=1)
STEPS = tuple(datetime(2023, 12, 30, tzinfo=UTC) + k * DAY for k in range(4))
PLACES = ("a SOL/USDT:USDT", "b SOL/USDC:USDC", "c SOL/USDT:USDT")
UNIVERSE = Universe.of(
    [
        Leg("a", "SOL/USDT:USDT", "SOL"),
        Leg("b", "SOL/USDC:USDC", "SOL", currency="USDC"),
        Leg("c", "SOL/USDT:USDT", "SOL"),
    ]
)
PRICE = np.array([[100.0, 100.0, 100.0], [110.0, 111.0, 110.0], [120.0, 125.0, 120.0], [120.0, 120.0, 122.0]])
LAST = (120 * 122) ** 0.5  # median of two in logs
HELD = np.array([[0.0, 0.0, 0.0], [10.0, -10.0, 0.0], [10.0, -4.0, -6.0], [10.0, -4.0, -6.0]])


def frames(**changes: pl.DataFrame) -> dict[str, Any]:
    """Bought and sold on the first day, moved from b to c on the second; funding and costs in round sums."""
    trades = [
        (0, 0, 10.0, 100.0, 1.0, 0.5),
        (0, 1, -10.0, 100.0, 1.0, 0.5),
        (1, 1, 6.0, 111.0, 2.0, 0.0),
        (1, 2, -6.0, 110.0, 2.0, 0.0),
    ]
    moved = np.diff(PRICE, axis=0, prepend=PRICE[:1])
    basis = np.cumsum((HELD * moved).sum(axis=1))
    plain = {
        "trades": pl.DataFrame(
            [
                (STEPS[t], *PLACES[i].split(), q, price, fee, slip, "open")
                for t, i, q, price, fee, slip in trades
            ],
            schema=[
                "time", "venue", "symbol", "quantity", "mark_price", "fee_usd", "slippage_usd", "reason"
            ],
            orient="row",
        ),
        "funding_payments": pl.DataFrame(
            [(STEPS[1] - timedelta(hours=4), *PLACES[1].split(), 7.0), (STEPS[3], *PLACES[0].split(), -3.0)],
            schema=["time", "venue", "symbol", "cash_usd"],
            orient="row",
        ),
        "equity": pl.DataFrame(
            {
                "time": list(STEPS),
                "pnl_funding": [0.0, 7.0, 7.0, 4.0],
                "pnl_basis": basis,
                "pnl_fees": [-2.0, -6.0, -6.0, -6.0],
                "pnl_slippage": [-1.0, -1.0, -1.0, -1.0],
            }
        ),
    }  # fmt: skip
    return plain | changes


def flows(price: Floats = PRICE, **changes: pl.DataFrame) -> LegFlows:
    return leg_flows(
        universe=UNIVERSE, steps=STEPS, price=price, fresh=np.isfinite(price), **frames(**changes)
    )


def by_name(level: Any, *, by_year: bool = False) -> dict[tuple[str, int | None], dict[str, Any]]:
    table = profit_by_source(flows(), level=level, by_year=by_year)
    return {(row["name"], row["year"]): row for row in table.iter_rows(named=True)}


def test_the_book_is_split_by_hand() -> None:
    book = by_name("book")["book", None]
    # USDC: 111/110 on day 1, 125/120 on day 2, 120/LAST on day 3
    assert book["residual_delta_usd"] == pytest.approx(0)  # quantities are flat
    currency = -10 * (111 - 110) - 4 * ((125 - 120) - (111 - 110)) - 4 * ((120 - LAST) - (125 - 120))
    assert book["quote_currency_usd"] == pytest.approx(currency)
    assert book["funding_usd"] == pytest.approx(4)
    assert book["fees_usd"] == pytest.approx(-6)
    assert book["slippage_usd"] == pytest.approx(-1)
    basis = float((HELD * np.diff(PRICE, axis=0, prepend=PRICE[:1])).sum())
    assert book["convergence_usd"] == pytest.approx(basis - currency)
    assert book["liquidation_usd"] == 0
    assert book["total_usd"] == pytest.approx(basis + 4 - 6 - 1)


def test_a_leg_has_its_own_price_and_the_pair_has_not() -> None:
    assert by_name("leg")[PLACES[0], None]["residual_delta_usd"] == pytest.approx(10 * (LAST - 100))
    pairs = by_name("pair")
    assert set(pairs) == {("SOL: a / b", None), ("SOL: a / c", None)}
    assert all(row["residual_delta_usd"] == pytest.approx(0) for row in pairs.values())
    # of a's funding on the last day, 6/10 belong to what hedges on c; what b received is the first pair's
    assert pairs["SOL: a / c", None]["funding_usd"] == pytest.approx(-3 * 0.6)
    assert pairs["SOL: a / b", None]["funding_usd"] == pytest.approx(7 - 3 * 0.4)
    # b's trade of day 1 closes what hedged a, c's opens
    assert pairs["SOL: a / c", None]["fees_usd"] == pytest.approx(-2)
    assert by_name("venue_pair")["a / b", None]["fees_usd"] == pytest.approx(-4)


def test_years_are_those_of_the_equity_row_and_add_up() -> None:
    whole, years = by_name("book")["book", None], by_name("book", by_year=True)
    assert {year for _, year in years} == {2023, 2024}
    for source in (*SOURCES, "total"):
        parts = sum(row[f"{source}_usd"] for row in years.values())
        assert parts == pytest.approx(whole[f"{source}_usd"])
    assert years["book", 2024]["funding_usd"] == -3


def test_every_level_has_the_same_sum() -> None:
    found = attribution(flows())
    sums = found.group_by("level", pl.col("year").is_null().alias("whole")).agg(pl.col("total_usd").sum())
    assert sums.height == 2 * len(LEVELS)
    assert sums["total_usd"].max() == pytest.approx(sums["total_usd"].min())


@pytest.fixture(scope="module")
def whole(invested: tuple[MarketHistory, Run]) -> pl.DataFrame:
    return attribution(backtest_flows(*invested, max_price_age_hours=2.0))


def test_a_whole_run_adds_up_on_every_level(invested: tuple[MarketHistory, Run], whole: pl.DataFrame) -> None:
    end = equity_frame(*invested).row(-1, named=True)
    sums = whole.group_by("level", pl.col("year").is_null().alias("all")).agg(pl.col(pl.Float64).sum())
    assert sums.height == 2 * len(LEVELS)
    for row in sums.iter_rows(named=True):
        assert row["total_usd"] == pytest.approx(end["equity"] - 1_000_000, abs=1e-4)
        assert row["funding_usd"] == pytest.approx(end["pnl_funding"], abs=1e-6)
        assert row["fees_usd"] == pytest.approx(end["pnl_fees"], abs=1e-6)
        basis = row["convergence_usd"] + row["residual_delta_usd"] + row["quote_currency_usd"]
        assert basis == pytest.approx(end["pnl_basis"], abs=1e-4)


def test_a_flat_base_has_no_residual_delta(whole: pl.DataFrame) -> None:
    largest = dict(whole.group_by("level").agg(pl.col("residual_delta_usd").abs().max()).iter_rows())
    assert largest["leg"] > 100
    assert largest["venue"] > 1
    assert max(largest[level] for level in ("book", "base", "pair", "venue_pair")) < 1e-6


def test_what_has_no_opposite_is_unmatched() -> None:
    lonely = frames()
    lonely["trades"] = lonely["trades"].filter(pl.col("venue") == "a")
    lonely["funding_payments"] = lonely["funding_payments"].clear()
    moved = 10 * (PRICE[:, 0] - 100)
    lonely["equity"] = lonely["equity"].with_columns(
        pnl_funding=pl.lit(0.0), pnl_basis=moved, pnl_fees=pl.lit(-1.0), pnl_slippage=pl.lit(-0.5)
    )
    found = profit_by_source(flows(**lonely), level="pair")
    assert found["name"].to_list() == [f"SOL: {UNMATCHED}"]
    assert found["total_usd"].item() == pytest.approx(200 - 1.5)


def test_forced_trades_are_liquidation_and_may_fall_between_steps() -> None:
    """Sold out on a at 115 between the second and third day: the fall after it is nobody's."""
    given = frames()
    forced = pl.DataFrame(
        [(STEPS[1] + DAY / 2, *PLACES[0].split(), -10.0, 115.0, 9.0, 4.0, "liquidated: margin")],
        schema=given["trades"].schema,
        orient="row",
    )
    held_a = 10 * np.array([0.0, 10.0, 15.0, 15.0])
    rest = np.cumsum((HELD * np.diff(PRICE, axis=0, prepend=PRICE[:1]))[:, 1:].sum(axis=1))
    found = flows(
        trades=pl.concat([given["trades"], forced]),
        equity=given["equity"].with_columns(
            pnl_basis=held_a + rest, pnl_liquidation=pl.Series([0.0, 0.0, -13.0, -13.0])
        ),
    )
    leg = profit_by_source(found, level="leg").filter(pl.col("name") == PLACES[0])
    assert leg["liquidation_usd"].item() == -13
    assert leg["residual_delta_usd"].item() == pytest.approx(150)
    assert leg["total_usd"].item() == pytest.approx(150 - 3 - 1.5 - 13)


def test_missing_rows_are_an_error_and_not_a_smaller_profit() -> None:
    given = frames()
    with pytest.raises(AccountingError, match="funding by leg differs from the equity by 7"):
        flows(funding_payments=given["funding_payments"].tail(1))
    with pytest.raises(AccountingError, match="basis by leg"):
        flows(trades=given["trades"].head(3))
    strange = given["trades"].with_columns(venue=pl.lit("z"))
    with pytest.raises(AccountingError, match="z SOL/USDT:USDT is in the tables"):
        flows(trades=strange)


def test_an_account_that_never_traded_has_no_rows() -> None:
    given = frames()
    flat = given["equity"].with_columns(pl.col("^pnl_.*$") * 0.0)
    found = flows(
        trades=given["trades"].clear(), funding_payments=given["funding_payments"].clear(), equity=flat
    )
    assert attribution(found).is_empty()


def test_a_currency_without_a_common_base_is_said_and_counts_as_the_common_one() -> None:
    legs = Universe.of([Leg("a", "SOL/USDT:USDT", "SOL"), Leg("b", "XRP/USDC:USDC", "XRP", currency="USDC")])
    price = np.array([[100.0, 1.0], [101.0, 1.1]])
    split = split_prices(price, fresh=np.ones_like(price, dtype=bool), universe=legs)
    assert split.notes == ("no base is quoted both in USDC and in USDT: USDC counts as USDT",)
    assert np.allclose(split.in_currency, split.reference)


def test_a_stale_price_does_not_move_the_reference() -> None:
    price = PRICE.copy()
    fresh = np.isfinite(price)
    price[2, 2], fresh[2, 2] = 100.0, False
    split = split_prices(price, fresh=fresh, universe=UNIVERSE)
    assert split.reference[2] == pytest.approx([120, 120, 120])
    gone = split_prices(PRICE, fresh=np.vstack([fresh[:2], np.zeros((2, 3), dtype=bool)]), universe=UNIVERSE)
    assert gone.reference[3] == pytest.approx(gone.reference[1])


def test_multiplied_contracts_share_the_reference_of_their_base() -> None:
    legs = Universe.of(
        [Leg("a", "1000PEPE/USDT:USDT", "PEPE", multiplier=1000), Leg("b", "PEPE/USDT:USDT", "PEPE")]
    )
    price = np.array([[1.0, 0.001], [1.1, 0.0011]])
    split = split_prices(price, fresh=np.ones_like(price, dtype=bool), universe=legs)
    assert split.reference == pytest.approx(price)
