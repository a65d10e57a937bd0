"""Row rules: what is refused, that nothing is lost, and that the suite holds for what is accepted."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import SchemaError
from funding_pipeline.core.market import RAW_FUNDING_RATES, RAW_INSTRUMENT_TERMS
from funding_pipeline.core.tables import ESTIMATED_FUNDING, PRICES, QUARANTINE, SETTLED_FUNDING
from funding_pipeline.market_data.expectations import prepare
from funding_pipeline.market_data.normalization import normalize
from funding_pipeline.market_data.quality import run_expectations
from funding_pipeline.market_data.quarantine import quarantine_rows

T = datetime(2024, 1, 1, 8, tzinfo=UTC)


def settlement(**changes: object) -> dict[str, object]:
    row = {
        "venue": "binance",
        "symbol": "BTC/USDT:USDT",
        "settled_at": T,
        "rate": 1e-4,
        "interval_hours": 8.0,
        "known_at": T,
    }
    return row | changes


def bar(**changes: object) -> dict[str, object]:
    row = {"venue": "binance", "symbol": "BTC/USDT:USDT", "kind": "trade", "timeframe_hours": 1.0}
    row |= {"close_time": T, "open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1.0}
    return row | {"known_at": T} | changes


def judged_settlements(*rows: dict[str, object]):
    return quarantine_rows(SETTLED_FUNDING, pl.DataFrame(rows, schema=dict(SETTLED_FUNDING.columns)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"venue": None}, "null venue"),
        ({"settled_at": None}, "null settled_at"),
        ({"rate": None}, "null rate"),
        ({"known_at": None}, "null known_at"),
        ({"rate": float("nan")}, "rate not finite"),
        ({"rate": float("-inf")}, "rate not finite"),
        ({"rate": 0.1601}, "|rate| above 16% per 8 h and every cap known of it"),
        ({"rate": -0.0801, "interval_hours": 4.0}, "|rate| above 16% per 8 h and every cap known of it"),
        ({"rate": 0.0201, "interval_hours": 1.0}, "|rate| above 16% per 8 h and every cap known of it"),
        ({"interval_hours": 0.0}, "interval_hours not > 0 and <= 24"),
        ({"interval_hours": 24.5}, "interval_hours not > 0 and <= 24"),
        ({"known_at": T - timedelta(seconds=1)}, "known_at below settled_at"),
    ],
)
def test_a_bad_settlement_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    judged = judged_settlements(settlement(**changes))
    assert judged.accepted.is_empty()
    assert judged.refused["reason"].to_list() == [reason]
    assert judged.refused.schema == pl.Schema(QUARANTINE.columns)


@pytest.mark.parametrize("changes", [{"rate": 0.16}, {"rate": -0.02, "interval_hours": 1.0}, {"rate": 0.0}])
def test_a_wild_but_possible_rate_is_accepted(changes: dict[str, object]) -> None:
    assert judged_settlements(settlement(**changes)).accepted.height == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"close": None}, "null close"),
        ({"close": 0.0, "low": 0.0}, "low not > 0"),
        ({"close": -1.0}, "close not > 0"),
        ({"high": 8.0}, "high below low"),
        ({"close": 12.5}, "high below close"),
        ({"open": 8.5}, "open below low"),
        ({"volume": -1.0}, "volume not >= 0"),
        ({"timeframe_hours": -1.0}, "timeframe_hours not >= 0"),
        ({"known_at": T - timedelta(hours=1)}, "known_at below close_time"),
    ],
)
def test_a_bad_bar_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    judged = quarantine_rows(PRICES, pl.DataFrame([bar(**changes)], schema=dict(PRICES.columns)))
    assert judged.refused["reason"].to_list() == [reason]


def test_a_bar_of_which_only_the_close_is_known_is_accepted() -> None:
    row = bar(open=None, high=None, low=None, volume=None)
    judged = quarantine_rows(PRICES, pl.DataFrame([row], schema=dict(PRICES.columns)))
    assert judged.accepted.height == 1


def test_an_unknown_estimate_stays_null_and_is_not_refused() -> None:
    row = {"venue": "okx", "symbol": "BTC/USDT:USDT", "settles_at": T, "rate": None, "interval_hours": None}
    frame = pl.DataFrame([row | {"known_at": T}], schema=dict(ESTIMATED_FUNDING.columns))
    assert quarantine_rows(ESTIMATED_FUNDING, frame).accepted["rate"].to_list() == [None]


def test_repeated_rows_are_merged_and_known_from_the_earliest() -> None:
    later = T + timedelta(days=3)
    judged = judged_settlements(settlement(known_at=later), settlement(), settlement())
    assert judged.merged == 2
    assert judged.accepted["known_at"].to_list() == [T]
    assert judged.refused.is_empty()


def test_rows_that_disagree_are_all_refused() -> None:
    judged = judged_settlements(settlement(), settlement(rate=2e-4), settlement(venue="okx"))
    assert judged.accepted["venue"].to_list() == ["okx"]
    assert judged.refused["reason"].unique().to_list() == ["conflicting rows with one key"]
    assert [json.loads(row)["rate"] for row in judged.refused["row_json"]] == [1e-4, 2e-4]


def test_a_broken_row_does_not_taint_its_sound_twin() -> None:
    judged = judged_settlements(settlement(), settlement(rate=9.0))
    assert judged.accepted["rate"].to_list() == [1e-4]
    assert judged.refused["reason"].to_list() == ["|rate| above 16% per 8 h and every cap known of it"]


def test_nan_and_null_stay_two_rows_in_quarantine() -> None:
    judged = judged_settlements(settlement(rate=None), settlement(rate=float("nan")))
    assert judged.refused["row_json"].n_unique() == 2
    assert "rate=NaN" in "".join(judged.refused["row_json"])


def test_a_missing_column_and_a_wrong_type_are_named() -> None:
    frame = pl.DataFrame([settlement()], schema=dict(SETTLED_FUNDING.columns))
    with pytest.raises(SchemaError, match=r"settled_funding: missing column\(s\) rate"):
        quarantine_rows(SETTLED_FUNDING, frame.drop("rate"))
    with pytest.raises(SchemaError, match="settled_funding: wrong column type"):
        quarantine_rows(SETTLED_FUNDING, frame.with_columns(rate=pl.lit("much")))


ODD = st.sampled_from([None, float("nan"), float("inf"), -1.0, 0.0, 1e-4, 2e-4, 0.15, 3.0, 8.0, 30.0])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "venue": st.sampled_from(["binance", "okx", None]),
            "symbol": st.sampled_from(["BTC/USDT:USDT", "ETH/USDT:USDT"]),
            "settled_at": st.sampled_from([T, T + timedelta(hours=8), None]),
            "rate": ODD,
            "interval_hours": ODD,
            "known_at": st.sampled_from([T, T + timedelta(hours=8), None]),
        }
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 99))
def test_no_row_is_lost_order_does_not_matter_and_accepted_rows_keep_the_suite(
    rows: list[dict[str, object]], seed: int
) -> None:
    frame = pl.DataFrame(rows, schema=dict(SETTLED_FUNDING.columns))
    judged = quarantine_rows(SETTLED_FUNDING, frame)
    assert judged.accepted.height + judged.refused.height + judged.merged == frame.height
    assert not judged.refused.select(QUARANTINE.key).is_duplicated().any()
    shuffled = quarantine_rows(SETTLED_FUNDING, frame.sample(fraction=1.0, shuffle=True, seed=seed))
    assert judged.accepted.equals(shuffled.accepted)
    assert judged.refused.equals(shuffled.refused)
    SETTLED_FUNDING.conform(judged.accepted)
    prepared = prepare(SETTLED_FUNDING, judged.accepted)
    assert prepared["time_increases"].drop_nulls().all()
    assert prepared["all_finite"].all()
    assert (prepared["rate_per_8h"].abs() <= 0.16).all()


def _rate(venue: str, rate: float, hours: float = 1.0) -> pl.DataFrame:
    at = datetime(2024, 5, 1, tzinfo=UTC)
    return pl.DataFrame(
        {"venue": [venue], "symbol": ["X/USDT:USDT"], "settled_at": [at], "rate": [rate],
         "interval_hours": [hours], "known_at": [at]}
    )  # fmt: skip


def _terms(venue: str, cap: float | None, *, days: int = -1) -> pl.DataFrame:
    row = dict.fromkeys(RAW_INSTRUMENT_TERMS) | {
        "venue": venue, "symbol": "X/USDT:USDT",
        "funding_cap": cap, "funding_floor": None if cap is None else -cap,
        "observed_at": datetime(2024, 5, 1, tzinfo=UTC) + timedelta(days=days),
    }  # fmt: skip
    return pl.DataFrame([row], schema=dict(RAW_INSTRUMENT_TERMS))


@pytest.mark.parametrize(
    ("venue", "rate", "terms", "is_kept"),
    [
        ("hyperliquid", -0.04, None, True),  # its documented limit
        ("hyperliquid", -0.0401, None, False),
        ("bybit", -0.04, None, False),
        ("bybit", 0.03, _terms("bybit", 0.03), True),  # a stated cap makes it possible
        ("bybit", 0.0301, _terms("bybit", 0.03), False),
        ("bybit", 0.003, _terms("bybit", 0.0025), False),  # beyond the cap in force
        ("bybit", 0.003, _terms("bybit", 0.0025, days=1), True),  # that cap came later
        ("bybit", 0.003, _terms("bybit", None), True),
        ("gate", 0.05, _terms("gate", 0.5), False),  # no contract pays 5 % an hour
    ],
)
def test_caps_bound_a_rate_where_they_are_known(
    venue: str, rate: float, terms: pl.DataFrame | None, is_kept: bool
) -> None:
    judged = quarantine_rows(SETTLED_FUNDING, _rate(venue, rate), terms=terms)
    assert (judged.accepted.height == 1) is is_kept
    if is_kept:
        assert run_expectations(SETTLED_FUNDING, judged.accepted).success


def test_an_estimate_is_limited_by_the_cap_in_force() -> None:
    raw = pl.DataFrame(
        {"venue": ["kraken"], "symbol": ["X/USDT:USDT"], "kind": ["predicted"], "rate": [-0.0095],
         "settled_at": [datetime(2024, 5, 1, 1, tzinfo=UTC)],
         "venue_time": [datetime(2024, 5, 1, tzinfo=UTC)], "interval_hours": [1.0]},
        schema=dict(RAW_FUNDING_RATES),
    )  # fmt: skip
    estimated, refused = normalize("estimated_funding", raw, terms=_terms("kraken", 0.0025))
    assert estimated["rate"].to_list() == [-0.0025]
    assert refused.is_empty()
