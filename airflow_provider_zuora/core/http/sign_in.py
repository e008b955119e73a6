"""The answer to a sign-in: a bearer token and how long it is used, or an error that says what to check."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_zuora.core.errors import ApiError, NotFound, Refused, SignInRefused, Unreadable
from airflow_provider_zuora.core.http.response_parsing import ERRORS, SIGN_IN_ADVICE
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, ResponseKind
from airflow_provider_zuora.core.validation import find_header_violation
from airflow_provider_zuora.core.vendors.base import Vendor

log = logging.getLogger(__name__)

_MARGIN = 60.0  # seconds before its end from which a token is not used any more; of a short one, less
_SHORT_MARGIN = 4  # the part of a short life, inverse
_SHORTEST_USE = 5.0  # seconds; one sign-in for each request would reach the vendor's limit, 100 a minute
_LONGEST_LIFE = 24 * 3600.0  # seconds; Zuora's tokens last an hour
_USUAL_LIFE = 3600.0  # seconds
_TOKEN_LENGTH = 8192  # characters
_PATH_LENGTH = 80  # characters of a message
_ABSENT = (404, 405)  # HTTP statuses of a path that a server does not know


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and the time from which it is not used any more, on the client's clock."""

    token: str = field(repr=False)
    expires: float


def read_access_token(
    vendor: Vendor, credentials: Credentials, parsed: ParsedResponse, now: float
) -> AccessToken:
    """Return the token in the answer to a sign-in, or raise `Unreadable`; ``now`` is in epoch seconds."""
    token = parsed.body.get("access_token")
    if not isinstance(token, str) or find_header_violation(token, _TOKEN_LENGTH):
        raise Unreadable("The answer to the sign-in holds no usable access_token.", info=parsed.info)
    seconds = _read_lifetime(vendor.read_token_lifetime(parsed.body, now))
    log.info("Signed in to %s; the token lasts %.0f s", credentials.base_url, seconds)
    return AccessToken(token, now + max(seconds - min(_MARGIN, seconds / _SHORT_MARGIN), _SHORTEST_USE))


def _read_lifetime(stated: object) -> float:
    """Return a token's life in seconds, a day at most; an hour if none is stated that can be one."""
    try:
        seconds = float(str(stated))
    except ValueError:
        return _USUAL_LIFE
    return min(seconds, _LONGEST_LIFE) if 0 <= seconds < 1e9 else _USUAL_LIFE


def make_sign_in_error(
    vendor: Vendor, credentials: Credentials, parsed: ParsedResponse, attempts: int
) -> ApiError:
    """Return the error that an answer to a sign-in amounts to."""
    kind, path = parsed.kind, urlsplit(credentials.base_url).path
    error_type = ERRORS.get(kind, Refused)
    if error_type in (Refused, NotFound) and not kind.transient:
        error_type = SignInRefused
    is_refused = error_type is SignInRefused
    words = "the sign-in is refused"
    if kind.transient:
        words = f"could not sign in, nothing else was sent ({kind.words})"
    advice = SIGN_IN_ADVICE if is_refused else vendor.advise(parsed)
    if is_refused and path and parsed.info.status in _ABSENT:
        words = f"there is no sign-in below the path {path} of the base URL (host); mostly it has no path"
        advice = ""
    elif path and (is_refused or kind is ResponseKind.GATEWAY):
        hint = f"The base URL (host) has a path, {path[:_PATH_LENGTH]}; mostly it must have none."
        advice = f"{advice} {hint}".strip()
    message = f"{vendor.title}: {words}.{advice and ' ' + advice}"
    return error_type(message, info=parsed.info, transient=kind.transient, attempts=attempts)
