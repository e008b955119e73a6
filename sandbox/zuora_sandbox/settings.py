"""How a sandbox behaves all the time, as a value; nothing here acts. What goes wrong is a `Fault`."""

from __future__ import annotations

from dataclasses import dataclass, field

from zuora_sandbox.faults import Fault

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Fault", "Settings"]

CLIENT_ID = "5a9db0c5-0000-4000-8000-000000000001"
"""The client id that a sandbox knows unless told otherwise; 36 characters, as Zuora's are."""

CLIENT_SECRET = "sandbox+secret/for=demos"
"""The secret that goes with it: no secret, and it has to be URL-encoded in a form, as some real ones do."""

CHOICES: dict[str, tuple[object, ...]] = {
    "create_status": (200, 202),
    "unknown_category": (20, 40),
    "other_payload": ("stored", "422"),
    "replay_request_id": ("stored", "new", "none"),
    "duplicate_order_numbers": ("refuse", "accept"),
}
"""What some settings can be; the first is the default."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How a sandbox behaves; times are seconds of the sandbox's own clock.

    :param token_seconds: life of a bearer token.
    :param job_seconds: how long a job says Processing.
    :param job_memory_seconds: how long an ended job can be read; nobody documents how long that is at Zuora.
    :param create_status: HTTP status of an accepted create: 200 as documented today, or 202 as before.
    :param fail_jobs: the ``errors`` text that every create job fails with; empty: none fails.
    :param fail_results: the ``errors`` in the result of every create job, which says Completed, ``success:
        false``, and makes no order; empty: none does.
    :param job_lag_seconds: how long after its creation a job is not known yet.
    :param order_status: status of the orders that completed jobs make: Completed, Draft, Pending, Scheduled,
        Executing, Cancelled or Failed; another word is taken too.
    :param order_seconds: after how long such an order has the status `order_next_status`.
    :param duplicate_order_numbers: ``refuse`` a taken order number, or ``accept`` a second order with it.
    :param subscriptions_per_call: how many subscriptions a call may have, and how many order actions.
    :param unknown_category: the category of the error for an unknown order or job: 20, as was recorded of an
        order, or 40.
    :param unknown_status: the HTTP status of that error; 0: as the Zuora-Version has it.
    :param zuora_version: the tenant's Zuora-Version, where a request names none. From 2024-05-20 an error
        has an HTTP status of its own; before, it is an HTTP 200 with ``success: false``.
    :param entity_ids: the entities of a Multi-entity tenant; empty: not one.
    :param org_ids: the orgs of a Multi-Org user; empty: Zuora-Org-Ids is not looked at.
    :param other_payload: what another body under a known key gets: the ``stored`` answer, or a ``422``.
    :param replay_request_id: which request id a stored answer comes back with: the ``stored``, a ``new`` or
        ``none``, in the header, and in the body where one stands there.
    :param stores_server_errors: whether an endpoint's 5xx or 429 is stored under its key.
    :param request_id: the request id of every answer; empty: a new UUID each; ``none``: none has one.
    :param requests_per_minute: calls per clock minute, sign-ins apart, before HTTP 429.
    :param rate_retry_after: whether such a 429 carries Retry-After beside RateLimit-Reset.
    :param concurrent_requests: calls under way at once, before HTTP 429; whoever serves it counts them.
    :param sign_ins_per_minute: sign-ins per clock minute, before HTTP 429; Zuora counts them by IP address.
    :param busy_seconds: Retry-After where too many calls are under way.
    :param answer_seconds: how long a served answer takes.
    :param export_seconds: how long an export of Elastic Path's runs; only one does at a time.
    :param export_words: its status words while it waits, while it runs, where it succeeded, where it failed.
    :param export_status: HTTP status of an accepted export: 202, or 201 as in older pages.
    :param export_in_list: whether ``data`` of a job is a list of one.
    :param export_memory_seconds: how long after its creation an export can be read.
    :param fail_exports: the ``error`` that every export fails with; empty: none fails, but for an empty one.
    :param link_seconds: life of the link to an export's file.
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

    def __post_init__(self) -> None:
        """Refuse what Zuora could not be."""
        if len(self.client_id) != 36:
            raise ValueError(f"client_id has {len(self.client_id)} characters; Zuora's have 36")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                can_be = " or ".join(map(str, choices))
                raise ValueError(f"{name} is {getattr(self, name)}; it can be {can_be}")
        if len(self.export_words) != 4:
            raise ValueError(f"export_words are {len(self.export_words)}; a life of a job has 4")
