"""The idempotency store: the first answer under a key is the answer under it for a day, whatever it was.

Source: Zuora's guide "Idempotent requests". It does not say what the bodies of 409 and 422 are. Of another
body under the same key it says nothing; Zuora's guide for coding agents says "rejected": both can be had.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from zuora_sandbox.answers import reply
from zuora_sandbox.messages import Response

LIFE = 24 * 3600


@dataclass(frozen=True, slots=True)
class Stored:
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
class Replays:
    """Answers by idempotency key."""

    stored: dict[str, Stored] = field(default_factory=dict)

    def knows(self, key: str, now: float) -> bool:
        """Return whether there was a request under this key, less than a day ago."""
        return key in self.stored and now - self.stored[key].created < LIFE

    def find(
        self, key: str, fingerprint: tuple[str, ...], now: float, payload: bytes | None = None
    ) -> Response | None:
        """
        Return the answer to a repeated request, None where this is the first under its key.

        :param payload: the body that the key must have come with; None: any.
        """
        if not self.knows(key, now):
            return None
        known = self.stored[key]
        if known.fingerprint != fingerprint:
            return reply(422, {"message": "The Idempotency-Key belongs to another method, URL or tenant."})
        if payload not in (None, known.payload):
            return reply(422, {"message": "The Idempotency-Key belongs to another request body."})
        if now < known.busy_until:
            return reply(409, {"message": "A request with this Idempotency-Key is in progress."})
        return known.response

    def keep(self, key: str, stored: Stored) -> None:
        """Store the answer to the first request under a key."""
        self.stored[key] = stored

    def replace(self, key: str, response: Response) -> None:
        """Let another answer be the stored one; an unknown key is left alone."""
        if key in self.stored:
            self.stored[key] = replace(self.stored[key], response=response)

    def hold(self, key: str, until: float) -> None:
        """Let the first request under a key count as in progress until then; an unknown key is left alone."""
        if key in self.stored:
            self.stored[key] = replace(self.stored[key], busy_until=until)
