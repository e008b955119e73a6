"""What makes a submission the same one again, its content and its submitter; keys are made here only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.checks import KEY_LENGTH, header_violation
from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.orders import check_order
from airflow_provider_zuora.core.wire import Flow, Request


@dataclass(frozen=True, slots=True)
class Submitter:
    """
    Who submits, as far as an idempotency key must tell.

    :param namespace: tells two Airflows apart that submit to one tenant.
    :param identity: dag, run and task; or a user's own key alone.
    :param position: the map index, which plays no part where the order has its own ``orderNumber``; None:
        with a user's own key neither plays a part.
    """

    namespace: str
    identity: tuple[str, ...]
    position: int | None = None

    def key(self, digest: str, order_number: str | None, generation: int = 0) -> str:
        """Return the Idempotency-Key: ``af-`` and the SHA-256 of all that makes a submission the same one."""
        own = () if self.position is None else (order_number or self.position,)
        return "af-" + _sha256([self.namespace, [*self.identity, *own], digest, generation])


def submit_order(
    client: Client, order: object, by: Submitter, *, raw_key: str | None = None, return_ids: bool = False
) -> Flow[str]:
    """
    Check an order, submit it under the key of its content and its submitter, and return its job's id.

    :param raw_key: sent as it is instead.
    :raises InvalidInput: with every broken rule, before anything is sent.
    """
    given = {
        "idempotency_key": by.identity[0] if by.position is None else None,
        "raw_idempotency_key": raw_key,
    }
    wrong = {name: header_violation(key, KEY_LENGTH) for name, key in given.items() if key is not None}
    if lines := tuple(f"{name}: {why}" for name, why in wrong.items() if why):
        raise InvalidInput("Nothing was sent.", lines)
    document = check_order(order)
    request = client.vendor.submission("order", document, {"return_ids": return_ids})
    if raw_key is None:
        raw_key = by.key(digest_of(client, request, document), document.get("orderNumber"))
    return (yield from client.submit(request.with_headers({"Idempotency-Key": raw_key})))


def digest_of(client: Client, request: Request, document: Any) -> str:
    """Return the SHA-256 of what is submitted and where to, in hex; the order of keys plays no part."""
    scope = {name: client.headers.get(name, "") for name in client.vendor.scope}
    return _sha256([request.method, request.path, request.params, scope, document])


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
