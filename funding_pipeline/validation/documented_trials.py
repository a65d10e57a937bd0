"""Trials that no store has a log of: those behind what is published, from `config/model_trials.toml`."""

import tomllib
from collections.abc import Sequence
from datetime import date
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from funding_pipeline.core.errors import SettingsError

_FILE = "config/model_trials.toml"


class DocumentedTrials(BaseModel):
    """How many were tried for a release, at which horizon (0: the next settlement), until when, and what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str = Field(min_length=1)
    date: date
    horizon_hours: int = Field(ge=0, le=720)
    trials: int = Field(ge=1)
    judged_by: Literal["forecast skill", "net return"]
    tried: str = Field(min_length=1)


def load_documented_trials() -> Sequence[DocumentedTrials]:
    """Every entry of the packaged file; SettingsError naming the entry that is wrong."""
    text = resources.files("funding_pipeline").joinpath(_FILE).read_text("utf-8")
    found = []
    for number, values in enumerate(tomllib.loads(text).get("trials", []), start=1):
        try:
            found.append(DocumentedTrials(**values))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise SettingsError(f"{_FILE}: entry {number}: {name}: {first['msg']}") from error
    return tuple(found)


def documented_trials() -> int:
    """All of them, whatever the horizon: what was learnt at one was used at the others."""
    return sum(entry.trials for entry in load_documented_trials())
