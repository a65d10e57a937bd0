"""Settings of the forecaster. Chosen by walk-forward inside 2021 to 2024 (docs/forecasting.md)."""

from pydantic import BaseModel, ConfigDict, Field


class ForecasterConfig(BaseModel):
    """What `train` may be told. The defaults are those of the published figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trees: int = Field(default=300, ge=1, le=2000, description="boosting rounds")
    depth: int = Field(default=3, ge=1, le=8, description="depth of a tree")
    learning_rate: float = Field(default=0.03, gt=0, le=1)
    row_share: float = Field(default=0.7, gt=0, le=1, description="rows drawn for each tree")
    column_share: float = Field(default=0.5, gt=0, le=1, description="features drawn for each tree")
    leaf_weight: float = Field(default=200.0, ge=0, description="least sum of weights in a leaf")
    tree_l2: float = Field(default=20.0, ge=0, description="L2 penalty on leaf values")
    linear_weight: float = Field(
        default=0.5, ge=0, le=1, description="share of the robust ridge in the blend"
    )
    linear_l2: float = Field(
        default=1e-2, ge=0, description="ridge penalty, as a share of the mean eigenvalue"
    )
    scale_floor_per_hour: float = Field(
        default=5e-6, gt=0, description="least scale of an instrument's rates, fraction per hour"
    )
    calibration_share: float = Field(
        default=0.4, gt=0, lt=0.6, description="last part of the training span held out for the quantiles"
    )
    spread_trees: int = Field(default=40, ge=1, le=500, description="boosting rounds of the error's size")
    min_rows: int = Field(default=1000, ge=50, description="labelled rows below which training is refused")
    max_rows: int = Field(default=60_000, ge=100, description="more rows are thinned by whole decision times")
    min_feature_share: float = Field(
        default=0.02, ge=0, le=1, description="features known in fewer training rows are left out"
    )
    seed: int = Field(default=7, ge=0)
    threads: int = Field(default=1, ge=1, le=64)
