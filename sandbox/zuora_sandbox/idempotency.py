"""The idempotency store: for a day, a key gets the first answer again, whatever that was.

Source: Zuora's guide "Idempotent requests". It does not say what the bodies of 409 and 422 are, nor what
happens to another body under the same key. Zuora's guide for coding agents says "rejected"; here a setting
decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from zuora_sandbox.answers import make_reply
from zuora_sandbox.messages import Response

KEY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """
    The response under one key; times are seconds of the sandbox's clock.

    :param fingerprint: client id, method and URL of the first request.
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
    """The stored responses by idempotency key."""

    entries: dict[str, StoredResponse] = field(default_factory=dict)

    def has_key(self, key: str, now: float) -> bool:
        """Return whether this key was first used less than a day ago."""
        return key in self.entries and now - self.entries[key].created < KEY_SECONDS

    def find_response(
        self, key: str, fingerprint: tuple[str, ...], now: float, payload: bytes | None = None
    ) -> Response | None:
        """
        Return the answer to a repeated request, or None if the key is new.

        :param payload: the body that the first request must have had, or None for any body.
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
        """Store the response to the first request under a key."""
        self.entries[key] = entry

    def replace_response(self, key: str, response: Response) -> None:
        """Replace the stored response, if the key is known."""
        if key in self.entries:
            self.entries[key] = replace(self.entries[key], response=response)

    def hold_key(self, key: str, until: float) -> None:
        """Count the first request under a key as in progress until then, if the key is known."""
        if key in self.entries:
            self.entries[key] = replace(self.entries[key], busy_until=until)
