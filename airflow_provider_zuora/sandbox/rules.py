"""What the sandbox answers: `Sandbox.handle(request) -> Response`; no sockets, no sleeping, no client code.

A request passes the edge (`edge.py`), then the idempotency store (`replays.py`), then its endpoint
(`endpoints.py`); a `Fault` can strike before, instead of or after the endpoint. Paths of Elastic Path's
(`elastic_path.py`) have nothing of that but the faults. Paths below ``/sandbox/`` steer the sandbox itself
(`control.py`).
"""

from __future__ import annotations

from urllib.parse import urlencode

from airflow_provider_zuora.core.wire import Request, Response
from airflow_provider_zuora.sandbox import control, edge, elastic_path
from airflow_provider_zuora.sandbox.answers import ANY_RESOURCE, Complaint, new_request_id
from airflow_provider_zuora.sandbox.endpoints import ROUTES, Endpoint, template_of
from airflow_provider_zuora.sandbox.settings import CLIENT_ID, CLIENT_SECRET, Fault, Settings
from airflow_provider_zuora.sandbox.tenant import Tenant

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Fault", "Sandbox", "Settings"]


def _always(response: Response) -> Endpoint:
    return lambda *_: response


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
            response = spoiled(request, template, argument)
            self.state.quiet.note(response, self.now, self.settings.answer_seconds)
            self.state.note(request, template, response, self.now)
            return response

    def _spoiled(self, request: Request, template: str, argument: str) -> Response:
        fault = self.state.take_fault(request)
        if fault is not None and fault.when == "before":
            return fault.answer()
        endpoint = ROUTES.get(template, {}).get(request.method)
        if endpoint is not None and fault is not None and fault.when == "instead":
            endpoint = _always(fault.answer())
        response = self._signed(request, template, self._passed(request, template, argument, endpoint))
        if fault is None or fault.when == "instead":
            return response
        self.state.replays.hold(request.header("Idempotency-Key"), self.now + fault.hold_seconds)
        return fault.answer(response)

    def _spoiled_export(self, request: Request, template: str, argument: str) -> Response:
        fault = self.state.take_fault(request)
        if fault is not None and fault.when != "after":
            return fault.answer()
        response = elastic_path.answer(self, request, template, argument)
        return response if fault is None else fault.answer(response)

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
        known = self.state.replays.find(key, fingerprint, self.now)
        if known is not None:
            return known
        fresh = endpoint(self, request, argument)
        headers = {"Zuora-Request-Id": new_request_id(self.rng), **fresh.headers}
        stored = Response(fresh.status, headers, fresh.body)
        self.state.replays.keep(key, fingerprint, stored, self.now)
        return stored
