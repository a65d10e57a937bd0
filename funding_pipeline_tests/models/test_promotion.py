"""The rule of promotion: what a challenger must show, against whom, and that it says why not."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.models.evidence import (
    DAYS_SCHEMA,
    WEEKS_SCHEMA,
    Evidence,
    no_days,
    paired_days,
    weekly_errors,
)
from funding_pipeline.models.promotion import LEAST_WEEKS, PromotionVerdict, decide

MONDAY = date(2024, 1, 1)
WEEKS = 60


def evidence(
    *,
    recipe: str = "new",
    skill: float = 0.1,
    profit: float = 0.02,
    weeks: int = WEEKS,
    first_week: int = 0,
    others: float = 0.05,
    noise: float = 0.02,
    seed: int = 3,
) -> Evidence:
    """Weeks with `skill` and days with an annual `profit` above the baseline's, with noise around both."""
    random = np.random.default_rng(seed)
    begins = [MONDAY + timedelta(weeks=w) for w in range(first_week, first_week + weeks)]
    rows = [
        (
            horizon,
            "differential",
            datetime(d.year, d.month, d.day, tzinfo=UTC),
            100,
            1 - mean + noise * z,
            1.0,
        )
        for horizon, mean in ((24, others), (168, skill))
        for d, z in zip(begins, random.standard_normal(weeks), strict=True)
    ]
    days = [d + timedelta(days=i) for d in begins for i in range(7)]
    base = 1e-4 * random.standard_normal(len(days))
    gain = profit / 365 + noise * 1e-3 * random.standard_normal(len(days))
    frame = pl.DataFrame(
        {"day": days, "model_return": base + gain, "baseline_return": base}, schema=DAYS_SCHEMA
    )
    return Evidence(recipe, pl.DataFrame(rows, schema=WEEKS_SCHEMA, orient="row"), frame)


def judged(challenger: Evidence, champion: Evidence | None = None, **more: str) -> PromotionVerdict:
    return decide(challenger, champion, planning_hours=168, **more)


def failed(verdict: PromotionVerdict) -> set[tuple[str, str]]:
    return {(one.what, one.against) for one in verdict.comparisons if not one.passed}


SKILL, PROFIT = "skill of differentials, 168 h", "net profit"


def test_the_first_must_beat_the_baseline_on_skill_and_on_profit() -> None:
    assert judged(evidence()).action == "promoted"
    assert failed(judged(evidence(skill=-0.1))) == {(SKILL, "the baseline")}
    assert failed(judged(evidence(profit=-0.02))) == {(PROFIT, "the baseline")}


def test_better_by_less_than_the_interval_is_not_enough_and_the_figures_are_said() -> None:
    verdict = judged(evidence(skill=0.01, noise=0.5))
    assert verdict.action == "refused"
    (reason,) = [text for text in verdict.reasons if SKILL in text]
    assert "95 % interval -" in reason
    assert reason.endswith("must be better: not passed")


def test_the_difference_is_what_it_says() -> None:
    verdict = judged(evidence(skill=0.1, profit=0.02, noise=0.0))
    found = {(one.what, one.against): one.difference for one in verdict.comparisons}
    assert found[SKILL, "the baseline"] == pytest.approx(0.1)
    assert found[PROFIT, "the baseline"] == pytest.approx(0.02)


def test_another_recipe_must_beat_the_champion_on_both() -> None:
    champion = evidence(recipe="old", skill=0.05, profit=0.01)
    assert judged(evidence(), champion).action == "promoted"
    weaker = judged(evidence(skill=0.0505, profit=0.0101, seed=5), champion)
    assert weaker.action == "refused"
    assert failed(weaker) == {(SKILL, "the champion"), (PROFIT, "the champion")}


def test_the_comparison_with_the_champion_is_paired_on_common_weeks() -> None:
    """The champion's easy early weeks, which the challenger never saw, do not count."""
    easy, hard = evidence(recipe="old", skill=0.5, weeks=40), evidence(recipe="old", first_week=40, weeks=40)
    champion = Evidence("old", pl.concat([easy.weeks, hard.weeks]), pl.concat([easy.days, hard.days]))
    verdict = judged(evidence(skill=0.2, profit=0.1, first_week=40, weeks=40), champion)
    assert verdict.action == "promoted"
    assert {one.weeks for one in verdict.comparisons} == {40}


def test_a_newer_fit_of_the_same_recipe_is_a_refresh() -> None:
    champion = evidence(recipe="same", weeks=WEEKS - 4)
    newer = evidence(recipe="same")
    assert judged(newer, evidence(recipe="same")).action == "refreshed"
    assert judged(newer, champion).action == "refreshed"


def test_a_refresh_must_still_beat_the_baseline_and_not_be_worse() -> None:
    champion = evidence(recipe="same", skill=0.3)
    worse = judged(evidence(recipe="same", skill=0.2), champion)
    assert (worse.action, failed(worse)) == ("refused", {(SKILL, "the champion")})
    lost = judged(evidence(recipe="same", profit=-0.01), evidence(recipe="same", profit=-0.01))
    assert (lost.action, failed(lost)) == ("refused", {(PROFIT, "the baseline")})


def test_horizons_without_a_plan_must_not_be_worse_than_the_baseline() -> None:
    assert judged(evidence(others=0.0)).action == "promoted"
    assert failed(judged(evidence(others=-0.2))) == {("skill of differentials, 24 h", "the baseline")}


def test_too_few_weeks_prove_nothing() -> None:
    assert judged(evidence(weeks=LEAST_WEEKS)).action == "promoted"
    verdict = judged(evidence(weeks=LEAST_WEEKS - 1))
    assert verdict.action == "refused"
    assert f"{LEAST_WEEKS} are needed" in verdict.reasons[0]


def test_without_a_back_test_nobody_is_promoted() -> None:
    sound = evidence()
    verdict = judged(Evidence("new", sound.weeks, no_days()))
    assert failed(verdict) == {(PROFIT, "the baseline")}


def test_a_barred_recipe_is_refused_whatever_it_shows() -> None:
    verdict = judged(evidence(), barred="rolled back by person ada")
    assert (verdict.action, verdict.takes_the_alias) == ("refused", False)
    assert verdict.reasons[0] == "rolled back by person ada"


def test_weekly_errors_are_sums_over_the_rows_of_a_week_in_any_order() -> None:
    start = datetime(2024, 1, 3, tzinfo=UTC)
    times = [start + timedelta(days=3 * i) for i in range(6)]
    rows = [(t, v, "BTC/USDT:USDT", 24) for t in times for v in ("a", "b")]
    keys = pl.DataFrame(
        rows, schema=["as_of", "venue", "symbol", "horizon_hours"], orient="row"
    ).with_columns(pl.col("as_of").cast(pl.Datetime("us", "UTC")), pl.col("horizon_hours").cast(pl.Int64))
    leg = pl.when(pl.col("venue") == "a").then(3.0).otherwise(1.0)
    forecasts = keys.with_columns(
        rate_per_hour=leg, baseline_rate_per_hour=pl.lit(0.0), model=pl.lit("m"), q10=leg, q50=leg, q90=leg
    )
    labels = keys.with_columns(rate_per_hour=leg + 1.0 * (pl.col("venue") == "a"), plateau_share=pl.lit(0.0))
    found = weekly_errors(forecasts, labels)
    assert weekly_errors(forecasts.reverse(), labels.sample(fraction=1.0, shuffle=True, seed=1)).equals(found)
    week = found.filter(pl.col("week") == datetime(2024, 1, 1, tzinfo=UTC))
    pair, level = (week.filter(quantity=name).row(0, named=True) for name in ("differential", "level"))
    assert (pair["rows"], pair["model_error"], pair["baseline_error"]) == (2, 2.0, 6.0)
    assert (level["rows"], level["model_error"], level["baseline_error"]) == (4, 2.0, 10.0)
    assert weekly_errors(forecasts.with_columns(model=pl.lit("baseline")), labels).is_empty()


def test_days_are_paired() -> None:
    mine = pl.DataFrame({"day": [MONDAY, MONDAY + timedelta(days=1)], "return": [0.1, 0.2]})
    theirs = pl.DataFrame({"day": [MONDAY + timedelta(days=1)], "return": [0.3]})
    assert paired_days(mine, theirs).rows() == [(MONDAY + timedelta(days=1), 0.2, 0.3)]


def test_what_is_no_number_is_no_evidence() -> None:
    known, gap = evidence(weeks=WEEKS), evidence(weeks=WEEKS)
    first = pl.col("week") < datetime(2024, 3, 1, tzinfo=UTC)
    holed = gap.weeks.with_columns(
        pl.when(first).then(float("nan")).otherwise("model_error").alias("model_error")
    )
    days = gap.days.with_columns(
        pl.when(pl.col("day") > date(2024, 6, 1)).then(None).otherwise("model_return").alias("model_return")
    )
    verdict = judged(Evidence("new", holed, days))
    assert all(one.difference is None or np.isfinite(one.difference) for one in verdict.comparisons)
    counted = {one.what: one.weeks for one in verdict.comparisons}
    before = {one.what: one.weeks for one in judged(known).comparisons}
    assert counted["skill of differentials, 168 h"] == before["skill of differentials, 168 h"] - 9
    assert counted["net profit"] < before["net profit"] // 2
