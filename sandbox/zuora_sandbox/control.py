"""The control API below ``/sandbox/``: tests and demos steer a sandbox with it over HTTP, without a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zuora_sandbox.answers import make_reply, parse_json_body
from zuora_sandbox.faults import Fault
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.scripts import BillRunScript, OrderScript, PaymentRunScript, QueryScript
from zuora_sandbox.tenant import Tenant
from zuora_sandbox.values import check_value

PREFIX = "/sandbox/"


def _add_fault(tenant: Tenant, values: dict[str, Any]) -> None:
    tenant.add_fault(Fault.from_json(values))


def _advance_clock(tenant: Tenant, values: dict[str, Any]) -> None:
    tenant.advance(_read(values, "advance", float))


def _set_exportable(tenant: Tenant, values: dict[str, Any]) -> None:
    tenant.set_exportable(_read(values, "orders", Sequence[Mapping[str, Any]]))


def _read(values: dict[str, Any], name: str, hint: Any) -> Any:
    """Return the one value that there must be, which is of a type."""
    if list(values) != [name]:
        raise ValueError(f"the body must be an object with {name}, and nothing else")
    check_value(name, values[name], hint)
    return values[name]


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
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - it is the caller's
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
    except (TypeError, ValueError) as error:
        return make_reply(400, {"error": str(error)})
    return make_reply(200, {"now": tenant.now})
