"""The horizons that are forecast, and what they are called. What lives here: numbers and names."""

NEXT_SETTLEMENT = 0
"""Horizon of the next settlement alone, whenever an instrument's interval brings it."""
HORIZONS_HOURS = (NEXT_SETTLEMENT, 24, 72, 168)


def horizon_text(horizon_hours: int) -> str:
    """`next settlement`, or `168 h`."""
    return "next settlement" if horizon_hours == NEXT_SETTLEMENT else f"{horizon_hours} h"


def horizons_with(planning_hours: int) -> tuple[int, ...]:
    """Every horizon that is forecast, the plan's own among them, ascending."""
    return tuple(sorted({*HORIZONS_HOURS, planning_hours}))
