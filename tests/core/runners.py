"""Run flows without I/O: over a list of answers, or over the sandbox. Time is a number."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, Unreachable
from airflow_provider_zuora.core.flow import Flow, Runner, Token, run
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.messages import Credentials, Request, Response
from airflow_provider_zuora.core.metrics import Emit, ignore
from airflow_provider_zuora.core.redaction import HIDDEN
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Fault, Sandbox, Settings, messages

BASE = "https://rest.test.zuora.com"
CREDENTIALS = Credentials(BASE, CLIENT_ID, CLIENT_SECRET)
SCOPE = {"Zuora-Entity-Ids": "11e643f4-a3ee-8bad-b061-0025904c57d6", "Zuora-Version": "2025-08-12"}
STEPS = 5000  # more than any flow of ours takes to its end

_SAMPLES = Path(__file__).parents[1] / "samples"


def sample(name: str, **headers: str) -> Response:
    """Return a recorded answer by case and status, for example ``lock/409``."""
    (path,) = _SAMPLES.glob(f"{name}.*")
    named = {key.replace("_", "-").lower(): value for key, value in headers.items()}
    return Response(int(path.stem), named, path.read_bytes())


def answer(status: int, body: Any = None, **headers: str) -> Response:
    """Return an answer with a JSON body, none for None."""
    named = {key.replace("_", "-").lower(): value for key, value in headers.items()}
    return Response(status, named, b"" if body is None else json.dumps(body).encode())


def arrive(response: Response) -> Response:
    """Return an answer as a transport does, with the names of its headers in lower case."""
    return replace(response, headers={name.lower(): value for name, value in response.headers.items()})


def ask_sandbox(sandbox: Sandbox, request: Request) -> Response:
    """Return the sandbox's response to our request; it has classes of its own for both."""
    own = messages.Request(request.method, request.path, request.params, request.headers, request.body)
    return from_sandbox(sandbox.handle(own))


def from_sandbox(response: messages.Response) -> Response:
    """Return a response of the sandbox's as one of ours."""
    return Response(response.status, response.headers, response.body, response.damage)


@contextmanager
def redacting(secrets: Secrets) -> Iterator[None]:
    """Hide secrets in all words that come in meanwhile, as the client does."""
    mark = HIDDEN.set(secrets)
    try:
        yield
    finally:
        HIDDEN.reset(mark)


class Dice(random.Random):
    """Throws the same number always: 0 for the least jitter, almost 1 for the most."""

    def __init__(self, number: float):
        super().__init__(0)
        self.number = number

    def random(self) -> float:
        return self.number


class Memory(dict[str, Any]):
    """A task's state store; what is in it has been JSON, as in Airflow's."""

    def set(self, name: str, value: Any) -> None:
        self[name] = json.loads(json.dumps(value))


@dataclass
class Clock:
    """
    Seconds that pass when somebody sleeps.

    :param ahead: by how much the clock was set, forward or back; `ticks` is what nobody sets.
    """

    now: float = 1_700_000_000.0
    naps: list[float] = field(default_factory=list)
    ahead: float = 0.0

    def __call__(self) -> float:
        return self.now + self.ahead

    def ticks(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


class _Line:
    """Runs flows and notes what it was asked; a flow that does not end is an error."""

    vendor: Vendor = Zuora()

    def __init__(self, credentials: Credentials, rng: random.Random | None) -> None:
        self.clock = Clock()
        self.credentials = credentials
        self.rng = rng or random.Random(0)
        self.sent: list[Request] = []
        self.asked: list[Token] = []
        self.emit: Emit = ignore

    def client(self, **headers: str) -> ApiClient:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return ApiClient(
            self.vendor,
            self.credentials,
            named,
            clock=self.clock,
            rng=self.rng,
            ticks=self.clock.ticks,
            emit=self.emit,
        )

    def run(self, flow: Flow[Any], memory: Memory | None = None) -> Any:
        return run(flow, Runner(self._counted, self._token, self.clock.sleep, memory))

    def _counted(self, request: Request) -> Response:
        self.sent.append(request)
        assert len(self.sent) + len(self.clock.naps) < STEPS, "the flow does not end"
        return self._send(request)

    def _send(self, request: Request) -> Response:
        raise NotImplementedError

    def _token(self, step: Token) -> str:
        raise NotImplementedError

    def headers(self, name: str) -> list[str]:
        """Return what the requests carried in a header, one text each."""
        lower = ({key.lower(): value for key, value in request.headers.items()} for request in self.sent)
        return [headers.get(name.lower(), "") for headers in lower]


class Script(_Line):
    """
    Gives the answers of a list, one by one, and a new token where one was refused.

    :param lasts: seconds that every answer takes to come.
    """

    def __init__(
        self,
        answers: Iterable[Response | ApiError],
        *,
        lasts: float = 0.0,
        credentials: Credentials = CREDENTIALS,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(credentials, rng)
        self.lasts = lasts
        self.answers: Iterator[Response | ApiError] = iter(answers)
        self.tokens = 1

    @property
    def token(self) -> str:
        return f"6447d349d8854f0d{self.tokens:016x}"

    def _send(self, request: Request) -> Response:
        self.clock.now += self.lasts
        given = next(self.answers, None)
        assert given is not None, f"no answer is left to {request}"
        if isinstance(given, ApiError):
            raise given
        return arrive(given)

    def _token(self, step: Token) -> str:
        self.asked.append(step)
        self.tokens += step.refused == self.token
        return self.token


class Tenant(_Line):
    """Runs flows against a sandbox, whose clock nobody sets; keeps its token as an account does."""

    def __init__(self, *faults: Fault, credentials: Credentials = CREDENTIALS, **settings: Any) -> None:
        super().__init__(credentials, None)
        self.sandbox = Sandbox(Settings(**settings), self.clock.ticks, random.Random(1))
        self.grant: AccessToken | None = None
        for fault in faults:
            self.sandbox.add_fault(fault)

    @property
    def ledger(self) -> dict[str, Any]:
        return self.sandbox.ledger()

    def _send(self, request: Request) -> Response:
        response = ask_sandbox(self.sandbox, request)
        if response.status == 0:
            raise Unreachable(response.damage)
        if response.damage:
            return replace(response, body=response.body[: len(response.body) // 2])
        return response

    def _token(self, step: Token) -> str:
        self.asked.append(step)
        if self.grant is None or self.grant.token == step.refused or self.clock() >= self.grant.expires:
            self.grant = self.run(self.client().sign_in())
        return self.grant.token
