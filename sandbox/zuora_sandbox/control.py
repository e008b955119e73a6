"""The control API below ``/sandbox/``: tests and demos steer a sandbox with it over HTTP, without a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zuora_sandbox.answers import make_reply, parse_json_body
from zuora_sandbox.faults import Fault
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.scripts import BillRunScript, OrderScript, PaymentRunScript, QueryScript
from zuora_sandbox.tenant import Tenant

PREFIX = "/sandbox/"


def _add_fault(tenant: Tenant, values: dict[str, Any]) -> None:
    tenant.add_fault(Fault.from_json(values))


def _advance_clock(tenant: Tenant, values: dict[str, Any]) -> None:
    tenant.advance(float(values["advance"]))


def _set_exportable(tenant: Tenant, values: dict[str, Any]) -> None:
    rows = values["orders"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError("orders must be a list of objects, a row of the CSV each")
    tenant.set_exportable(rows)


ACTIONS: dict[str, Callable[[Tenant, dict[str, Any]], None]] = {
    "faults": _add_fault,
    "clock": _advance_clock,
    "settings": lambda tenant, values: tenant.change_settings(**values),
    "exportable": _set_exportable,
    "orders": lambda tenant, values: tenant.add_script(OrderScript.from_json(values)),
    "bill-runs": lambda tenant, values: tenant.add_script(BillRunScript.from_json(values)),
    "payment-runs": lambda tenant, values: tenant.add_script(PaymentRunScript.from_json(values)),
    "queries": lambda tenant, values: tenant.add_script(QueryScript.from_json(values)),
    "revoke": lambda tenant, _: tenant.revoke_tokens(),
    "reset": lambda tenant, _: tenant.reset(),
}
"""The POST actions by the rest of the path; each takes a JSON object and answers ``{"now": seconds}``."""


def _parse_object(request: Request) -> dict[str, Any]:
    values = parse_json_body(request) if request.body else {}
    if not isinstance(values, dict):
        raise TypeError("the body must be a JSON object")
    return values


def answer_request(tenant: Tenant, request: Request) -> Response:
    """Answer a request below ``/sandbox/``, with 400 and ``error`` if its body is invalid."""
    name = request.path.removeprefix(PREFIX)
    if (request.method, name) == ("GET", "ledger"):
        return make_reply(200, tenant.ledger())
    action = ACTIONS.get(name) if request.method == "POST" else None
    if action is None:
        return make_reply(404, {"error": f"{request}: GET ledger or POST one of {sorted(ACTIONS)}"})
    try:
        action(tenant, _parse_object(request))
    except (KeyError, TypeError, ValueError) as error:
        return make_reply(400, {"error": f"{type(error).__name__}: {error}"})
    return make_reply(200, {"now": tenant.now})
