"""A settlement's close is one commit: killed between its tables and run again, it counts all profit once."""

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


@pytest.mark.parametrize("victim", [CLOSES, STATEMENT])
def test_a_close_that_dies_between_its_tables_counts_its_profit_once(
    victim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        lake = DyingLake(str(tmp_path / "lake"))
        resources = {"settings": settings, "market": SimulatedMarket(), "lake": lake}

        def close() -> bool:
            return dg.materialize([settlement_statement], raise_on_error=False, resources=resources).success

        rig.rebalance(rig.verdict("opened", {("binance", "BTC"): "0.5", ("bybit", "BTC"): "-0.4"}))
        assert close()
        testnet.clock.advance(hours=9)
        object.__setattr__(lake, "victim", victim)
        assert not close()
        object.__setattr__(lake, "victim", "")
        assert close()
        testnet.clock.advance(hours=8)
        assert close()

        funding = lake.scan(STATEMENT).filter(pl.col("source") == "funding").collect()
        paid = float(sum(payment.amount for payment in rig.new_journal().payments()))
        assert paid != 0
        assert funding["usd"].sum() == pytest.approx(paid, abs=0.01)
        assert not funding.select("at", "since").is_duplicated().any()
