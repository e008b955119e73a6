"""The settings of a sandbox, which hold for all requests; for single requests there is `Fault`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from zuora_sandbox.payment_runs.receivables import Receivable
from zuora_sandbox.values import check_fields

CLIENT_ID = "5a9db0c5-0000-4000-8000-000000000001"
"""The default client id of a sandbox; it has 36 characters, as Zuora's have."""

CLIENT_SECRET = "sandbox+secret/for=demos"
"""Its secret, which is public. Like some real ones, it must be URL-encoded in a form."""

CHOICES: dict[str, tuple[object, ...]] = {
    "create_status": (200, 202),
    "unknown_category": (20, 40),
    "other_payload": ("stored", "422"),
    "replay_request_id": ("stored", "new", "none"),
    "duplicate_order_numbers": ("refuse", "accept"),
    "query_first_status": ("accepted", "submitted"),
    "query_empty_file": ("header", "zero", "none"),
    "next_page_of_orders": ("host", "path"),
    "order_activated_status": ("Completed", "Pending"),
    "order_deletion_job": ("unknown", "completed"),
}
"""The values that some settings can have; the first is the default."""

_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How a sandbox behaves; times are seconds of the sandbox's own clock.

    :param token_seconds: how long a bearer token is valid.
    :param job_seconds: how long the status of a job is Processing.
    :param job_memory_seconds: how long an ended job can be read; Zuora does not document it.
    :param create_status: HTTP status of an accepted create: 200 as documented today, or 202 as before.
    :param fail_jobs: the text of the ``errors`` with which every create job fails; empty: no job fails.
    :param fail_results: the ``errors`` in the result of every create job, which is then Completed with
        ``success: false`` and makes no order; empty: no job ends so.
    :param job_lag_seconds: how long after its creation a job cannot be read.
    :param order_status: the status of new orders: Completed, Draft, Pending, Scheduled, Executing, Cancelled,
        Failed or any other word.
    :param order_seconds: after how long the status of an order changes to `order_next_status`.
    :param duplicate_order_numbers: ``refuse`` a taken order number, or ``accept`` a second order with it.
    :param subscriptions_per_call: how many subscriptions a call may have, and how many order actions.
    :param unknown_category: the category of the error for an unknown order or job: 20, as recorded for an
        order, or 40.
    :param unknown_status: the HTTP status of that error; 0: as the Zuora-Version defines it.
    :param zuora_version: the Zuora-Version of the tenant, for requests without the header. From 2024-05-20 on
        an error has an HTTP status of its own; before that, it is an HTTP 200 with ``success: false``.
    :param entity_ids: the entities of a Multi-entity tenant; empty: the tenant is not one.
    :param org_ids: the orgs of a Multi-Org user; empty: Zuora-Org-Ids is ignored.
    :param other_payload: the answer to another body under a known key: the ``stored`` answer, or a ``422``.
    :param replay_request_id: the request id of a stored answer that is sent again: ``stored``, ``new`` or
        ``none``; in the header, and in the body if the body has one.
    :param stores_server_errors: whether a 5xx or 429 of an endpoint is stored under its key.
    :param request_id: the request id of every answer; empty: a new UUID for each; ``none``: no request id.
    :param requests_per_minute: calls per clock minute, sign-ins apart, before HTTP 429.
    :param rate_retry_after: whether such a 429 has Retry-After besides RateLimit-Reset.
    :param concurrent_requests: calls at the same time, before HTTP 429; the server counts them.
    :param sign_ins_per_minute: sign-ins per clock minute, before HTTP 429; Zuora counts them by IP address.
    :param busy_seconds: Retry-After if there are too many calls at the same time.
    :param answer_seconds: how long a served answer takes.
    :param export_seconds: how long an export of Elastic Path runs; one runs at a time.
    :param export_words: its status words while it waits, while it runs, and when it has succeeded or failed.
    :param export_status: HTTP status of an accepted export: 202, or 201 as in older pages.
    :param export_in_list: whether the ``data`` of an export is a list of one object.
    :param export_memory_seconds: how long after its creation an export can be read.
    :param fail_exports: the ``error`` with which every export fails; empty: only one without rows fails.
    :param link_seconds: how long the link to the file of an export is valid.
    :param headers_beyond_v1: whether answers to paths without ``/v1`` have RateLimit headers.
    :param illegal_state_category: the category of the error for a step that a run's status does not allow.
    :param object_query_lag_seconds: how long Object Query does not know a new run, or a new order.
    :param next_page_of_orders: how ``nextPage`` of the list of orders begins: with the ``host`` of a sample,
        or as a ``path`` without ``/v1``.
    :param order_delete_seconds: how long an order is there after its deletion was accepted.
    :param order_activated_status: the status of a draft after its activation: Completed or Pending.
    :param order_deletion_job: what its job is: ``unknown``, or ``completed`` when the order is gone.
    :param query_queue_seconds: how long a query waits before it looks for a running place.
    :param query_seconds: how long it runs.
    :param query_running: how many queries of LIVE data run at the same time.
    :param query_queued: how many more may wait.
    :param warehouse_running: the same for queries of the WAREHOUSE.
    :param warehouse_queued: the same for queries of the WAREHOUSE.
    :param query_full_status: the HTTP status of a submit beyond that.
    :param query_honours_key: whether POST /query/jobs gives the first answer again under a known key.
    :param query_first_status: the word of a query until it looks for a place: ``accepted`` or ``submitted``.
    :param query_whole_pages: whether the page of a query has ``createdOn``, ``createdByUserEmail`` and
        ``retries`` at all times, and not in the answer to the submit alone.
    :param query_memory_seconds: how long a query and its file are kept.
    :param query_rows: how many rows a query gives without a script.
    :param query_empty_file: the file of a query without rows: a ``header`` alone (JSON Lines: nothing),
        ``zero`` bytes, or ``none``: no ``dataFile``.
    :param query_line_end: the line end in files.
    :param query_null: the text for null in CSV, TSV and DSV.
    :param query_link_seconds: how long the link to the file of a query is valid.
    :param query_renews_links: whether each read of a job signs a new link; if not, it is signed once, when
        the query completes.
    :param query_expired_status: the HTTP status for an expired link.
    :param query_encoding_header: whether a file of GZIP has ``Content-Encoding: gzip``.
    :param query_files_url: the origin in links, such as the address of a proxy; empty: the server's own.
    :param bill_run_queue_seconds: how long a bill run is Pending.
    :param bill_run_seconds: how long it is Processing.
    :param bill_run_post_seconds: how long it is PostInProgress.
    :param bill_run_auto_post_lag_seconds: how long it is Completed before ``autoPost`` posts it.
    :param bill_run_cancel_seconds: how long it is CancelInProgress.
    :param bill_run_delete_seconds: how long it is RemoveInProgress.
    :param payment_run_queue_seconds: how long a payment run is Pending.
    :param payment_run_seconds: how long it is Processing.
    :param payment_run_collects: whether the user may process electronic payments; if not, ``collectPayment``
        is ignored silently.
    :param accounts: the currency of each account that is there from the beginning, by number.
    :param prices: the price of each rate plan in a preview, by its id or number; ``*``: of all others.
    :param receivables: what is due, as Object Query lists it and as payment runs without a script collect
        it: `Receivable` values, or objects of their fields.
    :param bill_run_by_number: whether paths below ``/v1/bill-runs`` take its number besides its id.
    """

    client_id: str = CLIENT_ID
    client_secret: str = field(default=CLIENT_SECRET, repr=False)
    token_seconds: float = 3600.0
    job_seconds: float = 20.0
    job_memory_seconds: float = float("inf")
    create_status: int = 200
    fail_jobs: str = ""
    fail_results: str = ""
    job_lag_seconds: float = 0.0
    order_status: str = "Completed"
    order_seconds: float = float("inf")
    order_next_status: str = "Completed"
    duplicate_order_numbers: str = "refuse"
    subscriptions_per_call: int = 300
    unknown_category: int = 20
    unknown_status: int = 404
    zuora_version: str = "2025-08-12"
    entity_ids: tuple[str, ...] = ()
    org_ids: tuple[str, ...] = ()
    other_payload: str = "stored"
    replay_request_id: str = "stored"
    stores_server_errors: bool = True
    request_id: str = ""
    requests_per_minute: int = 50_000
    rate_retry_after: bool = False
    concurrent_requests: int = 40
    sign_ins_per_minute: int = 100
    busy_seconds: float = 120.0
    answer_seconds: float = 0.0
    export_seconds: float = 20.0
    export_words: tuple[str, str, str, str] = ("PENDING", "STARTED", "SUCCESS", "FAILED")
    export_status: int = 202
    export_in_list: bool = False
    export_memory_seconds: float = 7 * 86_400.0
    fail_exports: str = ""
    link_seconds: float = 300.0
    headers_beyond_v1: bool = False
    illegal_state_category: int = 30
    object_query_lag_seconds: float = 0.0
    next_page_of_orders: str = "host"
    order_delete_seconds: float = 5.0
    order_activated_status: str = "Completed"
    order_deletion_job: str = "unknown"
    query_queue_seconds: float = 2.0
    query_seconds: float = 10.0
    query_running: int = 5
    query_queued: int = 10
    warehouse_running: int = 15
    warehouse_queued: int = 30
    query_full_status: int = 429
    query_honours_key: bool = True
    query_first_status: str = "accepted"
    query_whole_pages: bool = False
    query_memory_seconds: float = 30 * 86_400.0
    query_rows: int = 3
    query_empty_file: str = "header"
    query_line_end: str = "\n"
    query_null: str = ""
    query_link_seconds: float = 3600.0
    query_renews_links: bool = True
    query_expired_status: int = 403
    query_encoding_header: bool = False
    query_files_url: str = ""
    bill_run_queue_seconds: float = 2.0
    bill_run_seconds: float = 20.0
    bill_run_post_seconds: float = 5.0
    bill_run_auto_post_lag_seconds: float = 1.0
    bill_run_cancel_seconds: float = 2.0
    bill_run_delete_seconds: float = 2.0
    bill_run_by_number: bool = False
    payment_run_queue_seconds: float = 2.0
    payment_run_seconds: float = 20.0
    payment_run_collects: bool = True
    accounts: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, float | str] = field(default_factory=dict)
    receivables: Sequence[Receivable | Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        """Check the settings for what cannot be."""
        check_fields(self)
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            if isinstance(value, (int, float)) and value < 0:
                raise ValueError(f"{name} is {value}; it must be 0 or more")
            if name in CHOICES and value not in CHOICES[name]:
                can_be = " or ".join(map(str, CHOICES[name]))
                raise ValueError(f"{name} is {value}; it can be {can_be}")
        if len(self.client_id) != 36:
            raise ValueError(f"client_id has {len(self.client_id)} characters; Zuora's have 36")
        if len(self.export_words) != 4:
            raise ValueError(f"export_words are {len(self.export_words)}; a life of a job has 4")
        _check_accounts(self.accounts)
        _check_prices(self.prices)
        _check_receivables(self.receivables)


def _check_accounts(accounts: Mapping[str, str]) -> None:
    for number, currency in accounts.items():
        if not number or not _CURRENCY.fullmatch(currency):
            rule = "the number of an account, and its currency in three capital letters, such as USD"
            raise ValueError(f"accounts has {number!r}: {currency!r}; each must be {rule}")


def _check_prices(prices: Mapping[str, float | str]) -> None:
    for plan, price in prices.items():
        if not _is_amount(price):
            raise ValueError(f"prices has {plan!r}: {price!r}; each must be an amount, such as 100.10")


def _check_receivables(receivables: Sequence[Receivable | Mapping[str, Any]]) -> None:
    for each in receivables:
        try:
            Receivable.parse(each)
        except ValueError as error:
            raise ValueError(f"receivables: {error}") from error


def _is_amount(value: float | str) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False
