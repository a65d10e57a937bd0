"""How a local testnet proves which market and home it serves: what it and its clients must agree on.

What lives here: the header, the file in the state folder, and the code of an identity. What does not:
serving (`testnet`) or asking (`venues`), which may not know each other.
"""

import hashlib

IDENTITY_HEADER = "X-Funding-Testnet"
"""Header of every answer of a testnet. In a request it names the testnet that is meant: another refuses."""
RUNNING_FILE = "running.json"
"""In `<state>/testnet/` while a testnet runs: its `port`, `pid` and `identity`."""


def identity_code(identity: str) -> str:
    """An identity in any language as the header carries it."""
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
