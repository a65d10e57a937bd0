"""Whether a newly trained set of forecasters may become champion, and in words why, or why not.

What lives here: the rule. What does not: evidence (`evidence`), aliases (`tracking`). The rule, and what is
behind it: docs/adr/0008-promotion.md.

A skill is 1 - sum of the model's absolute errors / sum of the baseline's; a profit is the annual return on
capital above that of the optimiser with the baseline forecast. Both against the champion are differences of
these, on the weeks that both have. Intervals: 95 %, drawn over whole weeks (`bootstrap`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from funding_pipeline.core.horizons import horizon_text
from funding_pipeline.models.bootstrap import statistic_interval
from funding_pipeline.models.evidence import Evidence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Action = Literal["promoted", "refreshed", "refused"]
Rule = Literal["must be better", "must not be worse"]
LEAST_WEEKS = 13
"""Evidence of less than a quarter of a year is none."""
_DAYS_PER_YEAR = 365
_NOISE = 1e-9
"""Sums of equal forecasts differ in their last bits."""


@dataclass(frozen=True)
class Comparison:
    """One comparison: what, against whom, the difference (above zero: better), its 95 % interval.

    `difference` is a share of the baseline's error, or an annual return on capital; null where there are
    fewer than LEAST_WEEKS weeks to compare.
    """

    what: str
    against: str
    rule: Rule
    weeks: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def passed(self) -> bool:
        """Better, or not worse, by more than its uncertainty. The unknown passes only `must not be worse`."""
        if self.low is None or self.high is None:
            return self.rule == "must not be worse"
        return self.low > _NOISE if self.rule == "must be better" else self.high >= -_NOISE

    def text(self) -> str:
        """In one line of plain words."""
        if self.difference is None or self.low is None or self.high is None:
            found = f"{self.weeks} weeks to compare, {LEAST_WEEKS} are needed"
        else:
            found = (
                f"{self.difference:+.2%}, 95 % interval {self.low:+.2%} to {self.high:+.2%}, "
                f"{self.weeks} weeks"
            )
        verdict = "passed" if self.passed else "not passed"
        return f"{self.what} against {self.against}: {found}; {self.rule}: {verdict}"


@dataclass(frozen=True)
class PromotionVerdict:
    """What is done with a challenger, every comparison, and the reasons in words."""

    action: Action
    comparisons: tuple[Comparison, ...]
    reasons: tuple[str, ...]

    @property
    def takes_the_alias(self) -> bool:
        """Whether the challenger is champion from now on."""
        return self.action != "refused"


def decide(
    challenger: Evidence,
    champion: Evidence | None,
    *,
    planning_hours: int,
    champion_name: str = "the champion",
    barred: str = "",
) -> PromotionVerdict:
    """Judge a challenger by its evidence and the champion's (None: there is no champion).

    It must beat the baseline on the skill of differentials over `planning_hours` and on net profit, and a
    champion of another recipe on both as well. Over other horizons it must not be worse than either. A
    champion of the same recipe was judged before: the newer fit must beat the baseline still, and not be
    worse than it. `barred`: why the recipe may not be champion whatever it shows.
    """
    same = champion is not None and champion.recipe == challenger.recipe
    found = _comparisons(challenger, None, planning_hours, "the baseline", rule="must be better")
    if champion is not None:
        rule: Rule = "must not be worse" if same else "must be better"
        found += _comparisons(challenger, champion, planning_hours, champion_name, rule=rule)
    failed = [one for one in found if not one.passed]
    reasons = [one.text() for one in failed] or ["every comparison is passed"]
    if barred:
        reasons.insert(0, barred)
    action: Action = "refused" if failed or barred else "refreshed" if same else "promoted"
    return PromotionVerdict(action, tuple(found), tuple(reasons))


def _comparisons(
    challenger: Evidence, champion: Evidence | None, planning_hours: int, against: str, *, rule: Rule
) -> list[Comparison]:
    horizons = sorted(challenger.weeks["horizon_hours"].unique().to_list())
    others = [hours for hours in horizons if hours != planning_hours]
    return [
        _skill(challenger, champion, planning_hours, against, rule),
        _profit(challenger, champion, against, rule),
        *(_skill(challenger, champion, hours, against, "must not be worse") for hours in others),
    ]


def _skill(
    challenger: Evidence, champion: Evidence | None, hours: int, against: str, rule: Rule
) -> Comparison:
    chosen = (pl.col("horizon_hours") == hours) & (pl.col("quantity") == "differential")
    names, weeks = ["model_error", "baseline_error"], challenger.weeks.filter(chosen)
    if champion is not None:
        weeks = weeks.join(champion.weeks.filter(chosen), on="week", suffix="_champion")
        names += [f"{name}_champion" for name in names]
    what = f"skill of differentials, {horizon_text(hours)},"
    return _compared(weeks.sort("week").select(names), _skill_of_sums, what, against, rule)


def _skill_of_sums(sums: "NDArray[np.float64]") -> "NDArray[np.float64]":
    own: NDArray[np.float64] = 1 - sums[:, 0] / sums[:, 1]
    return own if sums.shape[1] == 2 else own - (1 - sums[:, 2] / sums[:, 3])


def _profit(challenger: Evidence, champion: Evidence | None, against: str, rule: Rule) -> Comparison:
    days = challenger.days.with_columns(gain=pl.col("model_return") - pl.col("baseline_return"))
    if champion is not None:
        theirs = champion.days.select("day", theirs=pl.col("model_return") - pl.col("baseline_return"))
        days = days.join(theirs, on="day").with_columns(gain=pl.col("gain") - pl.col("theirs"))
    by_week = (
        days.filter(pl.col("gain").is_finite())
        .sort("day")
        .group_by_dynamic("day", every="1w")
        .agg(pl.col("gain").sum(), pl.len().cast(pl.Float64).alias("days"))
    )
    return _compared(by_week.select("gain", "days"), _annual_of_sums, "net profit", against, rule)


def _annual_of_sums(sums: "NDArray[np.float64]") -> "NDArray[np.float64]":
    annual: NDArray[np.float64] = sums[:, 0] / sums[:, 1] * _DAYS_PER_YEAR
    return annual


def _compared(
    weeks: pl.DataFrame,
    statistic: Callable[["NDArray[np.float64]"], "NDArray[np.float64]"],
    what: str,
    against: str,
    rule: Rule,
) -> Comparison:
    """The statistic over all weeks (one row each) with its interval over weeks drawn."""
    weeks = weeks.filter(pl.all_horizontal(pl.all().is_finite()))  # null and not a number are no evidence
    bare = Comparison(what.rstrip(","), against, rule, weeks.height)
    if weeks.height < LEAST_WEEKS:
        return bare
    blocks = weeks.to_numpy()
    interval = statistic_interval(blocks, statistic)
    if interval is None:
        return bare
    whole = float(statistic(blocks.sum(axis=0, keepdims=True))[0])
    return Comparison(what.rstrip(","), against, rule, weeks.height, whole, *interval)
