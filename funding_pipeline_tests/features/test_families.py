"""Every feature has a family and words; what no pattern knows is refused by name."""

import pytest

from funding_pipeline.core.errors import SchemaError
from funding_pipeline.features import families
from funding_pipeline.features.catalog import FEATURE_COLUMNS
from funding_pipeline.features.families import family_of, words_of
from funding_pipeline.models.design import LOG_SCALE


@pytest.mark.parametrize("feature", [*FEATURE_COLUMNS, LOG_SCALE])
def test_every_feature_has_a_family_and_reads_as_words(feature: str) -> None:
    text = words_of(feature).phrase(0.25, base="BTC", venue="gate")
    assert family_of(feature) in vars(families).values()
    assert "_" not in text
    assert "{" not in text


def test_a_feature_that_no_pattern_knows_is_refused_by_name() -> None:
    with pytest.raises(SchemaError, match="feature moon_phase_24h"):
        family_of("moon_phase_24h")


def test_a_window_that_is_not_there_yet_falls_into_place() -> None:
    assert family_of("rate_48h_per_hour") == families.OWN_RECENT
    assert family_of("rate_1440h_per_hour") == families.OWN_LONG


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        ("rate_168h_per_hour", 0.12 / 8760, "168 h mean +12.0 %/yr"),
        ("rate_last_per_hour", -1e-9, "last settlement +0.0 %/yr"),
        ("base_rate_24h_per_hour", -0.05 / 8760, "crowd in BTC over 24 h -5.0 %/yr"),
        ("venue_gap_720h_per_hour", 0.031 / 8760, "720 h gap of gate's other contracts +3.1 %/yr"),
        ("basis_24h", -0.0004, "24 h basis -4.0 bp"),
        ("momentum_168h", 0.04, "168 h log return of BTC +4.0 %"),
        ("volatility_24h_per_sqrt_hour", 0.005, "24 h volatility of BTC 47 %/yr"),
        ("plateau_share_720h", 0.334, "720 h share on the plateau 33 %"),
        ("history_hours", 2160.0, "history of 2160 h"),
        ("log_scale", -11.512925, "usual size of its rate 8.8 %/yr"),
        ("book_spread_bp", 1.24, "bid-ask spread 1.2 bp"),
        ("basis", None, "basis unknown"),
        ("basis", float("nan"), "basis unknown"),
    ],
)
def test_values_are_told_in_units_that_a_person_can_check(
    feature: str, value: float | None, text: str
) -> None:
    assert words_of(feature).phrase(value, base="BTC", venue="gate") == text
