"""The state at a decision: market first, then each instrument; made of what was known then."""

from datetime import timedelta

import polars as pl
from polars.testing import assert_frame_equal

from funding_pipeline.models.market_state import MARKET_STATE_SCHEMA, STATE_FEATURES, market_state


def test_one_row_for_the_market_and_one_per_instrument(panel: pl.DataFrame) -> None:
    decision = panel.filter(pl.col("as_of") == panel["as_of"].max())
    state = market_state(panel, decision)
    assert dict(state.schema) == MARKET_STATE_SCHEMA
    assert state.row(0)[1:4] == ("market", "market", "market")
    assert state["regime"].null_count() == state.height - 1
    assert state.height == decision.height + 1
    assert state["severity"].null_count() == 0


def test_it_is_made_of_earlier_rows_and_of_what_it_needs(panel: pl.DataFrame) -> None:
    at = panel["as_of"].unique().sort()[-30]
    decision = panel.filter(pl.col("as_of") == at)
    lean = (
        panel.filter(pl.col("as_of") < at).select(STATE_FEATURES).sample(fraction=1.0, shuffle=True, seed=2)
    )
    assert_frame_equal(market_state(panel, decision), market_state(lean, decision), check_exact=True)


def test_an_unusual_instrument_has_its_reason(panel: pl.DataFrame) -> None:
    decision = panel.filter(pl.col("as_of") == panel["as_of"].max())
    one = (pl.col("venue") == "alpha") & (pl.col("base") == "ETH")
    far = decision.with_columns(
        pl.when(one).then(pl.lit(0.01)).otherwise("rate_24h_per_hour").alias("rate_24h_per_hour")
    )
    found = market_state(panel, far).filter(pl.col("severity") == "alarm")
    assert found.select("venue", "base").rows() == [("alpha", "ETH")]
    assert "funding over 24 h is 8760.0 %/yr" in found["reason"][0]


def test_a_silent_venue_is_noticed(panel: pl.DataFrame) -> None:
    decision = panel.filter(pl.col("as_of") == panel["as_of"].max(), pl.col("venue") != "beta")
    whole = market_state(panel, decision).row(0, named=True)
    assert whole["severity"] == "notice"
    assert "no funding known for a day on beta" in whole["reason"]


def test_too_little_history_is_not_known(panel: pl.DataFrame) -> None:
    decision = panel.filter(pl.col("as_of") == panel["as_of"].max())
    recent = panel.filter(pl.col("as_of") > panel["as_of"].max() - timedelta(days=10))
    state = market_state(recent, decision)
    assert state["severity"].null_count() == state.height
    assert state["regime"][0] is not None
    assert market_state(panel.clear(), decision)["severity"].null_count() == decision.height + 1
    assert market_state(panel, decision.clear()).is_empty()
