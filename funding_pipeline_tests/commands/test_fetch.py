"""`funding-pipeline fetch` as a user runs it: with a testnet process of its own, and without the internet."""

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from funding_pipeline.commands.fetch import fetch_market
from funding_pipeline.commands.local_testnet import local_testnet
from funding_pipeline.core.errors import SettingsError, VenueUnavailableError
from funding_pipeline.market.choice import testnet_now as time_of
from funding_pipeline.settings import Settings
from funding_pipeline.venues import calls


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        market="simulated",
        home=tmp_path,
        simulated_from=datetime(2024, 1, 1, tzinfo=UTC),
        simulated_to=datetime(2024, 1, 6, tzinfo=UTC),
        testnet_port=free_port(),
        coins="BTC,ETH",
    )


def test_fetching_starts_a_testnet_and_ends_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch_market(settings, replay=False)
    said = capsys.readouterr().out
    assert all(f"fetched  {venue}" in said for venue in ("binance", "bybit", "deribit", "gate", "okx"))
    assert time_of(settings.own_testnet) is None
    landing = settings.state_dir / "landing"
    assert len(list((landing / "rows" / "funding_rates").rglob("*.parquet"))) >= 12
    fetch_market(settings, replay=True)
    assert "unreachable" not in capsys.readouterr().out


def test_a_running_testnet_of_this_market_is_used(settings: Settings) -> None:
    with local_testnet(settings) as first, local_testnet(first) as second:
        assert second.testnet_port == first.testnet_port
    assert time_of(first.own_testnet) is None


def test_a_port_in_other_hands_is_left_alone(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.testnet_port))
        other.listen()
        with local_testnet(settings) as running:
            assert running.testnet_port != settings.testnet_port
            assert time_of(running.own_testnet) is not None


def test_what_is_read_directly_has_nothing_to_fetch(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch_market(settings.model_copy(update={"way": "direct"}), replay=False)
    assert "nothing to fetch, it is read directly" in capsys.readouterr().out


def test_an_unknown_venue_is_named(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="FUNDING_VENUES: ftx"):
        settings.model_copy(update={"venues": "okx,ftx"}).open_market()


def test_live_venues_that_cannot_be_reached_are_named_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the internet: every venue in one line, and an error at the end."""

    async def at_once(*_: object, **__: object) -> None:
        raise OSError(-3, "Temporary failure in name resolution")

    monkeypatch.setattr("aiohttp.connector.TCPConnector._resolve_host", at_once)
    monkeypatch.setattr(calls, "ATTEMPTS", 1)
    live = Settings(market="live", home=tmp_path, venues="binance,okx")
    with pytest.raises(VenueUnavailableError) as refused:
        fetch_market(live, replay=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if "unreachable" in line]
    assert sorted(line.split()[1] for line in lines) == ["binance:", "okx:"]
    assert "binance, okx" in str(refused.value)
