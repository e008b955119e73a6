"""What a vendor's limits do to all users of a client id, in virtual time and over real HTTP on both sides."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.core.errors import NotFound, RateLimited, Refused
from airflow_provider_zuora.core.flow import Token
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.http.retry import ONCE, READ
from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.messages import Credentials, Request
from airflow_provider_zuora.core.polling.wait import PollOptions, wait_until_done
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.exceptions import TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.session.session import REGISTRY, SessionConfig, SessionRegistry
from airflow_provider_zuora.session.token_file import SecureDirectory, TokenFile
from airflow_provider_zuora.transports.asynchronous import AsyncTransport
from airflow_provider_zuora.transports.blocking import BlockingTransport
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.timing import Timing
from tests.conftest import ORDER, Source, Zuora, make_timing
from tests.core.runners import ask_sandbox
from tests.virtual_time import START, run_in_virtual_time
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Fault, Sandbox, Settings, serve

URL = "http://127.0.0.1:1"
ZUORA = VENDORS["zuora"]
THROTTLED = {"status": 429, "headers": {"Retry-After": "30"}}


class Vendor:
    """
    A sandbox at the other end of a connection in memory, on the running loop's time.

    It replaces aiohttp's connections, and notes when requests started and when a Retry-After came.
    """

    def __init__(self, *, latency=(0.05, 0.4), **settings):
        self.loop = asyncio.get_running_loop()
        self.sandbox = Sandbox(Settings(**settings), self.loop.time, random.Random(1))
        self.latency = latency
        self.rng = random.Random(2)
        self.starts, self.cool_downs, self.opened, self.closed = [], [], 0, 0
        self.under_way = self.most = 0

    async def begin(self, request, deadline):
        response = await self.answer(request)
        stream = asyncio.StreamReader()
        stream.feed_data(response.body)
        stream.feed_eof()
        stream.readany = partial(stream.read, 1 << 20)
        connection = SimpleNamespace(release=lambda: None, close=lambda: None)
        return connection, SimpleNamespace(code=response.status, headers=response.headers), stream

    async def answer(self, request):
        self.starts.append(self.loop.time())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.rng.uniform(*self.latency))
            with self.sandbox.track_call():
                response = ask_sandbox(self.sandbox, request)
                await asyncio.sleep(self.rng.uniform(*self.latency))
        finally:
            self.under_way -= 1
        if response.status in (429, 503) and (seconds := response.headers.get("retry-after")):
            self.cool_downs.append((self.loop.time(), self.loop.time() + float(seconds)))
        return response

    async def open(self, config):
        self.opened += 1
        return self

    async def close(self):
        self.closed += 1

    def session(self, token_file=None, **transport):
        """Return a session as another process has it."""
        config = SessionConfig(
            ZUORA, Credentials(URL, CLIENT_ID, CLIENT_SECRET), TransportConfig(URL, **transport), token_file
        )

        async def run_at_once(call):
            call()

        return SessionRegistry().make_session(
            config,
            Source(),
            timing=make_timing(clock=self.loop.time, arun_in_thread=run_at_once),
            rng=random.Random(3),
            open_async_transport=partial(AsyncTransport, open_connections=self.open),
        )

    def jobs(self, session, count):
        """Have so many jobs, as another process may have submitted them."""
        client, token = session.client(), "4" * 32
        self.sandbox.state.issue_token(token, math.inf)
        for number in range(count):
            request = client.vendor.build_submit_request("order", ORDER | {"orderNumber": f"O-{number}"}, {})
            ask_sandbox(self.sandbox, request.with_headers({"Authorization": f"Bearer {token}"}))
        return list(self.sandbox.state.jobs)

    def started_in_cool_down(self):
        return [at for at in self.starts for begin, end in self.cool_downs if begin < at < end]

    def busiest_minute(self):
        return max(sum(1 for at in self.starts if begin <= at < begin + 60) for begin in self.starts)


@pytest.mark.parametrize(("waits", "connections", "refused"), [(2000, 20, 20), (500, 60, 80)])
def test_waits_keep_within_40_requests_at_once_and_600_a_minute(waits, connections, refused):
    """The minute in which they begin is spent already, by 2,000 submissions."""

    async def waited():
        vendor = Vendor(job_seconds=120)
        session = vendor.session(max_connections=connections)
        client, jobs = session.client(), vendor.jobs(session, 2000)[:waits]
        vendor.sandbox.settings = Settings(requests_per_minute=600, concurrent_requests=40)
        wait = PollOptions(started=START, not_before=START, deadline=START + 7200)
        found = await asyncio.gather(*(session.arun(wait_until_done(client, job, wait)) for job in jobs))
        ended = [(result.job_id, result.job.status) for result in found]
        assert ended == [(job_id, "Completed") for job_id in jobs]
        return vendor

    vendor = run_in_virtual_time(waited())
    print(  # for whoever runs it with -s
        f"{waits} waits over {connections} connections: {len(vendor.starts)} requests, "
        f"{vendor.busiest_minute()} in the busiest minute, {len(vendor.cool_downs)} refused, "
        f"{vendor.loop.time() - START:.0f} s of virtual time"
    )
    assert vendor.started_in_cool_down() == []
    assert vendor.sandbox.ledger()["askedInQuiet"] == 0
    assert vendor.busiest_minute() < 1.5 * 600, "a minute of the clock, at its end and its beginning"
    assert len(vendor.cool_downs) <= refused
    assert vendor.sandbox.ledger()["signIns"] == 1 + 1, "that of the submissions is the other one"


def poll(job_id="none"):
    """Return a flow that polls a job once."""

    def flow():
        token = yield Token(budget=ONCE)
        headers = {"Authorization": f"Bearer {token}"}
        return (yield Request("GET", f"/v1/async-jobs/{job_id}", headers=headers))

    return flow()


def test_a_queued_request_does_not_start_in_a_cool_down_that_began_meanwhile():
    async def poll_often():
        vendor = Vendor(latency=(0.5, 0.5))
        session = vendor.session(max_connections=1)
        await session.arun(poll())
        vendor.sandbox.add_fault(Fault(method="GET", **THROTTLED))
        await asyncio.gather(*(session.arun(poll()) for _ in range(3)))
        return vendor

    vendor = run_in_virtual_time(poll_often())
    _, _, first, second, third = vendor.starts
    ((_, end),) = vendor.cool_downs
    assert first < end <= second < third
    assert vendor.most == 1


def test_a_cancelled_wait_makes_room():
    async def poll_often():
        vendor = Vendor()
        session = vendor.session(max_connections=1)
        vendor.sandbox.add_fault(Fault(method="GET", **THROTTLED))
        await session.arun(poll())
        waiting = asyncio.ensure_future(session.arun(poll()))
        await asyncio.sleep(5)
        waiting.cancel()
        await session.arun(poll())
        return vendor

    vendor = run_in_virtual_time(poll_often())
    assert len(vendor.starts) == 3
    assert vendor.started_in_cool_down() == []


def test_sixteen_processes_keep_together_to_600_requests_a_minute(runtime_dir):
    async def polled():
        vendor = Vendor(requests_per_minute=600, sign_ins_per_minute=600)
        file = TokenFile.for_credentials(
            Credentials(URL, CLIENT_ID, CLIENT_SECRET), directory=SecureDirectory(runtime_dir)
        )
        sessions = [vendor.session(file, max_connections=2, max_connections_per_host=20) for _ in range(16)]
        vendor.sandbox.state.issue_token("4" * 32, math.inf)
        token = AccessToken("4" * 32, time.time() + 3600)
        for session in sessions:
            session.tokens._token = token
        await sessions[0].arun(poll())
        await asyncio.sleep(60 - vendor.loop.time() % 60)

        async def work(session):
            while vendor.loop.time() < end:
                with suppress(RateLimited):
                    await session.arun(poll())

        end = vendor.loop.time() + 600
        await asyncio.gather(*(work(session) for session in sessions for _ in range(3)))
        return vendor

    vendor = run_in_virtual_time(polled())
    rows = vendor.sandbox.ledger()["recent"]
    minutes = Counter(int(row["at"] // 60) for row in rows)
    whole = [minutes[minute] for minute in sorted(minutes)[1:-1]]
    print(f"16 processes, by minute: {whole}; {len(vendor.cool_downs)} refused")
    assert len(whole) >= 8
    assert all(0.95 * 600 <= count <= 600 for count in whole[:-1])
    assert {row["status"] for row in rows} == {404}
    assert vendor.most <= 20


# The connections' end.


def test_one_session_serves_a_loop_until_it_ends():
    async def used():
        vendor = Vendor()
        session = vendor.session()
        for pause in (29, 600, 0):
            await session.arun(poll())
            await asyncio.sleep(pause)
        assert (vendor.opened, vendor.closed) == (1, 0)
        return vendor, session

    vendor, _session = run_in_virtual_time(used())
    assert (vendor.opened, vendor.closed) == (1, 1), "the end of a loop closes it"


def test_a_session_that_nobody_uses_any_more_closes_its_connections():
    async def used():
        vendor = Vendor()
        session = vendor.session()
        gc.disable()  # no circle may keep it
        try:
            waiting = asyncio.ensure_future(session.arun(poll()))
            gone = weakref.ref(session)
            del session
            await waiting
            del waiting
            await asyncio.sleep(1)
            assert gone() is None
            assert vendor.closed == 1
        finally:
            gc.enable()

    run_in_virtual_time(used())


def test_connections_that_nobody_uses_can_be_closed_at_once():
    async def used():
        vendor = Vendor()
        session = vendor.session()
        await session.aclose()
        flow = asyncio.ensure_future(session.arun(poll()))
        while not vendor.under_way:  # noqa: ASYNC110 - it is the vendor that is watched
            await asyncio.sleep(0)
        await session.aclose()
        await flow
        assert (vendor.opened, vendor.closed) == (1, 0), "they were used"
        await session.aclose()
        await session.aclose()
        assert (vendor.opened, vendor.closed) == (1, 1)
        await session.arun(poll())
        assert (vendor.opened, vendor.closed) == (2, 1)

    run_in_virtual_time(used())


def test_flows_that_begin_together_open_one_session():
    async def used():
        vendor = Vendor()
        session = vendor.session()
        await asyncio.gather(*(session.arun(poll()) for _ in range(50)))
        assert vendor.opened == 1

    run_in_virtual_time(used())


# Both sides, over real HTTP.


class Time:
    """Seconds that pass when somebody sleeps, on either side."""

    def __init__(self):
        self.now = START
        self.naps = []

    def session(self, zuora, **options):
        return zuora.make_session(clock=lambda: self.now, sleep=self.sleep, asleep=self.asleep, **options)

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds

    async def asleep(self, seconds):
        self.sleep(seconds)


def awaited(session, flow):
    return asyncio.run(session.arun(flow))


def run(session, flow):
    return session.run(flow)


SIDES = [(run, awaited), (awaited, run), (run, run), (awaited, awaited)]


@pytest.mark.parametrize(("first", "second"), SIDES)
@pytest.mark.parametrize("path", ["/oauth/token", "/v1/async-jobs/"])
def test_both_sides_cool_down_after_a_429(zuora, path, first, second):
    zuora.fault(path=path, **THROTTLED)
    clock = Time()
    session = clock.session(zuora)
    if path == "/oauth/token":
        with pytest.raises(Refused):
            first(session, client_job(session, ONCE))
    else:
        first(session, poll())
    assert clock.naps == []
    second(session, poll())
    session.close()

    (nap,) = clock.naps
    assert 30 <= nap <= 31


def client_job(session, budget=READ):
    return session.client().get_job("none", budget)


@pytest.mark.parametrize(("first", "second"), SIDES)
def test_a_long_cool_down_is_an_error_for_what_would_have_to_wait(zuora, first, second):
    zuora.fault(path="/v1/async-jobs/", status=429, headers={"Retry-After": "120"})
    clock = Time()
    session = clock.session(zuora)
    first(session, poll())
    requests = zuora.ledger()["requests"]
    with pytest.raises(RateLimited, match=r"cools down for 12\d s") as caught:
        second(session, client_job(session, ONCE))
    assert 120 <= caught.value.retry_after <= 121
    assert zuora.ledger()["requests"] == requests
    assert clock.naps == []

    with pytest.raises(NotFound):
        second(session, client_job(session))
    assert 120 <= clock.naps[0] <= 121, "a flow of a worker waits by itself"
    session.close()


def test_an_order_waits_for_the_end_of_a_long_cool_down_and_is_sent_once(zuora):
    zuora.fault(path="/v1/async-jobs/", status=429, headers={"Retry-After": "120"})
    clock = Time()
    session = clock.session(zuora, token_file=zuora.token_file)
    REGISTRY.add(session)
    session.run(poll())
    ZuoraHook().create_order(ORDER, idempotency_key="k")
    session.close()

    (nap,) = clock.naps
    assert 120 <= nap <= 121
    assert len(zuora.posts()) == len(zuora.ledger()["jobs"]) == 1


def test_an_order_that_cannot_wait_for_the_end_of_a_cool_down_is_left_to_the_next_try(zuora):
    zuora.fault(path="/v1/async-jobs/", status=429, headers={"Retry-After": "3600"})
    clock = Time()
    session = clock.session(zuora, token_file=zuora.token_file)
    REGISTRY.add(session)
    session.run(poll())
    with pytest.raises(TransientError, match=r"a limit is reached, not sent.* cools down for 360\d s"):
        ZuoraHook().create_order(ORDER, idempotency_key="k")
    session.close()

    assert (clock.naps, zuora.posts()) == ([], [])


@pytest.mark.parametrize("perform", [run, awaited])
def test_a_window_that_is_nearly_spent_is_spread_over_its_rest(perform):
    clock = Time()
    with serve(
        Sandbox(Settings(requests_per_minute=100), lambda: clock.now)
    ) as server:  # at 40 s of its minute
        zuora = Zuora(server.sandbox, server.url)
        session = clock.session(zuora)

        def many():
            for _ in range(99):
                yield from poll()

        perform(session, many())
        session.close()

    assert START + 14 < clock.now <= START + 20
    assert 5 < len(clock.naps) < 10
    assert {row["status"] for row in zuora.ledger()["recent"]} == {200, 404}


def test_threads_get_as_many_connections_as_the_connection_allows():
    class Desk:
        """Replaces a requests session, until two are before it."""

        at_once, most, both = 0, 0, threading.Event()
        lock = threading.Lock()

        @contextmanager
        def request(self, *_, **__):
            with self.lock:
                self.at_once += 1
                self.most = max(self.most, self.at_once)
                if self.at_once == 2:
                    self.both.set()
            assert self.both.wait(30)
            time.sleep(0.001)
            yield SimpleNamespace(status_code=200, headers={}, raw=SimpleNamespace(read=lambda *_, **__: b""))
            with self.lock:
                self.at_once -= 1

    desk = Desk()
    limiter = RateLimiter(random.Random(0))
    config = TransportConfig(URL, max_connections=2)
    transport = BlockingTransport(config, limiter, Timing(), open_session=lambda _: desk)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(transport.send, [Request("GET", "/")] * 64))

    assert len(answers) == 64
    assert desk.most == 2
