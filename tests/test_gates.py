"""What a vendor's limits do to all who use an account: in virtual time, and over real HTTP on both sides."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_zuora import accounts, pools
from airflow_provider_zuora.accounts import Account, Masks
from airflow_provider_zuora.core.errors import Held, NotFound, Refused
from airflow_provider_zuora.core.jobs import Credentials
from airflow_provider_zuora.core.limits import Limits
from airflow_provider_zuora.core.waiting import Wait, ended_job
from airflow_provider_zuora.core.wire import ONCE, READ, Request, Response, Token
from airflow_provider_zuora.gates import Gate, Rules
from airflow_provider_zuora.hooks import TransientError, ZuoraHook
from airflow_provider_zuora.transports import AsyncTransport, Line
from tests.conftest import ORDER
from tests.core.carriers import ask_sandbox
from tests.virtual_time import START, run_in_virtual_time
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Fault, Sandbox, Settings

URL = "http://127.0.0.1:1"
QUIET = {"status": 429, "headers": {"Retry-After": "30"}}


class Vendor:
    """
    A sandbox at the other end of a line in memory, on the running loop's time.

    It stands where an `AsyncTransport` stands, and notes when requests started and when a Retry-After came.
    """

    def __init__(self, *, latency=(0.05, 0.4), **settings):
        self.loop = asyncio.get_running_loop()
        self.sandbox = Sandbox(Settings(**settings), self.loop.time, random.Random(1))
        self.latency = latency
        self.rng = random.Random(2)
        self.starts, self.quiets, self.opened, self.closed = [], [], 0, 0
        self.under_way = self.most = 0

    async def send(self, request):
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
        if response.status in (429, 503) and (seconds := response.header("Retry-After")):
            self.quiets.append((self.loop.time(), self.loop.time() + float(seconds)))
        return response

    async def close(self):
        self.closed += 1

    def account(self, monkeypatch, **line):
        async def opened(_):
            self.opened += 1
            return self

        async def mask(token):
            pass

        monkeypatch.setattr(AsyncTransport, "opened", opened)
        credentials = Credentials(URL, CLIENT_ID, CLIENT_SECRET)
        masks = Masks(print, mask)
        return Account(
            "zuora", credentials, Line(URL, **line), masks, clock=self.loop.time, rng=random.Random(3)
        )

    def jobs(self, account, count):
        """Have so many jobs, as another process may have submitted them."""
        client, token = account.client(), "4" * 32
        self.sandbox.state.issue_token(token, math.inf)
        for number in range(count):
            request = client.vendor.submission("order", ORDER | {"orderNumber": f"O-{number}"}, {})
            ask_sandbox(self.sandbox, request.with_headers({"Authorization": f"Bearer {token}"}))
        return list(self.sandbox.state.jobs)

    def started_in_quiet(self):
        return [at for at in self.starts for begin, end in self.quiets if begin < at < end]

    def busiest_minute(self):
        return max(sum(1 for at in self.starts if begin <= at < begin + 60) for begin in self.starts)


@pytest.fixture(autouse=True)
def _limits_of_its_own(monkeypatch):
    """Let no test hear of the limits of another one: all accounts here are of one client at one address."""
    monkeypatch.setattr(accounts, "_LIMITS", weakref.WeakValueDictionary())


@pytest.mark.parametrize(("waits", "connections", "refused"), [(2000, 20, 20), (500, 60, 80)])
def test_waits_keep_within_40_requests_at_once_and_600_a_minute(waits, connections, refused, monkeypatch):
    """The minute in which they begin is spent already, by 2,000 submissions."""

    async def waited():
        vendor = Vendor(job_seconds=120)
        account = vendor.account(monkeypatch, max_connections=connections)
        client, jobs = account.client(), vendor.jobs(account, 2000)[:waits]
        vendor.sandbox.settings = Settings(requests_per_minute=600, concurrent_requests=40)
        wait = Wait(started=START, not_before=START, deadline=START + 7200)
        found = await asyncio.gather(*(account.arun(ended_job(client, job, wait)) for job in jobs))
        assert [(job.job_id, job.status) for job in found] == [(job, "Completed") for job in jobs]
        return vendor

    vendor = run_in_virtual_time(waited())
    print(  # for whoever runs it with -s
        f"{waits} waits over {connections} connections: {len(vendor.starts)} requests, "
        f"{vendor.busiest_minute()} in the busiest minute, {len(vendor.quiets)} refused, "
        f"{vendor.loop.time() - START:.0f} s of virtual time"
    )
    assert vendor.started_in_quiet() == []
    assert vendor.sandbox.ledger()["askedInQuiet"] == 0
    assert vendor.busiest_minute() < 1.5 * 600, "a minute of the clock, at its end and its beginning"
    assert len(vendor.quiets) <= refused
    assert vendor.sandbox.ledger()["signIns"] == 1 + 1, "that of the submissions is the other one"


def look(job_id="none"):
    """Return a flow that asks for the page of a job once."""

    def flow():
        token = yield Token(budget=ONCE)
        headers = {"Authorization": f"Bearer {token}"}
        return (yield Request("GET", f"/v1/async-jobs/{job_id}", headers=headers))

    return flow()


def test_a_request_that_queued_for_its_turn_does_not_start_in_the_quiet_that_began_meanwhile(monkeypatch):
    async def asked():
        vendor = Vendor(latency=(0.5, 0.5))
        account = vendor.account(monkeypatch, max_connections=1)
        await account.arun(look())
        vendor.sandbox.add_fault(Fault(method="GET", **QUIET))
        await asyncio.gather(*(account.arun(look()) for _ in range(3)))
        return vendor

    vendor = run_in_virtual_time(asked())
    _, _, first, second, third = vendor.starts
    ((_, end),) = vendor.quiets
    assert first < end <= second < third
    assert vendor.most == 1


def test_who_is_cancelled_while_it_waits_makes_room(monkeypatch):
    async def asked():
        vendor = Vendor()
        account = vendor.account(monkeypatch, max_connections=1)
        vendor.sandbox.add_fault(Fault(method="GET", **QUIET))
        await account.arun(look())
        waiting = asyncio.ensure_future(account.arun(look()))
        await asyncio.sleep(5)
        waiting.cancel()
        await account.arun(look())
        limits = account._rules.limits
        assert (limits._under_way, limits._waiting) == (0, 0)
        return vendor

    vendor = run_in_virtual_time(asked())
    assert len(vendor.starts) == 3
    assert vendor.started_in_quiet() == []


# The connections' end.


def test_connections_are_kept_for_a_while_after_their_last_user(monkeypatch):
    async def used():
        vendor = Vendor()
        account = vendor.account(monkeypatch)
        await account.arun(look())
        await asyncio.sleep(pools.GRACE - 1)
        await account.arun(look())
        await asyncio.sleep(pools.GRACE - 1)
        assert (vendor.opened, vendor.closed) == (1, 0)
        await asyncio.sleep(2)
        assert (vendor.opened, vendor.closed) == (1, 1)
        await account.arun(look())
        assert (vendor.opened, vendor.closed) == (2, 1)
        return vendor

    vendor = run_in_virtual_time(used())
    assert (vendor.opened, vendor.closed) == (2, 2), "the end of a loop closes them too"


def test_an_account_lives_while_its_connections_are_kept(monkeypatch):
    async def used():
        vendor = Vendor()
        account = vendor.account(monkeypatch)
        await account.arun(look())
        account = weakref.ref(account)
        gc.collect()
        assert account() is not None
        await asyncio.sleep(pools.GRACE + 1)
        gc.collect()
        assert account() is None
        assert vendor.closed == 1

    run_in_virtual_time(used())


def test_connections_that_nobody_uses_can_be_closed_at_once(monkeypatch):
    async def used():
        vendor = Vendor()
        account = vendor.account(monkeypatch)
        await account.aclose()
        flow = asyncio.ensure_future(account.arun(look()))
        await asyncio.sleep(0)
        await account.aclose()
        await flow
        assert (vendor.opened, vendor.closed) == (1, 0), "they were used"
        await account.aclose()
        await account.aclose()
        assert (vendor.opened, vendor.closed) == (1, 1)
        await asyncio.sleep(100)
        assert (vendor.opened, vendor.closed) == (1, 1)

    run_in_virtual_time(used())


def test_who_comes_as_the_connections_are_about_to_be_closed_finds_them_open(monkeypatch):
    async def used():
        vendor = Vendor()
        account = vendor.account(monkeypatch)
        await account.arun(look())
        (pool,) = account._pools.values()
        pool._begin_to_close()
        await account.arun(look())
        assert (vendor.opened, vendor.closed) == (1, 0)

    run_in_virtual_time(used())


# Both sides, over real HTTP.


class Time:
    """Seconds that pass when somebody sleeps, on either side."""

    def __init__(self):
        self.now = START
        self.naps = []

    def account(self, zuora, **options):
        return zuora.account(clock=lambda: self.now, sleep=self.sleep, asleep=self.asleep, **options)

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds

    async def asleep(self, seconds):
        self.sleep(seconds)


def awaited(account, flow):
    return asyncio.run(account.arun(flow))


def run(account, flow):
    return account.run(flow)


SIDES = [(run, awaited), (awaited, run), (run, run), (awaited, awaited)]


@pytest.mark.parametrize(("first", "second"), SIDES)
@pytest.mark.parametrize("path", ["/oauth/token", "/v1/async-jobs/"])
def test_a_429_quiets_both_sides(zuora, path, first, second):
    zuora.fault(path=path, **QUIET)
    clock = Time()
    account = clock.account(zuora)
    if path == "/oauth/token":
        with pytest.raises(Refused):
            first(account, client_job(account, ONCE))
    else:
        first(account, look())
    assert clock.naps == []
    second(account, look())
    account.close()

    (nap,) = clock.naps
    assert 30 <= nap <= 31


def client_job(account, budget=READ):
    return account.client().job("none", budget)


@pytest.mark.parametrize(("first", "second"), SIDES)
def test_a_long_quiet_is_told_to_who_would_have_to_wait_for_it(zuora, first, second):
    zuora.fault(path="/v1/async-jobs/", status=429, headers={"Retry-After": "120"})
    clock = Time()
    account = clock.account(zuora)
    first(account, look())
    asked = zuora.ledger()["requests"]
    with pytest.raises(Held, match=r"quiet for 12\d s more") as caught:
        second(account, client_job(account, ONCE))
    assert 120 <= caught.value.retry_after <= 121
    assert zuora.ledger()["requests"] == asked
    assert clock.naps == []

    with pytest.raises(NotFound):
        second(account, client_job(account))
    assert 120 <= clock.naps[0] <= 121, "a flow of a worker waits by itself"
    account.close()


def test_an_order_waits_for_the_end_of_a_long_quiet_and_is_sent_once(zuora):
    zuora.fault(path="/v1/async-jobs/", status=429, headers={"Retry-After": "120"})
    clock = Time()
    account = accounts._ACCOUNTS[zuora.key] = clock.account(zuora)
    account.run(look())
    ZuoraHook().create_order(ORDER, idempotency_key="k")
    account.close()

    (nap,) = clock.naps
    assert 120 <= nap <= 121
    assert len(zuora.posts()) == len(zuora.ledger()["jobs"]) == 1


def test_an_order_that_cannot_wait_for_the_end_of_a_quiet_is_left_to_the_next_try(zuora):
    zuora.fault(path="/v1/async-jobs/", status=429, headers={"Retry-After": "3600"})
    clock = Time()
    account = accounts._ACCOUNTS[zuora.key] = clock.account(zuora)
    account.run(look())
    with pytest.raises(TransientError, match=r"a limit is reached, not sent.* quiet for 360\d s more"):
        ZuoraHook().create_order(ORDER, idempotency_key="k")
    account.close()

    assert (clock.naps, zuora.posts()) == ([], [])


@pytest.mark.parametrize("zuora", [Settings(requests_per_minute=100)], indirect=True)
@pytest.mark.parametrize("carry", [run, awaited])
def test_a_window_that_is_nearly_spent_is_spread_over_its_rest(zuora, carry):
    clock = Time()
    account = clock.account(zuora)

    def many():
        for _ in range(99):
            yield from look()

    zuora.sandbox._clock = lambda: clock.now  # at 40 s of its minute
    carry(account, many())
    account.close()

    assert START + 14 < clock.now <= START + 20
    assert 5 < len(clock.naps) < 10
    assert {row["status"] for row in zuora.ledger()["recent"]} == {200, 404}


def test_threads_get_as_many_connections_as_the_line_has():
    class Desk:
        """Stands where a `BlockingTransport` stands, until two are before it."""

        at_once, most, both = 0, 0, threading.Event()
        lock = threading.Lock()

        def send(self, request):
            with self.lock:
                self.at_once += 1
                self.most = max(self.most, self.at_once)
                if self.at_once == 2:
                    self.both.set()
            assert self.both.wait(30)
            time.sleep(0.001)
            with self.lock:
                self.at_once -= 1
            return Response(200)

    desk = Desk()
    gate = Gate(desk, Rules(2, Limits(random.Random(0)), time.time, time.sleep, asyncio.sleep))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(gate.send, [Request("GET", "/")] * 64))

    assert len(answers) == 64
    assert desk.most == 2
