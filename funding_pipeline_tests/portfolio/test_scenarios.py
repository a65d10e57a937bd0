"""Scenario losses on tiny books, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.portfolio.legs import Floats, Leg, Universe
from funding_pipeline.portfolio.scenario_assumptions import ScenarioAssumptions
from funding_pipeline.portfolio.scenarios import ScenarioSet, scenario_set

UNIVERSE = Universe.of(
    [
        *(Leg("alpha", f"{base}/USDT:USDT", base) for base in ("BTC", "SOL", "XRP")),
        *(Leg("beta", f"{base}/USDC:USDC", base, currency="USDC") for base in ("BTC", "SOL", "XRP")),
        Leg("gamma", "BTC/USD:BTC", "BTC", is_inverse=True, currency="USD"),
    ]
)
CURRENCIES = {"alpha": "USDT", "beta": "USDC", "gamma": "USD"}
HALF_SPREAD = 5e-4
CLOSING = 10 * HALF_SPREAD


def scenarios(**changes: float) -> ScenarioSet:
    n = len(UNIVERSE)
    return scenario_set(
        UNIVERSE,
        venue_currency=CURRENCIES,
        beta=np.ones(n),
        half_spread=np.full(n, HALF_SPREAD),
        assumptions=replace(ScenarioAssumptions(), **changes) if changes else None,  # type: ignore[arg-type]
    )


def book(**usd: float) -> Floats:
    """Signed notional by `venue_base`."""
    out = np.zeros(len(UNIVERSE))
    for name, value in usd.items():
        venue, base = name.split("_")
        out[[(leg.venue, leg.base) for leg in UNIVERSE.legs].index((venue, base))] = value
    return out


def loss(name: str, notional: Floats, collateral: Floats | None = None) -> float:
    found = scenarios()
    held = np.zeros(len(UNIVERSE.venues)) if collateral is None else collateral
    return float(found.losses_usd(notional, held)[found.names.index(name)])


NEUTRAL = book(alpha_SOL=-1000, beta_SOL=1000)


def test_there_are_five_scenarios_per_venue_and_one_per_currency_that_may_break() -> None:
    found = scenarios()
    assert len(found.names) == len(set(found.names)) == 5 * 3 + 2
    assert found.names[-2:] == ("currency_break:USDC", "currency_break:USDT")
    assert found.probability.sum() == pytest.approx(1)
    assert all(found.descriptions)
    assert found.long_loss.shape == found.short_loss.shape == (17, 7)
    assert found.collateral_loss.shape == (17, 3)


def test_deleveraging_takes_half_of_the_shorts_gain_and_closes_the_hedge_dearly() -> None:
    # long on beta loses 400; the short on alpha earns 200 of 400; closing the long costs 10 half-spreads
    assert loss("auto_deleveraging:alpha", NEUTRAL) == pytest.approx(400 - 200 + 1000 * CLOSING)
    # alpha's shorts are left alone when beta deleverages: the neutral book loses nothing
    assert loss("auto_deleveraging:beta", NEUTRAL) == pytest.approx(0)
    btc = book(alpha_BTC=-1000, gamma_BTC=1000)
    assert loss("auto_deleveraging:alpha", btc) == pytest.approx(110 - 55 + 1000 * CLOSING)


def test_a_naked_book_loses_and_earns_the_fall() -> None:
    assert loss("auto_deleveraging:alpha", book(beta_SOL=1000)) == pytest.approx(400)
    assert loss("auto_deleveraging:alpha", book(beta_SOL=-1000)) == pytest.approx(-400)


def test_coins_fall_by_their_beta_but_at_least_and_at_most_so_much() -> None:
    given = ScenarioAssumptions()
    fall = given.crash(UNIVERSE, beta=np.array([1.0, 5.0, 30.0, 1.0, np.nan, 1.0, 2.0]))
    assert fall == pytest.approx([0.11, 0.55, 0.80, 0.11, 0.40, 0.40, 0.11])


def test_a_failed_venue_takes_its_equity_and_leaves_its_hedges_naked() -> None:
    equity = np.array([300.0, 500.0, 200.0])
    naked = 1000 * (0.20 + CLOSING)
    assert loss("venue_failure:alpha", NEUTRAL, equity) == pytest.approx(300 + naked)
    assert loss("venue_failure:beta", NEUTRAL, equity) == pytest.approx(500 + naked)
    assert loss("venue_failure:gamma", NEUTRAL, equity) == pytest.approx(200)
    assert loss("venue_failure:alpha", -NEUTRAL, equity) == pytest.approx(300 + naked)


def test_a_broken_stablecoin_costs_the_collateral_in_it_and_what_is_not_hedged_in_it() -> None:
    equity = np.array([300.0, 500.0, 200.0])
    flat = np.zeros(len(UNIVERSE))
    assert loss("currency_break:USDC", flat, equity) == pytest.approx(0.13 * 500)
    assert loss("currency_break:USDT", flat, equity) == pytest.approx(0.13 * 300)
    # long in USDC gains as prices in USDC rise, a short loses
    assert loss("currency_break:USDC", NEUTRAL) == pytest.approx(-130)
    assert loss("currency_break:USDC", -NEUTRAL) == pytest.approx(130)
    within = book(beta_SOL=1000, beta_BTC=-1000)
    assert loss("currency_break:USDC", within) == pytest.approx(0)


def test_contracts_marked_in_dollars_do_not_follow_their_collateral() -> None:
    legs = Universe.of(
        [Leg("hyperliquid", "SOL/USDC:USDC", "SOL", currency="USDC"), Leg("okx", "SOL/USDT:USDT", "SOL")]
    )
    found = scenario_set(
        legs,
        venue_currency={"hyperliquid": "USDC", "okx": "USDe"},
        beta=np.ones(2),
        half_spread=np.zeros(2),
    )
    row = found.names.index("currency_break:USDC")
    assert found.short_loss[row].tolist() == [0, 0]
    assert found.collateral_loss[row].tolist() == [0.13, 0]
    assert found.collateral_loss[found.names.index("currency_break:USDE")].tolist() == [0, 0.35]


def test_extreme_funding_is_paid_and_never_counted_as_received() -> None:
    assert loss("funding_longs_pay:beta", NEUTRAL) == pytest.approx(160)
    assert loss("funding_shorts_pay:beta", NEUTRAL) == 0
    assert loss("funding_shorts_pay:alpha", NEUTRAL) == pytest.approx(160)
    assert loss("funding_longs_pay:gamma", book(gamma_BTC=1000)) == pytest.approx(24)


def test_a_delisting_is_off_the_market_on_an_even_share_of_the_altcoins() -> None:
    # two coins outside BTC and ETH on alpha: half of 1000 USD is settled 80 % off and its hedge closed
    assert loss("delisting:alpha", NEUTRAL) == pytest.approx(0.5 * 1000 * (0.80 + CLOSING))
    assert loss("delisting:alpha", book(alpha_BTC=1000, gamma_BTC=-1000)) == 0
    assert loss("delisting:gamma", book(gamma_BTC=1000)) == 0


def test_no_position_loses_only_collateral() -> None:
    found = scenarios()
    equity = np.array([300.0, 500.0, 200.0])
    losses = found.losses_usd(np.zeros(len(UNIVERSE)), equity)
    assert losses == pytest.approx(found.collateral_loss @ equity)
    assert found.position_losses_usd(np.zeros(len(UNIVERSE))) == pytest.approx(0)
    assert sorted(losses[losses != 0]) == pytest.approx([39, 65, 200, 300, 500])


positions = st.lists(st.floats(-1e6, 1e6), min_size=7, max_size=7).map(np.array)


@given(positions, positions, st.floats(0, 1))
def test_losses_are_convex_in_the_positions(one: Floats, other: Floats, weight: float) -> None:
    found = scenarios()
    between = found.position_losses_usd(weight * one + (1 - weight) * other)
    ends = weight * found.position_losses_usd(one) + (1 - weight) * found.position_losses_usd(other)
    assert (between <= ends + 1e-6).all()


def test_a_gain_on_both_sides_is_refused() -> None:
    found = scenarios()
    with pytest.raises(ValueError, match="not convex"):
        replace(found, long_loss=found.long_loss - 1)


def test_the_widest_spread_of_the_other_venues_closes_the_hedge() -> None:
    legs = Universe.of([Leg(venue, "SOL/USDT:USDT", "SOL") for venue in ("a", "b", "c")])
    found = scenario_set(
        legs,
        venue_currency=dict.fromkeys("abc", "USDT"),
        beta=np.ones(3),
        half_spread=np.array([1e-4, 3e-4, np.nan]),
    )
    naked = [found.long_loss[found.names.index(f"venue_failure:{v}")].max() - 0.20 for v in "abc"]
    assert naked == pytest.approx([30e-4, 10e-4, 30e-4])


def test_a_venue_without_a_currency_is_named() -> None:
    with pytest.raises(SettingsError, match="not known on gamma"):
        scenario_set(
            UNIVERSE,
            venue_currency={"alpha": "USDT", "beta": "USDC"},
            beta=np.ones(7),
            half_spread=np.zeros(7),
        )
