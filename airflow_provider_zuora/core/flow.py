"""Requests, responses and the two carriers of a flow; this module does no I/O itself.

A flow is a generator that describes one conversation with a vendor: it yields what it needs next and is
sent the answer. `run` carries it with blocking calls, `arun` with awaits; they differ by that only.

Nobody changes these values. Those that are made for each poll (`ResponseInfo`, `ParsedResponse` and `Job`
too) are not frozen all the same: to make frozen ones would take an eighth of a flow's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from airflow_provider_zuora.core.errors import ApiError, StoreUnavailable
from airflow_provider_zuora.core.messages import Request, Response


@dataclass(frozen=True, slots=True)
class Sleep:
    """Ask the carrier to wait this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """
    How long a request is repeated before its error leaves the flow.

    :param attempts: how many times it is sent at the most, a new sign-in after a 401 not counted.
    :param seconds: no pause is begun that would end later than this after the first attempt.
    """

    attempts: int
    seconds: float


ONCE = RetryBudget(1, 0)
READ = RetryBudget(10, 180)


@dataclass(frozen=True, slots=True)
class Token:
    """
    Ask the account for a bearer token.

    :param refused: the token that the vendor has just refused; the account replaces its own only if that
        is still this one, so that many flows refused at once cause one sign-in.
    :param budget: how long a sign-in may be repeated for this flow.
    """

    refused: str | None = field(default=None, repr=False)
    budget: RetryBudget = field(default=READ, compare=False)


@dataclass(frozen=True, slots=True)
class RunInThread:
    """Ask for what a call returns that may block, with a file say; it does not block an event loop."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class LoadState:
    """Ask what is recorded under a name; the answer is None where nothing is."""

    name: str


@dataclass(frozen=True, slots=True)
class SaveState:
    """Ask to keep a JSON object under a name; the flow goes on once it is kept, and not otherwise."""

    name: str
    value: Mapping[str, Any] = field(repr=False)


class Store(Protocol):
    """What outlives a try of a task: names and JSON objects. It may forget, and it cannot compare and set."""

    def get(self, name: str, /) -> Any:
        """Return what is kept under a name, None where nothing is."""

    def set(self, name: str, value: Mapping[str, Any], /) -> object:
        """Keep an object; an error says that it is not kept."""


_SENT = (
    "The order was sent, but what came of it could not be noted. A retry of the task finds it: it asks for "
    "that order, or sends it again under the same key, which makes no second one."
)
_NOT_SENT = (
    "In this try nothing was sent: what earlier tries have done could not be read, or this one could not be "
    "noted. A retry of the task goes on."
)

T = TypeVar("T")
Step: TypeAlias = Request | Sleep | Token | RunInThread
Flow: TypeAlias = Generator[Step, Any, T]
StatefulFlow: TypeAlias = Generator[Step | LoadState | SaveState, Any, T]
"""A flow that remembers; `remembering` makes a `Flow` of it."""


@dataclass(frozen=True, slots=True)
class Runner:
    """
    What `run` needs to carry a flow: three blocking calls.

    :param send: sends a request, raises `Unreachable` where no answer comes.
    :param token: answers a `Token`; may sign in.
    :param sleep: waits for so many seconds.
    """

    send: Callable[[Request], Response]
    token: Callable[[Token], str]
    sleep: Callable[[float], object]

    def __call__(self, step: Step) -> object:
        """Answer one step of a flow."""
        if isinstance(step, Request):
            return self.send(step)
        if isinstance(step, Token):
            return self.token(step)
        if isinstance(step, RunInThread):
            return step.call()
        self.sleep(step.seconds)
        return None


@dataclass(frozen=True, slots=True)
class AsyncRunner:
    """What `arun` needs to carry a flow: the calls of `Runner`, as coroutines."""

    send: Callable[[Request], Awaitable[Response]]
    token: Callable[[Token], Awaitable[str]]
    sleep: Callable[[float], Awaitable[object]]

    def __call__(self, step: Step) -> Awaitable[object]:
        """Answer one step of a flow."""
        if isinstance(step, Request):
            return self.send(step)
        if isinstance(step, Token):
            return self.token(step)
        if isinstance(step, RunInThread):
            return asyncio.to_thread(step.call)
        return self._slept(step.seconds)

    async def _slept(self, seconds: float) -> None:
        await self.sleep(seconds)


def run(flow: Flow[T], carry: Callable[[Step], object]) -> T:
    """
    Carry a flow with blocking calls and return its result.

    :param carry: answers one step; an `ApiError` that it raises is thrown into the flow, once it is handled
        here: its words, a server's first line say, may hold our token, so it must be the context of no other.
    """
    try:
        step = next(flow)
        while True:
            answer, failure = None, None
            try:
                answer = carry(step)
            except ApiError as error:
                failure = error
            step = flow.throw(failure) if failure else flow.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        failure = None  # its traceback holds this frame
        flow.close()


async def arun(flow: Flow[T], carry: Callable[[Step], Awaitable[object]]) -> T:
    """Carry a flow on an event loop and return its result; otherwise as `run`."""
    try:
        step = next(flow)
        while True:
            answer, failure = None, None
            try:
                answer = await carry(step)
            except ApiError as error:
                failure = error
            step = flow.throw(failure) if failure else flow.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        failure = None  # its traceback holds this frame
        flow.close()


class _Memory:
    """
    A flow's store, whose errors, whatever they are, become ours.

    :param posted: whether the flow has sent a POST.
    """

    def __init__(self, store: Store):
        self.store = store
        self.posted = False

    def answer(self, step: LoadState | SaveState) -> Any:
        """
        Answer a step.

        :raises StoreUnavailable: if the store raises an error.
        """
        with self:
            if isinstance(step, LoadState):
                return self.store.get(step.name)
            self.store.set(step.name, step.value)
        return None

    def __enter__(self) -> None:
        """Begin to ask the store."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise ours in place of the store's error; what ends a task (a timeout, say) goes on as it is."""
        if isinstance(error, Exception):
            words = _SENT if self.posted else _NOT_SENT
            said = f"{words} The task's state store failed: {type(error).__name__}: {error!s:.500}"
            raise StoreUnavailable(said, transient=True) from error


def remembering(flow: StatefulFlow[T], store: Store | None) -> Flow[T]:
    """
    Answer what a flow recalls and records, and pass on all else that it asks for.

    :param store: None: nothing is recalled, and what is recorded is lost.
    :raises StoreUnavailable: if the store raises an error; the flow does not hear of it, it ends.
    """
    memory = None if store is None else _Memory(store)
    try:
        step = next(flow)
        while True:
            if isinstance(step, (LoadState, SaveState)):
                step = flow.send(memory and memory.answer(step))
                continue
            if memory and isinstance(step, Request) and step.method == "POST":
                memory.posted = True
            answer, failure = None, None
            try:
                answer = yield step
            except ApiError as error:
                failure = error
            step = flow.throw(failure) if failure else flow.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        failure = None  # its traceback holds this frame
        flow.close()
