"""What the sandbox answers: `Sandbox.handle(request) -> Response`; no sockets, no sleeping, no client code.

A request passes the edge (`edge.py`), then the idempotency store (`idempotency.py`), then its endpoint
(`endpoints.py`); a `Fault` can strike before all of them, as a gateway does, instead of the endpoint, or
after it. Paths of Elastic Path's (`elastic_path.py`) have nothing of that but the faults. Paths below
``/sandbox/`` steer the sandbox itself (`control.py`).
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from zuora_sandbox import control, edge, elastic_path
from zuora_sandbox.answers import (
    ANY_RESOURCE,
    Complaint,
    Unreadable,
    new_request_id,
    unzipped,
    with_request_id,
)
from zuora_sandbox.endpoints import ROUTES, Endpoint, template_of
from zuora_sandbox.faults import Fault
from zuora_sandbox.idempotency import Stored
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.settings import CLIENT_ID, CLIENT_SECRET, Settings
from zuora_sandbox.tenant import Tenant

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Fault", "Sandbox", "Settings"]


def _always(response: Response) -> Endpoint:
    return lambda *_: response


def _payload(request: Request) -> bytes:
    try:
        return unzipped(request)
    except Unreadable:
        return request.body


class Sandbox(Tenant):
    """A tenant of Zuora's that answers requests, one at a time, whichever thread they come from."""

    def handle(self, request: Request) -> Response:
        """
        Answer a request.

        The status 0 with a damage of ``reset`` or ``hang`` means that no answer comes at all; with the damage
        ``cut`` the body is the whole one, of which the client gets a part. A body is never gzipped here.
        """
        with self._lock:
            self.state.settle(self.now)
            if request.path.startswith(control.PREFIX):
                return control.answer(self, request)
            template, argument = elastic_path.template_of(request.path)
            spoiled = self._spoiled_export if template else self._spoiled
            if not template:
                template, argument = template_of(request.path)
            response = self._sent(spoiled(request, template, argument))
            self.state.quiet.note(response, self.now, self.settings.answer_seconds)
            self.state.note(request, template, response, self.now)
            return response

    def _spoiled(self, request: Request, template: str, argument: str) -> Response:
        fault = self.state.take_fault(request)
        if fault is not None and fault.when == "before":
            return fault.answer(self.rng)
        endpoint = ROUTES.get(template, {}).get(request.method)
        if endpoint is not None and fault is not None and fault.when == "instead":
            endpoint = _always(fault.answer(self.rng))
        key = request.header("Idempotency-Key")
        is_known = self.state.replays.knows(key, self.now)
        response = self._signed(request, template, self._passed(request, template, argument, endpoint))
        if fault is None or fault.when == "instead":
            return response
        answer = fault.answer(self.rng, response)
        self.state.replays.hold(key, self.now + fault.hold_seconds)
        if fault.stored and not is_known:
            self.state.replays.replace(key, answer)
        return answer

    def _spoiled_export(self, request: Request, template: str, argument: str) -> Response:
        fault = self.state.take_fault(request)
        if fault is not None and fault.when != "after":
            return fault.answer(self.rng)
        response = elastic_path.answer(self, request, template, argument)
        return response if fault is None else fault.answer(self.rng, response)

    def _sent(self, response: Response) -> Response:
        """Return an answer as it leaves: with the request id that all have, if so; never an empty one."""
        if response.status and (constant := self.settings.request_id):
            response = with_request_id(response, constant)
        if response.headers.get("zuora-request-id") != "":
            return response
        headers = {name: value for name, value in response.headers.items() if name != "zuora-request-id"}
        return replace(response, headers=headers)

    def _signed(self, request: Request, template: str, response: Response) -> Response:
        headers = edge.headers(self, request, template)
        return Response(response.status, {**headers, **response.headers}, response.body)

    def _passed(self, request: Request, template: str, argument: str, endpoint: Endpoint | None) -> Response:
        if endpoint is None:
            return self._nowhere(request, template)
        stopped = edge.stopped(self, request, template)
        if stopped is not None:
            return stopped
        if not request.header("Idempotency-Key"):
            return endpoint(self, request, argument)
        return self._once(request, argument, endpoint)

    def _nowhere(self, request: Request, template: str) -> Response:
        if template in ROUTES:
            return self.refuse(
                request, Complaint(45, f"{request.method} is not supported here.", ANY_RESOURCE)
            )
        return self.refuse(request, Complaint(40, "There is nothing at this path.", ANY_RESOURCE))

    def _once(self, request: Request, argument: str, endpoint: Endpoint) -> Response:
        key, url = request.header("Idempotency-Key"), f"{request.path}?{urlencode(request.params)}"
        fingerprint = (self.settings.client_id, request.method, url)
        payload = _payload(request)
        strict = payload if self.settings.other_payload == "422" else None
        known = self.state.replays.find(key, fingerprint, self.now, strict)
        if known is not None:
            return self._replayed(known)
        fresh = endpoint(self, request, argument)
        headers = {"Zuora-Request-Id": new_request_id(self.rng), **fresh.headers}
        answer = Response(fresh.status, headers, fresh.body)
        if self.settings.stores_server_errors or not (fresh.status >= 500 or fresh.status == 429):
            self.state.replays.keep(key, Stored(fingerprint, payload, answer, self.now))
        return answer

    def _replayed(self, known: Response) -> Response:
        how = self.settings.replay_request_id
        if how == "stored":
            return known
        return with_request_id(known, new_request_id(self.rng) if how == "new" else how)
