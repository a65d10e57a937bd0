"""How long a rebalance takes, by stage: 5 venues x 20 legs on a testnet in a process of its own.

    python benchmarks/rebalance_timing.py [--rounds 3] [--coins 20] [--profile FILE] [--json]
    python benchmarks/rebalance_timing.py --instance .funding/<market>/dagster

Printed per round: seconds of opening the accounts, reading, judging, sending (journal and request) and
waiting for fills, up to the last acknowledged order; processor time per order, ours and the testnet's.
Both share this machine's cores. Rounds: open everything, turn it round, close it.

With --instance: of the newest rebalances that `make up` has seen, from the sensor's tick on: the tick,
Dagster's start, and each step, planning among them. Steps of other markets have other sizes.
"""

import argparse
import asyncio
import cProfile
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from funding_pipeline.core.governance import Heartbeat, RiskVerdict, TargetPosition
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.market_facts import MarketFacts
from funding_pipeline.execution.market_state import calm_state
from funding_pipeline.execution.verdict import judge
from funding_pipeline.market.choice import connector
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.market.simulation.calibration import CALIBRATED, COINS
from funding_pipeline.market.simulation.parameters import SimulationParameters
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.facts_reading import FactsReader
from funding_pipeline.trading.session import open_session
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.registry import VENUES_FOR_TRADING, dialect_of
from funding_pipeline.venues.testnet_address import TestnetAddress

START, END = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
AHEAD = datetime(2025, 6, 3, tzinfo=UTC)
LEG_USD = (2_000, -800, -600, -400, -200)
"""By venue, turned round from base to base: each base is neutral."""
ROUNDS = (1, -1, 0)
"""Times LEG_USD: opened, turned round, closed."""
WIDE = {
    "max_depth_participation_fraction": 100.0,
    "max_open_interest_fraction": 1.0,
    "max_venue_beta_usd": 1e9,
    "max_daily_turnover_usd": 1e11,
}
"""What is measured is the time, and not the limits."""


@dataclass(frozen=True)
class Round:
    """One rebalance: seconds by stage, up to the last acknowledged order (`total`), and processor seconds."""

    orders: int
    status: str
    open: float
    read: float
    judge: float
    execute_read: float
    execute_judge: float
    send: float
    fill: float
    total: float
    statements: float
    own_cpu: float
    testnet_cpu: float


def main() -> None:
    """Serve, or measure a served market."""
    arguments = _arguments()
    if arguments.serve is not None:
        _serve(arguments.serve, arguments.coins, arguments.parent)
        return
    if arguments.instance is not None:
        print("\n".join(_told_by_dagster(arguments.instance)))
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        _testnet(Path(folder), arguments.coins) as (port, pid),
        _profiled(arguments.profile),
    ):
        rounds = asyncio.run(_measure(Path(folder), port, pid, arguments))
    if arguments.json:
        print(json.dumps([asdict(one) for one in rounds], indent=2))
        return
    for number, one in enumerate(rounds, start=1):
        print(_text(number, one))


async def _measure(folder: Path, port: int, pid: int, arguments: argparse.Namespace) -> list[Round]:
    keys = {venue: _account(port, venue) for venue in VENUES_FOR_TRADING}
    rounds = []
    for number in range(arguments.rounds):
        factor = ROUNDS[number % len(ROUNDS)]
        rounds.append(await _one(folder, port, pid, keys, name=f"round-{number}", factor=factor))
    return rounds


async def _one(
    folder: Path, port: int, pid: int, keys: Mapping[str, Credentials], *, name: str, factor: int
) -> Round:
    """As a run does it: everything is opened anew."""
    own, other, begun = time.process_time(), _cpu_of(pid), time.perf_counter()
    async with open_session(_setup(folder, port), credentials=keys) as session:
        session.journal.beat(Heartbeat("guard", session.now(), "stand-in for the guard"))
        opened, facts = time.perf_counter(), FactsReader(session)
        legs = [(v, _symbol(v, coin)) for coin in _coins_of(folder) for v in VENUES_FOR_TRADING]
        book, _ = await read_book(session, betas=dict.fromkeys(_coins_of(folder), 1.0))
        market = await facts.read(legs, model_trained_at=session.now(), state=calm_state(session.now()))
        seen = time.perf_counter()
        verdict = judge(
            _targets(market, factor, _coins_of(folder)),
            book,
            market=market,
            limits=session.limits(),
            state="ACTIVE",
            rebalance=name,
            judged_at=session.now(),
        )
        judged, judged_at = time.perf_counter(), session.now()
        report = await session.executor().rebalance(verdict)
        ended = time.perf_counter()
        records = session.journal.intents(rebalance=name)
        last = max(record.resolved_at for record in records if record.resolved_at is not None)
    _require_all_passed(verdict)
    took = (last - judged_at).total_seconds()
    return Round(
        orders=report.orders_sent,
        status=report.status,
        open=opened - begun,
        read=seen - opened,
        judge=judged - seen,
        execute_read=report.seconds["read"],
        execute_judge=report.seconds["judge"],
        send=report.seconds["send"],
        fill=report.seconds["fill"],
        total=judged - begun + took,
        statements=ended - judged - took,
        own_cpu=time.process_time() - own,
        testnet_cpu=_cpu_of(pid) - other,
    )


def _targets(market: MarketFacts, factor: int, coins: list[str]) -> list[TargetPosition]:
    targets = []
    for turn, coin in enumerate(coins):
        for number, venue in enumerate(VENUES_FOR_TRADING):
            symbol = _symbol(venue, coin)
            facts = market.instruments[venue, symbol]
            assert facts.price is not None
            usd = Decimal(factor * LEG_USD[(number + turn) % len(LEG_USD)])
            targets.append(TargetPosition(venue, symbol, coin, Decimal(1), usd / facts.price, facts.price))
    return targets


def _require_all_passed(verdict: RiskVerdict) -> None:
    refused = [leg for leg in verdict.legs if leg.decision == "refuse" and leg.target.quantity]
    if refused:
        first = refused[0]
        sys.exit(f"{len(refused)} legs refused: {first.target.leg}: {'; '.join(first.reasons)}")


def _setup(folder: Path, port: int) -> TradingSetup:
    return TradingSetup(
        mode="paper",
        venues=VENUES_FOR_TRADING,
        connect=connector(TestnetAddress(port)),
        journal_url=f"sqlite:///{folder / 'journal.sqlite'}",
        limits=(RiskLimits.for_capital(1_000_000, **WIDE),),
        execution=ExecutionConfig(guard_max_age_seconds=600),
    )


def _coins_of(folder: Path) -> list[str]:
    return json.loads((folder / "coins.json").read_text())


def _symbol(venue: str, coin: str) -> str:
    return f"{coin}/USDC:USDC" if venue == "hyperliquid" else f"{coin}/USDT:USDT"


def _account(port: int, venue: str) -> Credentials:
    body = json.dumps({"venue": venue, "account_id": "timing", "balance": "200000"}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/accounts", body, timeout=30) as answer:
        made = json.loads(answer.read())
    return Credentials(venue, {name: made[name] for name in dialect_of(venue).credentials})


# --- the testnet
def _coins(count: int) -> dict[str, str]:
    """Calibrated coins, and as many copies of some of them as are wanted: name -> what it is a copy of."""
    copies = {f"{name[:2]}X{number}": name for number in range(count) for name in ("ETH", "SOL", "XRP")}
    return dict([*zip(COINS, COINS, strict=True), *copies.items()][:count])


def _parameters(count: int) -> SimulationParameters:
    coins = _coins(count)
    instruments = {
        (venue, name): marginal
        for (venue, of), marginal in CALIBRATED.instruments.items()
        for name, kind in coins.items()
        if kind == of
    }
    return replace(
        CALIBRATED, coins={name: COINS[kind] for name, kind in coins.items()}, instruments=instruments
    )


def _serve(folder: Path, count: int, parent: int) -> None:
    from funding_pipeline.testnet.serving import serve

    serve(
        SimulatedMarket(seed=7, start=START, end=AHEAD, parameters=_parameters(count)),
        identity="timing",
        port=int((folder / "port").read_text()),
        speed=1.0,
        start=END.replace(minute=20),
        history_end=END,
        state=folder / "state.json",
        parent=parent,
    )


@contextmanager
def _testnet(folder: Path, coins: int) -> Iterator[tuple[int, int]]:
    """Port and process id of a testnet of `coins`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "port").write_text(str(port))
    (folder / "coins.json").write_text(json.dumps(list(_coins(coins))))
    options = ["--serve", str(folder), "--coins", str(coins), "--parent", str(os.getpid())]
    with (folder / "testnet.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, __file__, *options], stdout=log, stderr=log)
    try:
        _await_answer(process, port, folder / "testnet.log")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await_answer(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/clock", timeout=5).close()
            return
        except OSError:
            if process.poll() is not None:
                sys.exit(f"the testnet ended: {log.read_text('utf-8')[-1000:]}")
            time.sleep(0.2)


def _cpu_of(pid: int) -> float:
    """Processor seconds of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- telling
def _told_by_dagster(home: Path) -> Iterator[str]:
    """A line per stage of the newest rebalances that the settlement sensor asked for."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home)) as instance:
        sensors = [s for s in instance.all_instigator_state() if s.instigator_name == "settlement_sensor"]
        ticks = {
            run_id: tick
            for sensor in sensors
            for tick in instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id, limit=1000)
            for run_id in tick.run_ids
        }
        for record in instance.get_run_records(dg.RunsFilter(job_name="rebalance"), limit=5):
            run_id, tick = record.dagster_run.run_id, ticks.get(record.dagster_run.run_id)
            if tick is None or record.start_time is None:
                continue
            asked = record.create_timestamp.timestamp()
            yield f"run {run_id[:8]}: tick to request {asked - tick.timestamp:.2f} s"
            yield f"  Dagster's start {record.start_time - asked:.2f} s"
            steps = [step for step in instance.get_run_step_stats(run_id) if step.start_time]
            for step in sorted(steps, key=lambda step: step.start_time):
                yield f"  {step.step_key:<20} {step.end_time - step.start_time:.2f} s"


def _text(number: int, one: Round) -> str:
    per_order = 1000 / max(one.orders, 1)
    return (
        f"round {number}: {one.orders} orders, {one.status}; {one.total:.2f} s to the last acknowledged: "
        f"open {one.open:.2f}, read {one.read:.2f}, judge {one.judge:.2f}, then read again "
        f"{one.execute_read:.2f}, decide {one.execute_judge:.2f}, send {one.send:.2f}, fill {one.fill:.2f} "
        f"(these overlap); statements afterwards {one.statements:.2f}\n"
        f"         processor: ours {one.own_cpu:.2f} s ({one.own_cpu * per_order:.1f} ms an order), "
        f"testnet {one.testnet_cpu:.2f} s ({one.testnet_cpu * per_order:.1f} ms an order)"
    )


@contextmanager
def _profiled(file: Path | None) -> Iterator[None]:
    if file is None:
        yield
        return
    with cProfile.Profile() as profile:
        yield
    profile.dump_stats(file)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--coins", type=int, default=20)
    parser.add_argument("--profile", type=Path, help="write cProfile's statistics there")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--instance", type=Path, help="a DAGSTER_HOME with rebalances in it")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
