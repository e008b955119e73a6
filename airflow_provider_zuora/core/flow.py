"""The steps of a conversation and the two runners that answer them; this module does no I/O itself.

A flow is a generator that describes one conversation with a vendor: it yields what it needs next and is sent
the answer. `run` performs it with blocking calls, `arun` with awaits; they differ by that only.

No step is ever changed, nor any value that is made for each poll (`Sleep`, `Request`, `Response`,
`ResponseInfo`, `ParsedResponse`, `Job`). These are not frozen: that would take an eighth of a flow's time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from airflow_provider_zuora.core.errors import ApiError, StoreUnavailable
from airflow_provider_zuora.core.messages import Request, Response


@dataclass(slots=True)
class Sleep:
    """
    Ask the runner to wait this many seconds.

    :param state: plain JSON from which another process can go on after the pause; None: none can.
    """

    seconds: float
    state: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)


class Paused(BaseException):
    """A flow has come to a pause that is too long for its runner; no error, it is to go on from `state`."""

    def __init__(self, seconds: float, state: Mapping[str, Any]):
        super().__init__(f"a pause of {seconds:.0f} s")
        self.seconds = seconds
        self.state = state


@dataclass(frozen=True, slots=True)
class Pausing:
    """
    How a flow may pause: `Paused` is raised in place of a pause that is longer.

    :param state: that of the pause after which this process goes on; None: it begins.
    """

    longest: float = math.inf  # seconds
    state: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def has_begun(self) -> bool:
        """Return whether an earlier process may have sent a POST: more is known than how it signed in."""
        return bool({"submission", "waited"} & set(self.state or ()))


ON_WORKER = Pausing()
LONGEST_PAUSE = 30.0
"""Seconds for which a worker sleeps if another one can go on after a longer pause."""
PAUSE_OVER = "over"
"""The status of the event of a pause that has passed."""


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How long a request is repeated before its error leaves the flow."""

    attempts: int  # at most, not counting one after a new sign-in
    seconds: float  # no pause begins that would end later than this after the first attempt
    longest: float = math.inf  # seconds; before a longer pause the error leaves the flow, too


@dataclass(frozen=True, slots=True)
class Token:
    """
    Ask the session for a bearer token; ``budget`` is that of a sign-in, None: that of a read.

    If ``refused``, a token that the vendor has just refused, is still the session's own one, it signs in. So
    many flows that are refused at once cause one sign-in.
    """

    refused: str | None = field(default=None, repr=False)
    budget: RetryBudget | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RunInThread:
    """Ask for the result of a call that may block, on a file for example; no event loop waits for it."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class LoadState:
    """Ask for the value that is stored under a name; the answer is None if there is none."""

    name: str


@dataclass(frozen=True, slots=True)
class SaveState:
    """Ask to store a JSON object under a name; the flow goes on once it is stored, and not otherwise."""

    name: str
    value: Mapping[str, Any] = field(repr=False)


class Store(Protocol):
    """JSON objects by name that outlive a try of a task; it may forget them, and cannot compare and set."""

    def get(self, name: str, /) -> Any:
        """Return the value stored under a name, None if there is none."""

    def set(self, name: str, value: Mapping[str, Any], /) -> object:
        """Store an object; an error says that it is not stored."""


T = TypeVar("T")
Step: TypeAlias = Request | Sleep | Token | RunInThread | LoadState | SaveState
Flow: TypeAlias = Generator[Step, Any, T]

_SENT = (
    "It was sent, but what came of it could not be noted. A retry of the task finds it: it asks for it, or "
    "sends it again under the same key, which makes no second one."
)
_NOT_SENT = (
    "In this try nothing was sent: what earlier tries have done could not be read, or this one could not be "
    "noted. A retry of the task goes on."
)


@dataclass(slots=True)
class Runner:
    """
    Answers the steps of one flow with blocking calls; make one for each flow.

    :param send: sends a request, raises `Unreachable` if no answer comes.
    :param store: answers `LoadState` and `SaveState`; None: nothing is loaded, and what is saved is lost.
    :param longest_pause: seconds; a longer one, after which another process can go on, raises `Paused`.
    :param has_posted: a POST was sent, in this process or before.
    """

    send: Callable[[Request], Response]
    token: Callable[[Token], str]
    sleep: Callable[[float], object]
    store: Store | None = None
    longest_pause: float = math.inf
    has_posted: bool = False

    def perform(self, step: Step) -> object:
        """Answer one step of the flow."""
        if isinstance(step, Request):
            self.has_posted |= step.method == "POST"
            return self.send(step)
        if isinstance(step, Token):
            return self.token(step)
        if isinstance(step, (LoadState, SaveState)):
            return _use_store(self.store, step, self.has_posted)
        if isinstance(step, RunInThread):
            return step.call()
        if step.state is not None and step.seconds > self.longest_pause:
            raise Paused(step.seconds, step.state)
        self.sleep(step.seconds)
        return None


@dataclass(slots=True)
class AsyncRunner:
    """Answers the steps of one flow as `Runner` does, with coroutines; the store's calls block."""

    send: Callable[[Request], Awaitable[Response]]
    token: Callable[[Token], Awaitable[str]]
    sleep: Callable[[float], Awaitable[object]]
    store: Store | None = None
    _has_posted: bool = field(default=False, init=False)

    async def perform(self, step: Step) -> object:
        """Answer one step of the flow."""
        if isinstance(step, Request):
            self._has_posted |= step.method == "POST"
            return await self.send(step)
        if isinstance(step, Token):
            return await self.token(step)
        if isinstance(step, (LoadState, SaveState)):
            return _use_store(self.store, step, self._has_posted)
        if isinstance(step, RunInThread):
            return await asyncio.to_thread(step.call)
        await self.sleep(step.seconds)
        return None


def run(flow: Flow[T], runner: Runner) -> T:
    """
    Perform a flow with blocking calls and return its result; a `StoreUnavailable` ends the flow.

    An `ApiError` of a step is thrown into the flow, once it is handled here: its words, a server's first line
    for example, may hold our token, so it must be the context of no other error.
    """
    try:
        step = next(flow)
        while True:
            answer, failure = None, None
            try:
                answer = runner.perform(step)
            except StoreUnavailable:
                raise
            except ApiError as error:
                failure = error
            step = flow.throw(failure) if failure else flow.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        failure = None  # its traceback holds this frame
        flow.close()


async def arun(flow: Flow[T], runner: AsyncRunner) -> T:
    """Perform a flow on an event loop and return its result; otherwise as `run`."""
    try:
        step = next(flow)
        while True:
            answer, failure = None, None
            try:
                answer = await runner.perform(step)
            except StoreUnavailable:
                raise
            except ApiError as error:
                failure = error
            step = flow.throw(failure) if failure else flow.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        failure = None  # its traceback holds this frame
        flow.close()


def _use_store(store: Store | None, step: LoadState | SaveState, has_posted: bool) -> Any:
    """Load or save a value; the error of a store says whether the flow has sent a POST."""
    if store is None:
        return None
    with _StoreErrors(has_posted):
        if isinstance(step, LoadState):
            return store.get(step.name)
        store.set(step.name, step.value)
    return None


@dataclass
class _StoreErrors(AbstractContextManager[Any]):
    """Raises `StoreUnavailable` in place of a store's error, whatever it is; what ends a task stays."""

    has_posted: bool

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception):
            words = _SENT if self.has_posted else _NOT_SENT
            message = f"{words} The task's state store failed: {type(error).__name__}: {error!s:.500}"
            raise StoreUnavailable(message, transient=True) from error
