"""Requests, responses and what they mean are values, the same for all vendors and transports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from airflow_provider_zuora.core import validation
from airflow_provider_zuora.core.errors import InvalidInput, ResponseInfo

PATIENCE = 60.0  # seconds; a window of a minute, the shortest, is waited for


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where to sign in, and as whom; the base URL has a path or not, and http is for loopback only."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", validation.normalize_url(self.base_url))
        wrong = validation.find_url_violations(self.base_url)
        for field_name, words, value in (
            ("login", "id", self.client_id),
            ("password", "secret", self.client_secret),
        ):
            if rule := validation.find_credential_violation(value) if value else "is missing":
                wrong.append(f"{field_name}: the OAuth client {words} {rule}")
        if wrong:
            raise InvalidInput("The connection cannot be used; nothing was sent.", tuple(wrong))

    def grant(self, path: str) -> Request:
        """Return the form POST of OAuth's client credentials grant."""
        client = {"client_id": self.client_id, "client_secret": self.client_secret}
        form = urlencode({**client, "grant_type": "client_credentials"}).encode()
        return Request("POST", path, (), {"Content-Type": "application/x-www-form-urlencoded"}, form)


class ResponseKind(Enum):
    """What an answer means: in words, and whether the same request may succeed later, if it is sent again."""

    OK = "answered", False
    REFUSED = "refused", False
    DENIED = "refused before it was looked at", False
    NOT_FOUND = "refused, there is no such thing", False
    UNCLEAR = "refused, for a reason that nobody documents", False
    TOKEN = "the token is not accepted", False
    LIMITED = "a limit is reached, not processed", True
    HELD = "a limit is reached, not sent", True
    IN_PROGRESS = "the same request is still in progress", True
    LOCKED = "locked by another operation", True
    TEMPORARY = "a transient error, or one of the vendor's own", True
    GATEWAY = "no readable answer of the vendor's own, outcome unknown", True
    SILENCE = "no answer, outcome unknown", True
    TOO_LARGE = "the answer is larger than what is read", False

    def __init__(self, words: str, transient: bool):
        self.words = words
        self.transient = transient


@dataclass(slots=True)
class ParsedResponse:
    """One answer, understood: what it means, what it says, and its JSON body (None if there is none)."""

    kind: ResponseKind
    info: ResponseInfo
    body: Any = field(default=None, repr=False)
    whole: bool = False  # all of a body came and was read; else it proves nothing about what the vendor keeps
    arrived: bool = False  # all of the body came, whether or not it can be read
    is_large: bool = False  # no event loop is to wait while the body is read


@dataclass(slots=True)
class Request:
    """
    One HTTP request below the base URL of an account; headers and body may hold secrets.

    :param patience: seconds for which it waits for its turn, where the vendor's limits are reached; if that
        is not enough, it is refused and not sent.
    """

    method: str
    path: str  # starts with a slash; its segments are percent-encoded already
    params: tuple[tuple[str, str], ...] = ()  # the query; the transport encodes it
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    patience: float = field(default=PATIENCE, repr=False, compare=False)

    @classmethod
    def post_json(cls, path: str, document: object, params: tuple[tuple[str, str], ...] = ()) -> Request:
        """Return the POST of a document in plain JSON types."""
        body = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
        return cls("POST", path, params, {"Content-Type": "application/json"}, body)

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Return a copy with these headers added."""
        headers = {**self.headers, **headers}
        return Request(self.method, self.path, self.params, headers, self.body, self.patience)

    def __str__(self) -> str:
        """Return the method and the path, as errors and log lines name a request."""
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class Response:
    """One HTTP answer; the transport has undone a ``Content-Encoding``."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # in lower case, joined by commas
    body: bytes = field(default=b"", repr=False)
    damage: str = ""  # why the body is not whole (cut off, too large)
    is_too_large: bool = False  # for what is read, as it will be the next time
