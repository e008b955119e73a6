"""One request to any endpoint of a vendor, checked before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.call import call_endpoint
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.json_types import to_json_types
from airflow_provider_zuora.core.validation import find_text_violations


def build_call(
    method: str,
    path: str,
    json: object,
    params: Mapping[str, object] | None,
    idempotency_key: str | None,
    track_id: str | None,
) -> Callable[[ApiClient], Flow[Any]]:
    """Return the flow of a request; what cannot be sent is refused when it begins."""
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    violations = _find_violations(params, track_id)

    def build(client: ApiClient) -> Flow[Any]:
        if violations:
            raise InvalidInput("Nothing was sent.", violations)
        body = None if json is None else to_json_types(json)
        return call_endpoint(
            client,
            str(method).upper(),
            path,
            json_body=body,
            params=params,
            headers=headers,
            track_id=track_id or "",
        )

    return build


def _find_violations(params: object, track_id: object) -> tuple[str, ...]:
    violations = find_text_violations({"track_id": track_id})
    is_known = isinstance(params, (Mapping, type(None)))
    return violations if is_known else (*violations, "params: must be a mapping")
