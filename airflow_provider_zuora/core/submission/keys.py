"""What makes a submission the same one again, its content and its submitter; keys are made here only."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.json_types import Path, format_path
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.times import read_minute

"""How a time is written at the end of a user's own key."""

_ISSUED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z\Z")
_MOST_PATHS = 250  # a record of this many stays below 32 kB


@dataclass(frozen=True, slots=True)
class IdempotencyScope:
    """
    Who submits, as far as an idempotency key must tell.

    :param namespace: tells two Airflows apart that submit to one tenant.
    :param identity: dag, run and task; or a user's own key alone.
    :param position: the map index, and the count among equal orders of a list; it plays no part where the
        order has its own ``orderNumber``. None: with a user's own key neither plays a part.
    """

    namespace: str
    identity: tuple[str, ...]
    position: int | str | None = None

    def key(self, digest: str, order_number: str | None, generation: int = 0) -> str:
        """Return the Idempotency-Key: ``af-`` and the SHA-256 of all that makes a submission the same one."""
        return "af-" + sha256([self.namespace, self._whole(order_number), digest, generation])

    def fingerprint(self, order_number: str | None) -> str:
        """Return the SHA-256 of who submits, and of the order's number, also where the key is a user's."""
        return sha256([self.namespace, self._whole(order_number), order_number])

    @property
    def issued_at(self) -> float | None:
        """
        Return the time in which a user's own key ends, such as ``2026-03-01T12:30Z``, in seconds since 1970.

        Nobody can have sent the key before. None: it ends in no time, or is not a user's own.
        """
        if self.position is not None or (found := _ISSUED.search(self.identity[0])) is None:
            return None
        return read_minute(found[0])

    def _whole(self, order_number: str | None) -> list[str | int]:
        own = () if self.position is None else (order_number or self.position,)
        return [*self.identity, *own]


def digest_of(client: ApiClient, request: Request, document: Any) -> str:
    """Return the SHA-256 of what is submitted and where to, in hex; the order of keys plays no part."""
    return sha256([request.method, request.path, request.params, _scope(client), document])


def account_fingerprint(client: ApiClient) -> str:
    """Return a fingerprint of the account: URL, client id, entity and orgs."""
    return sha256([client.credentials.base_url, client.credentials.client_id, _scope(client)])


def path_hashes(client: ApiClient, document: Any) -> dict[str, str]:
    """
    Return a hash for each JSON path of a document, to tell later what has changed without keeping it.

    The hashes are keyed by the client secret: a security code of three digits could be guessed otherwise.
    A document of more than 250 values is hashed by parts, as deep as there are at most so many.
    """
    secret = client.credentials.client_secret.encode()
    depth, rows = 1, list(_parts(document, 0))
    while len(deeper := list(_parts(document, depth))) <= _MOST_PATHS and deeper != rows:
        depth, rows = depth + 1, deeper
    return {
        format_path(path): hmac.new(secret, _canonical(value), hashlib.sha256).hexdigest()[:16]
        for path, value in rows
    }


def changed_paths(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the paths whose hashes differ, those that only one side has included, sorted."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def sha256(value: Any) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of a value in plain types (`core.json_types`)."""
    return hashlib.sha256(_canonical(value)).hexdigest()


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def _scope(client: ApiClient) -> dict[str, str]:
    return {name: client.headers.get(name, "") for name in client.vendor.scope}


def _parts(value: Any, depth: int, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the parts of a document that stand at this depth, and the values above it."""
    if depth and isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _parts(member, depth - 1, (*path, name))
    elif depth and isinstance(value, list) and value:
        for index, member in enumerate(value):
            yield from _parts(member, depth - 1, (*path, index))
    else:
        yield path, value
