"""Zuora: how to sign in, its headers, and its kinds of jobs, each of which has a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from typing_extensions import override

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.messages import ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.vendors.base import JobKind, Vendor
from airflow_provider_zuora.core.vendors.zuora.bill_runs import BILL_RUN, BILL_RUN_POST
from airflow_provider_zuora.core.vendors.zuora.data_queries import DATA_QUERY
from airflow_provider_zuora.core.vendors.zuora.data_queries import PATH as DATA_QUERIES
from airflow_provider_zuora.core.vendors.zuora.error_codes import read_response
from airflow_provider_zuora.core.vendors.zuora.order_deletion import ORDER_DELETION
from airflow_provider_zuora.core.vendors.zuora.order_jobs import ORDER_JOB, PREVIEW_JOB
from airflow_provider_zuora.core.vendors.zuora.order_page import NUMBERED_ORDER
from airflow_provider_zuora.core.vendors.zuora.payment_runs import PAYMENT_RUN

# What real tenants were seen to answer to a sign-in: 400 for an unknown id, 401 for a wrong secret, 403 for a
# user that is deactivated; a client of another data centre got a 401 too.
_UNKNOWN_CLIENT = (
    "Zuora knows no such client id (login) here. It is misspelt, or of another data centre or environment: "
    "each has OAuth clients of its own."
)
_WRONG_PAIR = (
    "Zuora refuses the client secret (password): enter it anew. If it is right, the data centre or "
    "environment is wrong, which is answered in the same way: each has OAuth clients of its own."
)
_NO_USER = (
    "Zuora knows the client, but its user may not sign in: it is deactivated, or may not use the API. An "
    "administrator of Zuora can change that."
)
_WRONG_ENTITY = "90000020"
_NO_SUCH_ENTITY = (
    "Zuora refuses the entity_id: name one entity that the OAuth client may use; without Multi-entity, name "
    "none."
)
_MANY_ENTITIES = "The OAuth client may use several entities of Zuora: name one of them as entity_id."
_ORGS = "org_ids may name orgs of the client's user alone, and none without Multi-Org."


class Zuora(Vendor):
    """Zuora, and its kinds of jobs."""

    name = "zuora"
    title = "Zuora"
    environments: ClassVar[Mapping[str, str]] = {
        "US Developer & Central Sandbox": "https://rest.test.zuora.com",
        "US API Sandbox Cloud 1": "https://rest.sandbox.na.zuora.com",
        "US API Sandbox Cloud 2": "https://rest.apisandbox.zuora.com",
        "US Production Cloud 1": "https://rest.na.zuora.com",
        "US Production Cloud 2": "https://rest.zuora.com",
        "EU Developer & Central Sandbox": "https://rest.test.eu.zuora.com",
        "EU API Sandbox": "https://rest.sandbox.eu.zuora.com",
        "EU Production": "https://rest.eu.zuora.com",
        "APAC Developer & Central Sandbox": "https://rest.test.ap.zuora.com",
        "APAC Production": "https://rest.ap.zuora.com",
    }
    kinds: ClassVar[Mapping[str, JobKind]] = {
        "order": ORDER_JOB,
        "preview": PREVIEW_JOB,
        "order by number": NUMBERED_ORDER,
        "order deletion": ORDER_DELETION,
        "data query": DATA_QUERY,
        "bill run": BILL_RUN,
        "bill run post": BILL_RUN_POST,
        "payment run": PAYMENT_RUN,
    }
    sign_in_path = "/oauth/token"
    headers_by_field: ClassVar[Mapping[str, str]] = {
        "entity_id": "Zuora-Entity-Ids",
        "org_ids": "Zuora-Org-Ids",
        "zuora_version": "Zuora-Version",
    }
    scope_headers = ("Zuora-Entity-Ids", "Zuora-Org-Ids")
    track_id_header = "Zuora-Track-Id"
    supports_idempotency_keys = True
    accepts_gzip = True
    reads = (
        ("POST", "/v1/async/orders/preview"),
        ("POST", "/v1/orders/preview"),
        ("POST", DATA_QUERIES),
        ("DELETE", f"{DATA_QUERIES}/[0-9A-Za-z_-]+"),  # it cancels a query
    )
    # The GET that a look-up of an order sends; Zuora lists both headers for it. That it checks them before it
    # looks for the order is INFERRED.
    check_path = "/v1/orders/airflow-connection-test"

    @override
    def explain_refused_sign_in(self, info: ResponseInfo) -> str:
        words = " ".join((*info.codes, *info.messages)).lower()
        if info.status == 400 and ("client id" in words or "invalid_client" in words):
            return _UNKNOWN_CLIENT
        return {401: _WRONG_PAIR, 403: _NO_USER}.get(info.status or 0, super().explain_refused_sign_in(info))

    @override
    def explain_refused_check(self, info: ResponseInfo, fields: Mapping[str, Any]) -> str:
        if _WRONG_ENTITY in info.codes:
            return _NO_SUCH_ENTITY if fields["entity_id"] else _MANY_ENTITIES
        sent = [f"{name} ({fields[name]})" for name in self.headers_by_field if fields[name]]
        return f"Zuora refuses a read that carries {' and '.join(sent)}: check each. {_ORGS}" if sent else ""

    @override
    def read_response(self, request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
        parsed = read_response(request, response, info)
        if parsed.kind is not ResponseKind.OK:
            for kind in self.kinds.values():
                if kind.classify and request.path.startswith(kind.path):
                    return replace(parsed, kind=kind.classify(parsed))
        return parsed
