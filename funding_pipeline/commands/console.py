"""The terminal: one console, progress that also reads well in a log file, and Dagster's events on it."""

import logging
import sys
from collections.abc import Callable

import dagster as dg
from rich.console import Console

# Without a terminal (a log file, CI) rich assumes 80 columns; tables need a few more.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True, highlight=False)


def print_error(error: BaseException) -> None:
    """One line: what is wrong and, where the error knows it, the mend."""
    text = " ".join(str(error).split()) or type(error).__name__
    errors.print(f"[bold red]error:[/] {_escaped(text)}", soft_wrap=True)


def counter(label: str, *, every: int = 1) -> Callable[[int, int], None]:
    """A `progress(done, total)` that prints a line now and then."""

    def report(done: int, total: int) -> None:
        if done == total or done % max(every, 1) == 0:
            console.print(f"  [dim]{label}: {done} of {total}[/]")

    return report


class EventPrinter(logging.Handler):
    """Prints a line per finished asset and check, and what assets say themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print what a person wants to see of a Dagster log record."""
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            if meta.get("step_key") is not None:
                style = "yellow" if record.levelno >= logging.WARNING else "dim"
                console.print(f"    [{style}]{_escaped(str(meta.get('orig_message', '')))}[/]")
        elif event.event_type_value == "STEP_SUCCESS":
            seconds = event.step_success_data.duration_ms / 1000
            console.print(f"  [green]done[/]  {event.step_key:<44} {seconds:8.1f} s")
        elif event.event_type_value == "STEP_FAILURE":
            console.print(f"  [red]failed[/]  {event.step_key}")
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            _print_check(event.asset_check_evaluation_data)


def _print_check(evaluation: dg.AssetCheckEvaluation) -> None:
    if not evaluation.passed:
        blocking = evaluation.severity == dg.AssetCheckSeverity.ERROR
        word, style = ("FAILED", "red") if blocking else ("warns", "yellow")
        name = f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
        console.print(f"  [{style}]{word}[/]  {_escaped(name)} ({_escaped(evaluation.description or '')})")


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


@dg.logger(config_schema=None, description="Finished assets and checks, one line each.")
def event_printer(context: dg.InitLoggerContext) -> logging.Logger:
    """The logger that `funding-pipeline run` gives to its jobs."""
    logger = logging.Logger("funding_pipeline", level=logging.DEBUG)
    logger.addHandler(EventPrinter())
    return logger
