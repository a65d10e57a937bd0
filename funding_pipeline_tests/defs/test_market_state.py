"""The state of the market as assets: from the stored panel, with plots, and unknown without history."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.defs import market_state as module
from funding_pipeline.defs.decision import DecisionTime
from funding_pipeline.defs.market_state import market_state_assets
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.models.market_state import STATE_FEATURES, market_state
from funding_pipeline.storage.lake import Lake
from funding_pipeline_tests.features.synthetic_market import START, every, synthetic_market

DAYS = 60
MARKET = SimulatedMarket(seed=1, start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 2, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def panel() -> pl.DataFrame:
    return build_features(synthetic_market(days=DAYS, prices=True), as_of=every(8, days=DAYS))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def materialized(lake: Lake, panel: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Metadata by asset, after a research run on the panel."""
    lake.replace("funding_features", panel.with_columns(quarter=pl.lit("2024-01")))
    lake.replace("decision_features", panel.filter(pl.col("as_of") == panel["as_of"].max()))
    resources = {"lake": lake, "market": MARKET}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            market_state_assets(),
            instance=instance,
            resources={n: dg.ResourceDefinition.hardcoded_resource(value) for n, value in resources.items()},
        )
    return {
        name: {
            key: value.value
            for key, value in result.asset_materializations_for_node(name)[0].metadata.items()
        }
        for name in ("market_regimes", "funding_anomalies", "market_state")
    }


def test_the_state_is_that_of_the_newest_decision(lake: Lake, panel: pl.DataFrame) -> None:
    told = materialized(lake, panel)["market_state"]
    state = lake.scan("market_state").collect()
    whole = state.filter(pl.col("venue") == "market").row(0, named=True)
    assert state["as_of"].unique().to_list() == [panel["as_of"].max()]
    assert (told["severity"], told["regime"]) == (whole["severity"], whole["regime"])
    assert told["severity"] in ("none", "notice", "warning", "alarm")
    assert told["regime"] == lake.scan("market_regimes").sort("as_of").collect()["regime"][-1]


def test_plots_are_shown_and_say_that_the_market_is_simulated(lake: Lake, panel: pl.DataFrame) -> None:
    told = materialized(lake, panel)
    assert "data:image/png;base64" in told["market_regimes"]["regimes_plot"]
    assert "data:image/png;base64" in told["funding_anomalies"]["unusual_market_plot"]
    assert told["market_state"]["market"] == MARKET.label


def test_a_panel_of_some_days_leaves_the_severity_unknown(lake: Lake, panel: pl.DataFrame) -> None:
    first_days = panel.filter(pl.col("as_of") < panel["as_of"].min() + timedelta(days=5))
    told = materialized(lake, first_days)["market_state"]
    assert told["severity"] == "unknown"
    assert lake.scan("market_state").collect()["severity"].null_count() > 0


@pytest.mark.parametrize("stored_days", [0, 20, DAYS], ids=lambda days: f"{days} days are stored")
def test_a_rebalance_adds_what_has_landed_since(
    lake: Lake, panel: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, stored_days: int
) -> None:
    newest = panel["as_of"].max()
    assert isinstance(newest, datetime)
    decision = panel.filter(pl.col("as_of") == newest).select(STATE_FEATURES)
    lake.replace("decision_features", decision)
    if stored_days:
        until = START + timedelta(days=stored_days)
        lake.replace(
            "funding_features", panel.filter(pl.col("as_of") < until).with_columns(quarter=pl.lit(""))
        )
    tables = synthetic_market(days=DAYS, prices=True)
    monkeypatch.setattr(module, "decision_tables", lambda market, at: tables.as_known_at(at))
    found = module._earlier_features(DecisionTime(at="now"), decision, market=MARKET, lake=lake)
    found = found.filter(pl.col("as_of") >= panel["as_of"].min())  # without a stored panel it reaches further
    expected = panel.filter(pl.col("as_of") < newest).select(STATE_FEATURES)
    assert found["as_of"].n_unique() == expected["as_of"].n_unique()
    assert_frame_equal(market_state(found, decision), market_state(expected, decision), check_exact=True)
