"""HTTP of the testnet: one loopback port in plain HTTP, routed by the `Host` of the real exchange.

What lives here: listening, routing, and doing to a request what a fault asks for. What does not: answers
(`dialects`, `admin`), which fault fires (`faults`), what is kept on disk (`state`).
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.testnet_identity import IDENTITY_HEADER, identity_code
from funding_pipeline.testnet.admin import Admin
from funding_pipeline.testnet.faults import FaultDesk, Fired
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.state import Keeper, NoState
from funding_pipeline.testnet.testnet import Seat, Testnet

LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "::1"}
LOCAL_HOSTS = frozenset({*LOOPBACK, "[::1]"})
_SAVE_TIME_SECONDS = 2.0
_SHUTDOWN_SECONDS = 2.0
_READS_BY_POST = frozenset({"/info"})  # Hyperliquid asks everything by POST
_log = logging.getLogger(__name__)


def check_loopback(host: str) -> None:
    """Raises TestnetError unless `host` is this machine alone."""
    if host not in LOOPBACK:
        raise TestnetError(f"the testnet listens on loopback only, not on {host!r}: use 127.0.0.1")


class TestnetServer:
    """Serves `testnet`; use `start` and `stop` on one event loop. `port` 0 takes any free one.

    `or_any_port`: where the port is taken, any free one serves as well.
    """

    __test__ = False

    def __init__(
        self,
        testnet: Testnet,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        or_any_port: bool = False,
        state: Keeper | None = None,
    ) -> None:
        check_loopback(host)
        self.testnet, self.faults = testnet, FaultDesk(testnet)
        self.state: Keeper = state or NoState()
        self._admin = Admin(testnet, self.faults)
        self._host, self.port, self._or_any_port = LOOPBACK[host], port, or_any_port
        self._runner: web.ServerRunner | None = None
        self._saver: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The address of the port, e.g. http://127.0.0.1:8717."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> int:
        """Load the state, listen, and return the port."""
        self.state.load(self.testnet, self.faults)
        # No access log: query strings hold signatures.
        handler = web.Server(self._handle, access_log=None)
        runner = web.ServerRunner(handler, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await self._listen(runner)
        except OSError as error:
            await runner.cleanup()
            raise TestnetError(
                f"port {self.port} on {self._host} cannot be had ({error.strerror}); use --port 0 for any"
            ) from error
        self._runner = runner
        self._saver = asyncio.create_task(self._keep_time())
        self.port = int(runner.addresses[0][1])
        return self.port

    async def _listen(self, runner: web.ServerRunner) -> None:
        try:
            await web.TCPSite(runner, self._host, self.port).start()
        except OSError:
            if not self._or_any_port:
                raise
            _log.warning("port %s is taken: taking a free one", self.port)
            await web.TCPSite(runner, self._host, 0).start()

    async def stop(self) -> None:
        """Stop listening and save the state."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._saver is not None:
            self._saver.cancel()
            self._saver = None
        await self.state.save(self.testnet, self.faults)
        await self.state.save_time(self.testnet, self.faults)

    async def _keep_time(self) -> None:
        """Save the time now and then: after a kill the clock goes on from there."""
        while True:
            await asyncio.sleep(_SAVE_TIME_SECONDS)
            try:
                await self.state.save_time(self.testnet, self.faults)
            except TestnetError as error:
                _log.warning("%s", error)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _read(request)
        meant = request.headers.get(IDENTITY_HEADER)
        if meant is not None and meant != identity_code(self.testnet.identity):
            return self._response(_other_testnet(self.testnet))  # before anything is done for a stranger
        if asked.host in LOCAL_HOSTS:
            answer, is_change = self._admin.answer(asked), asked.method != "GET"
            if is_change:
                await self.state.save(self.testnet, self.faults)
            return self._response(answer)
        seat = self.testnet.by_host.get(asked.host)
        if seat is None:
            return self._response(_unknown_host(asked.host, self.testnet))
        return await self._serve(request, asked, seat)

    async def _serve(self, request: web.BaseRequest, asked: Request, seat: Seat) -> web.StreamResponse:
        fired = self.faults.fire(seat.venue, asked.method, asked.path, asked.sent)
        if fired.delay_ms:
            await asyncio.sleep(fired.delay_ms / 1000)
        if fired.is_dropped:
            return _hang_up(request)
        if fired.status is not None:
            return self._response(fired.answer())
        before = _counters(seat)
        answer = self._answer(asked, seat)
        if fired.is_doubled:
            self._answer(asked, seat)
        answer = fired.reshaped(answer)
        is_read = asked.method == "GET" or asked.path in _READS_BY_POST
        if not is_read or fired.is_any or _counters(seat) != before:
            await self.state.save(self.testnet, self.faults, venue=seat.venue)
        if fired.is_lost:
            return _hang_up(request)
        return await self._mangled(request, answer, fired)

    @property
    def _proof(self) -> dict[str, str]:
        return {IDENTITY_HEADER: identity_code(self.testnet.identity)}

    def _response(self, answer: Answer) -> web.Response:
        headers = {"Content-Type": "application/json", **answer.headers, **self._proof}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _mangled(self, request: web.BaseRequest, answer: Answer, fired: Fired) -> web.StreamResponse:
        if fired.garbage is not None:
            headers = {"Content-Type": "text/html", **self._proof}
            return web.Response(status=200, body=fired.garbage, headers=headers)
        if not fired.is_truncated:
            return self._response(answer)
        # The length promised is the whole one; the connection ends half way.
        headers = {"Content-Type": "application/json", **self._proof}
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = len(answer.body)
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
        return _ended(request, response)

    def _answer(self, asked: Request, seat: Seat) -> Answer:
        """The dialect's answer; its bug is a 500 and not the server's end."""
        try:
            seat.exchange.advance()
            return seat.dialect.answer(asked)
        except Exception:
            _log.exception("%s: %s %s failed", seat.venue, asked.method, asked.path)
            return Answer.of({"error": f"the testnet's {seat.venue} dialect failed; see its log"}, 500)


def _counters(seat: Seat) -> tuple[int, ...]:
    """Grow with whatever time may do to accounts while a read is answered: fills, payments, liquidations."""
    state = seat.exchange.desk.state
    return state.next_order, state.next_fill, state.next_payment, state.next_entry


async def _read(request: web.BaseRequest) -> Request:
    path, _, raw_query = request.raw_path.partition("?")
    host = request.headers.get("Host", "").lower()
    name = host if host.endswith("]") else host.rsplit(":", 1)[0] if ":" in host else host
    return Request(
        method=request.method,
        host=name,
        path=path,
        query=dict(parse_qsl(raw_query, keep_blank_values=True)),
        raw_query=raw_query,
        body=await request.read(),
        headers=request.headers,
    )


def _unknown_host(host: str, testnet: Testnet) -> Answer:
    served = sorted(testnet.by_host)
    return Answer.of({"error": f"host {host!r} is not served here", "hosts": served}, 421)


def _other_testnet(testnet: Testnet) -> Answer:
    return Answer.of({"error": f"this testnet serves {testnet.identity}, another one is meant"}, 421)


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection without an answer: the client sees a disconnect."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _ended(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return response


async def _cancel_others() -> None:
    """End what still runs on this loop, such as a request that a fault delays."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class ServerThread:
    """A server on an event loop of its own, in a background thread: for tests and notebooks.

    `with ServerThread(server) as port:`
    """

    def __init__(self, server: TestnetServer) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="testnet", daemon=True)

    def __enter__(self) -> int:
        """Start; the port."""
        self._thread.start()
        try:
            return int(self.run(self._server.start()))
        except BaseException:
            self._end()
            raise

    def __exit__(self, *_: object) -> None:
        """Stop the server and end the thread."""
        try:
            self.run(self._server.stop())
        finally:
            self._end()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function on the server's loop, where nothing else runs meanwhile."""

        async def called() -> Any:
            return function()

        return self.run(called())

    def _end(self) -> None:
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
