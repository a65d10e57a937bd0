"""Growth between medians, and bounds."""

from decimal import Decimal

from rich.console import Console

from funding_pipeline.commands.soak.audit import Audit
from funding_pipeline.commands.soak.measuring import Sample, Usage
from funding_pipeline.commands.soak.report import as_json, broken, measured, table
from funding_pipeline.commands.soak.run import frame
from funding_pipeline.reporting.plots_soak import soak_plot

CLEAN = Audit(0, 0, 0, Decimal(0), Decimal(0), ())


def samples(*, hours: int, growth: float = 0.0, handles: int = 0) -> list[Sample]:
    """A guard that grows evenly after a first tenth in which it trebles."""
    found = []
    for hour in range(hours):
        share = hour / hours
        memory = 100e6 * (share * 20 + 1) if share < 0.1 else 300e6 * (1 + growth * share)
        usage = Usage((1,), round(memory), 20 + round(handles * share))
        found.append(Sample(hour, {"guard": usage}, {"journal": 1000 * hour}, hour))
    return found


def judge(taken: list[Sample], audit: Audit = CLEAN, restarts: int = 0) -> list[str]:
    return broken(measured(taken), audit, hours=len(taken), restarts=restarts)


def test_what_fills_in_the_first_tenth_is_no_growth() -> None:
    assert judge(samples(hours=336, growth=0.04)) == []
    assert measured(samples(hours=336)).memory["guard"].fraction == 0


def test_memory_that_grows_by_more_than_a_twentieth_and_handles_that_are_left_open_are_named() -> None:
    assert judge(samples(hours=336, growth=0.08)) == ["memory of guard grew by 6.4%, at most 5%"]
    assert judge(samples(hours=336, handles=30)) == ["guard has 24 more open handles than at the start"]


def test_a_few_hours_are_too_short_to_judge_growth_but_not_statements() -> None:
    differs = Audit(1, 1, 1, Decimal(0), Decimal(0), ("okx BTC: 1 row less",))
    assert judge(samples(hours=8, growth=1.0)) == []
    assert judge(samples(hours=8, growth=1.0), differs) == ["okx BTC: 1 row less"]


def test_a_process_that_was_started_again_breaks_a_bound() -> None:
    assert judge(samples(hours=8), restarts=1) != []


def test_a_process_that_came_later_is_not_compared() -> None:
    taken = samples(hours=8)
    late = Usage((2,), 1, 1)
    taken[-1] = Sample(7, {**taken[-1].processes, "daemon": late}, taken[-1].sizes, 8)
    assert set(measured(taken).memory) == {"guard"}


def test_it_is_shown_as_a_table_as_figures_and_as_a_picture() -> None:
    taken = samples(hours=48, growth=0.1)
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table(measured(taken)))
    assert "memory of guard, MiB" in shown.get()
    assert as_json(measured(taken))["memory_bytes"]["guard"]["growth"] > 0.05
    assert soak_plot(frame(taken)).startswith(b"\x89PNG")
