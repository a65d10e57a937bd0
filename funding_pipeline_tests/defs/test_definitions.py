"""The asset graph: groups, lineage and what every asset says about itself."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from funding_pipeline.definitions import build_definitions
from funding_pipeline_tests.pipeline import small_settings

GRAPH = {
    "market_data": {
        "raw_instrument_terms", "raw_leverage_tiers", "leverage_tiers", "refused_series",
        "raw_candles", "raw_funding_rates", "raw_open_interest", "raw_order_books", "raw_trades",
        "settled_funding", "estimated_funding", "prices", "order_book_depth", "trade_flow", "open_interest",
        "instruments", "funding_intervals", "quarantine",
    },
    "features": {"funding_features", "realised_funding_rates"},
    "models": {
        "walk_forward_forecasts", "forecast_skill", "funding_forecaster", "model_promotions", "model_drift",
        "latest_forecasts",
        "market_regimes", "funding_anomalies", "market_state",
    },
    "portfolio": {"portfolio_plan"},
    "decision": {"market_freshness", "decision_features"},
    "execution": {
        "planned_orders", "account_book", "risk_verdict", "executed_orders", "settlement_statement",
        "trading_state",
    },
    "validation": {"backtest", "validation_report", "validation_studies"},
}  # fmt: skip
BLOCKING_CHECKS = {
    "prices", "settled_funding", "estimated_funding", "order_book_depth", "trade_flow", "open_interest",
    "funding_intervals",
}  # fmt: skip
"""Not `instruments`: what prices do not prove is not traded, and the rest goes on."""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(settings=small_settings(tmp_path_factory.mktemp("home")))


def _specs(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    return list(definitions.resolve_all_asset_specs())


def test_groups_with_their_assets(definitions: dg.Definitions) -> None:
    found: dict[str, set[str]] = {}
    for spec in _specs(definitions):
        found.setdefault(str(spec.group_name), set()).add(spec.key.to_user_string())
    assert found == GRAPH


def test_definitions_load(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_describes_itself(definitions: dg.Definitions) -> None:
    for spec in _specs(definitions):
        name = spec.key.to_user_string()
        assert spec.description, name
        assert spec.kinds, name


def test_every_table_has_its_columns(definitions: dg.Definitions) -> None:
    for spec in _specs(definitions):
        if spec.key.to_user_string() == "trading_state":  # no table: what the journal says
            continue
        schema = spec.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert schema.columns


def test_lineage_runs_from_raw_to_report(definitions: dg.Definitions) -> None:
    upstream = {
        s.key.to_user_string(): {d.asset_key.to_user_string() for d in s.deps} for s in _specs(definitions)
    }
    ends = ("validation_report", "planned_orders", "executed_orders", "settlement_statement")
    reached, todo = set(), list(ends)
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo.extend(upstream[name])
    # The state is what the journal says.
    for_people = {"trading_state", "model_drift"}
    assert set().union(*GRAPH.values()) - reached == for_people


def test_normalized_tables_have_blocking_checks(definitions: dg.Definitions) -> None:
    checks = [spec for c in definitions.asset_checks or [] for spec in c.check_specs]  # type: ignore[union-attr]
    assert {spec.asset_key.to_user_string() for spec in checks if spec.blocking} == BLOCKING_CHECKS


def test_telemetry_is_off() -> None:
    text = (Path(__file__).resolve().parents[2] / "dagster.yaml").read_text("utf-8")
    assert "telemetry:\n  enabled: false" in text


def test_a_period_is_one_range_of_partitions(definitions: dg.Definitions) -> None:
    from funding_pipeline.core.market import MarketSpan
    from funding_pipeline.defs.partitions import market_partitions, selection_of

    span = MarketSpan(datetime(2023, 7, 1, tzinfo=UTC), datetime(2024, 5, 15, tzinfo=UTC), ("a", "b"))
    keys = market_partitions(span).get_partition_keys()
    assert keys == [f"{q}|{v}" for q in ("2023-07", "2023-10", "2024-01", "2024-04") for v in ("a", "b")]
    chosen = selection_of(keys[2:])
    assert (chosen.start, chosen.end) == (datetime(2023, 10, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC))
