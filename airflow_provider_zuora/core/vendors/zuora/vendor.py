"""Zuora: how to sign in, its headers, and its kinds of jobs, each of which has a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from typing_extensions import override

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.messages import ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.vendors.base import JobKind, Vendor
from airflow_provider_zuora.core.vendors.zuora.bill_runs import BILL_RUN, BILL_RUN_POST
from airflow_provider_zuora.core.vendors.zuora.data_queries import DATA_QUERY
from airflow_provider_zuora.core.vendors.zuora.error_codes import read_response
from airflow_provider_zuora.core.vendors.zuora.order_jobs import ORDER_JOB, PREVIEW_JOB
from airflow_provider_zuora.core.vendors.zuora.order_page import NUMBERED_ORDER
from airflow_provider_zuora.core.vendors.zuora.payment_runs import PAYMENT_RUN


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

    @override
    def read_response(self, request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
        parsed = read_response(request, response, info)
        if parsed.kind is not ResponseKind.OK:
            for kind in self.kinds.values():
                if kind.classify and request.path.startswith(kind.path):
                    return replace(parsed, kind=kind.classify(parsed))
        return parsed
