"""What an answer that is no good amounts to: an error, or a warning, in words that say what to do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from airflow_provider_zuora.core.errors import (
    ApiError,
    NotFound,
    RateLimited,
    Refused,
    ResponseInfo,
    SignInRefused,
    Unreachable,
    Unreadable,
)
from airflow_provider_zuora.core.http.answers import KEPT_LENGTH
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, ResponseKind
from airflow_provider_zuora.core.redaction import redact_words
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.vendors.base import Vendor

log = logging.getLogger(__name__)

_ERRORS: Mapping[ResponseKind, type[ApiError]] = {
    ResponseKind.HELD: RateLimited,
    ResponseKind.SILENCE: Unreachable,
    ResponseKind.GATEWAY: Unreadable,
    ResponseKind.TOO_LARGE: Unreadable,
    ResponseKind.TOKEN: SignInRefused,
    ResponseKind.NOT_FOUND: NotFound,
}
_SIGN_IN_ADVICE = "Check client id, secret and environment: a wrong data centre refuses them too."
_UNKNOWN_WORDS, _WORD_LENGTH = 20, 80  # status words that are warned of, and what is kept of each
_PATH_LENGTH = 80  # characters of a message
_ABSENT = (404, 405)  # HTTP statuses of a path that a server does not know


def make_error(vendor: Vendor, parsed: ParsedResponse, attempts: int) -> ApiError:
    """Return the error that an answer amounts to."""
    error_type = _ERRORS.get(parsed.kind, Refused)
    advice = _SIGN_IN_ADVICE if error_type is SignInRefused else vendor.advise(parsed)
    return _make_error(error_type, vendor, parsed, parsed.kind.words, advice, attempts)


def make_sign_in_error(
    vendor: Vendor, credentials: Credentials, parsed: ParsedResponse, attempts: int
) -> ApiError:
    """Return the error that an answer to a sign-in amounts to."""
    kind = parsed.kind
    error_type = _ERRORS.get(kind, Refused)
    if error_type in (Refused, NotFound) and not kind.transient:
        error_type = SignInRefused
    is_refused = error_type is SignInRefused
    path = urlsplit(credentials.base_url).path
    if is_refused and path and parsed.info.status in _ABSENT:
        words = f"there is no sign-in below the path {path} of the base URL (host); mostly it has no path"
        return SignInRefused(f"{vendor.title}: {words}.", info=parsed.info, attempts=attempts)
    advice = _SIGN_IN_ADVICE if is_refused else vendor.advise(parsed)
    if path and (is_refused or kind is ResponseKind.GATEWAY):
        hint = f"The base URL (host) has a path, {path[:_PATH_LENGTH]}; mostly it must have none."
        advice = f"{advice} {hint}".strip()
    words = "the sign-in is refused"
    if kind.transient:
        words = f"could not sign in, nothing else was sent ({kind.words})"
    return _make_error(error_type, vendor, parsed, words, advice, attempts)


def _make_error(
    error_type: type[ApiError],
    vendor: Vendor,
    parsed: ParsedResponse,
    words: str,
    advice: str,
    attempts: int,
) -> ApiError:
    message = f"{vendor.title}: {words}.{advice and ' ' + advice}"
    return error_type(message, info=parsed.info, transient=parsed.kind.transient, attempts=attempts)


def make_no_job_error(vendor: Vendor, parsed: ParsedResponse) -> Unreadable:
    """Return the error of a good answer to a submission that names no job."""
    return Unreadable(
        f"{vendor.title} said yes but named no job, so whether there is one is unknown. "
        "It changes nothing, so it may be repeated.",
        info=parsed.info,
        transient=True,
    )


def warn_of_status(vendor: Vendor, job: Job, warned: set[str]) -> None:
    """
    Log once for each unknown status word that jobs with it are waited for.

    :param warned: the words that were logged; this one is added.
    """
    word = job.status[:_WORD_LENGTH]
    if word not in warned and len(warned) < _UNKNOWN_WORDS:
        warned.add(word)
        log.warning("Job %s is waited for: %s", job.job_id, vendor.describe(job))


def read_silence(error: Unreachable, info: ResponseInfo, secrets: Secrets) -> ParsedResponse:
    """Return what it means that no answer came."""
    messages = (redact_words(str(error), KEPT_LENGTH, secrets),)
    return ParsedResponse(ResponseKind.SILENCE, replace(info, messages=messages))


def read_rate_limit(error: RateLimited, info: ResponseInfo) -> ParsedResponse:
    """Return what it means that a request was not sent, because a limit of the vendor's is reached."""
    held = replace(error.info, track_id=info.track_id) if error.info else info
    return ParsedResponse(ResponseKind.HELD, held)
