"""One tree of errors. A user's mistake is a `FundingPipelineError` and prints as one line.

Each message names the thing that is wrong and, where there is one, the mend.
"""


class FundingPipelineError(Exception):
    """Root of every error that this package raises on purpose."""


class SettingsError(FundingPipelineError):
    """A setting is missing, contradictory or out of its bounds."""


class MarketDataError(FundingPipelineError):
    """Market data cannot be used: file, column or row is named in the message."""


class SchemaError(MarketDataError):
    """A table does not have the columns or types that its schema promises."""


class UnknownInstrumentError(MarketDataError):
    """A symbol cannot be resolved into base, quote, settle currency and multiplier."""


class StorageError(FundingPipelineError):
    """A stored table cannot be read or written; what was stored before is untouched."""


class InsufficientHistoryError(FundingPipelineError):
    """There is not enough history before the requested time to train or to decide."""


class OptimisationError(FundingPipelineError):
    """The solver did not return a usable portfolio."""


class AccountingError(FundingPipelineError):
    """Profit and loss by source does not add up to the change in equity."""
