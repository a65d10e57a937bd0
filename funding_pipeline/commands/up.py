"""`funding-pipeline up`: one thing that trades on paper: testnet, guard, Dagster's web UI and its daemon.

What lives here: what is started, with which settings and keys, and what is said about it. What does not:
keeping it running and ending it (`supervision`), accounts (`paper_accounts`).
"""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape

from funding_pipeline.commands.console import console
from funding_pipeline.commands.dagster_services import dagster_services
from funding_pipeline.commands.instance import prepare_home
from funding_pipeline.commands.local_testnet import (
    await_testnet,
    child_environment,
    command_of_testnet,
    is_running,
    log_of_testnet,
)
from funding_pipeline.commands.paper_accounts import paper_environment, share_usd
from funding_pipeline.commands.supervision import Service, Supervisor
from funding_pipeline.core.errors import SettingsError
from funding_pipeline.defs.features import FEATURES
from funding_pipeline.market.choice import MarketTime, market_time
from funding_pipeline.market.continued import ContinuedMarket
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.governance_actions import open_journal
from funding_pipeline.trading.setup import TradingSetup

LOOPBACK = "127.0.0.1"


def start_web_ui(settings: Settings) -> int:
    """Serve on 127.0.0.1 only, until Ctrl-C or until the web server ends at once; the exit code."""
    settings = settings.to_trade()
    market = settings.open_market()
    home = prepare_home(settings)
    if _in_use(settings.web_port):
        raise SettingsError(f"{_address(settings)} is in use: set FUNDING_WEB_PORT to a free port")
    with _only_one(settings.state_dir):
        _say(f"[bold]{market.label}[/]  state in {home.parent}")
        if isinstance(market, ContinuedMarket):
            end = market.recorded.span().end
            _say(f"from {end:%Y-%m-%d %H:%M} UTC, the end of the folder, every row is made up by the testnet")
        supervisor = Supervisor(lambda text: _say(escape(text)), settings.state_dir)
        try:
            settings = _with_testnet(settings, supervisor)
            environment = child_environment(settings)
            environment |= _trading(settings, supervisor, environment)
            with dagster_services(settings, supervisor, home=home, environment=environment, host=LOOPBACK):
                address = _address(settings)
                _say(f"web UI: [link={address}]{address}[/]  (Ctrl-C stops it)")
                return supervisor.run()
        finally:
            supervisor.stop()


def _with_testnet(settings: Settings, supervisor: Supervisor) -> Settings:
    """Settings whose testnet is running: one of this market that is there already, or one of ours."""
    testnet = settings.testnet
    if testnet is None:
        return settings
    if is_running(testnet):
        _say(f"local testnet on {LOOPBACK}:{testnet.port}, running already: it keeps its own speed")
        return settings.model_copy(update={"testnet_port": testnet.port})
    speed, log = settings.testnet_speed, log_of_testnet(settings)
    command = command_of_testnet(speed=speed)
    process = supervisor.start(
        Service("local testnet", command, child_environment(settings), log, patience_seconds=5)
    )
    port = await_testnet(process, testnet, log=log)
    hint = "" if speed != 1 else "; `make up SPEED=60` plays an hour in a minute"
    _say(f"local testnet on {LOOPBACK}:{port} at speed {speed:g}{hint}")
    return settings.model_copy(update={"testnet_port": port})


def _trading(settings: Settings, supervisor: Supervisor, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Start the guard where there is something to trade on; the keys that Dagster's runs need too."""
    try:
        setup = settings.trading_setup()
    except SettingsError as error:
        _say(f"no trading, and so no guard: {escape(str(error))}")
        return {}
    venues = setup.venues
    loosen(setup, market_time(settings.testnet))
    if not Lake(str(settings.state_dir / "lake")).exists(FEATURES):
        _say("nothing is loaded yet: rebalances begin when `make run` has been through once")
    keys = paper_environment(settings)
    if settings.trading == "paper":
        each = f"{share_usd(settings, len(venues)):,.0f}"
        _say(f"paper trading: an account of {each} USD at first on each of {', '.join(venues)}")
    guard = [sys.executable, "-m", "funding_pipeline", "guard", "--parent", str(os.getpid())]
    log = settings.state_dir / "logs" / "guard.log"
    supervisor.start(Service("guard", guard, {**environment, **keys}, log))
    _say(f"guard started; log in {log}")
    return keys


def loosen(setup: TradingSetup, time: MarketTime | None) -> None:
    """Go back to the configured limits, which only a start may do, and say from what."""
    with open_journal(setup, time) as journal:
        tightened = journal.tightened()
        if tightened:
            journal.forget_tightened()
            told = ", ".join(f"{name} {value:g}" for name, value in tightened.items())
            _say(f"limits are the configured ones again; tightened before this start: {escape(told)}")


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Two guards and two daemons on one state would disturb one another."""
    with open(folder / "up.lock", "a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(f"`funding-pipeline up` runs already on {folder}: stop that one") from error
        yield


def _address(settings: Settings) -> str:
    return f"http://{LOOPBACK}:{settings.web_port}"


def _say(text: str) -> None:
    console.print(text, soft_wrap=True)
    sys.stdout.flush()


def _in_use(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
