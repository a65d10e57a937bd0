"""Faults of market hours, from a seed."""

from funding_pipeline.commands.soak.faults import Json, faults_of
from funding_pipeline.testnet.faults import Rule

VENUES = ("binance", "okx")
LEGS = (("binance", "BTC/USDT:USDT"), ("okx", "ETH/USDT:USDT"))


def of_hours(seed: int, hours: int = 336) -> list[tuple[Json, ...]]:
    return [faults_of(seed, hour, venues=VENUES, legs=LEGS) for hour in range(hours)]


def test_the_same_seed_draws_the_same_faults_and_another_seed_others() -> None:
    assert of_hours(3) == of_hours(3) != of_hours(4)


def test_fourteen_days_have_every_kind_that_passes_and_none_that_does_not() -> None:
    hours = of_hours(0)
    kinds = {rule["kind"] for rules in hours for rule in rules}
    assert {"latency", "status", "lost_answer", "partial_then_halt", "interval_change"} <= kinds
    assert not kinds & {"delist", "adl"}
    assert 30 < sum(map(bool, hours)) < 100
    for rules in hours:
        assert all(Rule.model_validate(rule).latency_ms <= 3_000 for rule in rules)


def test_there_are_none_before_anything_is_traded() -> None:
    assert not any(faults_of(0, hour, venues=VENUES, legs=()) for hour in range(336))
