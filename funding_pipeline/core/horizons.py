"""The horizons that are forecast, and what they are called. What lives here: numbers and names."""

NEXT_SETTLEMENT = 0
"""Horizon of the next settlement alone, whenever an instrument's interval brings it."""
FIRST_STAGE_HOURS = 24
"""Where the path that a plan is made along has its first bend."""
HORIZONS_HOURS = (NEXT_SETTLEMENT, 24, 72, 168)


def horizon_text(horizon_hours: int) -> str:
    """`next settlement`, or `168 h`."""
    return "next settlement" if horizon_hours == NEXT_SETTLEMENT else f"{horizon_hours} h"


def horizons_with(planning_hours: int) -> tuple[int, ...]:
    """Every horizon that is forecast, the plan's own among them, ascending."""
    return tuple(sorted({*HORIZONS_HOURS, planning_hours}))


def path_horizons(planning_hours: int) -> tuple[int, ...]:
    """Horizons of the path that a plan is made along: its own, and before it the first day."""
    return tuple(sorted({min(FIRST_STAGE_HOURS, planning_hours), planning_hours}))
