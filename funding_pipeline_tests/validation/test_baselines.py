"""The simple rules: what they choose, and that their books keep the limits."""

import numpy as np
import pytest

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.baselines import (
    FixedVenues,
    PairPolicy,
    ThresholdRule,
    WidestPair,
    widest_pair,
)
from funding_pipeline_tests.portfolio.situations import YEAR, inputs_of, universe_of

UNIVERSE = universe_of("abc", ("BTC", "ETH"))
ALL = np.ones(6, dtype=bool)
LEG = {leg.name.split("/")[0]: i for i, leg in enumerate(UNIVERSE.legs)}


def _rates(**per_year: float) -> np.ndarray:
    out = np.zeros(6)
    for name, rate in per_year.items():
        out[LEG[name.replace("_", " ")]] = rate / YEAR
    return out


def test_the_widest_pair_is_long_the_lowest_and_short_the_highest() -> None:
    rate = _rates(a_BTC=-0.05, c_BTC=0.10)
    assert widest_pair(UNIVERSE, "BTC", rate, ALL) == (LEG["a BTC"], LEG["c BTC"])
    usable = ALL.copy()
    usable[[LEG["a BTC"], LEG["b BTC"]]] = False
    assert widest_pair(UNIVERSE, "BTC", rate, usable) is None


def test_threshold_opens_above_ten_percent_and_closes_at_zero() -> None:
    path = [0.09, 0.11, 0.01, -0.01, 0.09]
    trailing = np.stack([_rates(c_ETH=rate) for rate in path])
    rule = ThresholdRule(universe=UNIVERSE, trailing=trailing)
    held: dict[str, tuple[int, int]] = {}
    seen = []
    for index in range(len(path)):
        held = dict(rule.pairs(index, held, ALL))
        seen.append("ETH" in held)
    assert seen == [False, True, True, False, False]


def test_fixed_venues_pair_every_common_base() -> None:
    rule = FixedVenues(universe=UNIVERSE, long_venue="a", short_venue="c")
    assert rule.pairs(0, {}, ALL) == {
        "BTC": (LEG["a BTC"], LEG["c BTC"]),
        "ETH": (LEG["a ETH"], LEG["c ETH"]),
    }


@pytest.mark.parametrize("venue_neutral", [False, True])
def test_books_keep_limits_and_bases_stay_flat(venue_neutral: bool) -> None:
    rng = np.random.default_rng(8)
    trailing = rng.normal(0, 2e-5, (40, 6))
    config = PortfolioConfig()
    policy = PairPolicy(
        rule=WidestPair(universe=UNIVERSE, trailing=trailing), universe=UNIVERSE,
        thin=np.zeros(6, dtype=bool), config=config, venue_neutral=venue_neutral,
    )  # fmt: skip
    quantity, price = np.zeros(6), np.full(len(UNIVERSE.bases), 100.0)
    beta = np.array([1.0, 1.4])[UNIVERSE.base_index]
    for index in range(40):
        price = price * np.exp(rng.normal(0, 0.03, 2))
        own = price[UNIVERSE.base_index]
        inputs = inputs_of(UNIVERSE, rate=0.0, price=own, reference_price=own, beta=beta)
        quantity = policy.decide(index, inputs, quantity, np.full(3, 1e6 / 3)).target
        notional = quantity * own
        assert np.abs(UNIVERSE.base_matrix @ quantity).max() < 1e-9
        assert (UNIVERSE.venue_matrix @ np.abs(notional)).max() <= 1e6 / 3 + 1e-3
        assert np.abs(notional).max() <= 1e5 + 1e-3
        if venue_neutral:
            assert np.abs(UNIVERSE.venue_matrix @ (notional * beta)).max() <= 1e5 / 3 + 1e-3
    assert quantity.any()


def _fixed(trailing_venue: str = "c") -> PairPolicy:
    return PairPolicy(
        rule=FixedVenues(universe=UNIVERSE, long_venue="a", short_venue=trailing_venue), universe=UNIVERSE,
        thin=np.zeros(6, dtype=bool), config=PortfolioConfig(),
    )  # fmt: skip


def test_a_pair_that_lost_a_leg_to_a_liquidation_is_given_up() -> None:
    policy, inputs, even = _fixed(), inputs_of(UNIVERSE, rate=0.0), np.full(3, 1e6 / 3)
    opened = policy.decide(0, inputs, np.zeros(6), even).target
    assert (opened != 0).sum() == 4
    torn = np.where(np.arange(6) == LEG["c BTC"], 0.0, opened)
    broke = np.array([1e6 / 3, 1e6 / 3, 1_000.0])
    left = policy.decide(1, inputs, torn, broke).target
    assert left[[LEG["a BTC"], LEG["c BTC"]]].tolist() == [0.0, 0.0]
    assert left[[LEG["a ETH"], LEG["c ETH"]]] == pytest.approx(opened[[LEG["a ETH"], LEG["c ETH"]]])
    again = policy.decide(2, inputs, left, even).target
    assert again == pytest.approx(opened)


def test_no_pair_is_opened_on_a_venue_without_collateral() -> None:
    inputs = inputs_of(UNIVERSE, rate=0.0)
    target = _fixed().decide(0, inputs, np.zeros(6), np.array([1e6, 0.0, 0.0])).target
    assert not target.any()
