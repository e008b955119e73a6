"""What the endpoints of all runs do: read an object, find a run, and refuse a step that its word forbids."""

from __future__ import annotations

from typing import Any

from zuora_sandbox.answers import ANY_RESOURCE, RUNS, Unreadable, Violation, parse_json_body
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.tenant import Tenant


def refuse_run(tenant: Tenant, request: Request, category: int, text: str) -> Response:
    """Return the error response with one violation."""
    return tenant.refuse(request, Violation(category, text, RUNS))


def refuse_unknown(tenant: Tenant, request: Request, key: str) -> Response:
    """Return the error response for a run that nobody knows."""
    return tenant.refuse(request, Violation(40, f"Cannot find entity by key: '{key}'.", ANY_RESOURCE))


def refuse_step(tenant: Tenant, request: Request, word: str, *legal: str) -> Response:
    """Return the error response for a step that is legal in other states; its code is not documented."""
    text = f"The run is {word}; it must be {' or '.join(legal)}."
    return refuse_run(tenant, request, tenant.settings.illegal_state_category, text)


def read_object(tenant: Tenant, request: Request) -> dict[str, Any] | Response:
    """Return the JSON object in the body, or the refusal."""
    try:
        body = parse_json_body(request)
    except Unreadable as error:
        return refuse_run(tenant, request, 90, str(error))
    if isinstance(body, dict):
        return body
    return refuse_run(tenant, request, 20, "The request body must be a JSON object.")
