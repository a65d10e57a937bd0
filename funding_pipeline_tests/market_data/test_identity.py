"""A name is a guess, agreement of prices is evidence: who is proven, from when on, and who is not and why."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.tables import PRICES
from funding_pipeline.market_data.identity import instrument_identity
from funding_pipeline.market_data.instruments import instruments

DAY = datetime(2024, 1, 1, tzinfo=UTC)
Closes = dict[tuple[str, str], list[float]]


def prices(closes: Closes, *, hours: int = 1, first: int = 0) -> pl.LazyFrame:
    """Trade bars of `hours`; one close each, from hour `first` on."""
    rows = [
        (venue, symbol, "trade", float(hours), DAY + timedelta(hours=hours * (first + k + 1)), close)
        for (venue, symbol), values in closes.items()
        for k, close in enumerate(values)
    ]
    columns = ["venue", "symbol", "kind", "timeframe_hours", "close_time", "close"]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        open=None, high=None, low=None, volume=None, known_at="close_time"
    )
    return PRICES.conform(frame).lazy()


def known(closes: Closes, *, also: tuple[tuple[str, str], ...] = ()) -> pl.DataFrame:
    listed = pl.DataFrame(
        [(venue, symbol, DAY) for venue, symbol in (*closes, *also)],
        schema={"venue": pl.String, "symbol": pl.String, "effective_from": pl.Datetime("us", "UTC")},
        orient="row",
    )
    return instruments(listed)[0]


def verdicts(closes: Closes, **options: int) -> dict[str, list[tuple[str, str, float]]]:
    """By `venue symbol`: base, identity and the hours after DAY, of each row."""
    frame = instrument_identity(known(closes), prices(closes, **options))
    found: dict[str, list[tuple[str, str, float]]] = {}
    for venue, symbol, base, identity, at in frame.drop("identity_reason").iter_rows():
        found.setdefault(f"{venue} {symbol}", []).append((base, identity, (at - DAY) / timedelta(hours=1)))
    return found


def reasons(closes: Closes) -> dict[str, str]:
    frame = instrument_identity(known(closes), prices(closes))
    return {f"{row[0]} {row[1]}": row[4] for row in frame.iter_rows()}


def test_a_day_of_agreeing_prices_proves_a_pair_and_the_multiplier() -> None:
    closes = {("bybit", "1000PEPE/USDT:USDT"): [0.0100] * 30, ("gate", "PEPE/USDT:USDT"): [1.01e-5] * 30}
    proven = [("PEPE", "unproven", 0), ("PEPE", "proven", 24)]
    assert verdicts(closes) == {"bybit 1000PEPE/USDT:USDT": proven, "gate PEPE/USDT:USDT": proven}


def test_the_same_letters_can_be_another_token_also_with_two_venues() -> None:
    """1000CAT is Simon's Cat, CAT another one: neither is proven, and they share no base."""
    closes = {("binance", "1000CAT/USDT:USDT"): [0.03] * 30, ("gate", "CAT/USDT:USDT"): [7.0e-6] * 30}
    found = verdicts(closes)
    assert found["binance 1000CAT/USDT:USDT"][-1] == ("CAT (binance)", "disagrees", 24)
    assert found["gate CAT/USDT:USDT"][-1] == ("CAT (gate)", "disagrees", 24)
    assert reasons(closes)["binance 1000CAT/USDT:USDT"] == (
        "4.286 times the price of gate CAT/USDT:USDT: another token, or another unit"
    )


def test_a_wrong_multiplier_is_named_with_its_factor() -> None:
    closes = {("binance", "BONK/USDT:USDT"): [0.02] * 30, ("gate", "BONK/USDT:USDT"): [2.01e-5] * 30}
    assert reasons(closes)["gate BONK/USDT:USDT"].endswith("a multiplier is wrong by 0.001")


def test_of_three_the_one_that_disagrees_is_alone() -> None:
    closes = {
        ("binance", "NEIRO/USDT:USDT"): [0.1] * 30,
        ("bybit", "NEIRO/USDT:USDT"): [0.101] * 30,
        ("gate", "NEIRO/USDT:USDT"): [0.0005] * 30,
    }
    assert {name: rows[-1][:2] for name, rows in verdicts(closes).items()} == {
        "binance NEIRO/USDT:USDT": ("NEIRO", "proven"),
        "bybit NEIRO/USDT:USDT": ("NEIRO", "proven"),
        "gate NEIRO/USDT:USDT": ("NEIRO (gate)", "disagrees"),
    }


def test_two_pairs_under_one_name_have_two_bases() -> None:
    closes = {
        (venue, "X/USDT:USDT"): [price] * 30
        for venue, price in zip("abcd", (1.0, 1.0, 5.0, 5.0), strict=True)
    }
    assert {name: rows[-1][0] for name, rows in verdicts(closes).items()} == {
        "a X/USDT:USDT": "X", "b X/USDT:USDT": "X", "c X/USDT:USDT": "X (c)", "d X/USDT:USDT": "X (c)",
    }  # fmt: skip


@pytest.mark.parametrize(("days", "ends"), [(2, "proven"), (3, "disagrees")])
def test_stress_does_not_revoke_and_lasting_disagreement_does(days: int, ends: str) -> None:
    odd = [1.0] * 24 + [1.5] * (24 * days)
    closes = {("binance", "X/USDT:USDT"): [1.0] * len(odd), ("gate", "X/USDT:USDT"): odd}
    assert verdicts(closes)["gate X/USDT:USDT"][-1][1] == ends
    again = {key: [*values, *[1.0] * 24] for key, values in closes.items()}
    assert verdicts(again)["gate X/USDT:USDT"][-1][1] == "proven"


def test_nothing_to_compare_with_is_unproven() -> None:
    lonely: Closes = {("binance", "X/USDT:USDT"): [1.0] * 48, ("binance", "X/USDC:USDC"): [1.0] * 48}
    apart = {("binance", "X/USDT:USDT"): [1.0] * 24}
    assert {rows[-1][1] for rows in verdicts(lonely).values()} == {"unproven"}
    late = pl.concat([prices(apart), prices({("gate", "X/USDT:USDT"): [1.0] * 24}, first=100)])
    found = instrument_identity(known(apart, also=(("gate", "X/USDT:USDT"),)), late)
    assert found["identity"].unique().to_list() == ["unproven"]


def test_bars_of_8_hours_are_evidence_too() -> None:
    closes = {("binance", "X/USDT:USDT"): [1.0] * 3, ("hyperliquid", "X/USDC:USDC"): [1.0] * 3}
    assert verdicts(closes, hours=8)["hyperliquid X/USDC:USDC"][-1] == ("X", "proven", 24)


@settings(deadline=None)
@given(
    cut=st.integers(1, 120),
    seed=st.lists(st.sampled_from([0.5, 0.97, 1.0, 1.02, 1.4]), min_size=5, max_size=5),
)
def test_later_prices_change_no_earlier_verdict(cut: int, seed: list[float]) -> None:
    closes = {
        ("binance", "X/USDT:USDT"): [1.0] * 120,
        ("gate", "X/USDT:USDT"): [ratio for ratio in seed for _ in range(24)],
    }
    bars, moment = prices(closes), DAY + timedelta(hours=cut)
    whole = instrument_identity(known(closes), bars).filter(pl.col("effective_from") <= moment)
    early = instrument_identity(known(closes), bars.filter(pl.col("known_at") <= moment))
    assert early.equals(whole)
