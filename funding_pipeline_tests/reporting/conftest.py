"""The report is tested on the same small back-test as the back-test itself."""

from funding_pipeline_tests.validation.conftest import (  # noqa: F401  (fixtures)
    backtest_config,
    forecasts,
    result,
    tables,
)
