"""What a test asks of a sandbox afterwards: the requests that it was sent, and the orders that it made."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from zuora_sandbox.answers import Unreadable, read_order_number, unzip_body
from zuora_sandbox.messages import Request, Response


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """
    One request and what it was answered.

    :param response: its status is 0 if no answer was sent.
    :param at: when it came, in seconds of the sandbox's clock.
    """

    request: Request = field(repr=False)
    response: Response = field(repr=False)
    at: float

    @property
    def method(self) -> str:
        """Return the method, in capitals."""
        return self.request.method

    @property
    def path(self) -> str:
        """Return the path as it was sent, percent-encoded, without the query."""
        return self.request.path

    @property
    def status(self) -> int:
        """Return the HTTP status of the answer, 0 if none was sent."""
        return self.response.status

    @property
    def order_number(self) -> str:
        """Return the order number that it is about, in its body or path, or an empty text."""
        return read_order_number(self.request)

    @property
    def idempotency_key(self) -> str:
        """Return its Idempotency-Key, or an empty text."""
        return self.request.header("Idempotency-Key")

    @property
    def track_id(self) -> str:
        """Return its Zuora-Track-Id, or an empty text."""
        return self.request.header("Zuora-Track-Id")

    @property
    def body(self) -> Any:
        """Return its JSON body, unzipped; None if it has none, or one that is not JSON."""
        try:
            return json.loads(unzip_body(self.request))
        except (Unreadable, ValueError):
            return None

    def __str__(self) -> str:
        """Return method, path, order number and status."""
        number = f" ({self.order_number})" if self.order_number and self.order_number not in self.path else ""
        return f"{self.request}{number}: {self.status or self.response.damage}"

    def make_row(self) -> dict[str, Any]:
        """Return it as a JSON object of the ledger."""
        return {
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "trackId": self.track_id,
            "idempotencyKey": self.idempotency_key,
            "status": self.status,
            "damage": self.response.damage,
            "retryAfter": self.response.header("Retry-After"),
        }


@dataclass(frozen=True, slots=True)
class MadeOrder:
    """
    An order that exists: its job has completed.

    :param status: its status now, such as ``Completed``.
    :param idempotency_key: that of the request which made it, or an empty text.
    :param body: the JSON object of that request.
    """

    order_number: str
    account_number: str
    status: str
    job_id: str
    idempotency_key: str
    body: dict[str, Any] = field(repr=False)
