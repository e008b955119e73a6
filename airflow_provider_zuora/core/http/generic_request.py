"""A request to any other endpoint of the vendor: checked, sent, and its answer as Python values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_zuora.core import validation
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import NOT_PROCESSED, READ, TRANSIENT, UNKNOWN, WRITE, RetryPolicy
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.vendors.base import Vendor

_TRACK_ID_LENGTH, _TRACK_ID_WITHOUT = 64, ":;\"'"


def call_endpoint(
    client: ApiClient,
    method: str,
    path: str,
    *,
    json_body: object = None,
    params: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    track_id: str = "",
) -> Flow[Any]:
    """Send any other request and return what a 2xx holds: see `ZuoraHook.request`."""
    headers = headers or {}
    has_key = any(name.lower() == "idempotency-key" for name in headers)
    wrong = {
        "method": validation.find_method_violation(method),
        "path": validation.find_path_violation(path) if isinstance(path, str) else "must be a text",
        **{
            name: validation.find_header_violation(value, validation.KEY_LENGTH)
            for name, value in headers.items()
        },
        **_find_unsupported(client.vendor, method, has_key=has_key, track_id=track_id),
    }
    if violations := tuple(f"{name}: {why}" for name, why in wrong.items() if why):
        raise InvalidInput("Nothing was sent.", violations)
    request = Request(
        method,
        path,
        params=tuple(_list_params(params or {})),
        headers={**headers, **({} if json_body is None else {"Content-Type": "application/json"})},
        body=b"" if json_body is None else json.dumps(json_body, ensure_ascii=False).encode(),
    )
    is_read = method in ("GET", "HEAD")
    retry_on = TRANSIENT if is_read else UNKNOWN if has_key else NOT_PROCESSED
    budget = READ if is_read else WRITE
    policy = RetryPolicy(budget, retry_on, allows_any_content=True, is_final_at_2xx=not is_read)
    parsed = yield from client.send(request, policy, track_id)
    return parsed.body


def _find_unsupported(vendor: Vendor, method: str, *, has_key: bool, track_id: str) -> dict[str, str]:
    unsupported = f"{vendor.title} knows none"
    wrong = {}
    if track_id and vendor.track_id_header:
        wrong["track_id"] = validation.find_header_violation(track_id, _TRACK_ID_LENGTH, _TRACK_ID_WITHOUT)
    elif track_id:
        wrong["track_id"] = unsupported
    if has_key and not vendor.supports_idempotency_keys:
        wrong["Idempotency-Key"] = unsupported
    elif has_key and method != "POST":
        wrong["Idempotency-Key"] = "is for POST only"
    return wrong


def _list_params(params: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield names and values; None is left out, a list gives its name several times."""
    for name, value in params.items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if item is not None:
                yield name, str(item).lower() if isinstance(item, bool) else str(item)
