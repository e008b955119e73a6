"""What a sandbox can be told, as values; nothing here acts.

`Settings` says how the sandbox behaves all the time, a `Fault` what goes wrong with a few requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_zuora.core.wire import Request, Response
from airflow_provider_zuora.sandbox.answers import Unreadable, unzipped

CLIENT_ID = "5a9db0c5-0000-4000-8000-000000000001"
"""The client id that a sandbox knows unless told otherwise; 36 characters, as Zuora's are."""

CLIENT_SECRET = "sandbox+secret/for=demos"
"""The secret that goes with it: no secret, and it has to be URL-encoded in a form, as some real ones do."""

SILENT = frozenset({"reset", "hang", "kill", "stop"})
"""The kinds of fault in which the sandbox says nothing."""

KINDS = SILENT | {"answer", "cut"}
WHENS = frozenset({"before", "instead", "after"})


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How a sandbox behaves; times are seconds of the sandbox's own clock.

    :param token_seconds: life of a bearer token.
    :param job_seconds: how long a job says Processing.
    :param job_memory_seconds: how long an ended job can be read; nobody documents how long that is at Zuora.
    :param create_status: HTTP status of an accepted create: 200 as documented today, or 202 as before.
    :param fail_jobs: the ``errors`` text that every create job fails with; empty: none fails.
    :param order_status: status of the orders that completed jobs make, for example Pending.
    :param zuora_version: the tenant's Zuora-Version, where a request names none. From 2024-05-20 an error
        has an HTTP status of its own; before, it is an HTTP 200 with ``success: false``.
    :param entity_ids: the entities of a Multi-entity tenant; empty: not one.
    :param org_ids: the orgs of a Multi-Org user; empty: Zuora-Org-Ids is not looked at.
    :param requests_per_minute: calls per clock minute, sign-ins apart, before HTTP 429.
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
    order_status: str = "Completed"
    zuora_version: str = "2025-08-12"
    entity_ids: tuple[str, ...] = ()
    org_ids: tuple[str, ...] = ()
    requests_per_minute: int = 50_000
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
        if self.create_status not in (200, 202):
            raise ValueError(f"create_status is {self.create_status}; it can be 200 or 202")
        if len(self.export_words) != 4:
            raise ValueError(f"export_words are {len(self.export_words)}; a life of a job has 4")


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What goes wrong with requests that match.

    :param method: the method to match; empty: any.
    :param path: how the path begins.
    :param contains: a text that the body must contain, unzipped, as it is written there.
    :param times: how many matching requests it spoils; None: every one.
    :param skip: how many matching requests it lets through first.
    :param when: ``before``: at the edge, the request is not processed, nor stored under its key. ``instead``:
        the endpoint itself answers so, and the answer is stored under the idempotency key. ``after``: the
        request is processed and its answer lost.
    :param kind: ``answer``: `status`, `headers` and `body` are answered. ``reset``: the connection is reset.
        ``cut``: half of the body arrives (of the real answer, where ``after`` and no body is given).
        ``hang``: nothing is ever answered. ``kill``: the client's process is ended (SIGKILL). ``stop``: it is
        stopped (SIGSTOP) until somebody sends it SIGCONT; only then is the request processed, and answered.
    :param hold_seconds: with ``after``: the idempotency key stays "in progress" (409) for so long.
    """

    method: str = ""
    path: str = "/"
    times: int | None = 1
    when: str = "before"
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    kind: str = "answer"
    skip: int = 0
    hold_seconds: float = 0.0
    contains: str = ""

    def __post_init__(self) -> None:
        """Refuse words that mean nothing, before they make a test pass for the wrong reason."""
        if self.kind not in KINDS or self.when not in WHENS:
            raise ValueError(
                f"a fault of kind {self.kind!r}, {self.when!r}: {sorted(KINDS)}, {sorted(WHENS)}"
            )
        if self.kind == "cut" and self.when != "after" and not self.body:
            raise ValueError("a cut needs a body to cut, or when='after'")
        if self.when == "instead" and self.kind != "answer":
            raise ValueError("when='instead' needs kind='answer': it is what the endpoint answers")
        if self.kind == "stop" and self.when != "before":
            raise ValueError(
                "kind='stop' needs when='before': the request is processed when the client goes on"
            )
        if self.hold_seconds and self.when != "after":
            raise ValueError("hold_seconds needs when='after': only a processed request has a key to hold")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Fault:
        """Return the fault that a JSON object describes; its body may be text or any JSON value."""
        body, headers = values.get("body", ""), values.get("headers", {})
        if not isinstance(body, str):
            body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
        return cls(**{**values, "body": body.encode(), "headers": headers})

    def matches(self, request: Request) -> bool:
        """Say whether this request is one to spoil."""
        if self.method not in ("", request.method) or not request.path.startswith(self.path):
            return False
        try:
            return not self.contains or self.contains.encode() in unzipped(request)
        except Unreadable:
            return False

    def used(self) -> Fault | None:
        """Return what is left after it spoiled one request, None where nothing is."""
        if self.times is None:
            return self
        return replace(self, times=self.times - 1) if self.times > 1 else None

    def answer(self, real: Response | None = None) -> Response:
        """
        Return what the client gets.

        :param real: the answer that is lost, where the request was processed.
        """
        if self.kind in SILENT:
            return Response(status=0, damage=self.kind)
        own = Response(self.status, dict(self.headers), self.body)
        if self.kind == "answer":
            return own
        return replace(own if self.body or real is None else real, damage="cut")
