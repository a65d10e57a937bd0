"""What every venue's gateway does when the venue answers badly, or not at all."""

import pytest

from funding_pipeline.core.errors import (
    CredentialsError,
    FundingPipelineError,
    TestnetError,
    VenueAnswerError,
    VenueError,
    VenueRefusedError,
    VenueUnavailableError,
)
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.conformance.rig import VenueRig, days, run


async def read_book(venue: VenueRig, kind: str, **fault: object) -> None:
    """A book, with a fault that begins when the markets are loaded."""
    async with venue.public() as gateway:
        await gateway.instruments()
        venue.fault(kind, **fault)
        await gateway.order_book(venue.symbol)


def test_garbage_with_status_200_is_an_error(venue: VenueRig) -> None:
    with pytest.raises(VenueAnswerError, match=f"{venue.name}: .*no JSON") as caught:
        run(read_book(venue, "garbage"))
    assert "<" not in str(caught.value)
    assert venue.pauses == []


@pytest.mark.parametrize("body", ["{}", "[]", '{"data": [], "result": {}}', '"garbage"', "null"])
def test_an_empty_book_is_an_error(venue: VenueRig, body: str) -> None:
    with pytest.raises((VenueAnswerError, VenueUnavailableError)) as caught:
        run(read_book(venue, "garbage", body=body))
    assert str(caught.value).startswith(f"{venue.name}: ")


@pytest.mark.parametrize(
    "body", ["{}", "[]", '{"retCode": 0, "code": "0", "data": [], "result": {"list": []}}']
)
def test_a_history_that_is_empty_is_a_gap_or_an_error_and_never_just_empty(
    venue: VenueRig, body: str
) -> None:
    async def case() -> int:
        async with venue.public() as gateway:
            await gateway.instruments()
            venue.fault("garbage", body=body)
            for read in (
                gateway.settled_funding(venue.symbol, venue.now - days(3), venue.now),
                gateway.candles(venue.symbol, "trade", venue.now - days(3), venue.now),
            ):
                try:
                    frame = await read
                except VenueError:
                    continue
                assert frame.is_empty()
                assert sum(gap.missing for gap in gateway.gaps) >= 9
                gateway.gaps.clear()
            return 1

    assert run(case()) == 1


def test_garbage_instead_of_markets_is_an_error(venue: VenueRig) -> None:
    async def case() -> None:
        venue.fault("garbage")
        async with venue.public() as gateway:
            await gateway.instruments()

    with pytest.raises(VenueAnswerError, match="no JSON"):
        run(case())


@pytest.mark.parametrize("status", [403, 418, 451])
def test_a_refusal_is_not_tried_again(venue: VenueRig, status: int) -> None:
    page = "<html><head><title>403 Forbidden</title></head><body>cloudfront</body></html>"
    with pytest.raises(VenueRefusedError, match=f"HTTP {status}") as caught:
        run(read_book(venue, "status", status=status, body=page))
    assert venue.pauses == []
    assert "html" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_429_is_tried_again_after_what_the_venue_asked_for(venue: VenueRig) -> None:
    run(read_book(venue, "status", status=429, retry_after=7, count=2))
    assert len(venue.pauses) == 2
    assert min(venue.pauses) >= 7


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx_is_tried_again(venue: VenueRig, status: int) -> None:
    run(read_book(venue, "status", status=status, count=1))
    assert len(venue.pauses) == 1


def test_a_dropped_connection_is_tried_again(venue: VenueRig) -> None:
    run(read_book(venue, "drop", count=1))


def test_a_truncated_body_is_tried_again(venue: VenueRig) -> None:
    run(read_book(venue, "truncated", count=1))
    assert len(venue.pauses) == 1


def test_a_venue_that_is_gone_is_unavailable_after_four_tries(venue: VenueRig) -> None:
    with pytest.raises(VenueUnavailableError, match=f"{venue.name}: fetch_order_book {venue.symbol}: "):
        run(read_book(venue, "venue_gone"))
    assert len(venue.pauses) == 3


def test_no_testnet_is_one_clear_line(venue: VenueRig) -> None:
    async def case() -> None:
        async with PublicGateway(venue.dialect, TestnetConnection(9)) as gateway:
            await gateway.instruments()

    with pytest.raises(TestnetError, match=r"no local testnet on 127\.0\.0\.1:9: start it with"):
        run(case())


def test_a_wrong_key_is_a_credentials_error(venue: VenueRig) -> None:
    right, other = venue.new_keys(), venue.new_keys()
    # A private key of another account would be right, and act for that account.
    changed = {"privateKey": f"0x{'5a' * 32}"} if "privateKey" in right.values else other.values
    secret = "privateKey" if "privateKey" in right.values else "secret"
    wrong = {**right.values, secret: changed[secret]}

    async def case() -> None:
        async with venue.private(Credentials(venue.name, wrong)) as gateway:
            await gateway.balance()
            await gateway.set_leverage(venue.symbol, 3)

    with pytest.raises(CredentialsError) as caught:
        run(case())
    assert str(caught.value).startswith(f"{venue.name}: ")
    for name in venue.dialect.credentials:
        if name != "walletAddress":
            assert wrong[name] not in str(caught.value)


def test_a_key_that_may_withdraw_is_refused(venue: VenueRig) -> None:
    keys = venue.new_keys(may_withdraw=True)

    async def case() -> bool | None:
        async with venue.private(keys) as gateway:
            return (await gateway.permissions()).may_withdraw

    if venue.name == "hyperliquid":  # of a wallet's own key it tells nothing
        assert run(case()) is None
        return
    with pytest.raises(CredentialsError, match="may withdraw") as caught:
        run(case())
    assert all(value not in str(caught.value) for value in keys.values.values())


def test_every_error_is_one_line_of_our_own_tree(venue: VenueRig) -> None:
    keys = venue.new_keys()

    async def case() -> None:
        async with venue.private(keys) as gateway:
            await gateway.balance()
            venue.fault("status", status=502, body="<html>\n<h1>502</h1>\n</html>")
            await gateway.balance()

    with pytest.raises(FundingPipelineError) as caught:
        run(case())
    text = str(caught.value)
    assert "\n" not in text
    assert "html" not in text
    assert "signature" not in text.lower()
    assert caught.value.__cause__ is None
