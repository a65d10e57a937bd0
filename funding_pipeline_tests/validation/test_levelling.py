"""Collateral between venues: asked once a day, in force a decision later, never out of nothing."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.levelling import Levelling, moves_and_cost, target_shares

DAY = datetime(2024, 3, 1, tzinfo=UTC)
NONE = np.zeros(2)


def _asked(equity: list[float], target: list[float], *, at: datetime = DAY) -> Levelling:
    levelling = Levelling()
    levelling.ask(at, equity_usd=np.array(equity), target_usd=np.array(target))
    return levelling


def test_a_request_is_in_force_one_decision_later_and_once() -> None:
    levelling, equity = Levelling(), np.array([400.0, 600.0])
    assert levelling.due(equity_usd=equity, maintenance_usd=NONE).tolist() == [0, 0]
    levelling.ask(DAY, equity_usd=equity, target_usd=np.array([500.0, 500.0]))
    assert levelling.due(equity_usd=equity, maintenance_usd=NONE).tolist() == [100, -100]
    assert levelling.due(equity_usd=equity, maintenance_usd=NONE).tolist() == [0, 0]


def test_nothing_is_asked_a_second_time_on_the_same_day() -> None:
    levelling = _asked([500, 500], [500, 500])
    later, equity = DAY + timedelta(hours=8), np.array([100.0, 900.0])
    levelling.ask(later, equity_usd=equity, target_usd=np.array([500.0, 500.0]))
    assert levelling.due(equity_usd=equity, maintenance_usd=NONE).tolist() == [0, 0]
    levelling.ask(DAY + timedelta(days=1), equity_usd=equity, target_usd=np.array([500.0, 500.0]))
    assert levelling.due(equity_usd=equity, maintenance_usd=NONE).tolist() == [400, -400]


def test_a_person_is_not_asked_for_a_trifle() -> None:
    assert not _asked([480, 520], [500, 500]).due(equity_usd=np.ones(2), maintenance_usd=NONE).any()


def test_a_venue_keeps_the_margin_of_its_positions() -> None:
    levelling = _asked([400, 600], [500, 500])
    moved = levelling.due(equity_usd=np.array([400.0, 560.0]), maintenance_usd=np.array([0.0, 500.0]))
    assert moved.tolist() == [60, -60]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_levelling_keeps_the_total(seed: int) -> None:
    rng = np.random.default_rng(seed)
    equity, wanted = rng.uniform(0, 1e6, 5), rng.uniform(0, 1, 5)
    opened, holding = rng.random(5) < 0.6, rng.random(5) < 0.5
    for ask in (None, wanted):
        target = target_shares(ask, equity_usd=equity, open_venues=opened, holding=holding)
        assert target.sum() == pytest.approx(equity.sum())
        assert (target >= 0).all()
        levelling = Levelling()
        levelling.ask(DAY, equity_usd=equity, target_usd=target)
        now, margin = equity * rng.uniform(0.5, 1.5, 5), rng.uniform(0, 1e5, 5)
        moved = levelling.due(equity_usd=now, maintenance_usd=margin)
        assert abs(moved.sum()) < 1e-6
        assert (now + moved >= np.minimum(now, margin) - 1e-6).all()


def test_even_shares_leave_a_closed_venue_that_still_holds_positions() -> None:
    equity = np.array([100.0, 200.0, 300.0])
    opened = np.array([True, True, False])
    held, free = np.array([True, False, True]), np.array([True, False, False])
    assert target_shares(None, equity_usd=equity, open_venues=opened, holding=held).tolist() == [
        150,
        150,
        300,
    ]
    assert target_shares(None, equity_usd=equity, open_venues=opened, holding=free).tolist() == [300, 300, 0]
    nowhere = target_shares(None, equity_usd=equity, open_venues=np.zeros(3, dtype=bool), holding=free)
    assert nowhere.tolist() == equity.tolist()


def test_moves_are_counted_and_their_cost_is_estimated() -> None:
    moved = np.array([[0.0, 0.0, 0.0], [300.0, -100.0, -200.0], [-50.0, 50.0, 0.0]])
    found = moves_and_cost(moved, config=PortfolioConfig(transfer_cost_usd=10, transfer_cost_bp=1))
    assert found == {
        "moves": 3, "moved_usd": 350.0, "estimated_cost_usd": pytest.approx(30 + 0.035)
    }  # fmt: skip
