"""Tries of one task against the sandbox in memory: stepped, killed, overlapping; time is a number."""

from __future__ import annotations

import json
import math
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.flow import (
    LONGEST_PAUSE,
    Flow,
    LoadState,
    RunInThread,
    SaveState,
    Sleep,
    Token,
)
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.core.submission.beginnings import read_notes
from airflow_provider_zuora.core.submission.bulk import prepare_order, reserve_batch, submit_one
from airflow_provider_zuora.core.submission.bulk_orders import prepare_orders
from airflow_provider_zuora.core.submission.bulk_results import summarize_errors
from airflow_provider_zuora.core.submission.idempotency_keys import KEY_AGE, IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.logging_facts import describe_end
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.core.runners import Memory, Tenant, arrive, ask_sandbox, from_sandbox
from tests.submission_logs import LogInMemory
from zuora_sandbox import Fault, messages

POST = "/v1/async/orders"
ORDER = {
    "orderDate": "2024-07-01",
    "existingAccountNumber": "A00000097",
    "orderLineItems": [
        {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
    ],
}
NUMBERED = ORDER | {"orderNumber": "O-1"}
BY = IdempotencyScope("", ("dag", "run", "task"), -1)


EDGE = "7f9c24e8-3b12-4fef-91e0-5a1b2c3d4e5f"
"""The request id that an edge gives all its answers."""


def body(code: int, message: str = "Told to say so.", **more: Any) -> bytes:
    return json.dumps({"success": False, "reasons": [{"code": code, "message": message}], **more}).encode()


def store_answer(status: int, text: bytes) -> Fault:
    """Return the fault of an endpoint whose answer is stored under the key; nothing is made."""
    return Fault("POST", POST, when="instead", status=status, body=text)


def before(status: int, text: bytes = b"", **headers: str) -> Fault:
    """Return the fault of an edge that answers itself; nothing is made, nothing is stored."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("POST", POST, when="before", status=status, body=text, headers=named)


def lose_answer(kind: str, when: str = "after", **more: Any) -> Fault:
    """Return the fault of a wire that is cut, by default when the order is made."""
    return Fault("POST", POST, when=when, kind=kind, **more)


def made_but(status: int, text: bytes) -> Callable[[Zuora, Request], Response]:
    """Return what makes the order and stores another answer than the job's id."""

    def answer(zuora: Zuora, request: Request) -> Response:
        store = zuora.sandbox.state.idempotency_store.entries
        key = request.headers.get("Idempotency-Key", "")
        known = key in store
        response = ask_sandbox(zuora.sandbox, request)
        if known or key not in store:
            return response  # it came no further than to the store, or to a fault of before
        request_id = str(uuid.UUID(int=zuora.sandbox.rng.getrandbits(128), version=4))
        response = messages.Response(status, {"Zuora-Request-Id": request_id}, text)
        store[key] = replace(store[key], response=response)
        return from_sandbox(response)

    return answer


def job_fails(errors: str) -> Callable[[Zuora, Request], Response]:
    """Return what accepts the order and lets its job fail."""

    def answer(zuora: Zuora, request: Request) -> Response:
        jobs = zuora.sandbox.state.jobs
        known = set(jobs)
        response = ask_sandbox(zuora.sandbox, request)
        for job_id in set(jobs) - known:
            jobs[job_id] = replace(
                jobs[job_id], end=replace(jobs[job_id].end, status="Failed", errors=errors)
            )
        return response

    return answer


ResponseInfo = Fault | Callable[["Zuora", Request], Response] | None

ANSWERS: dict[str, ResponseInfo] = {
    "accepted": None,
    "no answer, not made": lose_answer("reset", "before"),
    "no answer, made": lose_answer("reset"),
    "a cut-off body, made": lose_answer("cut"),
    "a cut-off body, made, busy": lose_answer("cut", hold_seconds=3),
    "a gateway's page, not made": before(502, b"<html><h1>Bad Gateway</h1></html>"),
    "a gateway's page, made": Fault(
        "POST", POST, when="after", status=504, body=b"<h1>Gateway Time-out</h1>"
    ),
    "200 without a job": store_answer(200, b'{"success": true}'),
    "200 without a job, made": made_but(200, b'{"success": true}'),
    "200 that is no JSON, made": made_but(200, b"<p>OK</p>"),
    "success: false without a reason": store_answer(200, b'{"success": false}'),
    "409 without a code": before(409, b'{"message": "A request with this key is in progress."}'),
    "500 without a body": store_answer(500, b""),
    "500 with a word": store_answer(500, b'{"reasons": [{"code": "SystemError", "message": "x"}]}'),
    "500 with a word, made": made_but(500, b'{"reasons": [{"code": "SystemError", "message": "x"}]}'),
    "category 60": store_answer(500, body(53200060)),
    "category 61": store_answer(200, body(53200061)),
    "category 61, made": made_but(200, body(53200061)),
    "category 99, transient": before(500, body(53200099)),
    "category 50": store_answer(409, body(53200050)),
    "category 20": store_answer(400, body(53200020)),
    "category 40": store_answer(404, body(53200040)),
    "category 10": store_answer(403, body(53200010)),
    "category 90": store_answer(200, body(53200090)),
    "429": before(429, body(70), Retry_After="120"),
    "429, stored": store_answer(429, body(50000070)),
    "401": before(401, b'{"message": "Authentication error"}'),
    "401 permanently": Fault("POST", POST, times=2, status=401, body=b'{"message": "Authentication error"}'),
    # What `docs/exactly-once.md` calls "before the store": the edge has a code, and stores nothing.
    "refused before the store": before(400, body(90000020), Zuora_Request_Id=EDGE),
    "lock before the store": before(409, body(53200050)),
    "403": before(403, b'{"code": 403, "message": "Forbidden"}'),
    "422": store_answer(422, b'{"message": "The key belongs to another request."}'),
    "job fails on a lock": job_fails("[40000050]: Operation failed due to a lock competition"),
    "job fails permanently": job_fails("[40000020]: Rate plan is not effective"),
}


class Zuora(Tenant):
    """A sandbox whose next POSTs are answered as a script says, then as usual."""

    def __init__(self, *script: str, **settings: Any) -> None:
        super().__init__(**{"job_seconds": 0} | settings)
        self.script = [ANSWERS[each] for each in script]
        self.keys: list[tuple[float, str]] = []
        self.log = LogInMemory()

    def _send(self, request: Request) -> Response:
        # Ids depend on which POST this is, not on who has read what before it.
        self.sandbox.rng.seed(f"{len(self.keys)} {request}")
        if (request.method, request.path) == ("POST", POST):
            self.keys.append((self.clock(), request.headers.get("Idempotency-Key", "")))
            self.log.check_has_intent(request)
            answer = self.script.pop(0) if self.script else None
            if isinstance(answer, Fault):
                self.sandbox.add_fault(answer)
            elif answer is not None:
                return arrive(answer(self, request))
        return super()._send(request)

    @property
    def made(self) -> list[str]:
        """The jobs that made an order, or would have, had its number not been taken by an earlier one."""
        jobs = self.ledger["jobs"]
        return [
            job["jobId"]
            for job in jobs
            if job["status"] == "Completed" or "is taken by another" in (job["errors"] or "")
        ]


@dataclass
class Actor:
    """
    One try, which takes a step at a time.

    :param begin_again: makes the flow that goes on from the state of a long pause.
    :param defers: of each long pause whether another process goes on after it.
    :param step: what it asks for next; None: it has ended.
    :param end: the job's id that it returned, or the error that it raised.
    """

    zuora: Zuora
    memory: Memory | None
    flow: Flow[str]
    begin_again: Callable[[Any], Flow[str]] | None = None
    defers: Callable[[], bool] = lambda: False
    pauses: int = 0  # after which another process went on
    step: Any = None
    end: str | ApiError | None = None
    answers: list[Any] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._go(lambda: next(self.flow))

    @property
    def running(self) -> bool:
        return self.end is None

    def act(self) -> None:
        """Let it have what it asks for."""
        step = self.step
        try:
            if isinstance(step, LoadState):
                answer = self.memory.get(step.name)
            elif isinstance(step, SaveState):
                answer = self.memory.set(step.name, step.value)
            else:
                answer = self.zuora._send(step)
        except ApiError as error:
            raised = error
            self.answers.append(str(error))
            self._go(lambda: self.flow.throw(raised))
        else:
            self.answers.append(
                (answer.status, answer.body) if isinstance(answer, Response) else _bare(answer)
            )
            self._go(lambda: self.flow.send(answer))

    def run(self, steps: int | None = None) -> Actor:
        """Let it take so many steps, all of them by default."""
        while self.running and steps != 0:
            self.act()
            steps = None if steps is None else steps - 1
        return self

    def kill(self) -> None:
        """End it where it is."""
        self.flow.close()

    def _go(self, move: Callable[[], Any]) -> None:
        """Go on to the next step that another try could notice; time passes for all of them alike."""
        try:
            self.step = move()
            while not self._shared:
                self.step = self._defer() if self._may_defer and self.defers() else self._go_alone()
        except StopIteration as done:
            self.step, self.end = None, done.value
        except ApiError as error:
            self.step, self.end = None, error

    @property
    def _shared(self) -> bool:
        return isinstance(self.step, Request) or (
            self.memory is not None and isinstance(self.step, LoadState | SaveState)
        )

    @property
    def _may_defer(self) -> bool:
        step = self.step
        return isinstance(step, Sleep) and step.state is not None and step.seconds > LONGEST_PAUSE

    def _defer(self) -> Any:
        """End this process, and let another one go on after the pause; return what it asks for."""
        state, seconds = json.loads(json.dumps(self.step.state)), self.step.seconds
        self.flow.close()
        self.zuora.clock.sleep(seconds)
        self.pauses += 1
        self.answers.append("deferred")
        self.flow = self.begin_again(state)
        return next(self.flow)

    def _go_alone(self) -> Any:
        try:
            answer = self._alone()
        except ApiError as error:
            raised = error
        else:
            return self.flow.send(answer)
        return self.flow.throw(raised)

    def _alone(self) -> Any:
        if isinstance(self.step, Token):
            return self.zuora._token(self.step)
        if isinstance(self.step, RunInThread):
            return self.step.call()
        return self.zuora.clock.sleep(self.step.seconds) if isinstance(self.step, Sleep) else None


def submit(
    zuora: Zuora,
    memory: Memory | None,
    attempt: TaskAttempt,
    order: Any = NUMBERED,
    defers: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Actor:
    """Return a try that is about to submit an order; its chance is its own."""
    scope = options.pop("scope", BY)
    checked = check_order(order, return_ids=options.pop("return_ids", False))
    zuora.rng = random.Random(repr((attempt, options)))
    client = zuora.client()

    def begin(state: Any) -> Flow[str]:
        own = zuora.log.open(attempt.number, zuora.clock)
        return submit_order(client, checked, scope, attempt, state=state, submission_log=own, **options)

    return Actor(zuora, memory, begin(None), begin, defers)


def submit_list(zuora: Zuora, memory: Memory | None, attempt: TaskAttempt, orders: list[Any]) -> Actor:
    """Return a try that is about to submit a list, an order after the other, as `submit_all` does."""

    def flow() -> Flow[str]:
        client = zuora.client()
        notes = yield from read_notes(attempt)
        own = zuora.log.open(attempt.number, zuora.clock)
        ready = [prepare_order(client, order, attempt, notes, own) for order in prepare_orders(orders, BY)]
        yield from reserve_batch(ready, notes, own)
        entries: list[Any] = []
        for each in ready:
            entries += [(yield from submit_one(each))]
            own.add_end(describe_end(each.submission, entries[-1].job_id or ""), entries[-1].error)
        yield from notes.reserve(())
        yield from own.write_ends()
        if error := summarize_errors(entries):
            raise error
        return str(entries[0].job_id)

    zuora.rng = random.Random(repr(attempt))
    return Actor(zuora, memory, flow())


@dataclass
class World:
    """
    Some tries that overlap.

    :param jump: seconds that pass at once, at some moment; 0: none do.
    """

    zuora: Zuora
    memory: Memory | None
    actors: list[Actor]
    jump: float = 0.0
    has_jumped: bool = False

    @property
    def moves(self) -> list[Any]:
        """What can happen next: a try takes a step, or the time jumps."""
        running = [index for index, actor in enumerate(self.actors) if actor.running]
        # A try that is stopped for a day between its last look at the clock and its POST sends a key that is
        # forgotten: that nobody who sends can prevent.
        sends = any(isinstance(self.actors[index].step, Request) for index in running)
        may_jump = running and self.jump and not self.has_jumped and not (sends and self.jump > KEY_AGE)
        return [*running, *(["jump"] if may_jump else [])]

    def move(self, choice: Any) -> None:
        if choice == "jump":
            self.zuora.clock.now += self.jump
            self.has_jumped = True
        else:
            self.actors[choice].act()

    @property
    def state(self) -> tuple[Any, ...]:
        """What the future depends on: the answers to each try, the notes, and the POSTs in their order."""
        answers = tuple(repr(actor.answers) for actor in self.actors)
        noted = {name: _bare(value) for name, value in (self.memory or {}).items()}
        return answers, repr(sorted(noted.items())), tuple(key for _, key in self.zuora.keys), self.has_jumped


def _bare(noted: Any) -> Any:
    """Return what is noted without the words and the times, on which no decision here depends."""
    words = {"track_ids", "reason", "first_post", "decided_at", "paths"}
    if isinstance(noted, dict):
        return {name: _bare(value) for name, value in noted.items() if name not in words}
    return [_bare(each) for each in noted] if isinstance(noted, list) else noted


def every_interleaving(
    start: Callable[[], World],
    finish: Callable[[World], None],
    most: float = math.inf,
    *,
    kills: bool = False,
) -> int:
    """
    Let the tries of a world take their steps in every order, and return how many states they can be in.

    Two orders that lead to the same state are followed once.

    :param most: where there are more states than this, it is so many of them, drawn by (repeatable) chance.
    :param kills: in each state all tries are killed, too.
    """
    dice = random.Random(0)
    seen: set[tuple[Any, ...]] = set()
    todo: list[list[Any]] = [[]]
    while todo and len(seen) < most:
        path = todo.pop(dice.randrange(len(todo)))
        world = _after(path, start)
        while moves := world.moves:
            if world.state in seen:
                break
            seen.add(world.state)
            if kills:
                killed = _after(path, start)
                for actor in killed.actors:
                    actor.kill()
                finish(killed)
            todo += [[*path, other] for other in moves[1:]]
            world.move(moves[0])
            path = [*path, moves[0]]
        else:
            finish(world)
    return len(seen)


def _after(path: list[Any], start: Callable[[], World]) -> World:
    world = start()
    for choice in path:
        world.move(choice)
    return world
