"""The command line. Heavy imports wait until a command needs them, so that --help is quick."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from funding_pipeline import __version__
from funding_pipeline.commands import models_cli, research_cli
from funding_pipeline.commands.sql_format import OutputFormat
from funding_pipeline.core.errors import FundingPipelineError

app = typer.Typer(
    name="funding-pipeline",
    help="Study and trade funding-rate differentials between perpetual-swap exchanges. "
    "The market is chosen by FUNDING_MARKET (simulated, recorded, live) and FUNDING_DATA.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Person = Annotated[str, typer.Option("--person", prompt="Your name", help="Who you are; it is kept.")]
Reason = Annotated[str, typer.Option("--reason", prompt="Why", help="Why; it is kept and shown.")]


@app.command()
def run(
    full: Annotated[bool, typer.Option("--full", help="Load every quarter again, not only new.")] = False,
) -> None:
    """Run the whole pipeline once: load, features, forecasts, plan, orders, back-test, report."""
    from funding_pipeline.commands.run import run_pipeline
    from funding_pipeline.settings import load_settings

    run_pipeline(load_settings(), full=full)


@app.command()
def up(
    speed: Annotated[
        float | None,
        typer.Option(min=0.0, help="Testnet seconds per second: 60 plays an hour in a minute; unset: 1."),
    ] = None,
) -> None:
    """Trade on paper: testnet, guard, Dagster's web UI and daemon on 127.0.0.1, until Ctrl-C."""
    from funding_pipeline.commands.up import start_web_ui
    from funding_pipeline.settings import load_settings

    given = {} if speed is None else {"testnet_speed": speed}
    raise typer.Exit(start_web_ui(load_settings(**given)))


@app.command()
def fetch(
    replay: Annotated[
        bool, typer.Option("--replay", help="Ask no venue: make the rows anew from the bodies kept.")
    ] = False,
) -> None:
    """Fetch from the venues what is missing, with progress; an interrupted fetch goes on where it stopped."""
    from funding_pipeline.commands.fetch import fetch_market
    from funding_pipeline.settings import load_settings

    fetch_market(load_settings(), replay=replay)


@app.command("testnet")
def serve_testnet(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="0: any; unset: the setting, or a free one where it is taken."),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.0, help="Market seconds per second: 3600 plays an hour.")
    ] = 1.0,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Market time to start at, UTC; unset: where it was, or the end."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget accounts, orders and time of before.")
    ] = False,
    host: Annotated[str, typer.Option(help="Loopback only.")] = "127.0.0.1",
    ahead_days: Annotated[
        int, typer.Option(min=0, max=3650, help="Simulated days after the history, to play.")
    ] = 365,
    parent: Annotated[int | None, typer.Option(hidden=True, help="Stop when this process is gone.")] = None,
) -> None:
    """Serve the set market as six exchanges on one loopback port, to trade on without keys or internet."""
    from funding_pipeline.commands.local_testnet import serve_testnet as serve
    from funding_pipeline.commands.period import parse_moment
    from funding_pipeline.settings import load_settings

    serve(
        load_settings(),
        port=port,
        speed=speed,
        at=None if at is None else parse_moment(at, option="--at"),
        fresh=fresh,
        host=host,
        ahead_days=ahead_days,
        parent=parent,
    )


@app.command()
def guard(
    once: Annotated[
        bool, typer.Option("--once", help="Look once and print it; nothing is set, told or sent.")
    ] = False,
    parent: Annotated[int | None, typer.Option(hidden=True, help="Stop when this process is gone.")] = None,
) -> None:
    """Watch all accounts every second or two: alert, reduce or halt when a limit is broken, until stopped."""
    from funding_pipeline.commands.guard import run_guard
    from funding_pipeline.settings import load_settings

    raise typer.Exit(run_guard(load_settings(), once=once, parent=parent))


@app.command()
def chaos(
    episodes: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same episodes.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    scenario: Annotated[
        str | None, typer.Option(help="Instead of episodes: october-2025, the crash and a frozen venue.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="PNG of the scenario.")] = None,
) -> None:
    """Trade on the testnet's engines under seeded faults and kills, and judge every rule of execution."""
    from funding_pipeline.commands.chaos import run_campaign, run_scenario

    if scenario is not None or out is not None:
        raise typer.Exit(run_scenario(scenario, as_json, out))
    raise typer.Exit(run_campaign(episodes, seed, as_json))


@app.command()
def soak(
    days: Annotated[float, typer.Option(min=0.1, max=365, help="Market days, a rebalance an hour.")] = 14.0,
    speed: Annotated[float, typer.Option(min=1, max=2000, help="Market seconds per second.")] = 120.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same faults.")] = 0,
    home: Annotated[
        Path | None, typer.Option(help="An empty folder for its state; unset: a new one in .funding/soak.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Trade for days at speed, with faults, and report what grows; exit code 1 where a bound is broken.

    Quiet time between settlements is jumped over: fourteen days take about an hour.
    """
    from funding_pipeline.commands.soak.run import Wanted, run_soak

    raise typer.Exit(run_soak(Wanted(round(days * 24), speed, seed), home=home, is_json=as_json))


@app.command()
def state(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    watch: Annotated[float | None, typer.Option(min=0.2, help="Look again every so many seconds.")] = None,
) -> None:
    """How trading stands: processes, what is held and hedged, equity, profit, limits, orders, alerts.

    Exit code: 0 all is well, 1 something needs a person, 2 an error, 3 nothing is running.
    """
    from funding_pipeline.commands.state import show_state
    from funding_pipeline.settings import load_settings

    raise typer.Exit(show_state(load_settings(), as_json=as_json, watch_seconds=watch))


@app.command()
def halt(
    person: Person,
    reason: Reason,
    confirm: Annotated[str, typer.Option(prompt="Type HALT to confirm", help="The word HALT.")],
) -> None:
    """Stop trading: from this moment only cancels are sent, also by a rebalance in flight."""
    from funding_pipeline.commands.governance import Said, set_trading_state
    from funding_pipeline.settings import load_settings

    set_trading_state(load_settings(), "halt", Said(person, reason, confirm))


@app.command()
def reduce(
    person: Person,
    reason: Reason,
    confirm: Annotated[str, typer.Option(prompt="Type REDUCE to confirm", help="The word REDUCE.")],
) -> None:
    """Only reduce: nothing that opens a position is sent any more."""
    from funding_pipeline.commands.governance import Said, set_trading_state
    from funding_pipeline.settings import load_settings

    set_trading_state(load_settings(), "reduce", Said(person, reason, confirm))


@app.command()
def resume(
    person: Person,
    reason: Reason,
    confirm: Annotated[str, typer.Option(prompt="Type RESUME to confirm", help="The word RESUME.")],
    rebase_equity: Annotated[
        bool,
        typer.Option("--rebase-equity", help="Begin daily loss and drawdown anew from what there is now."),
    ] = False,
) -> None:
    """Trade again, after a person has looked; shows what the guard said last."""
    from funding_pipeline.commands.governance import Said, set_trading_state
    from funding_pipeline.settings import load_settings

    set_trading_state(load_settings(), "resume", Said(person, reason, confirm), rebase=rebase_equity)


@app.command()
def flatten(
    person: Person,
    reason: Reason,
    confirm: Annotated[str, typer.Option(prompt="Type FLATTEN to confirm", help="The word FLATTEN.")],
) -> None:
    """Close every position of every account, both legs of a pair together; says what remains."""
    from funding_pipeline.commands.governance import Said, flatten_accounts
    from funding_pipeline.settings import load_settings

    raise typer.Exit(flatten_accounts(load_settings(), Said(person, reason, confirm)))


@app.command()
def tighten(
    limit: Annotated[str, typer.Argument(help="Name of a risk limit, such as max_gross_notional_usd.")],
    value: Annotated[float, typer.Argument(help="New value, in the unit with which the name ends.")],
    person: Person,
    reason: Reason,
    confirm: Annotated[str, typer.Option(prompt="Type TIGHTEN to confirm", help="The word TIGHTEN.")],
) -> None:
    """Make a risk limit tighter until the next start; loosening takes a changed setting and a restart."""
    from funding_pipeline.commands.governance import Said, tighten_limit
    from funding_pipeline.settings import load_settings

    tighten_limit(load_settings(), limit, value, Said(person, reason, confirm))


@app.command()
def acknowledge(
    key: Annotated[str, typer.Argument(help="Key of the alert, as `state` shows it.")], person: Person
) -> None:
    """Say that you know of an alert: it is told no further while it goes on."""
    from funding_pipeline.commands.governance import acknowledge_alert
    from funding_pipeline.settings import load_settings

    acknowledge_alert(load_settings(), key, person)


app.add_typer(research_cli.app)
app.add_typer(models_cli.app)


@app.command()
def validate(
    data: Annotated[
        Path | None, typer.Option("--data", help="Judge this folder, not the set market.")
    ] = None,
    definitions_only: Annotated[
        bool, typer.Option("--definitions-only", help="Only load the Dagster definitions.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Judge the market's data as they are: what is kept and what is refused, by venue and symbol, and why.

    Stores nothing and starts nothing. Exit code 1 when an instrument has no settlement that can be used, or
    an expectation is broken; single refused rows are listed and are no failure. Loads the Dagster definitions
    too.
    """
    from funding_pipeline.commands.validate import validate as run_it
    from funding_pipeline.settings import load_settings

    settings = load_settings() if data is None else load_settings(market="recorded", data=data)
    if not run_it(settings, definitions_only=definitions_only, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def settings(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print a JSON schema of funding.toml.")] = False,
) -> None:
    """Show the settings in force and where each came from; secrets stay hidden."""
    from funding_pipeline.commands.settings import print_schema, show_settings
    from funding_pipeline.settings import load_settings

    if schema:
        print_schema()
    else:
        show_settings(load_settings(), as_json=as_json)


@app.command()
def housekeeping() -> None:
    """Keep the state small: merge files, remove old versions, runs and answers; prints what is left."""
    from funding_pipeline.commands.housekeeping import keep_house
    from funding_pipeline.settings import load_settings

    raise typer.Exit(keep_house(load_settings()))


@app.command()
def sql(
    statement: Annotated[str | None, typer.Argument(help="One statement; without it, the tables.")] = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print rows.")] = OutputFormat.TABLE,
) -> None:
    """Ask the stored tables in SQL (DuckDB), e.g. "select * from settled_funding limit 5"."""
    from funding_pipeline.commands.sql import run_sql
    from funding_pipeline.settings import load_settings

    run_sql(load_settings(), statement, output=output)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Options that come before a command."""
    if version:
        typer.echo(__version__)
        raise typer.Exit()


_FULL_DISK = ("No space left", "disk I/O error", "database or disk is full", "disk quota")


def main() -> None:
    """Entry point: a user's mistake is one line on standard error and exit code 2."""
    from funding_pipeline.commands.console import print_error

    try:
        app()
    except FundingPipelineError as error:
        print_error(error)
        sys.exit(2)
    except OSError as error:  # a full disk, a missing permission: the file is named in the error
        print_error(error)
        sys.exit(2)
    except KeyboardInterrupt:
        print_error(KeyboardInterrupt("interrupted; what was stored is whole"))
        sys.exit(130)
    except Exception as error:  # a library's, or a fault of ours
        if "FUNDING_DEBUG" in os.environ:
            raise
        print_error(_unexpected(error))
        sys.exit(1)


def _unexpected(error: Exception) -> Exception:
    """In one line, with what is behind it where that is a full disk."""
    cause: BaseException | None = error
    texts = []
    while cause is not None:
        texts.append(str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    full = any(word in text for text in texts for word in _FULL_DISK)
    hint = "free space on the disk and run again" if full else "FUNDING_DEBUG=1 shows where"
    return FundingPipelineError(
        f"unexpected {type(error).__name__}: {texts[-1] if full else texts[0]}; {hint}"
    )
