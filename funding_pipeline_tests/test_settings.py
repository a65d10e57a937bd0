"""Settings: environment, defaults and one clear error."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MARKET", "DATA", "HOME", "SEED", "CAPITAL_USD"):
        monkeypatch.delenv(f"FUNDING_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_simulated_is_the_default() -> None:
    assert load_settings().market_kind == "simulated"


def test_a_data_folder_means_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FUNDING_DATA", str(tmp_path))
    assert load_settings().market_kind == "recorded"


def test_recorded_without_data_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDING_MARKET", "recorded")
    with pytest.raises(SettingsError, match="needs FUNDING_DATA"):
        load_settings()


def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDING_MARKET", "imaginary")
    with pytest.raises(SettingsError, match=r"FUNDING_MARKET: .*simulated"):
        load_settings()


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "funding.toml").write_text("capital_usd = 5.0\nseed = 11\n", "utf-8")
    monkeypatch.setenv("FUNDING_SEED", "12")
    settings = load_settings()
    assert (settings.capital_usd, settings.seed) == (5.0, 12)


@pytest.mark.parametrize("content", [b"not toml [", b"seed = 1 # \xff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "funding.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"funding.toml cannot be read"):
        load_settings()


def test_markets_do_not_share_state(tmp_path: Path) -> None:
    one, other = Settings(seed=1), Settings(seed=2)
    recorded = Settings(market="recorded", data=tmp_path)
    assert len({one.state_dir, other.state_dir, recorded.state_dir}) == 3


def test_the_plan_follows_the_file_within_the_limits_in_force(tmp_path: Path) -> None:
    (tmp_path / "funding.toml").write_text(
        'capital_usd = 500000.0\n[portfolio]\nno_trade_multiple = 2.0\n'
        '[[limits]]\nmax_venue_beta_usd = 5000.0\n'
        '[[limits]]\neffective_from = 2025-01-01T00:00:00Z\nmax_venue_beta_usd = 1000.0\n',
        "utf-8",
    )  # fmt: skip
    settings = load_settings()
    before = settings.portfolio_config(datetime(2024, 1, 1, tzinfo=UTC))
    assert (before.capital_usd, before.no_trade_multiple) == (500_000.0, 2.0)
    assert before.governance.max_venue_beta_usd == 5_000.0
    assert settings.portfolio_config().governance.max_venue_beta_usd == 1_000.0


def test_a_wrong_field_of_the_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / "funding.toml").write_text("[portfolio]\nleg_cap_fraction = 7\n", "utf-8")
    with pytest.raises(SettingsError, match=r"\[portfolio\] leg_cap_fraction"):
        load_settings().portfolio_config()


def test_a_recorded_market_is_read_directly_and_continued_by_the_testnet_to_trade(tmp_path: Path) -> None:
    unset = Settings(market="recorded", data=tmp_path)
    assert not unset.uses_testnet
    assert unset.testnet is None
    trading = unset.to_trade()
    assert trading.uses_testnet
    assert trading.state_dir == unset.state_dir  # research and trading work on the same tables
    assert Settings(market="recorded", data=tmp_path, way="direct").to_trade().testnet is None
    simulated = Settings(market="simulated")
    assert simulated.uses_testnet
    assert simulated.state_dir != Settings(market="simulated", way="direct").state_dir


def test_the_testnet_of_settings_has_to_prove_market_seed_folder_and_home(tmp_path: Path) -> None:
    given = [
        Settings(market="simulated"),
        Settings(market="simulated", seed=8),
        Settings(market="simulated", home=tmp_path),
        Settings(market="recorded", data=tmp_path),
        Settings(market="recorded", data=tmp_path / "other"),
    ]
    assert len({settings.own_testnet.identity for settings in given}) == len(given)
