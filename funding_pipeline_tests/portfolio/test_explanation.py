"""The reason of a leg: what is done, what it earns, and why the forecast is what it is."""

import polars as pl

from funding_pipeline.portfolio.explanation import with_forecast_reasons

LEGS = pl.DataFrame(
    {
        "venue": ["gate", "okx", "deribit", "bybit"],
        "symbol": ["BTC/USDT:USDT"] * 4,
        "expected_rate_per_hour": [1e-5, 1e-5, None, 1e-5],
        "reason": ["open short: expects +8.8% a year of notional", "hold long", "no view", "close short"],
    }
)
TOLD = pl.DataFrame(
    {
        "venue": ["okx", "gate", "deribit"],
        "symbol": ["BTC/USDT:USDT"] * 3,
        "reason": [None, "168 h mean +12.3 %/yr (pulls +4.1)", "168 h mean +1.0 %/yr (pulls +1.0)"],
    }
)


def test_a_leg_tells_its_own_reason_and_that_of_its_forecast() -> None:
    legs = with_forecast_reasons(LEGS, TOLD)
    assert legs["reason"].to_list() == [
        "open short: expects +8.8% a year of notional; because 168 h mean +12.3 %/yr (pulls +4.1)",
        "hold long",
        "no view",
        "close short",
    ]
    assert legs.drop("reason").equals(LEGS.drop("reason"))
    assert legs.schema == LEGS.schema


def test_without_legs_or_forecasts_nothing_is_added() -> None:
    assert with_forecast_reasons(LEGS.clear(), TOLD).is_empty()
    assert with_forecast_reasons(LEGS, TOLD.clear()).equals(LEGS)
