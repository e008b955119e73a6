"""A loop on a thread of its own: what is raised in the caller ends it, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.session.concurrency import run_on_own_loop
from tests.conftest import ORDER

try:
    from airflow.sdk.exceptions import AirflowTaskTimeout
except ImportError:  # Airflow 2
    from airflow.exceptions import AirflowTaskTimeout

FOREVER = 3600.0
NAME: ContextVar[str] = ContextVar("NAME")


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "zuora-loop"]


def send_signal():
    """Send the signal that Airflow's timeouts are; it reaches the main thread, wherever this runs."""
    os.kill(os.getpid(), signal.SIGALRM)


@contextmanager
def raising(error):
    """Let a signal raise in the main thread, as Airflow's handler does."""

    def handler(number, frame):
        raise error

    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


class Sleeper:
    """A coroutine that notes when it is under way, and how it was ended."""

    def __init__(self):
        self.begun = self.cancelled = self.closed = False

    async def __call__(self):
        self.begun = True
        try:
            send_signal()
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            await asyncio.sleep(0)
            self.closed = True


def test_the_result_is_returned_and_an_error_is_raised():
    async def number():
        return 7

    async def broken():
        raise ZeroDivisionError

    assert run_on_own_loop(number) == 7
    with pytest.raises(ZeroDivisionError):
        run_on_own_loop(broken)
    assert threads() == []


def test_it_runs_where_a_loop_runs_already():
    async def inner():
        return asyncio.get_running_loop()

    async def outer():
        return run_on_own_loop(inner) is not asyncio.get_running_loop()

    assert asyncio.run(outer())


def test_it_sees_the_callers_context():
    async def name():
        return NAME.get()

    token = NAME.set("the caller's")
    try:
        assert run_on_own_loop(name) == "the caller's"
    finally:
        NAME.reset(token)


@pytest.mark.parametrize("kind", [AirflowTaskTimeout, KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_what_a_signal_raises_reaches_the_caller_and_cancels_the_coroutine(kind):
    sleeper = Sleeper()
    with raising(kind()), pytest.raises(kind):
        run_on_own_loop(sleeper)

    assert (sleeper.begun, sleeper.cancelled, sleeper.closed) == (True, True, True)
    assert threads() == []


def test_what_is_raised_before_the_coroutine_begins_ends_it_too():
    """The signal comes while the thread starts: its loop asks for the name of the thread's task first."""

    def late():
        send_signal()  # once: a second signal may meet the leaving
        return asyncio.sleep(FOREVER)

    with raising(AirflowTaskTimeout()), pytest.raises(AirflowTaskTimeout):
        run_on_own_loop(late)
    assert threads() == []


def test_a_coroutine_that_does_not_end_holds_nobody_up():
    release, ended = threading.Event(), threading.Event()

    async def stubborn():
        send_signal()
        release.wait()
        ended.set()

    with raising(AirflowTaskTimeout()), pytest.raises(AirflowTaskTimeout):
        run_on_own_loop(stubborn, timeout=0.0)
    assert not ended.is_set()
    release.set()
    assert ended.wait(60)
    for thread in threads():
        thread.join(60)


def test_where_there_are_no_threads_it_says_so():
    async def number():
        return 7

    before = threading.stack_size(1 << 46)
    try:
        with pytest.raises(RuntimeError, match="thread"):
            run_on_own_loop(number)
    finally:
        threading.stack_size(before)


ORDERS = [ORDER | {"orderNumber": f"O-{number}"} for number in range(40)]


@pytest.mark.parametrize("way", ["notebook", "async def"])
def test_a_list_is_submitted_from_a_running_loop(zuora, way):
    async def cell():
        entries = ZuoraHook().create_orders(ORDERS, idempotency_key="k")
        return {entry.state for entry in entries}

    if way == "notebook":
        loop = asyncio.new_event_loop()
        try:
            states = loop.run_until_complete(cell())
        finally:
            loop.close()
    else:
        states = asyncio.run(cell())
    assert states == {"submitted"}
    assert len(zuora.posts()) == 40


def test_a_timeout_in_a_list_is_never_swallowed_and_leaves_nothing_behind(zuora):
    """As often as it comes, each time in the middle of a request or of the work between two."""
    hook = ZuoraHook()
    ids = [entry.job_id for entry in hook.create_orders(ORDERS, idempotency_key="k")]
    hook.get_conn().close()

    def flows(client, after):
        for number, job_id in enumerate(ids):
            if number == after:
                send_signal()
            yield client.get_job(job_id)

    for after in range(0, 40, 4):
        with raising(AirflowTaskTimeout()), pytest.raises(AirflowTaskTimeout):
            hook._run_many(lambda client, after=after: flows(client, after))
        assert threads() == []
        assert zuora.connections() == []
    assert len(hook._run_many(lambda client: flows(client, None))) == 40
