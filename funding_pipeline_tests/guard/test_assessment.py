"""From looks to findings, by table: what is due when, how long it must have lasted, what is only told."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.core.governance import StateRecord
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.core.trading import InstrumentModes, OrderState
from funding_pipeline.guard.assessment import Assessment, Lasting, assess
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Finding
from funding_pipeline.guard.seen import Seen, Unexplained
from funding_pipeline_tests.execution.books import (
    BETAS,
    NOW,
    VENUES,
    WIDE,
    book,
    facts,
    limits,
    market,
    symbol,
)

CONFIG = GuardConfig()
ACTIVE = StateRecord("ACTIVE", "test", "person anna", NOW)
HEDGED = {("a", "BTC"): "1", ("b", "BTC"): "-1"}
NAKED = {("a", "BTC"): "1", ("b", "BTC"): "-0.5"}
TIGHT = limits(max_base_delta_usd=5_000)


def seen(held: Mapping[tuple[str, str], Any] | None = None, **changed: Any) -> Seen:
    """Three venues of 1,000,000 USD each that answer, and nothing else to say."""
    equity = changed.pop("equity", None)
    told = book(HEDGED if held is None else held, equity=equity)
    values: dict[str, Any] = {
        "at": NOW, "books": told.venues, "expected": frozenset(VENUES), "betas": BETAS, "market": market(),
        "state": ACTIVE,
    }  # fmt: skip
    return Seen(**(values | changed))


def without(venue: str, held: Mapping[tuple[str, str], Any], **changed: Any) -> Seen:
    """The same where a venue has fallen silent; what it said last is known."""
    whole = seen(held)
    kept = {name: one for name, one in whole.books.items() if name != venue}
    bases = frozenset(base for (name, base) in held if name == venue)
    return replace(
        whole, books=kept, down={venue: f"{venue}: gone"}, last_books={venue: whole.books[venue]},
        at_stake={venue: bases}, **changed,
    )  # fmt: skip


def after(one: Seen, *seconds: float, under: RiskLimits = TIGHT) -> Assessment:
    """Looks at the same thing, the first at NOW and one at each of `seconds` later."""
    memory: Mapping[str, Lasting] = {}
    for passed in (0.0, *seconds):
        now = replace(one, at=NOW + timedelta(seconds=passed))
        judged = assess(now, limits=under, config=CONFIG, memory=memory)
        memory = judged.memory
    return judged


def finding(judged: Assessment, key: str) -> Finding:
    found = [one for one in judged.findings if one.key == key]
    assert len(found) == 1, [one.key for one in judged.findings]
    return found[0]


def keys(judged: Assessment) -> list[str]:
    return [one.key for one in judged.findings]


def test_a_hedged_book_has_no_findings() -> None:
    assert after(seen(), 2, 400).findings == ()


@pytest.mark.parametrize(
    ("seconds", "action", "severity"),
    [
        ((), "none", "info"),
        ((2,), "none", "info"),
        ((2, 11), "shed", "critical"),
        ((11,), "shed", "critical"),
    ],
)
def test_a_naked_base_is_reduced_when_it_lasts(
    seconds: tuple[float, ...], action: str, severity: str
) -> None:
    found = finding(after(seen(NAKED), *seconds), "naked BTC")
    assert (found.action, found.severity) == (action, severity)
    assert found.numbers["delta_usd"] == pytest.approx(25_000)
    assert found.state == ("REDUCING" if action == "shed" else None)


def test_one_long_look_is_not_enough() -> None:
    """Patience may have passed in one pause; a second look must agree."""
    judged = assess(seen(NAKED), limits=TIGHT, config=CONFIG, memory={})
    old = {"naked BTC": Lasting(NOW - timedelta(hours=1), 0)}
    first = assess(seen(NAKED), limits=TIGHT, config=CONFIG, memory=old)
    assert finding(first, "naked BTC").action == "none"
    assert finding(judged, "naked BTC").action == "none"


def test_what_ended_in_between_begins_anew() -> None:
    first = after(seen(NAKED), 2, 9)
    well = assess(
        replace(seen(), at=NOW + timedelta(seconds=11)), limits=TIGHT, config=CONFIG, memory=first.memory
    )
    again = assess(
        replace(seen(NAKED), at=NOW + timedelta(seconds=13)), limits=TIGHT, config=CONFIG, memory=well.memory
    )
    assert finding(again, "naked BTC").action == "none"


def test_an_executor_at_work_is_left_alone_for_a_while() -> None:
    busy = seen(NAKED, lock_holder="executor")
    assert finding(after(busy, 60, 120), "naked BTC under executor").action == "none"
    late = finding(after(busy, 120, 241), "naked BTC under executor")
    assert (late.action, late.severity) == ("REDUCING", "critical")


def test_the_guards_own_lock_is_no_excuse() -> None:
    assert finding(after(seen(NAKED, lock_holder="guard"), 11), "naked BTC").action == "shed"


def test_nothing_is_closed_beside_a_venue_that_is_silent() -> None:
    judged = after(without("b", HEDGED), 60, 119)
    assert {one.action for one in judged.findings} == {"none"}
    assert finding(judged, "venue b").severity == "warning"
    assert not any(key.startswith("naked") for key in keys(judged)), "by its last word it is hedged"
    late = after(without("b", HEDGED), 60, 121)
    assert (late.findings[0].key, late.findings[0].action) == ("venue b for long", "REDUCING")


def test_a_base_in_doubt_is_told_and_not_reduced() -> None:
    doubtful = without("b", NAKED)
    found = finding(after(doubtful, 30, 60), "naked BTC in doubt")
    assert (found.action, found.severity) == ("none", "warning")
    assert "b does not answer" in found.title


def test_a_leg_that_the_venues_which_answer_prove_naked_is_reduced() -> None:
    held = {("a", "BTC"): "1", ("c", "ETH"): "10", ("b", "ETH"): "-10"}
    judged = after(without("b", held), 6, 12)
    assert finding(judged, "naked BTC").action == "shed"
    assert finding(judged, "naked BTC").bases == {"BTC"}


def test_a_silent_venue_where_nothing_is_at_stake_only_warns() -> None:
    judged = after(without("c", HEDGED), 300, 600)
    assert [(one.key, one.severity, one.action) for one in judged.findings] == [
        ("venue c", "warning", "none")
    ]


def test_margin_and_liquidation_are_acted_on_after_two_looks() -> None:
    held = {("a", "BTC"): "4", ("b", "BTC"): "-4"}
    under = limits(max_margin_fraction=0.02, survival_move_fraction=0.3)
    poor = seen(held, equity={"a": "40000"})
    assert finding(after(poor, under=under), "margin a").action == "none"
    judged = after(poor, 2, under=under)
    for key in ("margin a", "liquidation a"):
        found = finding(judged, key)
        assert (found.action, found.severity, found.bases) == ("shed", "critical", {"BTC"})
    assert "margin b" not in keys(judged)


def test_a_venue_without_collateral_is_a_breach_and_not_unknown() -> None:
    under = limits(max_margin_fraction=0.3)
    assert finding(after(seen(equity={"a": "-1"}), 2, under=under), "margin a").action == "shed"


def test_a_mark_that_agrees_with_nobody_is_told_and_nothing_follows() -> None:
    held = {("a", "BTC"): "4", ("b", "BTC"): "-4"}
    poor = seen(held, equity={"a": "70000"}, equity_at_day_start_usd=Decimal(3_000_000))
    crazy = poor.books["a"]
    wrong = replace(
        crazy,
        marks={symbol("BTC"): Decimal(150_000)},
        positions=tuple(replace(p, mark_price=Decimal(150_000)) for p in crazy.positions),
    )
    under = limits(
        survival_move_fraction=0.35,
        max_instrument_notional_usd=300_000,
        max_base_delta_usd=5_000,
        max_daily_loss_usd=20_000,
    )
    judged = after(replace(poor, books={**poor.books, "a": wrong}), 2, under=under)
    assert finding(judged, f"mark a {symbol('BTC')}").severity == "warning"
    assert finding(judged, "liquidation a").action == "none"
    assert finding(judged, "loss of the day").action == "none"
    assert not any(key.startswith(("naked", "max_instrument")) for key in keys(judged))


def test_a_venue_whose_own_book_agrees_with_its_mark_is_believed() -> None:
    one = seen()
    wrong = replace(
        one.books["a"],
        marks={symbol("BTC"): Decimal(60_000)},
        positions=tuple(replace(p, mark_price=Decimal(60_000)) for p in one.books["a"].positions),
    )
    told = market(facts("a", "BTC", price=Decimal(60_100)))
    judged = after(replace(one, books={**one.books, "a": wrong}, market=told), 2)
    assert not any(key.startswith("mark") for key in keys(judged))


@pytest.mark.parametrize(
    ("begun", "peak", "expected"),
    [("3000000", "3000000", []), ("3030000", "3000000", ["loss of the day"]),
     ("3000000", "3200000", ["drawdown"]), (None, None, [])],
)  # fmt: skip
def test_losses_stop_growth(begun: str | None, peak: str | None, expected: list[str]) -> None:
    def amount(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    under = limits(max_daily_loss_usd=20_000, max_drawdown_fraction=0.05)
    one = seen(equity_at_day_start_usd=amount(begun), peak_equity_usd=amount(peak))
    judged = after(one, 2, under=under)
    assert keys(judged) == expected
    assert all((found.action, found.severity) == ("REDUCING", "critical") for found in judged.findings)
    stale = replace(one.books["c"], equity_usd=Decimal(900_000))
    silent = replace(
        one,
        books={k: v for k, v in one.books.items() if k != "c"},
        down={"c": "gone"},
        last_books={"c": stale},
    )
    judged = after(silent, 2, under=under)
    assert not {"loss of the day", "drawdown"} & set(keys(judged)), "not known is not lost"


def test_sizes_warn_first_and_are_reduced_after_patience() -> None:
    under = limits(max_venue_notional_usd=40_000)
    first, late = after(seen(), 2, under=under), after(seen(), 100, 301, under=under)
    for judged, action in ((first, "none"), (late, "shed")):
        found = finding(judged, "max_venue_notional_usd a")
        assert (found.severity, found.action, found.state) == ("warning", action, None)


def test_an_assumed_beta_alerts_and_reduces_nothing() -> None:
    under = limits(max_venue_beta_usd=40_000)
    judged = after(seen(betas={}), 100, 301, under=under)
    assert finding(judged, "max_venue_beta_usd a").action == "none"
    assert "BTC" in finding(judged, "betas").title
    assert finding(after(seen(), 100, 301, under=under), "max_venue_beta_usd a").action == "shed"


def test_clocks_halt_only_when_it_is_ours_that_is_wrong() -> None:
    wrong = seen(skews_seconds={"a": -9.0, "b": -9.2, "c": 0.1})
    assert finding(after(wrong, 2, 39), "clock").action == "none", "a testnet's clock may have been moved"
    ours = finding(after(wrong, 2, 41), "clock")
    assert (ours.action, ours.severity) == ("HALTED", "critical")
    assert "ahead of" in ours.title
    theirs = after(seen(skews_seconds={"a": 60.0, "b": 0.1, "c": 0.0}), 2)
    assert [(one.key, one.action) for one in theirs.findings] == [("clock a", "none")]
    assert after(seen(skews_seconds={"a": 60.0}), 2).findings[0].action == "none", "one venue is no majority"
    of_two = after(seen(skews_seconds={"a": 60.0, "b": 0.1}), 2, 41)
    assert [(one.key, one.action) for one in of_two.findings] == [("clock a", "none")]


def resting_order(**changed: Any) -> OrderState:
    order = OrderState(
        "a", symbol("BTC"), "77", None, "open", "buy", Decimal(1), Decimal(0),
        None, Decimal(40_000), None, None,
    )  # fmt: skip
    return replace(order, **changed)


def test_an_order_of_somebody_else_is_reported_and_stops_nothing() -> None:
    found = finding(after(seen(foreign=(resting_order(),)), 2), "foreign order a 77")
    assert (found.severity, found.action) == ("warning", "none")


def test_a_contradiction_halts_when_it_lasts() -> None:
    one = seen(contradictions=("a BTC 1 rests, and is absent in the journal",))
    key = "contradiction a BTC 1 rests, and is absent in the journal"
    assert finding(after(one, 2), key).action == "none"
    assert finding(after(one, 6), key).action == "HALTED"


def test_orders_left_behind_are_tidied_up() -> None:
    one = seen(strays=(resting_order(client_order_id="f" * 24),))
    assert finding(after(one, 30), "left orders").action == "none"
    assert finding(after(one, 30, 61), "left orders").action == "shed"
    assert finding(after(one, 30, 61), "left orders").state is None
    assert keys(after(replace(one, lock_holder="executor"), 61)) == []


def test_a_position_that_nothing_explains_stops_growth_until_a_person_says_so() -> None:
    gone = Unexplained(("a", symbol("BTC")), Decimal("0.5"), Decimal(1), ("sell 0.5 at 48000",))
    one = seen(unexplained=(gone,))
    found = finding(after(one, 2), f"unexplained a {symbol('BTC')}")
    assert (found.action, found.severity) == ("REDUCING", "critical")
    assert "sell 0.5 at 48000" in found.title
    known = replace(one, state=replace(ACTIVE, since=NOW + timedelta(seconds=1)))
    assert finding(after(known, 2), f"unexplained a {symbol('BTC')}").action == "none"


def test_a_leg_that_is_listed_no_more_still_hedges_and_is_reported() -> None:
    whole = seen()
    legs = [replace(held, is_listed=False) for held in whole.books["a"].positions]
    books = {**whole.books, "a": replace(whole.books["a"], positions=tuple(legs))}
    judged = after(replace(whole, books=books), 2)
    assert keys(judged) == [f"unlisted a {symbol('BTC')}"]
    assert (judged.findings[0].severity, judged.findings[0].action) == ("warning", "none")


@pytest.mark.parametrize(
    ("position", "stated", "said"),
    [
        ({"margin_mode": "isolated"}, None, "isolated margin"),
        ({"leverage": Decimal(20)}, None, "leverage 20, not 10"),
        ({"leverage": Decimal(3)}, None, "leverage 3, not 10"),
        ({}, (Decimal(10), "cross", True), ""),
        ({}, (Decimal(50), "cross", True), "leverage 50, not 10"),
        ({}, (None, None, False), "hedge mode"),
    ],
)
def test_modes_changed_by_hand_are_reported(
    position: dict[str, Any], stated: tuple[Any, Any, Any] | None, said: str
) -> None:
    whole = seen(leverage=10)
    legs = [replace(held, **position) for held in whole.books["a"].positions]
    books = {**whole.books, "a": replace(whole.books["a"], positions=tuple(legs))}
    key = ("a", symbol("BTC"))
    modes = {} if stated is None else {key: InstrumentModes(*key, *stated)}
    judged = after(replace(whole, books=books, modes=modes), 2)
    assert keys(judged) == ([f"modes a {symbol('BTC')}"] if said else [])
    if said:
        found = judged.findings[0]
        assert (found.severity, found.action) == ("warning", "none")
        assert found.title.endswith(f": {said}")


def test_a_lower_leverage_is_the_venues_own_where_its_tiers_are_not_known() -> None:
    whole = seen(leverage=10, market=market(facts("a", "BTC", tiers=())))
    legs = [replace(held, leverage=Decimal(3)) for held in whole.books["a"].positions]
    books = {**whole.books, "a": replace(whole.books["a"], positions=tuple(legs))}
    assert f"modes a {symbol('BTC')}" not in keys(after(replace(whole, books=books), 2))


def test_the_journal_gone_is_told_and_gets_critical() -> None:
    one = seen(journal_problem="it is locked", state=None)
    assert [f.key for f in after(one, 2).findings if f.severity == "warning"] == ["journal"]
    assert finding(after(one, 31), "journal for long").severity == "critical"


def test_a_leg_near_deleveraging_warns() -> None:
    one = seen()
    near = replace(
        one.books["a"], positions=tuple(replace(p, adl_rank=0.9) for p in one.books["a"].positions)
    )
    judged = after(replace(one, books={**one.books, "a": near}), 2, under=limits(max_adl_rank=0.8))
    assert [(f.severity, f.action) for f in judged.findings] == [("warning", "none")]


def test_what_is_most_urgent_comes_first() -> None:
    one = seen(
        NAKED,
        contradictions=("a BTC 1 rests, and is absent in the journal",),
        equity_at_day_start_usd=Decimal(4_000_000),
        skews_seconds={"a": 60.0, "b": 0.0, "c": 0.0},
    )
    under = limits(max_base_delta_usd=5_000, max_daily_loss_usd=20_000)
    actions = [found.action for found in after(one, 11, under=under).findings]
    assert actions == ["HALTED", "shed", "REDUCING", "none"]


def test_every_finding_says_what_to_do() -> None:
    one = seen(NAKED, foreign=(resting_order(),), contradictions=("x",), journal_problem="gone",
               skews_seconds={"a": 9.0, "b": 9.0}, betas={}, strays=(resting_order(),))  # fmt: skip
    for found in after(one, 11, 700, under=WIDE.tightened({"max_base_delta_usd": 5})).findings:
        assert len(found.advice) > 20, found.key
        assert found.alert(NOW).action == found.advice


def test_seconds_grow_with_the_speed_of_the_market() -> None:
    fast = CONFIG.at_speed(60)
    assert (fast.naked_seconds, fast.confirming_looks) == (600, 2)
    judged = assess(seen(NAKED), limits=TIGHT, config=fast, memory={})
    later = replace(seen(NAKED), at=NOW + timedelta(seconds=599))
    assert (
        finding(assess(later, limits=TIGHT, config=fast, memory=judged.memory), "naked BTC").action == "none"
    )
    later = replace(later, at=NOW + timedelta(seconds=600))
    assert (
        finding(assess(later, limits=TIGHT, config=fast, memory=judged.memory), "naked BTC").action == "shed"
    )
