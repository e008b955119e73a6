"""The sandbox: `Sandbox.handle(request)` returns the response, without sockets and without sleeping.

A request passes the checks of `edge.py`, then the idempotency store (`idempotency.py`), then its endpoint
(`endpoints.py`). A `Fault` can come before all of them, as a gateway does, instead of the endpoint, or after
it. For paths of Elastic Path (`elastic_path.py`) there are only the faults. Paths below ``/sandbox/`` control
the sandbox itself (`control.py`).
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from zuora_sandbox import control, edge, elastic_path
from zuora_sandbox.answers import (
    ANY_RESOURCE,
    Unreadable,
    Violation,
    make_request_id,
    replace_request_id,
    unzip_body,
)
from zuora_sandbox.data_query.endpoints import JOBS as QUERIES
from zuora_sandbox.data_query.links import FILE, cut_range, find_file
from zuora_sandbox.endpoints import ROUTES, find_template
from zuora_sandbox.idempotency import StoredResponse
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.tenant import Endpoint, Tenant


def _make_endpoint(response: Response) -> Endpoint:
    return lambda *_: response


def _read_payload(request: Request) -> bytes:
    try:
        return unzip_body(request)
    except Unreadable:
        return request.body


class Sandbox(Tenant):
    """A Zuora tenant that answers requests from any thread, one at a time."""

    def handle(self, request: Request) -> Response:
        """
        Answer a request.

        A response with the status 0 must not be sent: its damage says what happens instead. With the damage
        ``cut`` or ``short`` the body is complete, and the client must get a part of it. No body is gzipped.
        """
        with self._lock:
            self.end_due_jobs()
            if request.path.startswith(control.PREFIX):
                return control.answer_request(self, request)
            template, argument = elastic_path.find_template(request.path)
            answer = self._answer_elastic_path if template else self._answer_zuora
            if not template:
                template, argument = find_template(request.path)
            response = self._finish_response(answer(request, template, argument))
            self.state.cool_down.note_response(response, self.now, self.settings.answer_seconds)
            self.state.note_request(request, template, response, self.now)
            return response

    def send_file(self, request: Request) -> Response:
        """
        Answer a request at the origin of the files, which knows nothing of Zuora's tokens and limits.

        The body is a `Content`. To find the size of a compressed file takes as long as to read it once.
        """
        with self._lock:
            self.end_due_jobs()
            self.state.exposed_tokens += bool(request.header("Authorization"))
            fault = self.state.take_fault(request)
            if fault is not None and fault.when != "after":
                response = fault.make_answer(self.rng)
            else:
                response = find_file(self, request)
                response = response if fault is None else fault.make_answer(self.rng, response)
            self.state.note_request(request, FILE, response, self.now)
        return cut_range(request, response)

    def _answer_zuora(self, request: Request, template: str, argument: str) -> Response:
        fault = self.state.take_fault(request)
        if fault is not None and fault.when == "before":
            return fault.make_answer(self.rng)
        endpoint = ROUTES.get(template, {}).get(request.method)
        if endpoint is not None and fault is not None and fault.when == "instead":
            endpoint = _make_endpoint(fault.make_answer(self.rng))
        key = request.header("Idempotency-Key")
        is_known = self.state.idempotency_store.has_key(key, self.now)
        response = self._add_headers(request, template, self._process(request, template, argument, endpoint))
        if fault is None or fault.when == "instead":
            return response
        answer = fault.make_answer(self.rng, response)
        self.state.idempotency_store.hold_key(key, self.now + fault.hold_seconds)
        if fault.stored and not is_known:
            self.state.idempotency_store.replace_response(key, answer)
        return answer

    def _answer_elastic_path(self, request: Request, template: str, argument: str) -> Response:
        fault = self.state.take_fault(request)
        if fault is not None and fault.when != "after":
            return fault.make_answer(self.rng)
        response = elastic_path.answer_request(self, request, template, argument)
        return response if fault is None else fault.make_answer(self.rng, response)

    def _finish_response(self, response: Response) -> Response:
        """Return a response with the request id of the settings, if any, and without an empty request id."""
        if response.status and (constant := self.settings.request_id):
            response = replace_request_id(response, constant)
        if response.headers.get("zuora-request-id") != "":
            return response
        headers = {name: value for name, value in response.headers.items() if name != "zuora-request-id"}
        return replace(response, headers=headers)

    def _add_headers(self, request: Request, template: str, response: Response) -> Response:
        headers = edge.make_headers(self, request, template)
        return Response(response.status, {**headers, **response.headers}, response.body)

    def _process(self, request: Request, template: str, argument: str, endpoint: Endpoint | None) -> Response:
        if endpoint is None:
            return self._refuse_path(request, template)
        refused = edge.check_request(self, request, template)
        if refused is not None:
            return refused
        if not request.header("Idempotency-Key") or not self._honours_key(template):
            return endpoint(self, request, argument)
        return self._answer_once(request, argument, endpoint)

    def _honours_key(self, template: str) -> bool:
        """Return whether a key means something here; for Data Query, another service, nobody knows."""
        return template != QUERIES or self.settings.query_honours_key

    def _refuse_path(self, request: Request, template: str) -> Response:
        if template in ROUTES:
            return self.refuse(
                request, Violation(45, f"{request.method} is not supported here.", ANY_RESOURCE)
            )
        return self.refuse(request, Violation(40, "There is nothing at this path.", ANY_RESOURCE))

    def _answer_once(self, request: Request, argument: str, endpoint: Endpoint) -> Response:
        key, url = request.header("Idempotency-Key"), f"{request.path}?{urlencode(request.params)}"
        fingerprint = (self.settings.client_id, request.method, url)
        payload = _read_payload(request)
        strict = payload if self.settings.other_payload == "422" else None
        known = self.state.idempotency_store.find_response(key, fingerprint, self.now, strict)
        if known is not None:
            return self._replay(known)
        fresh = endpoint(self, request, argument)
        headers = {"Zuora-Request-Id": make_request_id(self.rng), **fresh.headers}
        answer = Response(fresh.status, headers, fresh.body)
        if self.settings.stores_server_errors or not (fresh.status >= 500 or fresh.status == 429):
            self.state.idempotency_store.store_response(
                key, StoredResponse(fingerprint, payload, answer, self.now)
            )
        return answer

    def _replay(self, known: Response) -> Response:
        how = self.settings.replay_request_id
        if how == "stored":
            return known
        return replace_request_id(known, make_request_id(self.rng) if how == "new" else how)
