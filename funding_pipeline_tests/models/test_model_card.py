"""A card says why its model may not forecast, one reason for each way in which it can be wrong."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from funding_pipeline.models.model_card import ModelCard

NOW = datetime(2025, 7, 1, tzinfo=UTC)
FEATURES = pl.DataFrame({"rate": [1.0], "hours": [8]})


def card(**given: object) -> ModelCard:
    fields = {
        "recipe": "abc",
        "model": "m",
        "horizons_hours": (0, 24, 168),
        "train_end": NOW - timedelta(hours=10),
        "market": "a market",
        "inputs": {"rate": "Float64", "hours": "Int64"},
        "package_version": "1",
        "git_commit": "unknown",
        "data_versions": {},
    }
    return ModelCard.model_validate({**fields, **given})


def why_not(given: ModelCard) -> str | None:
    return given.why_not(FEATURES, as_of=NOW, market="a market", horizons_hours=(0, 168), max_age_hours=240)


def test_a_fitting_model_may_forecast() -> None:
    assert why_not(card()) is None
    assert why_not(card(train_end=NOW + timedelta(minutes=30))) is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"market": "another"}, "was trained on another market: another"),
        ({"horizons_hours": (24, 168)}, "does not forecast next settlement"),
        ({"inputs": {"rate": "Float64", "basis": "Float64"}}, "not in the panel: basis"),
        ({"inputs": dict.fromkeys("abcde", "Float64")}, "a, b, c and 2 more"),
        ({"inputs": {"rate": "Float64", "hours": "Float64"}}, "other types of features: hours"),
        ({"train_end": NOW - timedelta(hours=241)}, "knows nothing of the last 241 h, limit 240 h"),
        ({"train_end": NOW + timedelta(hours=2)}, "was trained on rows after 2025-07-01 00:00 UTC"),
    ],
)
def test_each_misfit_is_named(given: dict[str, object], reason: str) -> None:
    assert reason in (why_not(card(**given)) or "")


def test_a_card_survives_json() -> None:
    assert ModelCard.model_validate(card().model_dump(mode="json")) == card()
