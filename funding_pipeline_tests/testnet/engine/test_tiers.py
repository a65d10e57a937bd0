"""Margin tiers and the liquidation price, against worked examples and by plugging the answer back in."""

from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.testnet.engine.tiers import liquidation_price, maintenance, tier_at, tiers_of
from funding_pipeline.testnet.engine.values import MarginTier
from funding_pipeline.testnet.listing import brackets
from funding_pipeline_tests.testnet.engine.fake_quotes import D

BINANCE = tiers_of(
    [(D(50_000), D("0.004"), 125), (D(250_000), D("0.005"), 100), (D(1_000_000), D("0.01"), 50)]
)
NAMES = st.sampled_from(["major", "other", "hyperliquid_major"])
SIZES, ENTRIES = st.decimals("0.001", "5000", places=3), st.decimals("1", "50000", places=2)
SHARES = st.decimals("0.01", "3", places=4)


def test_binance_brackets_have_their_published_deductions() -> None:
    assert [tier.deduction for tier in BINANCE] == [0, 50, 1300]


def test_a_rate_may_count_for_the_whole_position() -> None:
    tiers = tiers_of([(D(50_000), D("0.004"), 125), (None, D("0.005"), 100)], is_progressive=False)
    assert maintenance(tiers, D(50_000)) == 200
    assert maintenance(tiers, D(60_000)) == 300  # progressive: 250


def test_hyperliquid_tiers_of_200_million() -> None:
    # Half the initial margin at the highest leverage: 40x up to $150M, 20x above.
    tiers = tiers_of([(D(150_000_000), D("0.0125"), 40), (None, D("0.025"), 20)])
    assert maintenance(tiers, D(200_000_000)) == D(3_125_000)


def test_dydx_short_is_liquidated_at_its_published_price() -> None:
    tiers = (MarginTier(None, D("0.05"), D(0), 10),)
    price = liquidation_price(D(-3), D(3000), D(1000), tiers)
    assert price is not None
    assert round(price, 2) == D("3174.60")


def test_caps_are_inclusive_and_the_last_tier_has_no_end() -> None:
    assert tier_at(BINANCE, D(50_000)).max_leverage == 125
    assert tier_at(BINANCE, D("50000.01")).max_leverage == 100
    assert tier_at(BINANCE, D(5_000_000)).max_leverage == 50


def test_long_with_enough_collateral_is_never_liquidated() -> None:
    assert liquidation_price(D(1), D(100), D(100), BINANCE) is None


def test_where_the_margin_jumps_a_short_is_liquidated_at_the_edge() -> None:
    tiers = (MarginTier(D(1000), D("0.01"), D(0), 50), MarginTier(None, D("0.1"), D(0), 10))
    # Short 10 at 90: equity at 100 is 20, enough for 10 below the edge of 1,000, not for 100 above it.
    assert liquidation_price(D(-10), D(90), D(120), tiers) == D(100)


def test_where_the_margin_jumps_a_long_is_liquidated_before_it_reaches_the_lower_tier() -> None:
    tiers = (MarginTier(D(1000), D("0.01"), D(0), 50), MarginTier(None, D("0.1"), D(0), 10))
    # Long 10 at 200: at 105 equity is 105 and the margin of 1,050 too; below 100 less equity would do.
    assert liquidation_price(D(10), D(200), D(1055), tiers) == D(105)


@given(name=NAMES, size=SIZES, entry=ENTRIES, share=SHARES, is_long=st.booleans())
def test_at_the_liquidation_price_equity_is_the_maintenance(
    name: str, size: D, entry: D, share: D, is_long: bool
) -> None:
    tiers, quantity, collateral = brackets(name), size if is_long else -size, size * entry * share
    price = liquidation_price(quantity, entry, collateral, tiers)
    if price is None:
        assert is_long
        assert collateral - size * entry >= 0
        return
    left = collateral + quantity * (price - entry) - maintenance(tiers, size * price)
    assert abs(left) < D("1e-9") * (1 + size * price)


@given(name=NAMES, size=SIZES, entry=ENTRIES, share=SHARES, is_long=st.booleans())
def test_without_deductions_equity_suffices_on_one_side_of_the_price_only(
    name: str, size: D, entry: D, share: D, is_long: bool
) -> None:
    tiers, quantity, collateral = (
        brackets(name, is_progressive=False),
        size if is_long else -size,
        size * entry * share,
    )

    def left(mark: D) -> D:
        return collateral + quantity * (mark - entry) - maintenance(tiers, size * mark)

    price = liquidation_price(quantity, entry, collateral, tiers)
    if price is None:
        assert is_long
        assert left(D(0)) >= 0
        return
    safer, worse = price * D("1.000001"), price * D("0.999999")
    if not is_long:
        safer, worse = worse, safer
    assert left(worse) < 0 < left(safer)
