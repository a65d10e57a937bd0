"""A rebalance and the close of a settlement as Dagster runs, against accounts on the testnet."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.core.governance import Heartbeat
from funding_pipeline.definitions import build_definitions
from funding_pipeline.defs import market_state as state_asset
from funding_pipeline.defs import trading as trading_assets
from funding_pipeline.defs.run_tags import CLOSE, REBALANCE
from funding_pipeline.market.venue_market import VenueMarket
from funding_pipeline.models.market_readings import MARKET
from funding_pipeline.models.market_state import market_state
from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.lake import Lake
from funding_pipeline.venues.credentials import variable_name
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline_tests.testnet.running import NOW, RunningTestnet, running_testnet


class Desk:
    """A testnet with an account per venue whose keys are in the environment, and jobs to run on it."""

    def __init__(self, testnet: RunningTestnet, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.testnet = testnet
        self.settings = Settings(
            portfolio={
                "no_trade_multiple": 0.75
            },  # so short a history has no spread worth a stressed round trip
            market="simulated",
            home=folder,
            simulated_from=datetime(2024, 1, 1, tzinfo=UTC),
            simulated_to=NOW,
            testnet_port=testnet.port,
        )
        testnet.serves(self.settings)
        for venue in self.settings.trading_setup().venues:
            made = testnet.new_account(venue, "200000")
            for name in dialect_of(venue).credentials:
                patch.setenv(variable_name(venue, name), str(made[name]))
        self.lake = Lake(str(folder / "lake"))
        self.journal = Journal(self.settings.trading_setup().journal_url, now=self.now)
        self.journal.beat(Heartbeat("guard", self.now()))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.testnet.clock.now() / 1000, UTC)

    def run(self, job: str, **tags: str) -> dg.ExecuteInProcessResult:
        with dg.DagsterInstance.ephemeral() as instance:
            definitions = build_definitions(settings=self.settings)
            return definitions.resolve_job_def(job).execute_in_process(
                instance=instance, tags=tags, raise_on_error=False
            )

    def only(self, *assets: str, job: str = "") -> dg.ExecuteInProcessResult:
        """As the button Materialize does it with these assets; of a job where one is named."""
        definitions = build_definitions(settings=self.settings)
        found = (
            definitions.resolve_job_def(job) if job else definitions.resolve_implicit_global_asset_job_def()
        )
        with dg.DagsterInstance.ephemeral() as instance:
            return found.execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in assets],
                raise_on_error=False,
            )

    def kept(self) -> tuple[Any, ...]:
        """What a run would have left: intents, and the rows of verdict and orders."""
        tables = [self.lake.scan(name).collect().rows() for name in ("risk_verdict", "executed_orders")]
        return (list(self.journal.intents()), *tables)

    def held(self) -> dict[tuple[str, str], float]:
        """What the engines say is held."""
        found = {}
        for venue, exchange in self.testnet.exchanges.items():
            for account in exchange.accounts():
                for position in exchange.positions(account):
                    found[venue, position.symbol] = float(position.quantity)
        return found


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """History fetched once: what is fetched is never fetched again."""
    folder = tmp_path_factory.mktemp("landed")
    with running_testnet() as testnet, pytest.MonkeyPatch.context() as patch:
        testnet.clock.advance(seconds=600)
        market = Desk(testnet, folder, patch).settings.open_market()
        assert isinstance(market, VenueMarket)
        market.fetch()
    return folder / "landing"


@pytest.fixture
def desk(landed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    shutil.copytree(landed, tmp_path / "landing")
    with running_testnet() as testnet:
        testnet.clock.advance(seconds=600)
        yield Desk(testnet, tmp_path, monkeypatch)


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    found = result.asset_materializations_for_node(asset)[0].metadata
    return {name: value.value for name, value in found.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    failed = [event for event in result.all_events if event.is_step_failure]
    return failed[0].step_failure_data.error.to_string() if failed else ""


def test_a_rebalance_holds_what_the_verdict_allows_and_a_close_says_what_was_paid(desk: Desk) -> None:
    result = desk.run(REBALANCE, **{"funding/settlement": "2024-02-01T01:00:00+00:00"})
    assert result.success, failure(result)
    estimates = desk.lake.scan("decision_features").collect()["estimated_rate_per_hour"]
    assert len(estimates) > estimates.null_count() == 0, "every venue here tells what it will settle"
    done = metadata(result, "executed_orders")
    assert (done["status"], done["residual_unhedged_usd"]) == ("done", 0.0)
    assert done["orders_filled"] == done["orders_sent"] > 0
    assert done["differences"] == "none"
    verdict = desk.lake.scan("risk_verdict").collect()
    assert set(verdict["rebalance"]) == {"2024-02-01T01:00:00+00:00"}
    assert metadata(result, "market_state")["severity"] == "none"
    assert metadata(result, "risk_verdict")["market"] == "none, regime inverted"
    allowed = {
        (venue, symbol): quantity
        for venue, symbol, quantity in verdict.select("venue", "symbol", "quantity_allowed").iter_rows()
        if quantity
    }
    assert desk.held() == allowed
    orders = desk.lake.scan("executed_orders").collect()
    assert set(orders["verdict_id"]) == set(verdict["verdict_id"])
    assert metadata(desk.run(CLOSE), "settlement_statement")["profit_usd"] == "none"
    desk.testnet.clock.advance(hours=1)
    close = desk.run(CLOSE)
    assert close.success, failure(close)
    sources = dict(desk.lake.scan("settlement_statement").select("source", "usd").collect().iter_rows())
    assert sources["funding"] != 0
    assert abs(sources["difference"]) < 0.01
    assert "hyperliquid" in metadata(close, "settlement_statement")["funding_by_leg"]


def test_a_second_rebalance_starts_from_what_is_held(desk: Desk) -> None:
    assert desk.run(REBALANCE).success
    before = desk.held()
    again = desk.run(REBALANCE)
    assert again.success, failure(again)
    done = [event.step_key for event in again.all_events if event.is_step_success]
    assert done.index("latest_forecasts") < done.index("account_book") < done.index("portfolio_plan")
    plan = desk.lake.scan("portfolio_plan").collect()
    planned_from = {
        (venue, symbol): quantity
        for venue, symbol, quantity in plan.select("venue", "symbol", "quantity_before").iter_rows()
        if quantity
    }
    assert planned_from == pytest.approx(before)


@pytest.mark.parametrize(
    "name", ["max_gross_notional_usd", "max_venue_notional_usd", "max_base_notional_usd"]
)
def test_a_limit_that_was_tightened_is_the_plans_own(desk: Desk, name: str) -> None:
    """To half of what is held: the plan keeps it by itself, and the verdict has nothing to cut."""
    assert desk.run(REBALANCE).success
    legs = desk.lake.scan("portfolio_plan").collect().with_columns(size=pl.col("notional_target_usd").abs())
    groups = {"max_venue_notional_usd": ["venue"], "max_base_notional_usd": ["base"]}.get(name, [])
    used = legs.group_by(groups).agg(pl.col("size").sum()) if groups else legs.select(pl.col("size").sum())
    limit = used["size"].max() / 2
    assert limit > 1_000
    desk.journal.tighten(name, limit, by="person alice", reason="a try")
    again = desk.run(REBALANCE)
    assert again.success, failure(again)
    planned = (
        desk.lake.scan("portfolio_plan").collect().with_columns(size=pl.col("notional_target_usd").abs())
    )
    now = (
        planned.group_by(groups).agg(pl.col("size").sum()) if groups else planned.select(pl.col("size").sum())
    )
    assert now["size"].max() <= limit + 1
    assert set(desk.lake.scan("risk_verdict").collect()["decision"]) == {"pass"}


def test_orders_of_before_are_shown_also_where_nothing_is_planned(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk.run(REBALANCE).success
    orders = desk.lake.scan("executed_orders").collect()
    empty = desk.lake.scan("risk_verdict").collect().clear()
    monkeypatch.setattr(trading_assets, "_verdict_rows", lambda verdict: empty)
    result = desk.run(REBALANCE)
    assert metadata(result, "executed_orders")["status"] == "nothing is planned or held"
    assert desk.lake.scan("executed_orders").collect().equals(orders)


def test_orders_are_sent_by_the_job_rebalance_only(desk: Desk) -> None:
    """Materialize, of one asset or of its group, beside a verdict that would allow much."""
    assert desk.run(REBALANCE).success
    held, sent = desk.held(), len(desk.journal.intents())
    desk.testnet.clock.advance(seconds=30)
    for assets in (("executed_orders",), ("account_book", "risk_verdict", "executed_orders")):
        result = desk.only(*assets)
        assert not result.success
        assert "orders are sent by the job `rebalance` only" in failure(result)
    assert (desk.held(), len(desk.journal.intents())) == (held, sent)


def test_a_rebalance_sends_by_its_own_verdict_only(desk: Desk) -> None:
    """The last step of the job alone, picked in its graph: the verdict is of an earlier run."""
    assert desk.run(REBALANCE).success
    sent = len(desk.journal.intents())
    result = desk.only("executed_orders", job=REBALANCE)
    assert not result.success
    assert "not of this run" in failure(result)
    assert len(desk.journal.intents()) == sent


def test_in_a_market_alarm_nothing_is_opened_and_people_hear_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alarmed(panel: pl.DataFrame, decision: pl.DataFrame) -> pl.DataFrame:
        whole = pl.col("venue") == MARKET
        return market_state(panel, decision).with_columns(
            pl.when(whole).then(pl.lit("alarm")).otherwise("severity").alias("severity"),
            pl.when(whole).then(pl.lit("price is -20 %")).otherwise("reason").alias("reason"),
        )

    monkeypatch.setattr(state_asset, "market_state", alarmed)
    result = desk.run(REBALANCE)
    assert result.success, failure(result)
    assert desk.held() == {}
    reasons = " ".join(desk.lake.scan("risk_verdict").collect()["reasons"])
    assert "market alarm (price is -20 %)" in reasons
    assert [alert.key for alert in desk.journal.alerts()] == ["market_alarm"]


def test_halted_sends_nothing_and_says_so(desk: Desk) -> None:
    desk.journal.set_state("HALTED", reason="a test", by="person test")
    result = desk.run(REBALANCE)
    assert result.success, failure(result)
    assert metadata(result, "risk_verdict")["state"] == "HALTED"
    assert desk.held() == {}
    assert desk.lake.scan("executed_orders").collect().is_empty()


def test_without_a_sign_of_life_of_the_guard_nothing_is_opened(desk: Desk) -> None:
    desk.testnet.clock.advance(seconds=120)
    result = desk.run(REBALANCE)
    assert desk.held() == {}
    assert "guard" in str(metadata(result, "executed_orders"))


def test_a_plan_of_long_ago_is_not_judged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that hung between plan and verdict."""
    checked = trading_assets.require_rebalance

    def check_late(context: dg.AssetExecutionContext, *upstream: str) -> None:
        checked(context, *upstream)
        desk.testnet.clock.advance(hours=3)

    monkeypatch.setattr(trading_assets, "require_rebalance", check_late)
    result = desk.run(REBALANCE)
    assert not result.success
    assert "make a new one" in failure(result)


def test_beside_a_venue_without_keys_nothing_is_opened(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds is not known, and unknown is not nothing."""
    monkeypatch.delenv("FUNDING_BYBIT_API_KEY")
    result = desk.run(REBALANCE)
    assert result.success, failure(result)
    book = desk.lake.scan("account_book").filter(pl.col("venue") == "bybit").collect()
    assert "FUNDING_BYBIT_API_KEY" in book["problem"][0]
    assert desk.held() == {}
    assert "book of bybit" in str(desk.lake.scan("risk_verdict").collect()["reasons"].to_list())


@pytest.mark.parametrize("assets", [("risk_verdict", "executed_orders"), ("executed_orders",)])
def test_a_part_of_a_rebalance_is_refused_also_under_its_own_settlement(
    desk: Desk, assets: tuple[str, ...]
) -> None:
    """A re-execution from the step that failed has the tags of the run before, and its book and plan."""
    settlement = {"funding/settlement": "2024-02-01T01:00:00+00:00"}
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(settings=desk.settings).resolve_job_def(REBALANCE)
        first = job.execute_in_process(instance=instance, tags=settlement, raise_on_error=False)
        assert first.success, failure(first)
        desk.testnet.clock.advance(seconds=5)
        kept = desk.kept()
        again = job.execute_in_process(
            instance=instance,
            tags=settlement,
            asset_selection=[dg.AssetKey(name) for name in assets],
            raise_on_error=False,
        )
    assert not again.success
    assert "by a whole run" in failure(again)
    assert desk.kept() == kept


def test_a_verdict_by_hand_is_refused_and_leaves_the_one_of_a_rebalance(desk: Desk) -> None:
    assert desk.run(REBALANCE).success
    kept = desk.kept()
    for job in ("", REBALANCE):
        assert "by a whole run" in failure(desk.only("risk_verdict", job=job))
    assert desk.kept() == kept


def test_of_two_rebalances_the_one_whose_verdict_was_replaced_sends_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one judges between this one's verdict and its orders, under the same settlement."""
    reading = trading_assets._verdict_to_carry_out

    def after_another(instance: dg.DagsterInstance, lake: Lake) -> str | None:
        rows = lake.scan("risk_verdict").collect()
        lake.replace("risk_verdict", rows.with_columns(verdict_id=pl.lit("of another")))
        return reading(instance, lake)

    monkeypatch.setattr(trading_assets, "_verdict_to_carry_out", after_another)
    result = desk.run(REBALANCE)
    assert "the table risk_verdict is not of this run" in failure(result)
    assert (desk.held(), list(desk.journal.intents())) == ({}, [])
