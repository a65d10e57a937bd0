"""ccxt's exceptions become ours; reads are tried again, orders never."""

import asyncio
from collections.abc import Mapping
from typing import Any

import ccxt
import pytest

from funding_pipeline.core.errors import (
    CredentialsError,
    FundingPipelineError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    TestnetError,
    UnknownInstrumentError,
    VenueAnswerError,
    VenueRefusedError,
    VenueUnavailableError,
)
from funding_pipeline.venues.calls import VenueCalls
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.trace import note_answer, note_sent


class Somewhere(VenueDialect):
    """A venue with nothing special."""

    name = "somewhere"
    ccxt_id = "somewhere_id"
    concurrency = 2


class Client:
    """Fails as often as told, having `sent` a request that was answered with `status`."""

    def __init__(
        self,
        error: Exception | None,
        *,
        times: int = 99,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        sent: bool = True,
    ) -> None:
        self.error, self.times, self.status, self.sent = error, times, status, sent
        self.headers = headers or {}
        self.calls = 0

    async def fetch_order_book(self, symbol: str) -> str:
        self.calls += 1
        if self.sent:
            note_sent()
        if self.status is not None:
            note_answer(self.status, self.headers)
        if self.error is not None and self.calls <= self.times:
            raise self.error
        return "book"


def read(client: Client) -> tuple[Any, list[float]]:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def case() -> Any:
        return await VenueCalls(Somewhere(), client, sleep=sleep).read("fetch_order_book", "BTC", about="BTC")

    return asyncio.run(case()), pauses


def order(client: Client) -> Any:
    async def case() -> Any:
        calls = VenueCalls(Somewhere(), client)
        return await calls.order(client.fetch_order_book, "BTC", name="create_order", about="BTC")

    return asyncio.run(case())


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ccxt.RequestTimeout("x"), None, VenueUnavailableError),
        (ccxt.NetworkError("x"), None, VenueUnavailableError),
        (ccxt.ExchangeNotAvailable("x"), 503, VenueUnavailableError),
        (ccxt.OnMaintenance("x"), 200, VenueUnavailableError),
        (ccxt.RateLimitExceeded("x"), 429, VenueUnavailableError),
        (ccxt.DDoSProtection("x"), 200, VenueUnavailableError),
        (ccxt.ExchangeError("x"), 502, VenueUnavailableError),
        (ccxt.ExchangeNotAvailable("x"), 403, VenueRefusedError),
        (ccxt.ExchangeNotAvailable("x"), 451, VenueRefusedError),
        (ccxt.DDoSProtection("x"), 418, VenueRefusedError),
        (ccxt.RateLimitExceeded("x"), 403, VenueRefusedError),
        (ccxt.ExchangeNotAvailable("x"), 404, VenueAnswerError),
        (ccxt.ExchangeNotAvailable("x"), 400, VenueAnswerError),
        (ccxt.BadRequest("x"), 200, VenueAnswerError),
        (ccxt.AuthenticationError("x"), 401, CredentialsError),
        (ccxt.PermissionDenied("x"), 403, VenueRefusedError),  # no key was sent
        (ccxt.PermissionDenied("x"), 401, CredentialsError),
        (KeyError("data"), 200, VenueAnswerError),
        (TypeError("NoneType"), 200, VenueAnswerError),
        (VenueAnswerError("somewhere: no JSON"), 200, VenueAnswerError),
        (TestnetError("no local testnet"), None, TestnetError),
    ],
)
def test_translation(error: Exception, status: int | None, kind: type[FundingPipelineError]) -> None:
    client = Client(error, status=status)
    with pytest.raises(kind) as caught:
        read(client)
    assert type(caught.value).__mro__[0] is kind or isinstance(caught.value, kind)
    assert client.calls == (4 if kind is VenueUnavailableError else 1)


def test_a_symbol_that_ccxt_does_not_know_is_an_unknown_instrument() -> None:
    with pytest.raises(UnknownInstrumentError):
        read(Client(ccxt.BadSymbol("x"), sent=False))


def test_success_after_failures() -> None:
    answer, pauses = read(Client(ccxt.RequestTimeout("x"), times=3))
    assert answer == "book"
    assert len(pauses) == 3
    assert pauses[2] > pauses[0] > 0


def test_retry_after_is_honoured_and_a_long_one_is_given_up() -> None:
    client = Client(ccxt.RateLimitExceeded("x"), times=1, status=429, headers={"Retry-After": "11"})
    assert read(client)[1][0] >= 11
    client = Client(ccxt.RateLimitExceeded("x"), status=429, headers={"Retry-After": "3600"})
    with pytest.raises(VenueUnavailableError):
        read(client)
    assert client.calls == 1


def test_messages_are_one_line_without_pages_queries_or_the_class_id() -> None:
    text = (
        "somewhere_id GET https://api.x.com/book?symbol=BTC&signature=abcdef 502 Bad Gateway "
        "<html>\n<head><title>502</title></head>\n<body>nginx</body></html>"
    )
    with pytest.raises(VenueUnavailableError) as caught:
        read(Client(ccxt.ExchangeNotAvailable(text), status=502))
    assert str(caught.value) == (
        "somewhere: fetch_order_book BTC: HTTP 502, ExchangeNotAvailable: "
        "GET https://api.x.com/book 502 Bad Gateway"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_long_messages_are_cut() -> None:
    with pytest.raises(VenueAnswerError) as caught:
        read(Client(ccxt.BadRequest("word " * 500), status=200))
    assert len(str(caught.value)) < 320


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ccxt.RequestTimeout("x"), None),
        (ccxt.ExchangeNotAvailable("x"), 503),
        (ccxt.ExchangeNotAvailable("x"), 403),
        (ccxt.RateLimitExceeded("x"), 429),
        (ccxt.ExchangeError("x"), 500),
        (ccxt.ExchangeError("x"), 429),
        (ccxt.BadResponse("x"), 200),
        (ccxt.InvalidNonce("x"), 200),
        (KeyError("orderId"), 200),
        (VenueAnswerError("somewhere: no JSON"), 200),
    ],
)
def test_an_order_without_a_clear_answer_is_unknown_and_sent_once(
    error: Exception, status: int | None
) -> None:
    client = Client(error, status=status)
    with pytest.raises(OrderOutcomeUnknownError, match="somewhere: create_order BTC: "):
        order(client)
    assert client.calls == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ccxt.InsufficientFunds("x"), "insufficient_margin"),
        (ccxt.OrderImmediatelyFillable("x"), "would_take"),
        (ccxt.DuplicateOrderId("x"), "duplicate_client_id"),
        (ccxt.OrderNotFound("x"), "unknown_order"),
        (ccxt.InvalidOrder("x"), "other"),
        (ccxt.ExchangeError("x"), "other"),
    ],
)
def test_a_clear_refusal_is_a_rejection_with_its_reason(error: Exception, reason: str) -> None:
    with pytest.raises(OrderRejectedError) as caught:
        order(Client(error, status=200))
    assert caught.value.reason == reason


def test_an_order_whose_body_broke_off_is_unknown() -> None:
    import aiohttp

    error = ccxt.ExchangeError("somewhere_id POST https://x")
    error.__cause__ = aiohttp.ClientPayloadError("not enough data")
    with pytest.raises(OrderOutcomeUnknownError):
        order(Client(error))


def test_what_never_left_is_a_rejection() -> None:
    with pytest.raises(OrderRejectedError):
        order(Client(ValueError("amount"), sent=False))


def test_calls_in_flight_at_once_keep_their_own_status() -> None:
    class Two(Client):
        async def fetch_order_book(self, symbol: str) -> str:
            note_sent()
            await asyncio.sleep(0)
            note_answer(403 if symbol == "A" else 404, {})
            await asyncio.sleep(0)
            raise ccxt.ExchangeNotAvailable(symbol)

    async def case() -> list[Any]:
        calls = VenueCalls(Somewhere(), Two(None))
        asked = (calls.read("fetch_order_book", symbol) for symbol in ("A", "B"))
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second = asyncio.run(case())
    assert isinstance(first, VenueRefusedError)
    assert isinstance(second, VenueAnswerError)


def test_no_more_calls_at_once_than_the_dialect_says() -> None:
    class Counting(Client):
        running = 0
        most = 0

        async def fetch_order_book(self, symbol: str) -> str:
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0)
            self.running -= 1
            return symbol

    client = Counting(None)

    async def case() -> None:
        calls = VenueCalls(Somewhere(), client)
        await asyncio.gather(*(calls.read("fetch_order_book", str(n)) for n in range(20)))

    asyncio.run(case())
    assert client.most == 2
