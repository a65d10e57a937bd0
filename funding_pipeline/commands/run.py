"""`funding-pipeline run`: the whole pipeline once, as Dagster runs, then a summary on one screen."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from funding_pipeline import __version__
from funding_pipeline.commands.console import console, event_printer, print_error
from funding_pipeline.commands.fetch import fetch_with_progress, print_report, unreachable_venues
from funding_pipeline.commands.instance import only_run, prepare_home, require_sound_databases
from funding_pipeline.commands.local_testnet import local_testnet
from funding_pipeline.commands.summary import print_summary
from funding_pipeline.core import errors
from funding_pipeline.core.errors import FundingPipelineError, VenueUnavailableError
from funding_pipeline.core.market import Market
from funding_pipeline.definitions import build_definitions
from funding_pipeline.defs.jobs import BUILD_FEATURES, LOAD, REFERENCE, RESEARCH
from funding_pipeline.defs.partitions import market_partitions, quarter_partitions, selection_of
from funding_pipeline.market.continued import FetchedMarket
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import MADE_FROM_RAW
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.row_changes import row_changes

_LAST_ASSET = "settled_funding"
_SOURCE = "source.json"
_FEWEST_VENUES = 2
_OWN_ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
}
Source = dict[str, Any]
# Tells the web UI which code location a run of this process belongs to.
_CODE_LOCATION = "__repository__@funding_pipeline.definitions"


def run_pipeline(settings: Settings, *, full: bool) -> None:
    """Load what is missing (`full`: everything), then forecast, plan, back-test and report.

    Raises FundingPipelineError naming the step that failed; what was stored before stays as it was.
    """
    started = time.perf_counter()
    prepare_home(settings)
    with only_run(settings):
        _run(settings, full=full, started=started)


def _run(settings: Settings, *, full: bool, started: float) -> None:
    require_sound_databases(settings)
    market, unreachable = _fetched(settings)
    resources = {"market": dg.ResourceDefinition.hardcoded_resource(market)}
    definitions = build_definitions(
        settings=settings, resources=resources, loggers={"console": event_printer}
    )
    lake = Lake(str(settings.state_dir / "lake"))
    versions = {table: lake.version(table) if lake.exists(table) else None for table in MADE_FROM_RAW}
    with dg.DagsterInstance.get() as instance:
        before = _source_before(settings)
        source = _source(settings, market, before)
        quarters = _quarters_to_load(instance, market, now=source, before=None if full else before)
        (settings.state_dir / _SOURCE).unlink(missing_ok=True)  # an interrupted load is loaded again
        # An estimate is filed under the settlement to come: it may have been known a quarter earlier.
        earlier = 0 if source == before and not full else 1
        for job, tags in _steps(market, quarters, featured_earlier=earlier, without=set(unreachable)):
            if job == REFERENCE:
                _print_changes(lake, versions)
            _execute(definitions, job, tags=tags, instance=instance)
    if not unreachable:
        _remember(settings, source)
    print_summary(settings, market, seconds=time.perf_counter() - started)
    for reason in unreachable.values():
        print_error(VenueUnavailableError(f"left out: {reason}"))


def _fetched(settings: Settings) -> tuple[Market, Mapping[str, str]]:
    """The market with everything fetched that was missing, and the venues that could not be reached.

    The local testnet runs only as long as that takes. Raises VenueUnavailableError when fewer than two
    venues are left: there is no differential then.
    """
    with local_testnet(settings) as running:
        market = running.open_market()
        console.print(f"[bold]{market.label}[/]  state in {settings.state_dir}", soft_wrap=True)
        if not isinstance(market, FetchedMarket):
            return market, {}
        report = fetch_with_progress(market)
    print_report(report)
    if len(market.span().venues) - len(report.unreachable) < _FEWEST_VENUES:
        raise VenueUnavailableError(
            f"{unreachable_venues(report)}, and a differential needs two: "
            "check the connection, or choose others by FUNDING_VENUES"
        )
    return market.landed_only(), report.unreachable


def _steps(
    market: Market, quarters: Sequence[str], *, featured_earlier: int, without: set[str]
) -> list[tuple[str, Mapping[str, str]]]:
    """Jobs in order, with the run tags that choose their partitions.

    Features are made from `featured_earlier` quarters before those that are loaded.
    All venues load in one run; when some are left `without`, each other one loads in a run of its own.
    """
    keys = market_partitions(market.span()).get_partition_keys()
    every = quarter_partitions(market.span()).get_partition_keys()
    featured = every[max(every.index(quarters[0]) - featured_earlier, 0) :]
    chosen = [key for key in keys if key.split("|")[0] in set(quarters)]
    loads = [chosen]
    if without:
        healthy = [venue for venue in market.span().venues if venue not in without]
        loads = [[key for key in chosen if key.split("|")[1] == venue] for venue in healthy]
    return [
        *((LOAD, _range(load)) for load in loads),
        (REFERENCE, {}),
        (BUILD_FEATURES, _range(featured)),
        (RESEARCH, {}),
    ]


def _range(keys: Sequence[str]) -> Mapping[str, str]:
    return {
        "dagster/asset_partition_range_start": keys[0],
        "dagster/asset_partition_range_end": keys[-1],
    }


def _quarters_to_load(
    instance: dg.DagsterInstance, market: Market, *, now: Source, before: Source | None
) -> Sequence[str]:
    """Every quarter from the first that is not loaded or whose rows have changed; at least the newest."""
    quarters = list(now["quarters"])
    if before is None or before["made_by"] != now["made_by"]:
        return quarters
    loaded = instance.get_materialized_partitions(dg.AssetKey(_LAST_ASSET))
    for index, quarter in enumerate(quarters):
        whole = all(f"{quarter}|{venue}" in loaded for venue in market.span().venues)
        if not whole or before["quarters"].get(quarter) != now["quarters"][quarter]:
            return quarters[index:]
    return quarters[-1:]


def _execute(
    definitions: dg.Definitions, job: str, *, tags: Mapping[str, str], instance: dg.DagsterInstance
) -> None:
    console.print(f"\n[bold]{job}[/]" + (f"  {' to '.join(dict.fromkeys(tags.values()))}" if tags else ""))
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags={**tags, ".dagster/repository": _CODE_LOCATION},
        run_config={"loggers": {"console": {}}},
        raise_on_error=False,
    )
    if result.success:
        return
    raise FundingPipelineError(f"{job} failed: {failure_text(result)}")


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """The first cause in one line: a broken check with its finding, or a step with its error."""
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
            name = f"check {evaluation.check_name} of {evaluation.asset_key.to_user_string()}"
            return f"{name}: {evaluation.description} (see the web UI: `make up`)"
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None and error.cls_name not in _OWN_ERRORS:
                error = error.cause  # an error of ours says it best; below it is a library's
            if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
                raise KeyboardInterrupt
            message = (error.message if error else "unknown").strip().splitlines()[0]
            return f"{event.step_key}: {message.split(': ', 1)[-1]}"
    return "no step says why; see the run in the web UI (`make up`)"


def _source(settings: Settings, market: Market, before: Source | None) -> Source:
    """What tables are made from: the code and decision grid, the files, and a digest of the rows by quarter.

    Where no file of a folder has changed since `before` its rows are not read for it.
    """
    span = market.span()
    grid = f"{settings.rebalance_every_hours} h, horizon {settings.horizon_hours} h"
    columns = {name: [*made.schema.columns] for name, made in MADE_FROM_RAW.items()}
    schemas = hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:8]
    made_by = f"{__version__}, schemas {schemas}, {grid}, {', '.join(span.venues)}; {settings.coins}"
    files = {}
    if isinstance(market, RecordedMarket):
        files = {file.name: file.digest for file in market.files()}
        _print_files(files, {} if before is None else before.get("files", {}))
    if before is not None and files and (before["made_by"], before.get("files")) == (made_by, files):
        return before
    digests: dict[str, str] = {}
    for quarter in quarter_partitions(span).get_partition_keys():
        selection = selection_of([f"{quarter}|{venue}" for venue in span.venues])
        digests[quarter] = market.digest(start=selection.start, end=selection.end)
    return {"made_by": made_by, "files": files, "quarters": digests}


def _print_files(now: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Which files of a folder are not those of the last run."""
    for name in sorted({*now, *before}):
        if now.get(name) != before.get(name):
            word = "new" if name not in before else "changed" if name in now else "withdrawn"
            console.print(f"  {word:<9}  {name}", soft_wrap=True)


def _print_changes(lake: Lake, versions: Mapping[str, int | None]) -> None:
    """Rows that came, changed and left with this load, by table."""
    console.print("\n[bold]rows[/]")
    for name, version in versions.items():
        found = row_changes(lake, MADE_FROM_RAW[name].schema, since=version)
        console.print(f"  {name:<18} {found.came:,} came, {found.changed:,} changed, {found.left:,} left")


def _source_before(settings: Settings) -> Source | None:
    """The source of the tables in this state folder; None where there is none, or none readable."""
    try:
        before: Source = json.loads((settings.state_dir / _SOURCE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return before


def _remember(settings: Settings, source: Source) -> None:
    (settings.state_dir / _SOURCE).write_text(json.dumps(source, indent=1), "utf-8")
