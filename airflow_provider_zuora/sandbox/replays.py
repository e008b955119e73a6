"""The idempotency store: the first answer under a key is the answer under it for a day, whatever it was.

Source: Zuora's guide "Idempotent requests". It does not say what the bodies of 409 and 422 are, nor what
another body under the same key does: here the stored answer comes back, for nothing says that bodies count.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from airflow_provider_zuora.core.wire import Response
from airflow_provider_zuora.sandbox.answers import reply

LIFE = 24 * 3600


@dataclass(frozen=True, slots=True)
class Stored:
    """
    What is known under one key; times are seconds of the sandbox's clock.

    :param fingerprint: tenant, method and URL of the first request.
    :param busy_until: until when the first request counts as in progress.
    """

    fingerprint: tuple[str, ...]
    response: Response
    created: float
    busy_until: float = 0.0


@dataclass(slots=True)
class Replays:
    """Answers by idempotency key."""

    stored: dict[str, Stored] = field(default_factory=dict)

    def find(self, key: str, fingerprint: tuple[str, ...], now: float) -> Response | None:
        """Return the answer to a repeated request, None where this is the first under its key."""
        known = self.stored.get(key)
        if known is None or now - known.created >= LIFE:
            return None
        if known.fingerprint != fingerprint:
            return reply(422, {"message": "The Idempotency-Key belongs to another method, URL or tenant."})
        if now < known.busy_until:
            return reply(409, {"message": "A request with this Idempotency-Key is in progress."})
        return known.response

    def keep(self, key: str, fingerprint: tuple[str, ...], response: Response, now: float) -> None:
        """Store the answer to the first request under a key."""
        self.stored[key] = Stored(fingerprint, response, now)

    def hold(self, key: str, until: float) -> None:
        """Let the first request under a key count as in progress until then; an unknown key is left alone."""
        if key in self.stored:
            self.stored[key] = replace(self.stored[key], busy_until=until)
