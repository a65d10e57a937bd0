"""Whoever answers on a testnet's port is believed only when it proves to be the testnet that is meant."""

import asyncio
import json
import os
from pathlib import Path

import pytest
import yarl
from aiohttp import web

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.testnet_identity import RUNNING_FILE, identity_code
from funding_pipeline.venues.connection import Exchanged
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline.venues.testnet_address import TestnetAddress
from funding_pipeline_tests.testnet.running import running_testnet

OWN = "SIMULATED market, seed 7"


def test_rows_of_the_testnet_that_is_meant_are_read() -> None:
    async def listed(port: int, identity: str) -> int:
        connection = TestnetConnection(port, code=identity_code(identity))
        async with PublicGateway(dialect_of("binance"), connection) as gateway:
            return len((await gateway.instruments()).terms)

    with running_testnet() as testnet:
        assert asyncio.run(listed(testnet.port, OWN)) > 0
        with pytest.raises(TestnetError, match="another market or home"):
            asyncio.run(listed(testnet.port, "another"))


def test_a_foreign_web_server_is_not_believed_and_nothing_of_it_is_kept() -> None:
    kept: list[Exchanged] = []

    async def case() -> None:
        async def answer(request: web.BaseRequest) -> web.Response:
            return web.json_response({"now_ms": 1, "speed": 1.0, "serverTime": 1})

        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        connection = TestnetConnection(port, code=identity_code(OWN))
        session = connection.session("binance", kept.append)
        try:
            with pytest.raises(TestnetError, match=f"127.0.0.1:{port} is no local testnet"):
                await connection.clock_ms()
            with pytest.raises(TestnetError, match="is no local testnet"):
                async with session.get(yarl.URL("https://fapi.binance.com/fapi/v1/time")):
                    pass
            with pytest.raises(TestnetError, match="is no local testnet"):
                await asyncio.to_thread(TestnetAddress(port, OWN).ask, "/admin/clock")
        finally:
            await session.close()
            await runner.cleanup()

    asyncio.run(case())
    assert kept == []


def test_the_port_is_that_of_the_testnet_that_runs_else_the_set_one(tmp_path: Path) -> None:
    address, file = TestnetAddress(8717, OWN, tmp_path), tmp_path / RUNNING_FILE
    assert address.port == 8717
    file.write_text(json.dumps({"port": 4711, "pid": os.getpid()}))
    assert address.port == 4711
    for stale in ('{"port": 4711, "pid": 999999999}', '{"port": "x", "pid": 1}', "[1]", "half", "{}"):
        file.write_text(stale)
        assert address.port == 8717, stale
