"""What goes wrong with a few requests, as a value; it acts on nothing but the answer."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zuora_sandbox.answers import (
    Unreadable,
    make_request_id,
    merge_fields,
    replace_request_id,
    unzip_body,
)
from zuora_sandbox.messages import Request, Response

SILENT = frozenset({"reset", "hang", "kill", "stop"})
"""The kinds of fault in which the sandbox says nothing."""

KINDS = SILENT | {"answer", "cut", "change"}
WHENS = frozenset({"before", "instead", "after"})


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
        ``change``: the real answer with the fields of `change`. ``cut``: half of the body arrives (of the
        real answer, where ``after`` and no body is given).
        ``hang``: nothing is ever answered. ``kill``: the client's process is ended (SIGKILL). ``stop``: it is
        stopped (SIGSTOP) until somebody sends it SIGCONT; only then is the request processed, and answered.
    :param hold_seconds: with ``after``: the idempotency key stays "in progress" (409) for so long.
    :param change: for ``change``: fields to replace in the body, in the objects that it has; None takes a
        field out.
    :param stored: with ``after``: this answer is the one that is stored under the key, if it is the first.
    :param request_id: the answer's request id, in Zuora-Request-Id, and in the body where it has one.
        ``new``: a new UUID each time; ``none``: none; any other text as it is; empty: as `headers`, `body` or
        the endpoint have it.
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
    change: Mapping[str, Any] = field(default_factory=dict)
    stored: bool = False
    request_id: str = ""

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
        if self.when != "after" and (self.hold_seconds or self.stored):
            raise ValueError(
                "hold_seconds and stored need when='after': only a processed request has a key to hold"
            )
        if self.stored and self.kind not in ("answer", "change"):
            raise ValueError("stored needs kind='answer' or 'change': silence cannot be stored")
        if (self.kind == "change") != bool(self.change):
            raise ValueError("kind='change' and change need each other")
        if self.kind == "change" and self.when != "after":
            raise ValueError("kind='change' needs when='after': it changes the real answer")

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
            return not self.contains or self.contains.encode() in unzip_body(request)
        except Unreadable:
            return False

    def count_down(self) -> Fault | None:
        """Return what is left after it spoiled one request, None where nothing is."""
        if self.times is None:
            return self
        return replace(self, times=self.times - 1) if self.times > 1 else None

    def make_answer(self, rng: random.Random, real: Response | None = None) -> Response:
        """
        Return what the client gets.

        :param rng: makes new request ids.
        :param real: the answer that is lost or changed, where the request was processed.
        :raises ValueError: the real answer is to be changed, and it is no JSON object.
        """
        if self.kind in SILENT:
            return Response(status=0, damage=self.kind)
        given = Response(self.status, dict(self.headers), self.body)
        if real is not None and (self.kind == "change" or (self.kind == "cut" and not self.body)):
            given = replace(real, body=merge_fields(real.body, self.change))
        if self.request_id:
            new = make_request_id(rng) if self.request_id == "new" else self.request_id
            given = replace_request_id(given, new)
        return replace(given, damage="cut") if self.kind == "cut" else given
