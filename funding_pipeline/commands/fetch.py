"""`funding-pipeline fetch`: bring the landed rows of the venues up to date, with progress."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from funding_pipeline.commands.console import console
from funding_pipeline.commands.local_testnet import local_testnet
from funding_pipeline.core.errors import VenueUnavailableError
from funding_pipeline.core.market import Market
from funding_pipeline.market.continued import FetchedMarket
from funding_pipeline.market.ingestion import IngestReport
from funding_pipeline.market.ingestion import Progress as ProgressCall
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.settings import Settings

_GAPS_SHOWN = 12


def fetch_market(settings: Settings, *, replay: bool) -> None:
    """Fetch what is missing; raises VenueUnavailableError when some venue could not be reached.

    `replay`: rows are rebuilt from the bodies that were kept, and no venue is asked.
    """
    market = settings.open_market()
    if not isinstance(market, FetchedMarket):
        print_read_directly(market)
        return
    if replay:
        with _bars() as progress:
            report = market.replay(progress=progress)
        print_report(report)
        return
    with local_testnet(settings) as running:
        market = running.open_market()
        assert isinstance(market, FetchedMarket)  # it is the same but for the testnet's port
        report = fetch_with_progress(market)
    print_report(report)
    if report.unreachable:
        raise VenueUnavailableError(f"{unreachable_venues(report)}: fetch again for the rest")


def print_read_directly(market: Market) -> None:
    """What there is to read where nothing has to be fetched; MarketDataError where it cannot be read."""
    span = market.span()
    period = f"{span.start:%Y-%m-%d} to {span.end:%Y-%m-%d %H:%M} UTC"
    console.print(f"[bold]{_plain(market.label)}[/]: nothing to fetch, it is read directly; {period}")
    if isinstance(market, RecordedMarket):
        files = market.files()
        for file in files:
            console.print(f"  {_plain(file.name):<28} {file.rows:>12,} rows  sha256 {file.digest[:12]}")
        console.print(f"  {sum(file.rows for file in files):,} rows in {len(files)} files")


def fetch_with_progress(market: FetchedMarket) -> IngestReport:
    """Fetch everything that is missing of `market`, one bar per venue."""
    with _bars() as progress:
        return market.fetch(progress=progress)


def unreachable_venues(report: IngestReport) -> str:
    """Which venues could not be reached, without the reasons that `print_report` has given."""
    return f"not reached, as said above: {', '.join(sorted(report.unreachable))}"


def print_report(report: IngestReport) -> None:
    """What came, and one line for everything that did not."""
    console.print(f"  {report.rows:,} rows in {report.series} series")
    for reason in report.unreachable.values():
        console.print(f"  [red]unreachable[/]  {_plain(reason)}", soft_wrap=True)
    for symbol, reason in sorted(report.refused.items()):
        console.print(f"  [yellow]refused[/]  {_plain(symbol)}: {_plain(reason)}", soft_wrap=True)
    for problem in report.problems:
        console.print(f"  [yellow]warns[/]  {_plain(problem)}", soft_wrap=True)
    for gap in report.gaps[:_GAPS_SHOWN]:
        console.print(f"  [yellow]gap[/]  {_plain(gap)}", soft_wrap=True)
    if len(report.gaps) > _GAPS_SHOWN:
        console.print(f"  [yellow]gap[/]  and {len(report.gaps) - _GAPS_SHOWN} more")


@contextmanager
def _bars() -> Iterator[ProgressCall]:
    """A bar per venue in a terminal; in a log file one line per venue when it is done."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, int] = {}

        def report(venue: str, done: int, total: int) -> None:
            if venue not in tasks:
                tasks[venue] = bars.add_task(venue, total=total)
            bars.update(tasks[venue], completed=done)  # type: ignore[arg-type]
            if done == total:
                console.print(f"  [green]fetched[/]  {venue:<14} {total - 1} series")

        yield report


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
