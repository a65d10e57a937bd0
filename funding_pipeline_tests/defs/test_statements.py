"""A settlement's close is one commit: killed between its tables and run again, it counts all profit once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.core.errors import StorageError
from funding_pipeline.defs.statements import CLOSES, STATEMENT, settlement_statement
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.venues.credentials import variable_name
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline_tests.testnet.running import NOW, running_testnet
from funding_pipeline_tests.trading.rig import TradingRig

VENUES = ("binance", "bybit")


class DyingLake(Lake):
    """A lake whose next write of `victim` finds the disk full."""

    victim = ""

    def replace(self, table: str, *args: Any, **kwargs: Any) -> int:
        if table == self.victim:
            raise StorageError(f"{table}: No space left on device")
        return super().replace(table, *args, **kwargs)


@dataclass
class Close:
    """Runs the close of a settlement on accounts of a testnet."""

    rig: TradingRig
    lake: DyingLake
    settings: Settings

    def __call__(self) -> bool:
        resources = {"settings": self.settings, "market": SimulatedMarket(), "lake": self.lake}
        return dg.materialize([settlement_statement], raise_on_error=False, resources=resources).success

    def rows(self, source: str) -> pl.DataFrame:
        return self.lake.scan(STATEMENT).filter(pl.col("source") == source).collect()

    def paid(self) -> float:
        """What the journal knows."""
        return float(sum(payment.amount for payment in self.rig.new_journal().payments()))


@pytest.fixture
def close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Close]:
    with running_testnet() as testnet:
        testnet.clock.advance(hours=0.2)
        rig = TradingRig(testnet, tmp_path, VENUES)
        for venue, keys in rig.keys.items():
            for name, value in keys.reveal().items():
                monkeypatch.setenv(variable_name(venue, name), value)
        settings = Settings(
            market="simulated",
            home=tmp_path,
            testnet_port=testnet.port,
            venues=",".join(VENUES),
            simulated_from=datetime(2024, 1, 1, tzinfo=UTC),
            simulated_to=NOW,
        )
        testnet.serves(settings)
        rig.rebalance(rig.verdict("opened", {("binance", "BTC"): "0.5", ("bybit", "BTC"): "-0.4"}))
        yield Close(rig, DyingLake(str(tmp_path / "lake")), settings)


@pytest.mark.parametrize("victim", [CLOSES, STATEMENT])
def test_a_close_that_dies_between_its_tables_counts_its_profit_once(victim: str, close: Close) -> None:
    clock = close.rig.testnet.clock
    assert close()
    clock.advance(hours=9)
    object.__setattr__(close.lake, "victim", victim)
    assert not close()
    object.__setattr__(close.lake, "victim", "")
    assert close()
    clock.advance(hours=8)
    assert close()
    funding = close.rows("funding")
    assert close.paid() != 0
    assert funding["usd"].sum() == pytest.approx(close.paid(), abs=0.01)
    assert not funding.select("at", "since").is_duplicated().any()


@pytest.mark.parametrize("victim", ["", CLOSES, STATEMENT])
def test_funding_that_is_listed_late_corrects_the_statement_of_its_settlement_once(
    victim: str, close: Close, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = close.rig.testnet.clock
    assert close()
    clock.advance(hours=9)
    with monkeypatch.context() as late:
        read = PrivateGateway.funding_payments

        async def unlisted(gateway: PrivateGateway, symbol: str, since: datetime) -> Any:
            return () if gateway.venue == "binance" else await read(gateway, symbol, since)

        late.setattr(PrivateGateway, "funding_payments", unlisted)
        assert close()
    stated_at = close.rows("funding")["at"].max()
    missing = close.rows("difference")["usd"].sum()
    assert abs(missing) > 0.01, "what was paid and is not listed is a difference"
    clock.advance(hours=1)
    object.__setattr__(close.lake, "victim", victim)
    assert close() is (victim == "")
    object.__setattr__(close.lake, "victim", "")
    assert victim == "" or close()
    assert close()
    funding = close.rows("funding")
    (corrected,) = funding.filter(pl.col("known_at") > pl.col("at")).to_dicts()
    assert (corrected["at"], corrected["usd"]) == (stated_at, pytest.approx(missing, abs=1e-6))
    assert funding["usd"].sum() == pytest.approx(close.paid(), abs=1e-6)
    assert close.rows("difference").group_by("at").agg(pl.col("usd").sum())["usd"].abs().max() < 0.01
    as_known = funding.filter(pl.col("known_at") <= stated_at)
    assert as_known["usd"].sum() == pytest.approx(close.paid() - missing, abs=1e-6)
