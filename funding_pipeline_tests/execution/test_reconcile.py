"""The reconcile step, alone: whatever fills, legs stay together and what is allowed is never passed."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.governance import TargetPosition
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.reconcile import base_action, goals, next_actions
from funding_pipeline.execution.reconcile_view import (
    LegView,
    Mode,
    ReconcileView,
    Send,
    Wait,
    net_units,
    unhedged_units,
)
from funding_pipeline.execution.slicing import Quote, SizeRules

D = Decimal
CONFIG = ExecutionConfig(slice_usd=10_000, depth_share=0.5)


def leg(
    venue: str,
    allowed: str,
    held: str | None = "0",
    *,
    step: str = "0.01",
    depth: str = "1000",
    multiplier: str = "1",
    least: str = "0",
    price: str = "100",
) -> LegView:
    target = TargetPosition(venue, "X/USDT:USDT", "X", D(multiplier), D(allowed), D(price))
    quote = Quote(D(price), D(price), D(depth), D(depth))
    rules = SizeRules(D(step), D("0.01"), D(step), D(least), D(multiplier))
    return LegView(target, D(allowed), None if held is None else D(held), rules, quote)


def act(*legs: LegView, mode: Mode = "full", config: ExecutionConfig = CONFIG) -> Send | Wait | None:
    return base_action(legs, mode, config)


def sent(*legs: LegView, mode: Mode = "full", config: ExecutionConfig = CONFIG) -> tuple[str, D, str, bool]:
    action = act(*legs, mode=mode, config=config)
    assert isinstance(action, Send), action
    return action.leg.target.venue, action.change, action.purpose, action.reduce_only


def test_the_leg_with_less_depth_goes_first_in_a_slice() -> None:
    assert sent(leg("a", "300"), leg("b", "-300", depth="500")) == ("b", D(-100), "open", False)
    assert sent(leg("a", "300", depth="20"), leg("b", "-300")) == ("a", D(10), "open", False)


def test_what_filled_is_hedged_before_anything_else() -> None:
    assert sent(leg("a", "300", "37.5"), leg("b", "-300")) == ("b", D("-37.5"), "hedge", False)
    assert sent(leg("a", "0", "120"), leg("b", "0", "-150")) == ("b", D(30), "reduce", True)


def test_a_slice_is_on_the_coarser_step_of_the_two() -> None:
    action = act(leg("a", "0.987", step="0.001", depth="1"), leg("b", "-0.987", step="0.1"))
    assert isinstance(action, Send)
    assert (action.leg.target.venue, action.change) == ("a", D("0.5"))
    thousands = leg("k", "-3.5", step="0.5", multiplier="1000", price="100000")
    assert sent(leg("a", "3500", step="1", depth="1"), thousands)[:2] == ("a", D(500))


def test_a_rest_below_a_minimum_is_not_left_over() -> None:
    pair = leg("a", "101", least="500"), leg("b", "-101", least="500", depth="900")
    assert sent(*pair)[1] == D(-101)


def test_dust_is_left() -> None:
    assert act(leg("a", "1.004", "1"), leg("b", "-1.003", "-1")) is None
    assert act(leg("a", "0.03", least="5"), leg("b", "-0.03", least="5")) is None


def test_crossing_zero_closes_first() -> None:
    assert sent(leg("a", "50", "-20", depth="10"), leg("b", "-50", "20"))[2:] == ("reduce", True)
    assert sent(leg("a", "50", "-20"), leg("b", "-50", "-30"))[1:] == (D(20), "reduce", True)


def test_reducing_never_opens_and_keeps_the_legs_together() -> None:
    assert act(leg("a", "300"), leg("b", "-300"), mode="reduce") is None
    assert sent(leg("a", "300", "40"), leg("b", "-300", "-30"), mode="reduce") == (
        "a",
        D(-10),
        "reduce",
        True,
    )
    assert sent(leg("a", "5", "40"), leg("b", "-5", "-40", depth="9"), mode="reduce")[:2] == ("b", D("4.5"))


def test_giving_up_flattens_the_filled_leg() -> None:
    gone = replace(leg("b", "-300"), blocked="gone", quote=None)
    assert isinstance(act(leg("a", "300", "40"), gone), Wait)
    assert sent(leg("a", "300", "40"), gone, mode="flatten") == ("a", D(-40), "flatten", True)
    doubtful = replace(gone, is_unknown=True)
    assert isinstance(act(leg("a", "300", "40"), doubtful), Wait)
    assert sent(leg("a", "300", "40"), doubtful, mode="flatten")[1] == D(-40)
    unread = replace(gone, held=None)
    assert sent(leg("a", "300", "40"), unread, mode="flatten")[1] == D(-40)


def test_flattening_does_not_count_on_a_leg_that_cannot_follow() -> None:
    halted = replace(leg("b", "0", "50"), blocked="halted", quote=None)
    legs = leg("a", "-125", "-120"), halted, leg("c", "125", "70")
    wait = act(*legs, mode="flatten")
    assert isinstance(wait, Wait), "the three are neutral as they are"
    assert wait.legs == (("b", "X/USDT:USDT"),)
    assert sent(*legs[:2], leg("c", "125", "60"), mode="flatten")[:2] == ("a", D(10))


def test_nothing_begins_where_the_other_leg_cannot_follow() -> None:
    gone = replace(leg("b", "-300"), blocked="gone", quote=None)
    near = replace(leg("b", "-300"), may_begin=False)
    for other in (gone, near):
        wait = act(leg("a", "300"), other)
        assert isinstance(wait, Wait)
        assert wait.legs == (("b", "X/USDT:USDT"),)
    assert sent(leg("a", "300", "40"), near)[:2] == ("b", D(-40)), "a hedge may still be sent"


def test_after_the_deadline_only_hedges_are_sent() -> None:
    assert act(leg("a", "300"), leg("b", "-300"), mode="hedge") is None
    assert sent(leg("a", "300", "40"), leg("b", "-300"), mode="hedge")[1] == D(-40)


def test_nothing_is_opened_far_from_the_plans_price() -> None:
    moved = [
        replace(view, quote=Quote(D(120), D(120), D(9), D(9))) for view in (leg("a", "9"), leg("b", "-9"))
    ]
    assert act(*moved) is None
    held = [replace(moved[0], held=D(9), allowed=D(0)), replace(moved[1], held=D(-9), allowed=D(0))]
    assert sent(*held)[3], "what reduces may be sent at any price"


def test_strays_and_unknowns_come_first() -> None:
    view = ReconcileView((leg("a", "300"), leg("b", "-300")))
    assert [type(action).__name__ for action in next_actions(view, CONFIG)] == ["Send"]
    assert next_actions(replace(view, is_halted=True), CONFIG) == ()


LEGS = st.lists(
    st.tuples(
        st.decimals("-50", "50", places=3),
        st.decimals("-50", "50", places=3),
        st.sampled_from(["0.001", "0.01", "0.1", "1"]),
        st.sampled_from(["0", "5", "20"]),
        st.sampled_from(["2", "40", "1000"]),
    ),
    min_size=2,
    max_size=5,
)
MODES: st.SearchStrategy[Mode] = st.sampled_from(["full", "hedge", "reduce", "flatten"])


@settings(max_examples=60, deadline=None)
@given(LEGS, MODES, st.lists(st.decimals("0", "1", places=2), min_size=1, max_size=20), st.booleans())
def test_any_fills_lead_to_what_is_allowed(
    drawn: list[tuple[D, D, str, str, str]], mode: Mode, shares: list[D], is_neutral: bool
) -> None:
    """Each order fills in part; in the end nothing is due, no leg went beyond its goal, and hedges shrink
    what is unhedged."""
    views = [
        leg(str(i), str(allowed), str(D(held) // D(step) * D(step)), step=step, least=least, depth=depth)
        for i, (allowed, held, step, least, depth) in enumerate(drawn)
    ]
    if is_neutral:
        rest = sum((view.allowed for view in views[1:]), D(0))
        views[0] = replace(views[0], allowed=-rest)
    for turn in range(20_000):
        wanted = {move.leg.key: move.goal for move in goals(views, mode)}  # levels: they follow what is held
        action = base_action(views, mode, CONFIG)
        if not isinstance(action, Send):
            break
        place = views.index(action.leg)
        before, goal = views[place].held or D(0), wanted[action.leg.key]
        rules = action.leg.rules
        assert rules is not None
        assert action.change % rules.step == 0
        assert abs(goal - before - action.change) <= abs(goal - before), "towards its goal, never beyond"
        if action.reduce_only:
            assert before * action.change < 0
            assert abs(action.change) <= abs(before)
        if mode in ("reduce", "flatten"):
            assert action.reduce_only
        share = max(shares[turn % len(shares)], D("0.3") if turn > 20 else D(0))
        filled = max(rules.step, abs(action.change) * share // rules.step * rules.step)
        views[place] = replace(views[place], held=before + filled * (1 if action.change > 0 else -1))
        if action.purpose == "hedge" and is_neutral:
            assert abs(net_units(views)) <= abs(net_units(views) - filled * (1 if action.change > 0 else -1))
    else:
        raise AssertionError("it never ends")
    if mode == "flatten" and is_neutral:
        coarse = max(view.rules.step for view in views if view.rules is not None)
        assert unhedged_units(views) <= coarse * len(views)
