"""Bodies with one field gone wrong never break Hyperliquid's dialect: it answers as the venue would."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from funding_pipeline_tests.testnet.dialects.hyperliquid_session import VENUE, Venue

WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    "",
    "0x",
    "1e400",
    "1e-400",
    "NaN",
    "sNaN",
    2**63,
    "9" * 50,
    [],
    {},
)
ORDER = {"a": 2, "b": True, "p": "25000", "s": "0.05", "r": False, "t": {"limit": {"tif": "Gtc"}}}
ACTIONS: tuple[dict[str, Any], ...] = (
    {"type": "order", "orders": [{**ORDER, "c": "0x" + "0" * 32}], "grouping": "na"},
    {"type": "cancel", "cancels": [{"a": 2, "o": 1}]},
    {"type": "cancelByCloid", "cancels": [{"asset": 2, "cloid": "0x" + "0" * 32}]},
    {"type": "updateLeverage", "asset": 2, "isCross": True, "leverage": 5},
)
APPROVAL = {
    "type": "approveBuilderFee",
    "signatureChainId": "0x66eee",
    "builder": "0x" + "0" * 40,
    "nonce": 1,
}


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from paths(inner, (*at, key))


def spoilt(value: Any) -> Iterator[Any]:
    """`value` with each of its fields replaced by each wrong thing."""
    for *above, last in paths(value):
        for wrong in WRONG:
            copy = json.loads(json.dumps(value))
            inner = copy
            for key in above:
                inner = inner[key]
            inner[last] = wrong
            yield copy


@pytest.fixture(scope="module")
def venue() -> Venue:
    return Venue()


def test_public_requests(venue: Venue) -> None:
    asked = {"coin": "BTC", "interval": "1h", "startTime": 0, "endTime": 10**13}
    body = {"user": venue.credentials["walletAddress"], "oid": 1, "req": asked, "dex": "", **asked}
    public = ("metaAndAssetCtxs", "fundingHistory", "candleSnapshot", "l2Book", "recentTrades")
    private = ("clearinghouseState", "orderStatus", "userFillsByTime", "userFunding", "activeAssetData")
    statuses = {
        venue.answer("/info", wrong).status
        for kind in public + private
        for wrong in spoilt({**body, "type": kind})
    }
    assert statuses == {200, 422, 500}  # 500 with null: a coin that is not there


def test_signed_actions(venue: Venue) -> None:
    client = VENUE.client_class()(dict(venue.credentials))
    for action in ACTIONS:
        for wrong in spoilt(action):
            nonce = client.incrementing_nonce()
            body = {"action": wrong, "nonce": nonce, "signature": client.sign_l1_action(wrong, nonce)}
            assert venue.answer("/exchange", body).status in (200, 422)


def test_what_is_around_an_action(venue: Venue) -> None:
    client = VENUE.client_class()(dict(venue.credentials))
    for action in (ACTIONS[3], APPROVAL):
        nonce = client.incrementing_nonce()
        body = {"action": action, "nonce": nonce, "signature": client.sign_l1_action(action, nonce)}
        for wrong in spoilt({**body, "vaultAddress": None, "expiresAfter": None}):
            assert venue.answer("/exchange", wrong).status in (200, 422)
