"""One session: its token, its sign-ins and its connections, against a served sandbox."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from airflow_provider_zuora.core.errors import SignInRefused, Unreadable
from airflow_provider_zuora.core.flow import RetryBudget, Token
from airflow_provider_zuora.core.http.retry import READ
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.session.session import REGISTRY, SessionConfig
from airflow_provider_zuora.transports.blocking import (
    BlockingTransport,
    open_requests_session,
)
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.timing import Timing
from tests.conftest import ORDER, Source
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Settings

ZUORA = VENDORS["zuora"]


def ask_token(budget=READ):
    """Return a flow that asks for the token."""

    def flow():
        return (yield Token(budget=budget))

    return flow()


def ask_another_token(token):
    def flow():
        return (yield Token(refused=token))

    return flow()


def test_a_token_is_kept_until_a_minute_before_its_end(zuora):
    now = [1000.0]
    session = zuora.make_session(clock=lambda: now[0])
    first = session.run(ask_token())
    now[0] += 3600 - 61
    kept = session.run(ask_token())
    now[0] += 2
    renewed = session.run(ask_token())
    session.close()

    assert first == kept != renewed
    assert zuora.masked == [first, renewed]
    assert zuora.ledger()["signIns"] == 2


def test_worker_and_triggerer_share_the_token(zuora):
    session = zuora.make_session()
    first = session.run(ask_token())
    session.close()

    assert asyncio.run(session.arun(ask_token())) == first
    assert zuora.ledger()["signIns"] == 1


def test_many_threads_cause_one_sign_in(zuora):
    session = zuora.make_session()
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: session.run(ask_token()), range(64)))
    session.close()

    assert len(tokens) == zuora.ledger()["signIns"] == 1


def test_many_coroutines_cause_one_sign_in(zuora):
    session = zuora.make_session()

    async def many():
        return set(await asyncio.gather(*(session.arun(ask_token()) for _ in range(64))))

    assert len(asyncio.run(many())) == zuora.ledger()["signIns"] == 1


def test_a_token_refused_to_many_at_once_is_replaced_once(zuora):
    session = zuora.make_session()
    old = session.run(ask_token())

    async def many():
        return set(await asyncio.gather(*(session.arun(ask_another_token(old)) for _ in range(64))))

    new = asyncio.run(many())
    session.close()
    assert len(new) == 1
    assert old not in new
    assert zuora.ledger()["signIns"] == 2


def test_a_token_that_was_replaced_already_is_not_replaced_again(zuora):
    session = zuora.make_session()
    session.run(ask_token())
    token = session.run(ask_token())

    assert session.run(ask_another_token("an older one")) == token
    session.close()


def test_two_loops_one_after_the_other(zuora):
    session = zuora.make_session()
    loops = []

    async def ask():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        return await session.arun(ask_token())

    assert asyncio.run(ask()) == asyncio.run(ask())
    assert zuora.connections() == []
    gc.collect()
    assert loops[0]() is None, "the first loop is forgotten"


def test_the_coroutine_that_signs_in_may_be_cancelled(zuora):
    zuora.fault(path="/oauth/token", kind="hang")
    session = zuora.make_session()

    async def cancelled():
        one = asyncio.ensure_future(session.arun(ask_token()))
        while not zuora.ledger()["recent"]:  # noqa: ASYNC110 - the sandbox is on a thread of its own
            await asyncio.sleep(0.01)
        other = asyncio.ensure_future(session.arun(ask_token()))
        await asyncio.sleep(0)
        one.cancel()
        return await other

    assert asyncio.run(cancelled()) in zuora.ledger()["tokens"]


def test_a_sign_in_that_fails_fails_all_who_wait_for_it(zuora):
    zuora.fault(path="/oauth/token", status=503, times=None)

    async def until_all_wait(seconds):
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 50 + 1

    session = zuora.make_session(asleep=until_all_wait)

    async def many():
        flows = (session.arun(ask_token(RetryBudget(2, 100))) for _ in range(50))
        return await asyncio.gather(*flows, return_exceptions=True)

    assert {type(error) for error in asyncio.run(many())} == {Unreadable}
    assert zuora.ledger()["requests"] == {"POST /oauth/token": 2}


def test_a_sign_in_that_is_refused_is_thrown_into_the_flow(zuora):
    wrong = Credentials(zuora.url, CLIENT_ID, "wrong")
    session = REGISTRY.get_session(SessionConfig(ZUORA, wrong, TransportConfig(zuora.url)), Source())

    with pytest.raises(SignInRefused):
        session.run(ask_token())
    with pytest.raises(SignInRefused):
        asyncio.run(session.arun(ask_token()))
    session.close()


def test_signing_in_afresh_replaces_a_good_token(zuora):
    session = zuora.make_session()
    session.sign_in()
    first = session.run(ask_token())
    session.sign_in()

    assert session.run(ask_token()) != first
    session.close()


class Transport:
    """Replaces a `BlockingTransport`, and shows what it is made of."""

    def __init__(self, config, limiter, timing):
        self.config, self.limiter, self.timing = config, limiter, timing
        self.send = None


def make_of(zuora, **options):
    """Return what a session gives its transport."""
    made = []
    zuora.make_session(open_transport=lambda *given: made.append(Transport(*given)) or made[0], **options)
    return made[0]


def test_the_secret_is_in_no_repr(zuora):
    session = zuora.make_session(token_file=zuora.token_file)
    assert CLIENT_SECRET not in repr(zuora.credentials) + repr(session) + repr(session.config)


@pytest.mark.parametrize("zuora", [Settings(token_seconds=50), Settings(token_seconds=8)], indirect=True)
def test_a_token_that_lasts_less_than_a_minute_is_used_for_many_requests(zuora):
    now = [zuora.sandbox.now]
    session = zuora.make_session(clock=lambda: now[0])
    tokens = [session.run(ask_token()) for _ in range(40)]
    now[0] += 45
    tokens.append(session.run(ask_token()))
    session.close()

    assert len(set(tokens[:40])) == 1
    assert zuora.ledger()["signIns"] == 2


def test_limits_budgets_and_waits_go_by_a_clock_that_nobody_sets(zuora):
    assert Timing().monotonic is time.monotonic
    assert make_of(zuora, clock=float, ticks=int).timing.monotonic is int
    client = zuora.make_session(clock=float, ticks=int).client()
    assert (client.clock, client.ticks) == (float, int)


def test_a_thread_beside_a_loop(zuora):
    session = zuora.make_session()
    tokens = []

    async def beside():
        thread = threading.Thread(target=lambda: tokens.append(session.run(ask_token())))
        thread.start()
        tokens.append(await session.arun(ask_token()))
        await asyncio.to_thread(thread.join)

    asyncio.run(beside())
    session.close()

    assert set(tokens) <= set(zuora.ledger()["tokens"])
    assert len(tokens) == 2


# After a fork.


def in_a_child(check):
    """Fork, and return whether a check holds in the child."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if check() else 2
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def test_a_forked_process_has_connections_of_its_own_and_the_token(zuora):
    session = zuora.make_session()
    token = session.run(ask_token())
    ports = zuora.connections()

    def child_asks():
        return (
            zuora.connections() == ports  # inherited, not closed
            and session.run(poll(session)).status == "Processing"
            and len(set(zuora.connections()) - set(ports)) == 1
        )

    zuora.sandbox.settings = Settings(job_seconds=1e6)
    job = session.run(submit(session))

    def poll(session):
        return session.client().get_job(job)

    assert in_a_child(child_asks)
    assert session.run(poll(session)).status == "Processing"
    assert zuora.connections() == ports
    assert zuora.ledger()["tokens"] == [token]
    session.close()


def submit(session):
    client = session.client()
    request = client.vendor.build_submit_request("order", ORDER, {})
    return client.submit(request.with_headers({"Idempotency-Key": "k"}), "order")


class Standstill:
    """Calls through, but holds up the first caller until it is over."""

    def __init__(self, call):
        self.call, self.entered, self.over = call, threading.Event(), threading.Event()

    def __call__(self, *arguments):
        if not self.entered.is_set():
            self.entered.set()
            self.over.wait(60)
        return self.call(*arguments)


@pytest.mark.parametrize("place", ["sign-in", "limiter", "connections", "registry"])
def test_a_fork_amid_everything_finds_no_lock_taken(zuora, place):
    """Another thread holds the lock of this place, and those that it took on its way there."""
    calls = {"sign-in": zuora.source.mask, "limiter": time.monotonic}
    held = Standstill(calls.get(place, BlockingTransport))
    zuora.source.mask = held if place == "sign-in" else zuora.source.mask
    options = {"ticks": held} if place == "limiter" else {}
    if place == "connections":
        held.call = requests_session
        options = {"open_transport": partial(BlockingTransport, open_session=held)}
    session = zuora.make_session(**options)
    busy = threading.Thread(
        target=partial(zuora.make_session, open_transport=held) if place == "registry" else session.sign_in
    )
    busy.start()
    assert held.entered.wait(30)
    try:
        assert in_a_child(lambda: in_a_thread(zuora.make_session) and in_a_thread(session.sign_in))
    finally:
        held.over.set()
        busy.join()
    session.close()


def requests_session(config):
    return open_requests_session(config)


def in_a_thread(call):
    """Return whether a call comes back, in another thread than the one that took the locks."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(30)
    return not thread.is_alive()


def test_a_fork_on_a_running_loop_leaves_the_parents_connections_alone(zuora):
    session = zuora.make_session()

    async def replace_token():
        return await session.arun(ask_another_token(await session.arun(ask_token())))

    async def forked():
        await session.arun(ask_token())
        ports = zuora.connections()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                gc.collect()
                tokens = []
                thread = threading.Thread(target=lambda: tokens.append(asyncio.run(replace_token())))
                thread.start()
                thread.join()
                status = 0 if len(tokens) == 1 else 2
            finally:
                os._exit(status)
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
        await replace_token()
        assert zuora.connections() == ports
        assert len(ports) == 1

    asyncio.run(forked())
    assert zuora.ledger()["signIns"] == 3


# The end of a loop.

ENDS = """
import asyncio, gc, logging, sys
from airflow_provider_zuora.core.flow import Token
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.vendors import VENDORS
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET
from airflow_provider_zuora.session.session import REGISTRY
from airflow_provider_zuora.session.session import SessionConfig
from airflow_provider_zuora.transports.config import TransportConfig

class Source:
    def emit(self, *figure):
        pass

    async def amask(self, token):
        print("signed in")

def ask_token():
    yield Token()

logging.getLogger("asyncio").setLevel(logging.ERROR)  # in its debug mode it warns of a busy machine
url, end = sys.argv[1:]
config = SessionConfig(VENDORS["zuora"], Credentials(url, CLIENT_ID, CLIENT_SECRET), TransportConfig(url))
session = REGISTRY.get_session(config, Source())
if end == "run":
    asyncio.run(session.arun(ask_token()))
elif end == "aclose":
    async def closed():
        await session.arun(ask_token())
        await session.aclose()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(closed())
    loop.close()
elif end == "dropped":
    async def dropped(session):
        await session.arun(ask_token())
        del session
        await asyncio.sleep(0.1)
    loop = asyncio.new_event_loop()
    ending = dropped(session)
    del session
    loop.run_until_complete(ending)
    loop.close()
else:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(session.arun(ask_token()))
    loop.close()
    del loop
    if end == "next":
        asyncio.run(session.arun(ask_token()))
        gc.collect()
"""


STRICT = ("-X", "dev", "-W", "error")


@pytest.mark.parametrize(
    ("end", "options"),
    [
        ("run", STRICT),  # asyncio.run closes what is open, within the grace period too
        ("aclose", STRICT),
        ("dropped", STRICT),  # nobody uses the session any more, while the loop runs on
        ("died", ()),  # here asyncio has a ResourceWarning for its own sockets, which Python does not show
        ("next", ()),
    ],
)
def test_nothing_complains_where_a_loop_ends_while_its_connections_are_kept(zuora, end, options):
    command = [sys.executable, *options, "-c", ENDS, zuora.url, end]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "signed in\n", "")


class TestRenewal:
    """A secret that is changed while a session is in use."""

    NEW = "another-secret-of-ours"

    @pytest.fixture(params=["run", "arun"])
    def perform(self, request):
        def perform(session):
            if request.param == "run":
                return session.run(ask_token())
            return asyncio.run(session.arun(ask_token()))

        return perform

    def session(self, zuora, found, **options):
        """Return a session whose connection says other credentials by now, and that connection."""
        source = Source(found)
        return zuora.make_session(source=source, **options), source

    def rotate(self, zuora):
        zuora.sandbox.settings = replace(zuora.sandbox.settings, client_secret=self.NEW)
        zuora.sandbox.revoke_tokens()
        return replace(zuora.credentials, client_secret=self.NEW)

    @pytest.mark.parametrize("shared", [True, False])
    def test_a_changed_secret_is_taken_once(self, zuora, perform, shared):
        file = zuora.token_file if shared else None
        session, source = self.session(zuora, self.rotate(zuora), token_file=file)
        token = perform(session)

        assert token in zuora.ledger()["tokens"]
        assert source.reads == 1
        if shared:
            assert replace(file, secret=self.NEW).read(zuora.sandbox.now).token == token
        session.close()
        session.sign_in()
        session.close()
        assert source.reads == 1

    @pytest.mark.parametrize(
        "changed", [{}, {"client_id": "another"}, {"base_url": "https://another"}, None], ids=str
    )
    def test_what_is_no_other_secret_of_this_client_is_not(self, zuora, perform, changed):
        self.rotate(zuora)
        found = None if changed is None else replace(zuora.credentials, **changed)
        session, source = self.session(zuora, found)
        with pytest.raises(SignInRefused):
            perform(session)

        assert source.reads == 1
        assert session.client().credentials == zuora.credentials
        session.close()

    def test_a_new_secret_that_is_refused_too_is_an_error(self, zuora, perform):
        self.rotate(zuora)
        session, source = self.session(zuora, replace(zuora.credentials, client_secret="a-third-one"))
        with pytest.raises(SignInRefused):
            perform(session)

        assert source.reads == 1
        session.close()

    def test_many_flows_read_the_connection_once(self, zuora):
        session, source = self.session(zuora, self.rotate(zuora))

        async def many():
            found = await asyncio.gather(*(session.arun(ask_token()) for _ in range(50)))
            await session.aclose()
            return found

        assert len(set(asyncio.run(many()))) == 1
        assert source.reads == 1
