"""`funding-pipeline models`: registered forecasters, and taking a champion back.

What lives here: printing. What does not: the work, which the web UI's jobs share (`defs.model_history`).
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.core.errors import StorageError
from funding_pipeline.defs.model_history import ModelDecision, allow_recipe, model_history, roll_back
from funding_pipeline.defs.model_jobs import person as named
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import CHAMPION, ForecasterRegistry

_COLUMNS = ("version", "is", "verdict", "recipe", "trained on rows before", "code", "registered")


def show_models(settings: Settings, *, as_json: bool) -> None:
    """Print every version, newest first, with aliases, verdict and what was rolled back."""
    rows = [_row(version) for version in _registry(settings).versions()]
    if as_json:
        history = model_history(_lake(settings)).to_dicts()
        sys.stdout.write(json.dumps({"versions": rows, "history": history}, indent=1, default=str) + "\n")
        return
    if not rows:
        console.print("no model is registered: `funding-pipeline run` trains the first")
        return
    table = Table(box=None, pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(row[name])) for name in _COLUMNS))
    console.print(table)
    if not any(CHAMPION in row["is"] for row in rows):
        console.print("no version is champion: the baseline forecasts")
    for row in rows:
        for text in (row["reasons"], row["rolled back"]):
            if text:
                console.print(f"version {row['version']}: {escape(text)}", soft_wrap=True)


def roll_back_model(settings: Settings, *, to: str, person: str, reason: str) -> None:
    """Take the champion back. Raises GovernanceError, StorageError."""
    _print(roll_back(_registry(settings), _lake(settings), to=to, by=named(person), reason=reason))


def allow_model_recipe(settings: Settings, *, recipe: str, person: str, reason: str) -> None:
    """Take back the bar on a recipe. Raises GovernanceError where it has none."""
    by = named(person)
    _print(allow_recipe(_registry(settings), _lake(settings), recipe=recipe, by=by, reason=reason))


def _print(done: ModelDecision) -> None:
    said = f"{done.action}: recipe {done.recipe}; champion was {done.champion_before}, is {done.champion}"
    console.print(escape(said), soft_wrap=True)
    for reason in done.reasons:
        console.print(escape(f"  {reason}"), soft_wrap=True)


def _row(version: Any) -> dict[str, str]:
    """A version as it is shown."""
    registered = datetime.fromtimestamp(version["registered_at"] / 1000, UTC)
    return {
        "version": version["version"],
        "is": ", ".join(version["aliases"]),
        "verdict": version.get("verdict", "not judged"),
        "recipe": version.get("recipe", ""),
        "trained on rows before": version.get("train_end", "")[:16].replace("T", " "),
        "code": f"{version.get('package_version', '')} {version.get('git_commit', '')}".strip(),
        "registered": f"{registered:%Y-%m-%d %H:%M} UTC",
        "market": version.get("market", ""),
        "reasons": "; ".join(version.get("verdict_reasons", "").splitlines()),
        "rolled back": version.get("rolled_back", ""),
    }


def _registry(settings: Settings) -> ForecasterRegistry:
    """The registry; StorageError where nothing was ever kept there."""
    folder = settings.state_dir / "mlflow"
    if not (folder / "mlflow.db").exists():
        raise StorageError(f"no model is registered in {folder}: `funding-pipeline run` trains the first")
    return ModelTracking(folder).registry


def _lake(settings: Settings) -> Lake:
    return Lake(str(settings.state_dir / "lake"))
