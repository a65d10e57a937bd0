"""Limits: versions, bounds, effective dates; they can be tightened, never loosened."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.core.risk_limits import RiskLimits, limit_names, limits_at, tighter_direction

LIMITS = RiskLimits()
YEAR = datetime(2025, 1, 1, tzinfo=UTC)


def test_the_version_changes_with_any_number_and_with_nothing_else() -> None:
    assert LIMITS.version == RiskLimits().version
    names = [name for name in limit_names() if getattr(LIMITS, name) != _tighter(name)]
    assert set(limit_names()) - set(names) == {"max_alarm_fraction"}, "zero has nothing tighter"
    changed = {LIMITS.tightened({name: _tighter(name)}).version for name in names}
    assert len(changed | {LIMITS.version}) == len(names) + 1
    assert RiskLimits(effective_from=YEAR).version != LIMITS.version


def _tighter(name: str) -> float:
    old = float(getattr(LIMITS, name))
    return old * 0.5 if tighter_direction(name) == "lower" else old * 1.1


@given(st.sampled_from(limit_names()), st.floats(0, 2))
def test_tightening_never_loosens(name: str, factor: float) -> None:
    old = float(getattr(LIMITS, name))
    value = old * factor
    is_tighter = value <= old if tighter_direction(name) == "lower" else value >= old
    if is_tighter and value <= _highest(name):
        assert getattr(LIMITS.tightened({name: value}), name) == value
        assert LIMITS.tightened_where_tighter({name: value}) == LIMITS.tightened({name: value})
    else:
        with pytest.raises(SettingsError, match=name):
            LIMITS.tightened({name: value})


def _highest(name: str) -> float:
    return float(next(m.le for m in RiskLimits.model_fields[name].metadata if hasattr(m, "le")))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -1.0])
def test_what_is_no_amount_is_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="max_gross_notional_usd"):
        LIMITS.tightened({"max_gross_notional_usd": value})
    with pytest.raises(SettingsError, match="max_gross_notional_usd"):
        RiskLimits.for_capital(1e6, max_gross_notional_usd=value)


def test_messages_name_the_limit_and_the_mend() -> None:
    with pytest.raises(
        SettingsError, match=r"0\.9 is looser than 0\.8; loosening takes a changed setting and a restart"
    ):
        LIMITS.tightened({"max_adl_rank": 0.9})
    with pytest.raises(
        SettingsError, match="max_nothing is not a risk limit; there are max_portfolio_delta_usd"
    ):
        LIMITS.tightened({"max_nothing": 1})
    with pytest.raises(SettingsError, match="effective_from is not a risk limit"):
        LIMITS.tightened({"effective_from": 1})


def test_an_earlier_tightening_that_has_become_looser_is_left_out() -> None:
    strict = LIMITS.tightened({"max_adl_rank": 0.3})
    assert strict.tightened_where_tighter({"max_adl_rank": 0.5, "max_drawdown_fraction": 0.01}) == (
        strict.tightened({"max_drawdown_fraction": 0.01})
    )


def test_amounts_scale_with_capital_and_fractions_do_not() -> None:
    small = RiskLimits.for_capital(100_000, max_daily_loss_usd=500)
    assert small.max_gross_notional_usd == LIMITS.max_gross_notional_usd / 10
    assert small.max_drawdown_fraction == LIMITS.max_drawdown_fraction
    assert small.max_daily_loss_usd == 500
    with pytest.raises(SettingsError, match="capital_usd"):
        RiskLimits.for_capital(0)


def test_the_latest_limits_in_force_are_used() -> None:
    later = RiskLimits(effective_from=YEAR, max_adl_rank=0.5)
    assert limits_at([later, LIMITS], datetime(2024, 12, 31, tzinfo=UTC)) == LIMITS
    assert limits_at([LIMITS, later], YEAR) == later
    with pytest.raises(SettingsError, match="no risk limits are in force"):
        limits_at([later], datetime(2024, 12, 31, tzinfo=UTC))


def test_every_limit_has_a_unit_bounds_and_a_description() -> None:
    units = ("_usd", "_fraction", "_rank", "_seconds", "_hours")
    for name in limit_names():
        assert name.endswith(units)
        assert RiskLimits.model_fields[name].description
        assert _highest(name) > 0
