"""Paper accounts and their keys, on a running testnet."""

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from funding_pipeline.commands.paper_accounts import add_paper_keys, paper_environment
from funding_pipeline.core.errors import TestnetError
from funding_pipeline.settings import Settings, load_settings
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline_tests.testnet.running import RunningTestnet, running_testnet

VENUES = ("binance", "bybit", "gate", "hyperliquid", "okx")


@pytest.fixture
def testnet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RunningTestnet]:
    for name in [name for name in os.environ if name.startswith("FUNDING_")]:
        monkeypatch.delenv(name)
    with running_testnet() as running:
        running.serves(settings_of(running.port, tmp_path))
        yield running


def settings_of(port: int, folder: Path, **given: object) -> Settings:
    span = {"simulated_from": "2024-01-01", "simulated_to": "2024-02-01"}
    return load_settings(**{**span, "home": folder, "testnet_port": port, "capital_usd": 500_000, **given})


def test_each_venue_has_an_account_with_its_share_and_usable_keys(
    testnet: RunningTestnet, tmp_path: Path
) -> None:
    keys = paper_environment(settings_of(testnet.port, tmp_path))
    for venue in VENUES:
        Credentials.from_environment(venue, dialect_of(venue).credentials, keys)
        statement = testnet.admin("GET", f"/admin/accounts/{venue}/paper")
        assert Decimal(statement["wallet"]) == 100_000
    assert set(keys) <= {name for name in keys if name.startswith("FUNDING_")}


def test_the_keys_of_an_account_are_the_same_the_next_time(testnet: RunningTestnet, tmp_path: Path) -> None:
    settings = settings_of(testnet.port, tmp_path)
    assert paper_environment(settings) == paper_environment(settings)
    assert len(testnet.admin("GET", "/admin/accounts")) == len(VENUES)


def test_keys_in_the_environment_win(
    testnet: RunningTestnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNDING_OKX_API_KEY", "a-key-of-mine")
    keys = paper_environment(settings_of(testnet.port, tmp_path))
    assert not [name for name in keys if "OKX" in name]  # no key of ours beside one of theirs
    assert "FUNDING_BYBIT_API_KEY" in keys


def test_a_command_by_hand_finds_them(
    testnet: RunningTestnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    add_paper_keys(settings_of(testnet.port, tmp_path))
    for venue in VENUES:
        Credentials.from_environment(venue, dialect_of(venue).credentials)


def test_a_market_that_is_not_traded_on_paper_has_none(testnet: RunningTestnet, tmp_path: Path) -> None:
    assert paper_environment(settings_of(testnet.port, tmp_path, way="direct")) == {}
    assert paper_environment(settings_of(testnet.port, tmp_path, market="live", trading="live")) == {}
    assert testnet.admin("GET", "/admin/accounts") == []


def test_without_a_testnet_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(TestnetError, match="funding-pipeline testnet"):
        paper_environment(settings_of(1, tmp_path))


def test_what_the_testnet_refuses_is_told(testnet: RunningTestnet, tmp_path: Path) -> None:
    with pytest.raises(TestnetError, match=r"no paper account on binance: .*balance"):
        paper_environment(settings_of(testnet.port, tmp_path, capital_usd=0.001))


def test_no_account_is_opened_on_the_testnet_of_another_home(testnet: RunningTestnet, tmp_path: Path) -> None:
    with pytest.raises(TestnetError, match="the testnet of another market or home"):
        paper_environment(settings_of(testnet.port, tmp_path / "other"))
    assert testnet.admin("GET", "/admin/accounts") == []
