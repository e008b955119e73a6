"""When a request is sent again: after which kinds of answer, how often, and after how many seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_zuora.core.flow import RetryBudget
from airflow_provider_zuora.core.messages import ParsedResponse, ResponseKind

ResponseKinds: TypeAlias = frozenset[ResponseKind]

ONCE = RetryBudget(1, 0)
READ = RetryBudget(10, 180)
WRITE = RetryBudget(6, 600)

TRANSIENT: ResponseKinds = frozenset(kind for kind in ResponseKind if kind.transient)
# A POST is repeated only if it was not processed, or if that is unknown and an Idempotency-Key covers it.
NOT_PROCESSED: ResponseKinds = frozenset({ResponseKind.LIMITED, ResponseKind.HELD})
UNKNOWN: ResponseKinds = NOT_PROCESSED | {
    ResponseKind.SILENCE,
    ResponseKind.GATEWAY,
    ResponseKind.IN_PROGRESS,
}

_BACKOFF_BASE, _BACKOFF_CAP = 1.0, 30.0  # seconds; full jitter, as in Zuora's own sample


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a request is sent, and how often."""

    budget: RetryBudget
    retry_on: ResponseKinds
    is_sign_in: bool = False  # it carries no token and none of the account's headers
    allows_any_content: bool = False  # otherwise a 2xx without a JSON object is not of the vendor's own
    is_final_at_2xx: bool = False  # it is not repeated, even if it says no or is cut off


READ_POLICY = RetryPolicy(READ, TRANSIENT)
NEVER = RetryPolicy(WRITE, frozenset())
"""For a request that is sent once; the budget is for the sign-in before it."""


def delay_before_retry(parsed: ParsedResponse, attempt: int, rng: random.Random) -> float:
    """Return the seconds before a request is sent again: what the vendor asks for, or a backoff if longer."""
    backoff = rng.uniform(0, min(_BACKOFF_CAP, _BACKOFF_BASE * 2.0 ** (attempt - 1)))
    return max(parsed.info.retry_after or 0.0, backoff)


def is_throttled(parsed: ParsedResponse) -> bool:
    """Return whether a request is sent again later because the vendor has asked for time."""
    return parsed.kind is ResponseKind.LIMITED or bool(parsed.info.retry_after)
