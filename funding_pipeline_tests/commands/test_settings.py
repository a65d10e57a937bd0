"""Settings: a mistake is a line with what was meant; what is in force says where it came from."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from funding_pipeline.commands.settings import file_schema, show_settings
from funding_pipeline.core.errors import SettingsError
from funding_pipeline.settings import TABLES, Settings, load_settings


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MARKET", "DATA", "HOME", "SEED", "CAPITAL_USD"):
        monkeypatch.delenv(f"FUNDING_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("capital_us = 5000", "funding.toml: capital_us is no setting: did you mean capital_usd?"),
        ('markt = "live"', "funding.toml: markt is no setting: did you mean market?"),
        ("[executon]\nslice_usd = 5", "funding.toml: executon is no setting: did you mean execution?"),
        (
            "[execution]\nslice_us = 5",
            "[execution]: slice_us is no setting: did you mean slice_usd?",
        ),
        ("[portfolio]\ncapital_usd = 5", "funding.toml [portfolio]: capital_usd is no setting"),
        ("[identity]\ndenny = []", "funding.toml [identity]: denny is no setting: did you mean deny?"),
        (
            "[[limits]]\nmax_venue_bet_usd = 5",
            "did you mean max_venue_beta_usd?",
        ),
        ('capital_usd = "500.000"', "capital_usd = '500.000' is no number: write it without quotes"),
        ("seed = true", "seed = True is no number"),
        ('[execution]\nslice_usd = "5"', "[execution]: slice_usd = '5' is no number"),
    ],
)
def test_a_mistake_in_the_file_says_what_was_meant(content: str, says: str) -> None:
    Path("funding.toml").write_text(content, "utf-8")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "FUNDING_MARKT",
            "live",
            "FUNDING_MARKT is no variable of this program: did you mean FUNDING_MARK",
        ),
        ("FUNDING_BINANC_API_KEY", "sesame", "did you mean FUNDING_BINANCE_API_KEY?"),
        ("FUNDING_CAPITAL_USD", "500.000", "can be read in two ways: write 500000 or 500"),
        ("FUNDING_CAPITAL_USD", "1,000,000", "can be read in two ways: write 1000000 or 1000"),
        ("FUNDING_CAPITAL_USD", "inf", "FUNDING_CAPITAL_USD=inf is no number"),
        ("FUNDING_SEED", "7 ", ""),
        ("FUNDING_CAPITAL_USD", "5e5", ""),
        ("FUNDING_CAPITAL_USD", "0.125", ""),
        ("FUNDING_BYBIT_API_KEY", "sesame", ""),
        ("FUNDING_TEST_DATA", "/somewhere", ""),
    ],
)
def test_a_mistake_in_the_environment(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    if not says:
        load_settings()
        return
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert says in str(error.value)
    assert "sesame" not in str(error.value)


def test_all_mistakes_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("funding.toml").write_text("capital_us = 5\nmarkt = 1\n", "utf-8")
    monkeypatch.setenv("FUNDING_MARKT", "live")
    with pytest.raises(SettingsError, match=r"capital_us.*markt.*FUNDING_MARKT"):
        load_settings()


def test_each_value_says_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("funding.toml").write_text(
        'seed = 11\nalert_urls = "json://me:word@host"\n[execution]\nslice_usd = 5\n', "utf-8"
    )
    monkeypatch.setenv("FUNDING_CAPITAL_USD", "2000")
    monkeypatch.setenv("FUNDING_JOURNAL", "postgresql+psycopg2://me:word@host/db")
    monkeypatch.setenv("FUNDING_BYBIT_API_KEY", "sesame")
    show_settings(load_settings(), as_json=True)
    text = capsys.readouterr().out
    rows = {row["name"]: (row["value"], row["source"]) for row in json.loads(text)}
    assert rows["seed"] == (11, "funding.toml")
    assert rows["capital_usd"] == (2000.0, "environment, FUNDING_CAPITAL_USD")
    assert rows["horizon_hours"] == (168, "default")
    assert rows["execution"] == ({"slice_usd": 5}, "funding.toml, [execution]")
    assert rows["FUNDING_BYBIT_API_KEY"] == ("(set)", "environment")
    assert "word" not in text
    assert "sesame" not in text
    show_settings(load_settings(), as_json=False)
    assert "word" not in capsys.readouterr().out


def test_the_schema_takes_what_the_program_takes_and_nothing_else() -> None:
    schema = file_schema()
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    sound = {
        "market": "simulated", "capital_usd": 5e5, "execution": {"slice_usd": 10.0},
        "portfolio": {"leg_cap_fraction": 0.3}, "identity": {"deny": ["CAT"]},
        "limits": [{"effective_from": "2025-01-01T00:00:00Z", "max_venue_beta_usd": 10.0}],
    }  # fmt: skip
    assert judge.is_valid(sound), list(judge.iter_errors(sound))
    odd = (
        {"capital_us": 1},
        {"execution": {"slice_us": 1}},
        {"portfolio": {"capital_usd": 1}},
        {"seed": "7"},
    )
    for wrong in odd:
        assert not judge.is_valid(wrong), wrong


def test_the_readme_names_every_setting() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    variables = [f"FUNDING_{name.upper()}" for name in Settings.model_fields if name not in TABLES]
    assert [name for name in variables if name not in readme] == []
