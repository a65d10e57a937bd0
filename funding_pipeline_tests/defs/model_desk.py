"""A store and a registry with small real models, as the assets of models find them."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.horizons import HORIZONS_HOURS
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.defs.decision import DECISION_FEATURES
from funding_pipeline.defs.features import FEATURES, LABELS
from funding_pipeline.defs.latest_forecasts import latest_forecasts
from funding_pipeline.defs.model_drift import drift_checks, model_drift
from funding_pipeline.defs.model_promotion import model_promotions
from funding_pipeline.defs.models import FORECAST_HISTORY, model_card
from funding_pipeline.defs.resources import build_resources
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.baseline import baseline_rate
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.forecaster_set import ForecasterSet, train_set
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import RegisteredVersion
from funding_pipeline.validation.result_frames import EQUITY_SCHEMA
from funding_pipeline_tests.features.synthetic_market import START, every, synthetic_market

DAYS = 130
END = START + timedelta(days=DAYS)
ASSETS = {"latest": latest_forecasts, "promotion": model_promotions, "drift": model_drift}


class ModelDesk:
    """Panel, labels, forecasts that beat the baseline, and a back-test that earns more with them."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(market="simulated", way="direct", home=folder)
        self.lake = Lake(str(self.settings.state_dir / "lake"))
        self.tracking = ModelTracking(self.settings.state_dir / "mlflow")
        self.market = self.settings.open_market()
        self.resources = build_resources(settings=self.settings, market=self.market)
        market = synthetic_market(days=DAYS)
        self.features = build_features(market, as_of=every(8, days=DAYS))
        self.labels = realised_funding(
            market.settled_funding, as_of=every(8, days=DAYS), horizons_hours=HORIZONS_HOURS
        )
        self.newest: datetime = self.features["as_of"].max()  # type: ignore[assignment]
        self.models = self.trained(self.newest)
        self._fill()

    def trained(self, train_end: datetime) -> ForecasterSet:
        config = ForecasterConfig(trees=10, spread_trees=5, min_rows=200, leaf_weight=20)
        return train_set(
            self.features, self.labels, horizons_hours=HORIZONS_HOURS, train_end=train_end, config=config
        )

    def _fill(self) -> None:
        quarter = pl.col("as_of").dt.truncate("1q").dt.strftime("%Y-%m")
        self.lake.replace(FEATURES, self.features.with_columns(quarter=quarter))
        self.lake.replace(LABELS, self.labels)
        self.lake.replace(DECISION_FEATURES, self.features.filter(pl.col("as_of") == self.newest))
        self.forecast_history(self.models.recipe)
        self.backtest(model_usd_a_day=300.0)

    def forecast_history(self, recipe: str, *, error_share: float = 0.5) -> None:
        """Walk-forward forecasts whose errors are a share of the baseline's."""
        baseline = self.features.select("as_of", "venue", "symbol", baseline_rate())
        rows = baseline.join(self.labels.drop_nulls("rate_per_hour"), on=["as_of", "venue", "symbol"])
        truth, plain = pl.col("rate_per_hour"), pl.col("baseline_rate_per_hour")
        point = truth + error_share * (plain - truth)
        made = rows.with_columns(rate_per_hour=point, q10=point, q50=point, q90=point, model=pl.lit("m"))
        history = FORECASTS.conform(made.select(*FORECASTS.columns)).with_columns(recipe=pl.lit(recipe))
        self.lake.replace(FORECAST_HISTORY, history)

    def backtest(self, *, model_usd_a_day: float, recipe: str | None = None) -> None:
        """Equity of the optimiser with the model, and of the one with the baseline, which earns 100 a day."""
        report = self.settings.state_dir / "report"
        report.mkdir(parents=True, exist_ok=True)
        said = {"capital_usd": self.settings.capital_usd, "recipe": recipe or self.models.recipe}
        (report / "summary.json").write_text(json.dumps(said), "utf-8")
        self.lake.replace("backtest_equity", self._curve(model_usd_a_day))
        beside = self._curve(100.0).with_columns(
            baseline=pl.lit("optimiser_no_model"), variant=pl.lit("plain")
        )
        self.lake.replace("backtest_baseline_equity", beside)

    def _curve(self, usd_a_day: float) -> pl.DataFrame:
        days = pl.datetime_range(START, END, "1d", time_zone="UTC", eager=True).dt.cast_time_unit("us")
        profit = pl.int_range(pl.len()) * usd_a_day
        frame = pl.DataFrame({"time": days}).with_columns(
            equity=self.settings.capital_usd + profit, pnl_funding=profit, pnl_basis=0.0, pnl_fees=0.0,
            pnl_slippage=0.0, pnl_liquidation=0.0,
        )  # fmt: skip
        return frame.select(pl.col(name).cast(dtype) for name, dtype in EQUITY_SCHEMA.items())

    def register(self, models: ForecasterSet | None = None, **card: Any) -> RegisteredVersion:
        """A version of the set, with anything else on its card."""
        fitted = models or self.models
        given = model_card(fitted, self.features, self.market, self.lake).model_copy(update=card)
        with self.tracking.run("test", tags={}) as run:
            return self.tracking.registry.register(run, fitted, given, self.features.tail(5))

    def materialize(self, name: str, **resources: Any) -> dict[str, Any]:
        """Materialize one asset, with other `resources` where given; its metadata as plain values."""
        asset = ASSETS[name]
        checks = drift_checks() if name == "drift" else []
        result = dg.materialize([asset, *checks], resources={**self.resources, **resources})
        assert result.success
        (event,) = result.get_asset_materialization_events()
        shown = {key: value.value for key, value in event.materialization.metadata.items()}
        found = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
        return {**shown, **found}

    def forget_models(self) -> None:
        """No champion, no history, no bar; the versions stay."""
        shutil.rmtree(self.settings.state_dir / "lake" / "model_promotions", ignore_errors=True)
        registry = self.tracking.registry
        registry.allow(self.models.recipe)
        registry.set_champion(None)
