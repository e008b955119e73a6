"""The last requests of an account by their Track-Ids: the answer to one may come to another."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.messages import Request

RecentRequests: TypeAlias = deque[tuple[str, tuple[str, str, str]]]
"""Track-Id of each request, and what it is about: method, path and Idempotency-Key."""

_KEPT = 256  # requests; an answer that comes late is to one of the latest


def new_recent_requests() -> RecentRequests:
    """Return an empty record of requests; the oldest leave it."""
    return deque(maxlen=_KEPT)


def refuse_answer_to_another(recent: RecentRequests, track_id: str, request: Request) -> None:
    """
    Raise an error if the Track-Id that came back is that of a request for another thing.

    It came late, by a connection of ours. A page of the same path is no more than old. What is stored under
    a key may give back the Track-Id of another request with this key, and of no other.

    :raises Unreachable: as if no answer had come.
    """
    topic = (request.method, request.path, request.headers.get("Idempotency-Key", ""))
    known = [sent for sent_id, sent in list(recent) if sent_id == track_id]
    if known and topic not in known:
        raise Unreachable(f"what came is the answer to another request, Track-Id {track_id}")
