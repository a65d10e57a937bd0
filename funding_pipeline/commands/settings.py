"""`funding-pipeline settings`: what is in force, where it came from, and a schema of the file for editors."""

import json
import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from rich.table import Table
from sqlalchemy.engine import make_url

from funding_pipeline.commands.console import console
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.settings import NOT_IN_PORTFOLIO, TABLES, Settings, file_values, settings_file
from funding_pipeline.venues.credentials import variable_name
from funding_pipeline.venues.registry import DIALECTS, dialect_of

_SECRET = frozenset({"alert_urls", "escalation_urls"})
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def show_settings(settings: Settings, *, as_json: bool) -> None:
    """Every setting with its value, source and meaning, and which keys are there; secrets stay hidden."""
    rows = [_row(settings, name, file_values()) for name in Settings.model_fields]
    rows += [
        {"name": name, "value": "(set)", "source": "environment", "meaning": "key of a venue"}
        for venue in DIALECTS
        for key in dialect_of(venue).credentials
        if (name := variable_name(venue, key)) in os.environ
    ]
    if as_json:
        print(json.dumps(rows, default=str, indent=1))
        return
    table = Table("setting", "value", "from", "meaning")
    for row in rows:
        table.add_row(row["name"], str(row["value"]), row["source"], row["meaning"])
    console.print(table)
    console.print(f"file: {settings_file()}; state: {settings.state_dir}", soft_wrap=True)


def print_schema() -> None:
    """JSON Schema of funding.toml."""
    print(json.dumps(file_schema(), indent=1))


def file_schema() -> Mapping[str, Any]:
    """Every key that the file may have, with type, bounds and meaning; nothing else is allowed in it."""
    models: list[type[BaseModel]] = [Settings, *TABLES.values()]
    _, shared = models_json_schema([(model, "validation") for model in models], title="funding.toml")
    definitions: dict[str, Any] = shared["$defs"]
    whole: dict[str, Any] = dict(definitions.pop(Settings.__name__))
    for name, model in TABLES.items():
        meaning = whole["properties"][name].get("description", "")
        table = {"$ref": f"#/$defs/{model.__name__}", "description": meaning}
        whole["properties"][name] = {"type": "array", "items": table} if name == "limits" else table
    for name in NOT_IN_PORTFOLIO:
        del definitions[PortfolioConfig.__name__]["properties"][name]
    return {**whole, "$schema": _DIALECT, "additionalProperties": False, "$defs": definitions}


def _row(settings: Settings, name: str, file: Mapping[str, Any]) -> dict[str, Any]:
    field = Settings.model_fields[name]
    variables = {key.upper(): key for key in os.environ}
    source = "default"
    if f"FUNDING_{name.upper()}" in variables:
        source = f"environment, {variables[f'FUNDING_{name.upper()}']}"
    elif name in file:
        source = f"{settings_file().name}, [{name}]" if name in TABLES else settings_file().name
    value = getattr(settings, name)
    if name in _SECRET:
        value = "(set)" if value else ""
    elif name == "journal" and value:
        value = make_url(value).render_as_string(hide_password=True)
    elif name == "identity":
        value = value.model_dump()
    return {"name": name, "value": value, "source": source, "meaning": field.description or ""}
