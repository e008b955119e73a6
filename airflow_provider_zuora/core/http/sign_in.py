"""The answer to a sign-in: a bearer token and how long it is used."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from airflow_provider_zuora.core.errors import Unreadable
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse
from airflow_provider_zuora.core.validation import header_violation
from airflow_provider_zuora.core.vendors.base import Vendor

log = logging.getLogger(__name__)

_MARGIN = 60.0  # seconds before its end from which a token is not used any more; of a short one, less
_SHORT_MARGIN = 4  # the part of a short life, inverse
_SHORTEST_USE = 5.0  # seconds; one sign-in for each request would reach the vendor's limit, 100 a minute
_LONGEST_LIFE = 24 * 3600.0  # seconds; Zuora's tokens last an hour
_USUAL_LIFE = 3600.0  # seconds
_TOKEN_LENGTH = 8192  # characters


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and the time from which it is not used any more, on the client's clock."""

    token: str = field(repr=False)
    expires: float


def read_access_token(
    vendor: Vendor, credentials: Credentials, parsed: ParsedResponse, now: float
) -> AccessToken:
    """
    Return the token in the answer to a sign-in.

    :param now: in seconds since the epoch.
    :raises Unreadable: if it holds none.
    """
    token = parsed.body.get("access_token")
    if not isinstance(token, str) or header_violation(token, _TOKEN_LENGTH):
        raise Unreadable("The answer to the sign-in holds no usable access_token.", info=parsed.info)
    seconds = _lifetime(vendor.read_token_lifetime(parsed.body, now))
    log.info("Signed in to %s; the token lasts %.0f s", credentials.base_url, seconds)
    return AccessToken(token, now + max(seconds - min(_MARGIN, seconds / _SHORT_MARGIN), _SHORTEST_USE))


def _lifetime(stated: object) -> float:
    """
    Return a token's life in seconds, a day at most.

    :param stated: a number, perhaps as text; an hour if it is neither, or cannot be a life.
    """
    try:
        seconds = float(str(stated))
    except ValueError:
        return _USUAL_LIFE
    return min(seconds, _LONGEST_LIFE) if 0 <= seconds < 1e9 else _USUAL_LIFE
