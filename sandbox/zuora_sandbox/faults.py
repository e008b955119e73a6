"""A `Fault`: what goes wrong with some requests. It is a value and changes nothing but the answer."""

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
    read_order_number,
    replace_request_id,
    unzip_body,
)
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.values import check_fields, check_names

SILENT = frozenset({"reset", "hang", "kill", "stop"})
"""The kinds of fault without any answer."""

MISSIZED = frozenset({"short", "unsized"})
"""The kinds that send the real answer with a wrong length, or with none."""

KINDS = SILENT | MISSIZED | {"answer", "cut", "change"}
WHENS = frozenset({"before", "instead", "after"})


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What goes wrong with the requests that match.

    :param method: the method to match, or an empty text for any method.
    :param path: the beginning of the path to match.
    :param contains: a text that the body, unzipped, must contain literally.
    :param order_number: the order number that the body must have, or the path below ``/v1/orders/`` or
        ``/v1/async/orders/``; empty: any request.
    :param times: how many matching requests are affected; None: all of them.
    :param skip: how many matching requests are let through first.
    :param every: after those, one in so many matching requests is affected, beginning with the first.
    :param when: ``before``: a gateway answers, and the request is neither processed nor stored under its key.
        ``instead``: the endpoint answers so, and the answer is stored under the idempotency key. ``after``:
        the request is processed, but its answer is lost.
    :param kind: ``answer``: answer with `status`, `headers` and `body`. ``change``: give the real answer with
        the fields of `change`. ``cut``: send half of the body (that of the real answer, if `when` is
        ``after`` and no body is given). ``short``: send half of the real body as though it were all of it.
        ``unsized``: send the real answer in chunks, without Content-Length. ``reset``: reset the connection.
        ``hang``: never answer. ``kill``: kill the client process with SIGKILL. ``stop``: stop it with SIGSTOP
        until it gets SIGCONT; only then is the request processed and answered.
    :param hold_seconds: with ``after``: how long the idempotency key counts as in progress (409).
    :param change: for ``change``: the fields to replace in the body and in its nested objects; None removes
        a field.
    :param stored: with ``after``: whether this answer is stored under the key instead of the real one, if the
        key is new.
    :param name: what the ledger calls it; empty: `label` says what it does.
    :param request_id: the request id of the answer, in Zuora-Request-Id, and in the body if the body has one.
        ``new``: a new UUID for each answer; ``none``: no request id; empty: the one of `headers`, `body` or
        the endpoint; any other text: this text.
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
    every: int = 1
    hold_seconds: float = 0.0
    contains: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)
    stored: bool = False
    request_id: str = ""
    order_number: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        """Check the arguments: a fault without effect would let a test pass for the wrong reason."""
        check_fields(self)
        if self.kind not in KINDS or self.when not in WHENS:
            raise ValueError(
                f"a fault of kind {self.kind!r}, {self.when!r}: {sorted(KINDS)}, {sorted(WHENS)}"
            )
        if self.kind == "cut" and self.when != "after" and not self.body:
            raise ValueError("a cut needs a body to cut, or when='after'")
        if self.kind in MISSIZED and self.when != "after":
            raise ValueError(f"kind={self.kind!r} needs when='after': it sends the real answer")
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
        """Return the fault for a JSON object, whose body may be text or any JSON value."""
        check_names(cls, "a fault", values)
        body, headers = values.get("body", ""), values.get("headers", {})
        if not isinstance(body, str):
            body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
        return cls(**{**values, "body": body.encode(), "headers": headers})

    @property
    def label(self) -> str:
        """Return its name, or what it does to which requests."""
        what = str(self.status) if self.kind == "answer" else self.kind
        return self.name or " ".join(filter(None, (self.method, self.path, self.when, what)))

    def matches(self, request: Request) -> bool:
        """Return whether this fault applies to a request."""
        if self.method not in ("", request.method) or not request.path.startswith(self.path):
            return False
        if self.order_number and read_order_number(request) != self.order_number:
            return False
        try:
            return not self.contains or self.contains.encode() in unzip_body(request)
        except Unreadable:
            return False

    def make_answer(self, rng: random.Random, real: Response | None = None) -> Response:
        """
        Return the answer for the client.

        :param rng: the source of new request ids.
        :param real: the real answer, if the request was processed.
        :raises ValueError: if the real answer must be changed but is not a JSON object.
        """
        if self.kind in SILENT:
            return Response(status=0, damage=self.kind)
        given = Response(self.status, dict(self.headers), self.body)
        is_cut = self.kind == "cut" and not self.body
        if real is not None and (is_cut or self.kind == "change" or self.kind in MISSIZED):
            given = replace(real, body=merge_fields(real.body, self.change))
        if self.request_id:
            new = make_request_id(rng) if self.request_id == "new" else self.request_id
            given = replace_request_id(given, new)
        return replace(given, damage=self.kind) if self.kind == "cut" or self.kind in MISSIZED else given
