"""Where requests go: the urls of ccxt untouched, the socket elsewhere, the clock of the other side."""

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yarl
from aiohttp import web

from funding_pipeline.core.errors import TestnetError, VenueAnswerError, VenueUnavailableError
from funding_pipeline.venues.archive import BodyArchive
from funding_pipeline.venues.client import open_client
from funding_pipeline.venues.connection import Exchanged
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline.venues.routing import ArchiveConnection, LiveConnection, TestnetConnection
from funding_pipeline.venues.sessions import VenueSession
from funding_pipeline_tests.testnet.running import NOW, running_testnet


class Binance(VenueDialect):
    """ccxt's class as it comes."""

    name = "binance"
    ccxt_id = "binanceusdm"


@asynccontextmanager
async def serving(answer: bytes = b'{"serverTime": 1}', speed: float = 1.0) -> AsyncIterator[Any]:
    """A server that notes what it is asked; yields (port, requests)."""
    asked: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        if request.path == "/admin/clock":
            return web.json_response({"now_ms": 1_704_067_200_000, "speed": speed})
        return web.Response(body=answer, content_type="application/json")

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], asked
    finally:
        await runner.cleanup()


def test_only_the_socket_goes_elsewhere() -> None:
    async def case() -> None:
        async with serving() as (port, asked):
            keys = Credentials("binance", {"apiKey": "k" * 20, "secret": "s" * 20})
            async with open_client(Binance(), TestnetConnection(port), credentials=keys) as client:
                plain = type(client)()
                assert client.urls == plain.urls
                await client.fapiPrivateV2GetBalance({"asset": "a b/c,d"})
                plain.session = None
                await plain.close()
        request = asked[-1]
        assert request.headers["Host"] == "fapi.binance.com"
        assert request.raw_path.startswith("/fapi/v2/balance?timestamp=")
        assert "&asset=a%20b%2Fc%2Cd&recvWindow=" in request.raw_path  # as it was signed

    asyncio.run(case())


def test_opening_and_closing_leave_nothing_and_do_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep, ours = asyncio.sleep, threading.get_ident()

    async def noted(seconds: float, *rest: Any) -> Any:
        if threading.get_ident() == ours:  # the testnets of other tests sleep in threads of their own
            slept.append(seconds)
        return await sleep(seconds, *rest)

    async def case() -> None:
        async with serving() as (port, _), open_client(Binance(), TestnetConnection(port)) as client:
            await client.fetch_time()

    monkeypatch.setattr(asyncio, "sleep", noted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(case())
        gc.collect()
    assert max(slept, default=0) < 0.25, "ccxt sleeps 250 ms on closing unless told not to"


def test_ccxt_itself_never_retries_and_is_polite_only_to_real_exchanges() -> None:
    async def case(connection: Any) -> Any:
        async with open_client(Binance(), connection) as client:
            assert client.options["maxRetriesOnFailure"] == 0
            assert client.timeout == 10_000
            assert client.timeout_on_exit == 0
            return client.enableRateLimit

    assert asyncio.run(case(TestnetConnection(9))) is False
    assert asyncio.run(case(LiveConnection())) is True


def test_public_clients_take_the_testnets_time_and_signing_ones_the_machines() -> None:
    async def case() -> None:
        async with serving(speed=3600) as (port, _):
            connection = TestnetConnection(port)
            told = await connection.clock_ms()
            async with open_client(Binance(), connection) as client:
                assert 0 <= client.milliseconds() - told < 3_600_000
            keys = Credentials("binance", {"apiKey": "k" * 20, "secret": "s" * 20})
            async with open_client(Binance(), connection, credentials=keys) as client:
                assert abs(client.milliseconds() - time.time() * 1000) < 5_000

    asyncio.run(case())


def test_the_testnets_clock_is_asked_once_and_extrapolated() -> None:
    async def case() -> None:
        seconds = [100.0]
        async with serving(speed=10) as (port, asked):
            connection = TestnetConnection(port, monotonic=lambda: seconds[0])
            assert await connection.clock_ms() == 1_704_067_200_000
            seconds[0] += 2
            assert await connection.clock_ms() == 1_704_067_220_000
            assert len(asked) == 1
            seconds[0] += 60
            assert await connection.clock_ms() == 1_704_067_200_000
            assert len(asked) == 2

    asyncio.run(case())


def test_a_clock_that_stands_still_is_asked_each_time() -> None:
    async def case() -> int:
        async with serving(speed=0) as (port, asked):
            connection = TestnetConnection(port)
            await connection.clock_ms()
            await connection.clock_ms()
            return len(asked)

    assert asyncio.run(case()) == 2


def test_a_server_that_is_no_testnet_is_named() -> None:
    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    async def case() -> None:
        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            await TestnetConnection(runner.addresses[0][1]).clock_ms()
        finally:
            await runner.cleanup()

    with pytest.raises(TestnetError, match="does not tell its time"):
        asyncio.run(case())


def test_an_exchange_that_cannot_be_reached_is_one_clear_line() -> None:
    class Nowhere(LiveConnection):
        def session(self, venue: str, record: Any) -> VenueSession:
            return VenueSession(venue, record, lambda url: (yarl.URL("http://127.0.0.1:9/"), {}))

    async def sleep(seconds: float) -> None:
        return None

    async def case() -> None:
        async with PublicGateway(dialect_of("okx"), Nowhere(), sleep=sleep) as gateway:
            await gateway.instruments()

    with pytest.raises(VenueUnavailableError) as caught:
        asyncio.run(case())
    text = str(caught.value)
    assert text.startswith("okx: load_markets: ExchangeNotAvailable: GET https://www.okx.com/api/v5/")
    assert "Cannot connect to host 127.0.0.1:9" in text
    assert "\n" not in text


def test_bodies_are_recorded_as_received_without_signatures() -> None:
    kept: list[Exchanged] = []

    async def case() -> None:
        async with serving(b' {"a":  1}\n') as (port, _):
            session = TestnetConnection(port).session("gate", kept.append)
            url = yarl.URL("https://api.gateio.ws/api/v4/x?b=2&signature=abc&apiKey=k", encoded=True)
            async with session.get(url, headers={"KEY": "secret"}) as answer:
                assert answer.status == 200
                assert await answer.text() == ' {"a":  1}\n'
            await session.close()

    asyncio.run(case())
    assert kept[0].body == b' {"a":  1}\n'
    assert kept[0].url == "https://api.gateio.ws/api/v4/x?b=2"
    assert "secret" not in repr(kept[0])


@pytest.mark.parametrize("body", [b"<html></html>", b"", b"garbage", b'{"a": 1'])
def test_a_body_that_is_no_json_is_an_error(body: bytes) -> None:
    async def case() -> None:
        async with serving(body) as (port, _):
            session = TestnetConnection(port).session("gate", None)
            try:
                async with session.get(yarl.URL("https://api.gateio.ws/x"), headers={}):
                    pass
            finally:
                await session.close()

    with pytest.raises(VenueAnswerError, match="gate: the answer is no JSON"):
        asyncio.run(case())


def test_a_recording_replays_to_the_same_frames(tmp_path: Path) -> None:
    async def read(connection: Any, record: Any = None) -> list[Any]:
        async with PublicGateway(dialect_of("hyperliquid"), connection, record=record) as gateway:
            symbol = (await gateway.instruments()).terms[0].symbol
            start = datetime(2024, 1, 30, tzinfo=UTC)
            funding = await gateway.settled_funding(symbol, start, NOW)
            return [
                funding,
                await gateway.order_book(symbol),
                await gateway.candles(symbol, "trade", start, NOW),
            ]

    with running_testnet() as testnet, BodyArchive(tmp_path) as archive:
        first = asyncio.run(read(TestnetConnection(testnet.port), archive.record))
    replayed = ArchiveConnection(tmp_path, clock_ms=int(NOW.timestamp() * 1000))
    second = asyncio.run(read(replayed))
    for one, other in zip(first, second, strict=True):
        assert one.height > 0
        assert one.equals(other)

    async def unknown() -> None:
        async with PublicGateway(dialect_of("hyperliquid"), ArchiveConnection(tmp_path)) as gateway:
            await gateway.settled_funding("BTC/USDC:USDC", datetime(2023, 7, 1, tzinfo=UTC), NOW)

    with pytest.raises(VenueAnswerError, match=r"has no answer to POST https://api\.hyperliquid\.xyz/info"):
        asyncio.run(unknown())
