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


class PlanNumbersError(FundingPipelineError):
    """A number that goes into the plan is none, or its array has another shape: our own fault, or our data's.

    Never taken for a failure of the solver, which would hold or reduce the book without a reason."""


class AccountingError(FundingPipelineError):
    """Profit and loss by source does not add up to the change in equity."""


class VenueError(FundingPipelineError):
    """Something went wrong with an exchange; the message names the venue and the call."""


class VenueUnavailableError(VenueError):
    """The venue could not be reached or asks to wait: time-outs, 5xx, 429. A read may be tried again."""


class VenueRefusedError(VenueError):
    """The venue will not serve this address or request: 403, 418, 451. Trying again makes it worse."""


class VenueAnswerError(VenueError):
    """The venue answered with something that is no answer: garbage, an empty book, a gap, a null rate."""


class CredentialsError(VenueError):
    """Keys are missing, wrong, or may do more than they should (withdraw)."""


class OrderRejectedError(VenueError):
    """The venue refused an order; nothing rests and nothing was filled.

    `reason`: insufficient_margin, would_take, reduce_only, below_minimum, off_grid, duplicate_client_id,
    unknown_order, leverage, or other.
    """

    def __init__(self, message: str, *, reason: str = "other") -> None:
        super().__init__(message)
        self.reason = reason


class OrderOutcomeUnknownError(VenueError):
    """An order was sent and no answer came: it may rest, be filled, or never have arrived.

    Nothing else may be sent for the instrument until a look-up by client order id tells.
    """


class TestnetError(FundingPipelineError):
    """The local testnet cannot start, or is not running where it should be."""


class JournalError(FundingPipelineError):
    """The journal cannot be read or written; nothing may be sent without it."""


class ExecutionLockedError(JournalError):
    """Another executor holds the lock; its owner and the time are in the message."""


class GovernanceError(FundingPipelineError):
    """Something is not allowed now: trading is halted or not armed, or a verdict is missing or expired."""
