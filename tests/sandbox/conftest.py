"""A sandbox with a clock of its own, and a client of three lines that signs in and asks."""

import json
import random
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest

from zuora_sandbox import Request, Response, Sandbox, Settings


@dataclass
class Desk:
    """Asks a sandbox; signed in once, JSON unless told otherwise."""

    sandbox: Sandbox
    headers: dict = field(default_factory=dict)
    time: list = field(default_factory=lambda: [1_700_000_000.0])

    @staticmethod
    def order(**fields):
        """Return an order that breaks no rule; None as a field takes it out."""
        action = {"type": "CreateSubscription", "createSubscription": {"terms": {}}}
        order = {"orderDate": "2024-07-01", "existingAccountNumber": "A1"}
        order |= {"subscriptions": [{"orderActions": [action]}]} | fields
        return {name: value for name, value in order.items() if value is not None}

    @staticmethod
    def page(response):
        return json.loads(response.body)

    @classmethod
    def codes(cls, response):
        return [reason["code"] for reason in cls.page(response)["reasons"]]

    def ask(self, method, path, content=b"", params=(), **headers) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in (self.headers | named).items() if value is not None}
        sent_body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.sandbox.handle(Request(method, path, tuple(params), sent, sent_body))

    def sign_in(self, **form) -> Response:
        known = self.sandbox.settings
        given = {"client_id": known.client_id, "client_secret": known.client_secret}
        given |= {"grant_type": "client_credentials"} | form
        response = self.ask("POST", "/oauth/token", urlencode(given).encode(), Authorization=None)
        if response.status == 200:
            self.headers["Authorization"] = f"Bearer {self.page(response)['access_token']}"
        return response

    def create(self, content=None, params=(), **headers) -> Response:
        given = self.order() if content is None else content
        return self.ask("POST", "/v1/async/orders", given, params, **headers)

    def preview(self, content, **headers) -> Response:
        return self.ask("POST", "/v1/async/orders/preview", content, **headers)

    def job(self, response, **headers) -> dict:
        return self.page(self.ask("GET", f"/v1/async-jobs/{self.page(response)['jobId']}", **headers))

    def finished(self, content, params=(), **headers) -> dict:
        """Return the page of the job of an accepted order, a day later."""
        accepted = self.create(content, params)
        self.sandbox.advance(86_400)
        self.sign_in()
        return self.job(accepted, **headers)


@pytest.fixture
def open_desk():
    """Return a function that opens a desk before a new sandbox with these settings."""

    def make(**settings):
        time = [1_700_000_000.0]
        sandbox = Sandbox(Settings(**settings), clock=lambda: time[0], rng=random.Random(7))
        desk = Desk(sandbox, {"Content-Type": "application/json"}, time)
        desk.sign_in()
        return desk

    return make


@pytest.fixture
def desk(open_desk):
    return open_desk()
