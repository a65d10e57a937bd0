"""The one door through which every ccxt call goes: errors of our own tree, retries of reads, redaction.

What lives here: translation and retry. What does not: what is called (`public`, `private`, venue modules).

ccxt's classes alone do not tell enough: 403 and 451 become the retryable ExchangeNotAvailable, 400 and
404 too. The HTTP status (`trace`) decides first.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from funding_pipeline.core.errors import (
    CredentialsError,
    FundingPipelineError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    UnknownInstrumentError,
    VenueAnswerError,
    VenueError,
    VenueRefusedError,
    VenueUnavailableError,
)
from funding_pipeline.venues.credentials import redact
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.held import Held, Unread, holding, read_what_can_be_read, unlisted
from funding_pipeline.venues.remarks import Remarks
from funding_pipeline.venues.trace import Trace, tracing

ATTEMPTS = 4
LONGEST_WAIT_S = 60.0
"""A venue that asks for a longer pause is given up for now."""
Sleep = Callable[[float], Awaitable[None]]
_REFUSED = frozenset({403, 418, 451})
_UNDECIDED = _REFUSED | {408, 425, 429}
_MARKUP = re.compile(r"<[^>]*>")
_REGION = re.compile(r"region|countr(?:y|ies)|restricted location|jurisdiction|cloudfront", re.IGNORECASE)
_QUERY = re.compile(r"\?[^\s\"]*")
_backoff = wait_exponential_jitter(multiplier=0.5, max=8, jitter=1)


class RetryLaterError(VenueUnavailableError):
    """The venue asked for a pause of `after_s` seconds (Retry-After)."""

    def __init__(self, message: str, after_s: float) -> None:
        super().__init__(message)
        self.after_s = after_s


class VenueCalls:
    """Calls of one venue's client. At most `dialect.concurrency` requests are in flight at once.

    `unread`: a line per row of an answer that was left out because it cannot be read; `unlisted`: those of
    the listing by the venue's name.
    """

    def __init__(self, dialect: VenueDialect, client: Any, *, sleep: Sleep = asyncio.sleep) -> None:
        self.dialect = dialect
        self.client = client
        self._sleep = sleep
        self._slots = asyncio.Semaphore(dialect.concurrency)
        self.unread: list[str] = Remarks()
        self.unlisted: dict[str, str] = {}

    async def read(self, method: str, *args: Any, about: str = "", **named: Any) -> Any:
        """A call by name that changes nothing; tried up to four times where the venue is unavailable."""
        return await self.read_by(getattr(self.client, method), *args, name=method, about=about, **named)

    async def read_by(
        self, function: Callable[..., Awaitable[Any]], *args: Any, name: str, about: str = "", **named: Any
    ) -> Any:
        """As `read`, for a function of the dialect."""
        answer, _ = await self._retried(function, args, named, name, about)
        return answer

    async def read_rows(self, method: str, *args: Any) -> tuple[Any, list[Unread]]:
        """As `read`, with the rows of the answer that were left out because they cannot be read."""
        answer, unread = await self._retried(getattr(self.client, method), args, {}, method, "")
        return answer, unread

    async def _retried(
        self, function: Callable[..., Awaitable[Any]], args: Any, named: Any, name: str, about: str
    ) -> tuple[Any, list[Unread]]:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_pause,
            retry=retry_if_exception(_may_retry),
            sleep=self._sleep,
            reraise=True,
        )
        found: tuple[Any, list[Unread]] = await retrying(self._once, function, args, named, name, about)
        return found

    async def order(
        self, function: Callable[..., Awaitable[Any]], *args: Any, name: str, about: str, **named: Any
    ) -> Any:
        """A call that sends or cancels an order: once, never again.

        Raises OrderOutcomeUnknownError unless the venue answered clearly; OrderRejectedError with a reason.
        """
        with tracing() as trace:
            try:
                return await self._limited(function, args, named)
            except FundingPipelineError as error:
                failure = order_error(self.dialect, error, trace, f"{name} {about}")
            except Exception as error:
                failure = order_error(self.dialect, error, trace, f"{name} {about}")
        raise failure

    async def setting(
        self,
        function: Callable[..., Awaitable[Any]],
        *args: Any,
        name: str,
        about: str,
        reason: str = "other",
    ) -> Any:
        """A call that sets a mode: once. OrderRejectedError where the venue refuses the value.

        `reason`: what a refusal is taken for where neither the venue nor ccxt says.
        """
        with tracing() as trace:
            try:
                return await self._limited(function, args, {})
            except FundingPipelineError:
                raise
            except Exception as error:
                failure = read_error(self.dialect, error, trace, f"{name} {about}")
                if isinstance(failure, VenueAnswerError):
                    failure = _rejection(self.dialect, error, str(failure), otherwise=reason)
        raise failure

    async def _once(
        self, function: Callable[..., Awaitable[Any]], args: Any, named: Any, name: str, about: str
    ) -> tuple[Any, list[Unread]]:
        call = f"{name} {about}".strip()
        with tracing() as trace, holding(self.dialect) as held:
            try:
                answer = await self._answered(held, function, args, named)
            except VenueAnswerError as error:  # from the session, which does not know what is asked
                reason = str(error).removeprefix(f"{self.dialect.name}: ")
                failure: FundingPipelineError = VenueAnswerError(f"{self.dialect.name}: {call}: {reason}")
            except FundingPipelineError:
                raise
            except Exception as error:  # ccxt's parsers stumble over garbage in many ways
                failure = read_error(self.dialect, error, trace, call, signs=self._signs)
            else:
                self._note_unread(name, call, held, answer)
                return answer, held.unread
        raise failure  # outside, so that ccxt's text (urls, signatures, pages) is not chained to it

    async def _answered(
        self, held: Held, function: Callable[..., Awaitable[Any]], args: Any, named: Any
    ) -> Any:
        """What the function makes of the venue's answers, without the rows that it cannot read."""
        try:
            return await self._limited(function, args, named)
        except FundingPipelineError:
            raise
        except Exception:
            if held.has_failed or not held.rows():
                raise

        async def again() -> Any:
            return await function(*args, **named)

        is_load = getattr(function, "__name__", "") == "load_markets"
        probe = self.client.fetch_markets if is_load else None
        return await read_what_can_be_read(
            held, again, lambda error: _reason(self.dialect, error), probe=probe
        )

    @property
    def _signs(self) -> bool:
        return any(getattr(self.client, name, None) for name in self.dialect.credentials)

    def _note_unread(self, name: str, call: str, held: Held, answer: Any) -> None:
        """Keep what was left out: of a listing by name, of another answer as a line."""
        if name == "load_markets" and held.answers:
            rows = [*held.unread, *unlisted(held, answer)]
            self.unlisted = {row.name: f"{self.dialect.name} {row.name}: {row.reason}" for row in rows}
        else:
            self.unread += [
                f"{self.dialect.name}: {call}: {row.name} is left out: {row.reason}" for row in held.unread
            ]

    async def _limited(self, function: Callable[..., Awaitable[Any]], args: Any, named: Any) -> Any:
        async with self._slots:
            return await function(*args, **named)


def read_error(
    dialect: VenueDialect, error: Exception, trace: Trace, call: str, *, signs: bool = True
) -> FundingPipelineError:
    """Our error for a failed read; never raises. `signs`: whether keys were sent, which may be refused."""
    import ccxt

    message = _message(dialect, call, error, trace)
    if isinstance(error, ccxt.BadSymbol) and not trace.sent:
        return UnknownInstrumentError(message)
    if _is_region_block(error, trace, signs=signs):
        status = "" if trace.status is None else f"HTTP {trace.status}, "
        return VenueRefusedError(
            f"{dialect.name}: {call.strip()}: blocked from this region ({status}{_reason(dialect, error)})"
        )
    if isinstance(error, ccxt.AuthenticationError):
        return CredentialsError(message)
    if trace.status in _REFUSED or isinstance(error, ccxt.RestrictedLocation):
        return VenueRefusedError(message)
    if not _is_unavailable(error, trace):
        return VenueAnswerError(message)
    if trace.retry_after_s is not None:
        return RetryLaterError(message, trace.retry_after_s)
    return VenueUnavailableError(message)


def _is_region_block(error: Exception, trace: Trace, *, signs: bool) -> bool:
    """451, a 403 that speaks of a place, or a 403 to somebody who sent no key that could be refused."""
    import ccxt

    if trace.status == 451:
        return True
    if trace.status != 403:
        return False
    is_denied = isinstance(error, ccxt.AuthenticationError)  # PermissionDenied among them
    return (is_denied and not signs) or _REGION.search(str(error)) is not None


def order_error(dialect: VenueDialect, error: Exception, trace: Trace, call: str) -> FundingPipelineError:
    """Our error for a failed order: what is not clearly a refusal by the venue is an unknown outcome."""
    import ccxt

    message = _message(dialect, call, error, trace)
    if isinstance(error, FundingPipelineError) and not isinstance(error, VenueError):
        return error
    if isinstance(error, VenueAnswerError):  # a body that is no JSON: the order may have been taken
        return OrderOutcomeUnknownError(message)
    if isinstance(error, VenueError):
        return error
    if isinstance(error, ccxt.AuthenticationError):
        return CredentialsError(message)
    if isinstance(error, ccxt.ExchangeError) and not _is_transport(error) and not _is_open(trace):
        return _rejection(dialect, error, message)
    if trace.sent == 0:  # refused by ccxt's own checks, nothing has left
        return _rejection(dialect, error, message)
    return OrderOutcomeUnknownError(message)


def _rejection(
    dialect: VenueDialect, error: Exception, message: str, *, otherwise: str = "other"
) -> OrderRejectedError:
    import ccxt

    by_class = (
        (ccxt.InsufficientFunds, "insufficient_margin"),
        (ccxt.OrderImmediatelyFillable, "would_take"),
        (ccxt.DuplicateOrderId, "duplicate_client_id"),
        (ccxt.OrderNotFound, "unknown_order"),
    )
    reason = dialect.rejection_reason(error)
    if reason is None:
        reason = next((told for kind, told in by_class if isinstance(error, kind)), otherwise)
    return OrderRejectedError(message, reason=reason)


def _is_open(trace: Trace) -> bool:
    """Whether a status comes from something before the exchange's order entry, or from its failure."""
    return trace.status is not None and (trace.status in _UNDECIDED or trace.status >= 500)


def _is_unavailable(error: Exception, trace: Trace) -> bool:
    """Whether trying again may help: time-outs, dropped connections, 5xx, 429 and the venues' own codes."""
    import ccxt

    if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded | ccxt.RequestTimeout):
        return True
    if _is_transport(error) or trace.status in (408, 425, 429):
        return True
    if trace.status is not None and 400 <= trace.status < 500:
        return False
    return isinstance(error, ccxt.NetworkError) or (trace.status or 0) >= 500


def _is_transport(error: Exception) -> bool:
    """ccxt makes an ExchangeError of a body that broke off; the cause tells."""
    return isinstance(error, aiohttp.ClientError) or isinstance(
        error.__cause__, aiohttp.ClientError | OSError
    )


def _may_retry(error: BaseException) -> bool:
    if isinstance(error, RetryLaterError) and error.after_s > LONGEST_WAIT_S:
        return False
    return isinstance(error, VenueUnavailableError)


def _pause(state: RetryCallState) -> float:
    """Exponential with jitter, and at least what the venue asked for."""
    error = state.outcome.exception() if state.outcome else None
    wait = _backoff(state)
    return max(wait, error.after_s) if isinstance(error, RetryLaterError) else wait


def _message(dialect: VenueDialect, call: str, error: Exception, trace: Trace) -> str:
    """`okx: fetch_order_book BTC/USDT:USDT: HTTP 502, ExchangeNotAvailable: ...` in one line."""
    status = f"HTTP {trace.status}, " if trace.status is not None and trace.status >= 400 else ""
    return f"{dialect.name}: {call.strip()}: {status}{_reason(dialect, error)}"


def _reason(dialect: VenueDialect, error: Exception) -> str:
    text = str(error).removeprefix(dialect.ccxt_id).strip()
    kind = "" if isinstance(error, FundingPipelineError) else type(error).__name__
    page = text.lower().find("<html")
    document = text.lower().find("<!doctype")
    cut = min(at for at in (page, document, len(text)) if at >= 0)
    line = " ".join(_QUERY.sub("", _MARKUP.sub(" ", text[:cut])).split())
    if isinstance(error.__cause__, aiohttp.ClientError | OSError):  # why the connection failed
        line = f"{line} ({' '.join(str(error.__cause__).split()) or type(error.__cause__).__name__})"
    line = redact(line)
    shown = line if len(line) <= 240 else f"{line[:237]}..."
    return ": ".join(part for part in (kind, shown) if part) or "no answer"
