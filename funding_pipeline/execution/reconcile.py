"""The reconcile step: from what is held, resting and unknown to what is done next. Pure, levels only.

What lives here: the decision. What does not: reading a venue, sending, waiting (`trading`).

Nothing is remembered between steps but what the view says, so the step after a crash is the step that
would have come anyway. Per base, in base units: `net` = sum of held x multiplier, `goal` the same of what
shall be held, `excess = net - goal`. While an order can bring the excess down, that order is next (the
hedge of whatever filled, however it came about); only then does a new slice begin, with the leg that has
less depth, sized so that both legs of the slice are on their steps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from funding_pipeline.core.governance import IntentPurpose
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.reconcile_view import (
    Action,
    Cancel,
    LegView,
    LookUp,
    Mode,
    ReconcileView,
    Send,
    Wait,
)
from funding_pipeline.execution.slicing import (
    BP,
    ZERO,
    common_step,
    order_size,
    side_of,
    whole,
)


@dataclass(frozen=True)
class _Move:
    """A leg, what it shall hold, and the signed change that leads there."""

    leg: LegView
    goal: Decimal
    held: Decimal

    @property
    def change(self) -> Decimal:
        return self.goal - self.held

    @property
    def units(self) -> Decimal:
        return self.leg.units(self.change)

    def reduces(self, change: Decimal) -> Decimal | None:
        """What is held, unsigned, if a change of this sign brings it down by at least a step."""
        rules = self.leg.rules
        if self.held * change >= 0 or rules is None:
            return None
        return abs(self.held) if min(abs(self.held), abs(change)) >= rules.step else None


def next_actions(view: ReconcileView, config: ExecutionConfig) -> tuple[Action, ...]:
    """What is to be done now: looking up and cancelling first, then at most one order per base, by base.

    An empty answer: everything is as it shall be, as far as steps and minimums allow.
    """
    first: list[Action] = [LookUp(record) for record in view.unresolved]
    first += [Cancel(order) for order in view.strays]
    if first or view.is_halted:
        return tuple(first)
    bases = sorted({leg.target.base for leg in view.legs})
    found = (base_action(_of(view.legs, base), view.modes.get(base, "full"), config) for base in bases)
    return tuple(action for action in found if action is not None)


def base_action(legs: Sequence[LegView], mode: Mode, config: ExecutionConfig) -> Send | Wait | None:
    """The next order of one base; Wait where one is due and cannot be sent; None where nothing is due."""
    base = legs[0].target.base
    moves = goals(legs, mode)
    unknown = tuple(sorted(leg.key for leg in legs if leg.is_unknown))
    if unknown and mode != "flatten":
        return Wait(base, f"the outcome of an order is unknown: {_names(unknown)}", unknown)
    unread = tuple(sorted(leg.key for leg in legs if leg.held is None))
    if unread and mode != "flatten":
        return Wait(base, f"positions were not read: {_names(unread)}", unread)
    send = _hedge(moves, mode, config)
    if send is None and mode != "hedge":
        send = _slice(moves, mode, config)
    return send if send is not None else _waiting(base, goals(legs, mode, if_all_were_free=True))


def goals(legs: Iterable[LegView], mode: Mode, *, if_all_were_free: bool = False) -> list[_Move]:
    """What each leg shall hold: what is allowed, or, in a mode that only reduces, the nearest to it within
    what is held, with the heavier side cut until the base is as neutral as it is allowed to be.

    Then a leg to which nothing can be sent stays as it is, and the others go by that: counting on it to
    follow would leave them naked.
    """
    legs = tuple(legs)
    known = sorted((leg for leg in legs if leg.held is not None), key=lambda leg: leg.key)
    held = [leg.held or ZERO for leg in known]
    if mode in ("full", "hedge"):
        return [_Move(leg, leg.allowed, now) for leg, now in zip(known, held, strict=True)]
    wanted = [
        _between(leg.allowed, now) if leg.is_free or if_all_were_free else now
        for leg, now in zip(known, held, strict=True)
    ]
    _cut_heavier(known, wanted, sum((leg.units(leg.allowed) for leg in legs), ZERO))
    return [_Move(leg, goal, now) for leg, goal, now in zip(known, wanted, held, strict=True)]


def _between(allowed: Decimal, held: Decimal) -> Decimal:
    """The nearest to `allowed` from zero to `held`."""
    return max(ZERO, min(allowed, held)) if held > 0 else min(ZERO, max(allowed, held))


def _cut_heavier(legs: Sequence[LegView], wanted: list[Decimal], allowed: Decimal) -> None:
    """Shrink the legs on the heavier side, in place, those that can be traded first, then the largest,
    until no more is net than is `allowed` net."""
    net = sum((leg.units(goal) for leg, goal in zip(legs, wanted, strict=True)), ZERO)
    heavier = max(abs(net) - abs(allowed), ZERO)
    order = sorted(
        range(len(legs)), key=lambda i: (not legs[i].is_free, -abs(legs[i].units(wanted[i])), legs[i].key)
    )
    for index in order:
        multiplier = legs[index].target.multiplier
        if heavier > 0 and wanted[index] * net > 0:
            cut = min(abs(wanted[index]), heavier / multiplier)
            wanted[index] -= cut if wanted[index] > 0 else -cut
            heavier -= cut * multiplier


def _hedge(moves: Sequence[_Move], mode: Mode, config: ExecutionConfig) -> Send | None:
    """The order that brings the excess down: by the leg that has most to do in that direction."""
    excess = sum((move.leg.units(move.held - move.goal) for move in moves), ZERO)
    net = sum((move.leg.units(move.held) for move in moves), ZERO)
    able = [move for move in moves if move.leg.is_free and move.units * excess < 0]
    for move in sorted(able, key=lambda move: (-abs(move.units), move.leg.key)):
        wanted = min(abs(move.change), abs(excess) / move.leg.target.multiplier)
        if net * move.change >= 0:  # a net position is planned: it is built in slices
            wanted = min(wanted, _slice_units(move, config) / move.leg.target.multiplier)
        opening: IntentPurpose = "hedge" if net * move.change < 0 else "open"
        send = _order(move, wanted, opening, mode, config, is_nearest=True)
        if send is not None:
            return send
    return None


def _slice(moves: Sequence[_Move], mode: Mode, config: ExecutionConfig) -> Send | None:
    """The first order of a new slice: of the pair with most to do, by the leg with less depth."""
    ready = [move for move in moves if move.leg.is_free and move.leg.may_begin]
    ups, downs = [m for m in ready if m.change > 0], [m for m in ready if m.change < 0]
    pairs = [(up, down) for up in ups for down in downs]
    pairs.sort(key=lambda p: (-min(abs(p[0].units), abs(p[1].units)), p[0].leg.key, p[1].leg.key))
    for pair in pairs:
        units = _pair_units(*pair, mode, config)
        first = min(pair, key=lambda move: (_depth_usd(move), move.leg.key))
        if units > 0:
            wanted = units / first.leg.target.multiplier
            send = _order(first, wanted, "open", mode, config, may_rest=True)
            if send is not None:
                return send
    return None


def _pair_units(up: _Move, down: _Move, mode: Mode, config: ExecutionConfig) -> Decimal:
    """Base units of the next slice of a pair: on both legs' steps, and sendable on both; zero: none."""
    assert up.leg.rules is not None
    assert down.leg.rules is not None
    step = common_step(up.leg.rules, down.leg.rules)
    left = whole(min(abs(up.units), abs(down.units)), step)
    capped = whole(min(_slice_units(up, config), _slice_units(down, config)), step)
    size = min(left, max(capped, step))
    while (
        size > 0
        and size < left
        and not (_fits((up, down), size, mode) and _fits((up, down), left - size, mode))
    ):
        size = min(left, size * 2)  # a slice, or a rest, that is below a minimum is not left over
    return size if _fits((up, down), size, mode) else ZERO


def _fits(pair: tuple[_Move, _Move], units: Decimal, mode: Mode) -> bool:
    """Whether both legs could send that many base units."""
    return all(_size(move, units / move.leg.target.multiplier) > 0 for move in pair)


def _size(move: _Move, wanted: Decimal, *, is_nearest: bool = False) -> Decimal:
    assert move.leg.rules is not None
    assert move.leg.quote is not None
    held = move.reduces(move.change)
    most = wanted if held is None else min(wanted, held)
    return order_size(move.leg.rules, most, price=move.leg.quote.mid, held=held, is_nearest=is_nearest)


def _order(
    move: _Move,
    wanted: Decimal,
    opening: IntentPurpose,
    mode: Mode,
    config: ExecutionConfig,
    *,
    is_nearest: bool = False,
    may_rest: bool = False,
) -> Send | None:
    """An order of `wanted` (unsigned) towards the goal; one that crosses zero closes first."""
    size = _size(move, wanted, is_nearest=is_nearest)
    if is_nearest and size > abs(move.change):  # never beyond the goal
        size = _size(move, min(wanted, abs(move.change)))
    reduces = move.reduces(move.change) is not None
    if not size or (not reduces and (mode in ("reduce", "flatten") or _has_drifted(move, config))):
        return None
    purpose: IntentPurpose = "flatten" if mode == "flatten" else ("reduce" if reduces else opening)
    rests = may_rest and mode in ("full", "hedge") and config.may_make(move.leg.target.base)
    return Send(move.leg, size if move.change > 0 else -size, purpose, reduces, rests)


def _has_drifted(move: _Move, config: ExecutionConfig) -> bool:
    """Whether the market has left the price of the plan: nothing is opened then."""
    assert move.leg.quote is not None
    planned = move.leg.target.price
    return planned > 0 and abs(move.leg.quote.mid / planned - 1) > Decimal(str(config.plan_drift_bp)) * BP


def _slice_units(move: _Move, config: ExecutionConfig) -> Decimal:
    """Most base units that one slice of this leg may have, by notional and by depth."""
    assert move.leg.quote is not None
    quoted = Decimal(str(config.slice_usd)) / move.leg.quote.mid
    deep = move.leg.quote.depth(side_of(move.change)) * Decimal(str(config.depth_share))
    return move.leg.units(min(quoted, deep))


def _depth_usd(move: _Move) -> Decimal:
    assert move.leg.quote is not None
    return move.leg.quote.depth(side_of(move.change)) * move.leg.quote.mid


def _waiting(base: str, moves: Sequence[_Move]) -> Wait | None:
    """Wait where a leg that still has at least a step to go is not free, and say why."""
    waited = [move.leg for move in moves if _is_due(move) and (move.leg.blocked or not move.leg.may_begin)]
    reasons = [f"{leg.target.leg}: {leg.blocked or 'a settlement is near'}" for leg in waited]
    return Wait(base, "; ".join(reasons), tuple(leg.key for leg in waited)) if reasons else None


def _is_due(move: _Move) -> bool:
    return move.leg.rules is None or abs(move.change) >= move.leg.rules.step


def _names(keys: Iterable[tuple[str, str]]) -> str:
    return ", ".join(" ".join(key) for key in keys)


def _of(legs: Iterable[LegView], base: str) -> list[LegView]:
    return [leg for leg in legs if leg.target.base == base]
