"""Settings of the forecaster. Chosen by walk-forward inside 2021 to 2024 (docs/forecasting.md)."""

from pydantic import BaseModel, ConfigDict, Field


class ForecasterConfig(BaseModel):
    """What `train` may be told. The defaults are those of the published figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trees: int = Field(default=200, ge=1, le=2000, description="boosting rounds")
    depth: int = Field(default=3, ge=1, le=8, description="depth of a tree")
    learning_rate: float = Field(default=0.045, gt=0, le=1)
    row_share: float = Field(default=0.7, gt=0, le=1, description="rows drawn for each tree")
    column_share: float = Field(default=0.5, gt=0, le=1, description="features drawn for each tree")
    leaf_weight: float = Field(default=70.0, ge=0, description="least sum of weights in a leaf")
    tree_l2: float = Field(default=20.0, ge=0, description="L2 penalty on leaf values")
    linear_weight: float = Field(
        default=0.4, ge=0, le=1, description="share of the robust ridge in the blend"
    )
    level_trees_weight: float = Field(
        default=0.33, ge=0, le=1, description="share, of the trees, of those that learnt levels"
    )
    gap_caution: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="share of the ridge's gap to other venues taken back where settlements are 4 h apart",
    )
    pair_width: float = Field(
        default=0.5, gt=0, description="error of a differential, in scales, from which the loss is linear"
    )
    level_share: float = Field(
        default=0.25, gt=0, le=1, description="weight of a level beside the differentials it is a leg of"
    )
    linear_l2: float = Field(
        default=1e-2, ge=0, description="ridge penalty, as a share of the mean eigenvalue"
    )
    scale_floor_per_hour: float = Field(
        default=5e-6, gt=0, description="least scale of an instrument's rates, fraction per hour"
    )
    calibration_blocks: int = Field(
        default=4, ge=2, le=10, description="spans of time, each forecast by a model of the others"
    )
    calibration_rows: int = Field(
        default=15_000, ge=100, description="more held-out rows are thinned by whole decision times"
    )
    spread_trees: int = Field(default=60, ge=1, le=500, description="boosting rounds of the error's size")
    min_rows: int = Field(default=1000, ge=50, description="labelled rows below which training is refused")
    max_rows: int = Field(default=20_000, ge=100, description="more rows are thinned by whole decision times")
    min_feature_share: float = Field(
        default=0.02, ge=0, le=1, description="features known in fewer training rows are left out"
    )
    seed: int = Field(default=7, ge=0)
    threads: int = Field(default=1, ge=1, le=64)
