"""What a registered model says about itself, and whether it may forecast here and now.

What lives here: the card and the reasons for which a model is not used. What does not: keeping models
(`tracking`), or judging how good they are (`promotion`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl
from pydantic import BaseModel, ConfigDict

from funding_pipeline.core.horizons import horizon_text

_NAMED = 3


class ModelCard(BaseModel):
    """Carried by every version. `inputs`: type of each panel column that it reads, by name.

    `data_versions`: versions of the Delta tables it was trained on. `git_commit`: `unknown` outside of a
    checkout.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    recipe: str
    model: str
    horizons_hours: tuple[int, ...]
    train_end: datetime
    market: str
    inputs: Mapping[str, str]
    package_version: str
    git_commit: str
    data_versions: Mapping[str, str]

    def why_not(
        self,
        features: pl.DataFrame,
        *,
        as_of: datetime,
        market: str,
        horizons_hours: Sequence[int],
        max_age_hours: float,
    ) -> str | None:
        """Why this model may not forecast from `features` at `as_of` (UTC), or None where it may.

        Of another market, without a horizon that is wanted, a column missing or of another type, trained
        on rows that are yet to come (a testnet that was put back), or older than `max_age_hours`.
        """
        age_hours = (as_of - self.train_end).total_seconds() / 3600
        if self.market != market:
            return f"was trained on another market: {self.market}"
        if missing := sorted(set(horizons_hours) - set(self.horizons_hours)):
            return f"does not forecast {', '.join(map(horizon_text, missing))}"
        if absent := [name for name in self.inputs if name not in features.columns]:
            return f"reads features that are not in the panel: {_some(absent)}"
        if other := [n for n, dtype in self.inputs.items() if str(features.schema[n]) != dtype]:
            return f"was fitted on other types of features: {_some(other)}"
        if age_hours < -1:  # the rows of a fetch end with its hour
            return f"was trained on rows after {as_of:%Y-%m-%d %H:%M} UTC: train anew"
        if age_hours > max_age_hours:
            return f"knows nothing of the last {age_hours:,.0f} h, limit {max_age_hours:g} h: train anew"
        return None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
