"""Keys come from the environment and are never shown."""

import copy
import json
import logging
import pickle

import orjson
import pytest

from funding_pipeline.core.errors import CredentialsError
from funding_pipeline.venues.credentials import HIDDEN, Credentials, public_url, redact, variable_name

SECRET = "s3cr3t-value-of-a-test"
ENVIRONMENT = {"FUNDING_OKX_API_KEY": "a-key-of-a-test", "FUNDING_OKX_API_SECRET": SECRET}


def keys() -> Credentials:
    return Credentials.from_environment("okx", ("apiKey", "secret"), ENVIRONMENT)


def test_keys_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, f" {value}\n")
    read = Credentials.from_environment("okx", ("apiKey", "secret"))
    assert read.reveal() == {"apiKey": "a-key-of-a-test", "secret": SECRET}


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("apiKey", "FUNDING_BINANCE_API_KEY"),
        ("secret", "FUNDING_BINANCE_API_SECRET"),
        ("password", "FUNDING_BINANCE_API_PASSWORD"),
        ("walletAddress", "FUNDING_BINANCE_WALLET_ADDRESS"),
        ("privateKey", "FUNDING_BINANCE_PRIVATE_KEY"),
    ],
)
def test_names_of_the_variables(name: str, variable: str) -> None:
    assert variable_name("binance", name) == variable


def test_missing_keys_name_the_variables() -> None:
    with pytest.raises(CredentialsError) as caught:
        Credentials.from_environment("okx", ("apiKey", "secret", "password"), ENVIRONMENT)
    assert str(caught.value) == "okx: no keys; set FUNDING_OKX_API_PASSWORD"
    with pytest.raises(CredentialsError, match="FUNDING_OKX_API_PASSWORD"):
        keys().check(("apiKey", "password"))


def test_nothing_shows_a_value(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("%s %r", keys(), keys())
    shown = [repr(keys()), str(keys()), f"{keys()}", caplog.text, repr([keys()]), repr(vars_of(keys()))]
    assert SECRET not in "".join(shown)
    for dump in (pickle.dumps, json.dumps, orjson.dumps):
        with pytest.raises(TypeError) as caught:
            dump(keys())
        assert SECRET not in str(caught.value)
    assert SECRET not in repr(copy.deepcopy(keys()))


def vars_of(credentials: Credentials) -> object:
    return [getattr(credentials, name) for name in credentials.__slots__]


def test_texts_are_redacted() -> None:
    keys()
    text = f'GET https://x/y?apiKey=abcdef&signature=0a1b2c&symbol=BTC {{"secret": "zzz"}} {SECRET}'
    shown = redact(text)
    for secret in (SECRET, "abcdef", "0a1b2c", "zzz"):
        assert secret not in shown
    assert "symbol=BTC" in shown
    assert HIDDEN in shown


def test_keys_in_the_environment_are_redacted_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDING_GATE_API_SECRET", "never-read-but-there")
    assert "never-read-but-there" not in redact("a text with never-read-but-there in it")


def test_urls_lose_what_signs_or_dates_them() -> None:
    url = "https://fapi.binance.com/fapi/v1/x?symbol=BTCUSDT&timestamp=1&recvWindow=5000&signature=ab%2Fc"
    assert public_url(url) == "https://fapi.binance.com/fapi/v1/x?symbol=BTCUSDT"
    plain = "https://fapi.binance.com/fapi/v1/klines?symbol=BTCUSDT&startTime=1&endTime=2"
    assert public_url(plain) == plain
    assert public_url("https://x.com/a?signature=1") == "https://x.com/a"
