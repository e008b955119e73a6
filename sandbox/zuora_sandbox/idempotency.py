"""The idempotency store: the first answer under a key is the answer under it for a day, whatever it was.

Source: Zuora's guide "Idempotent requests". It does not say what the bodies of 409 and 422 are. Of another
body under the same key it says nothing; Zuora's guide for coding agents says "rejected": both can be had.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from zuora_sandbox.answers import make_reply
from zuora_sandbox.messages import Response

LIFE = 24 * 3600


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """
    What is known under one key; times are seconds of the sandbox's clock.

    :param fingerprint: tenant, method and URL of the first request.
    :param payload: its body, unzipped.
    :param busy_until: until when the first request counts as in progress.
    """

    fingerprint: tuple[str, ...]
    payload: bytes = field(repr=False)
    response: Response
    created: float
    busy_until: float = 0.0


@dataclass(slots=True)
class IdempotencyStore:
    """Answers by idempotency key."""

    entries: dict[str, StoredResponse] = field(default_factory=dict)

    def has_key(self, key: str, now: float) -> bool:
        """Return whether there was a request under this key, less than a day ago."""
        return key in self.entries and now - self.entries[key].created < LIFE

    def find_response(
        self, key: str, fingerprint: tuple[str, ...], now: float, payload: bytes | None = None
    ) -> Response | None:
        """
        Return the answer to a repeated request, None where this is the first under its key.

        :param payload: the body that the key must have come with; None: any.
        """
        if not self.has_key(key, now):
            return None
        known = self.entries[key]
        if known.fingerprint != fingerprint:
            return make_reply(
                422, {"message": "The Idempotency-Key belongs to another method, URL or tenant."}
            )
        if payload not in (None, known.payload):
            return make_reply(422, {"message": "The Idempotency-Key belongs to another request body."})
        if now < known.busy_until:
            return make_reply(409, {"message": "A request with this Idempotency-Key is in progress."})
        return known.response

    def store_response(self, key: str, entry: StoredResponse) -> None:
        """Store the answer to the first request under a key."""
        self.entries[key] = entry

    def replace_response(self, key: str, response: Response) -> None:
        """Let another answer be the stored one; an unknown key is left alone."""
        if key in self.entries:
            self.entries[key] = replace(self.entries[key], response=response)

    def hold_key(self, key: str, until: float) -> None:
        """Let the first request under a key count as in progress until then; an unknown key is left alone."""
        if key in self.entries:
            self.entries[key] = replace(self.entries[key], busy_until=until)
