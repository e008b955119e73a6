"""Everything that can go wrong, as one tree; a vendor's words stand in it redacted.

::

    ApiError
    |-- InvalidInput, RateLimited, Unreachable, Unreadable, UnsafeLink
    |-- Refused
    |   `-- SignInRefused, NotFound, TurnedAway, WrongOrder, QueryQueueFull
    |-- TimedOut, JobFailed, ResultLost
    `-- StoreUnavailable, LogUnavailable, LockContention, OutcomeUnknown, GuardRefused
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice, zip_longest

from airflow_provider_zuora.core.redaction import (
    MESSAGE_LENGTH,
    REASONS,
    WORD_LENGTH,
    RedactedText,
    make_printable,
    redact_words,
)

_WORDS_LENGTH = 1200  # characters; of all reasons in one line, so that an error fits a screen
_ASKED_LENGTH = 200  # characters; of the request in one line
_SHOWN = 100  # violations of one error


class NoAnswer(Enum):
    """Why no answer came, as far as the transport can tell."""

    UNKNOWN = "for an unknown reason"
    NAME = "the host's name does not resolve"
    REFUSED = "the host refuses the connection"
    NO_CONNECTION = "no connection came about in time"
    SILENT = "the host did not answer in time"
    CERTIFICATE = "the host's certificate is not trusted"
    OTHER_CERTIFICATE = "the certificate is another host's"
    NO_TLS = "the host speaks no TLS"
    PROXY_NAME = "the proxy's name does not resolve"
    PROXY_REFUSED = "the proxy refuses the connection"
    PROXY_SIGN_IN = "the proxy wants a user and a password"
    PROXY_DENIED = "the proxy does not connect to the host"


@dataclass(slots=True)
class ResponseInfo:
    """What the vendor answered to one request, as far as it can be read, fit to be shown and kept."""

    asked: str  # method and path, for example ``POST /v1/async/orders``
    track_id: str = ""  # sent with the request; empty if the vendor knows none
    status: int | None = None  # of HTTP; None if no answer came
    codes: tuple[RedactedText, ...] = ()  # of errors, for example ``("53200020",)``; set by `with_words`
    messages: tuple[RedactedText, ...] = ()  # in the order of the codes; of many the first ones
    request_id: str = ""  # ``requestId`` or ``Zuora-Request-Id``
    process_id: str = ""
    retry_after: float | None = None  # seconds, as the vendor states them
    no_answer: NoAnswer | None = None  # None if an answer came, or nothing was sent

    def with_words(self, messages: Iterable[str], codes: Iterable[str] | None = None) -> ResponseInfo:
        """Return a copy with the first `REASONS` of these words, redacted; codes None: they stay."""
        kept = self.codes
        if codes is not None:
            kept = tuple(redact_words(code, WORD_LENGTH) for code in islice(codes, REASONS))
        words = tuple(redact_words(message, MESSAGE_LENGTH) for message in islice(messages, REASONS))
        return replace(self, codes=kept, messages=words)

    def with_ids(self, request_id: str, process_id: str) -> ResponseInfo:
        """Return it with the vendor's ids; each poll makes one, and `replace` takes five times as long."""
        words, no_answer = (self.codes, self.messages), self.no_answer
        head = (self.asked, self.track_id, self.status)
        return ResponseInfo(*head, *words, request_id, process_id, self.retry_after, no_answer)

    def __str__(self) -> str:
        """Return one line that a person can hand to the vendor's support."""
        reasons = (f"[{code}] {message}".strip() if code else message for code, message in self.reasons())
        words = redact_words("; ".join(reasons), _WORDS_LENGTH) if self.codes or self.messages else ""
        ids = {"requestId": self.request_id, "processId": self.process_id, "Zuora-Track-Id": self.track_id}
        named = [f"{name} {redact_words(value, WORD_LENGTH)}" for name, value in ids.items() if value]
        status = "no answer" if self.status is None else f"HTTP {self.status}"
        asked = make_printable(self.asked[:_ASKED_LENGTH])
        ending = f" ({', '.join(named)})" if named else ""
        return f"{asked}: {status}{': ' + words if words else ''}{ending}"

    @property
    def without_words(self) -> str:
        """The line without the vendor's words, which may quote what an order holds: fit to be kept."""
        return str(replace(self, messages=()))

    def reasons(self) -> list[tuple[str, str]]:
        """Return the pairs of code and message; what one side lacks is empty."""
        return list(zip_longest(self.codes, self.messages, fillvalue=""))


class ApiError(Exception):
    """
    The root of all errors of this package.

    :param message: what went wrong and what to do next, free of secrets.
    :param info: what the vendor answered, or None if nothing was asked.
    :param transient: True if the same request may well succeed later.
    :param attempts: how many times in a row the request was sent.
    """

    def __init__(
        self, message: str, *, info: ResponseInfo | None = None, transient: bool = False, attempts: int = 1
    ):
        super().__init__(f"{message} | {info}" if info else message)
        self.message = message
        self.info = info
        self.transient = transient
        self.attempts = attempts

    @property
    def retry_after(self) -> float:
        """The seconds that the vendor asked us to wait, 0 if it asked for none."""
        return (self.info.retry_after or 0.0) if self.info else 0.0

    @property
    def category(self) -> str:
        """The kind of error in one word, as metrics have it: ``lock_contention`` of a `LockContention`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class InvalidInput(ApiError):
    """The input breaks documented rules, of which `violations` has a line each; nothing was sent."""

    def __init__(self, message: str, violations: tuple[str, ...] = ()):
        super().__init__("\n".join((message, *violations)))
        self.violations = violations


def raise_first(message: str, violations: Sequence[str]) -> None:
    """Raise one error with the first hundred of the violations, none if there are none."""
    if violations:
        more = [f"and {len(violations) - _SHOWN} more"] if len(violations) > _SHOWN else []
        raise InvalidInput(message, (*violations[:_SHOWN], *more))


class RateLimited(ApiError):
    """Nothing was sent: the account cools down for longer than a request waits."""


class Unreachable(ApiError):
    """
    No answer came, so what the vendor did with the request is unknown.

    :ivar no_answer: why; it is the transport that knows.
    """

    no_answer = NoAnswer.UNKNOWN


class Refused(ApiError):
    """The vendor answered no; ``transient`` says whether it may say yes later."""


class SignInRefused(Refused):
    """The vendor refused the client id and secret, or refused a token that it had just issued."""


class NotFound(Refused):
    """The vendor does not know the job, the order or the account that was asked for."""


class TurnedAway(Refused):
    """A POST was refused without a code of the vendor's own: that says nothing about the order."""


class WrongOrder(Refused):
    """A job, or an idempotency key, led to another order than the one that was submitted."""


class QueryQueueFull(Refused):
    """The tenant has as many data queries queued as it may; always transient."""


class Unreadable(ApiError):
    """An answer came that cannot be understood: no JSON, cut off, or an unknown word in it."""


class UnsafeLink(ApiError):
    """A file's link, or a redirect, leads to a place from which nothing may be fetched."""


class TimedOut(ApiError):
    """The deadline of a wait passed and the job had not ended; the job goes on at the vendor."""


class JobFailed(ApiError):
    """The job has ended and the vendor says that it failed; ``transient`` is the vendor's word."""


class ResultLost(ApiError):
    """The job was seen to complete, so its order exists; its result cannot be read any more."""


class StoreUnavailable(ApiError):
    """The state store of a task could not be read or written; always transient."""


class LogUnavailable(ApiError):
    """The submission log could not be written, and nothing is sent that is not in it; always transient."""


class LockContention(ApiError):
    """An order, or its job, met a lock at the vendor and was not carried out; always transient."""


class GuardRefused(ApiError):
    """A guard forbids what was to be sent, or cannot be evaluated; nothing that changes anything was sent."""


class OutcomeUnknown(ApiError):
    """
    An order may exist or not; sending it again might make it twice. A person has to check.

    :ivar key: the Idempotency-Key under which it may have been made; empty if that is not known.
    :ivar unanswered: POSTs under it that may have made it.
    """

    key: str = ""
    unanswered: int = 0
