"""API keys: from the environment only, and never shown.

What lives here: reading keys, and taking secrets out of texts and urls. What does not: using them
(`client`). Nothing here writes a value anywhere; a test greps for values in whatever is shown.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import yarl
from pydantic import SecretStr

from funding_pipeline.core.errors import CredentialsError

VARIABLES: Mapping[str, str] = {
    "apiKey": "API_KEY",
    "secret": "API_SECRET",
    "password": "API_PASSWORD",
    "walletAddress": "WALLET_ADDRESS",
    "privateKey": "PRIVATE_KEY",
}
"""End of the variable's name (`FUNDING_<VENUE>_...`) by ccxt's name of the credential."""
HIDDEN = "[hidden]"
_PRIVATE_PARAMETERS = frozenset(
    {
        "signature", "sign", "apikey", "api_key", "accesskeyid", "access_key", "key", "token", "access_token",
        "passphrase", "password", "secret", "timestamp", "recvwindow", "recv_window", "nonce",
    }
)  # fmt: skip
_IN_TEXT = re.compile(
    r"(?i)\b(signature|sign|api_?key|secret|passphrase|password|private_?key|token)(\"?\s*[=:]\s*\"?)([^\s&\"',}]+)"
)
_known: set[str] = set()


class Credentials:
    """Keys of one account, by ccxt's names. Neither repr, str, pickle nor JSON shows a value."""

    __slots__ = ("_values", "venue")

    def __init__(self, venue: str, values: Mapping[str, str]) -> None:
        unknown = sorted(set(values) - set(VARIABLES))
        if unknown:
            raise CredentialsError(f"{venue}: unknown credential name(s) {', '.join(unknown)}")
        self.venue = venue
        self._values = {name: SecretStr(value) for name, value in values.items()}
        # A wallet's address is public, and stands in messages that must stay readable.
        _known.update(value for name, value in values.items() if name != "walletAddress" and len(value) >= 6)

    @classmethod
    def from_environment(
        cls, venue: str, names: tuple[str, ...], environment: Mapping[str, str] | None = None
    ) -> "Credentials":
        """Read FUNDING_<VENUE>_API_KEY and so on; CredentialsError names the variables that are missing."""
        found = os.environ if environment is None else environment
        variables = {name: variable_name(venue, name) for name in names}
        missing = [variable for variable in variables.values() if not found.get(variable, "").strip()]
        if missing:
            raise CredentialsError(f"{venue}: no keys; set {', '.join(missing)}")
        return cls(venue, {name: found[variable].strip() for name, variable in variables.items()})

    def check(self, names: tuple[str, ...]) -> None:
        """Raise CredentialsError naming the variables of what is not there."""
        missing = [variable_name(self.venue, name) for name in names if name not in self._values]
        if missing:
            raise CredentialsError(f"{self.venue}: no keys; set {', '.join(missing)}")

    def reveal(self) -> dict[str, str]:
        """The values, for ccxt's constructor and nothing else."""
        return {name: value.get_secret_value() for name, value in self._values.items()}

    def __repr__(self) -> str:
        return f"Credentials({self.venue!r}, {', '.join(self._values)}: {HIDDEN})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"credentials of {self.venue} are not pickled")

    def __copy__(self) -> "Credentials":
        return self

    def __deepcopy__(self, memo: Any) -> "Credentials":
        return self


def variable_name(venue: str, name: str) -> str:
    """Environment variable of a credential: FUNDING_BINANCE_API_KEY for ("binance", "apiKey")."""
    return f"FUNDING_{venue.upper()}_{VARIABLES[name]}"


def redact(text: str) -> str:
    """`text` without any secret that was read, and without what looks like one (`signature=...`)."""
    for secret in sorted(_known | _in_environment(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _IN_TEXT.sub(rf"\1\2{HIDDEN}", text)


def public_url(url: str) -> str:
    """`url` without query parameters that sign, identify or date a request."""
    parsed = yarl.URL(url, encoded=True)
    parts = [part for part in parsed.raw_query_string.split("&") if part]
    kept = [part for part in parts if part.partition("=")[0].lower() not in _PRIVATE_PARAMETERS]
    if len(kept) == len(parts):
        return url
    return f"{parsed.origin()}{parsed.raw_path}" + (f"?{'&'.join(kept)}" if kept else "")


def _in_environment() -> set[str]:
    ends = tuple(f"_{end}" for name, end in VARIABLES.items() if name != "walletAddress")
    return {
        value.strip()
        for name, value in os.environ.items()
        if name.startswith("FUNDING_") and name.endswith(ends) and len(value.strip()) >= 6
    }
