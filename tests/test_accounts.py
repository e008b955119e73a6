"""One account: its token, its sign-ins and its connections, against a served sandbox."""

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

import pytest

from airflow_provider_zuora import accounts
from airflow_provider_zuora.accounts import Masks, account_of
from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.errors import SignInRefused, Unreadable
from airflow_provider_zuora.core.jobs import Credentials
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.wire import READ, Budget, Token
from airflow_provider_zuora.transports import Line
from tests.conftest import ORDER
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Settings


def asked(budget=READ):
    """Return a flow that asks for the token."""

    def flow():
        return (yield Token(budget=budget))

    return flow()


def refused(token):
    def flow():
        return (yield Token(refused=token))

    return flow()


def test_a_token_is_kept_until_a_minute_before_its_end(zuora):
    now = [1000.0]
    account = zuora.account(clock=lambda: now[0])
    first = account.run(asked())
    now[0] += 3600 - 61
    kept = account.run(asked())
    now[0] += 2
    renewed = account.run(asked())
    account.close()

    assert first == kept != renewed
    assert zuora.masked == [first, renewed]
    assert zuora.ledger()["signIns"] == 2


def test_worker_and_triggerer_share_the_token(zuora):
    account = zuora.account()
    first = account.run(asked())
    account.close()

    assert asyncio.run(account.arun(asked())) == first
    assert zuora.ledger()["signIns"] == 1


def test_many_threads_cause_one_sign_in(zuora):
    account = zuora.account()
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: account.run(asked()), range(64)))
    account.close()

    assert len(tokens) == zuora.ledger()["signIns"] == 1


def test_many_coroutines_cause_one_sign_in(zuora):
    account = zuora.account()

    async def many():
        return set(await asyncio.gather(*(account.arun(asked()) for _ in range(64))))

    assert len(asyncio.run(many())) == zuora.ledger()["signIns"] == 1


def test_a_token_refused_to_many_at_once_is_replaced_once(zuora):
    account = zuora.account()
    old = account.run(asked())

    async def many():
        return set(await asyncio.gather(*(account.arun(refused(old)) for _ in range(64))))

    new = asyncio.run(many())
    account.close()
    assert len(new) == 1
    assert old not in new
    assert zuora.ledger()["signIns"] == 2


def test_a_token_that_was_replaced_already_is_not_replaced_again(zuora):
    account = zuora.account()
    account.run(asked())
    token = account.run(asked())

    assert account.run(refused("an older one")) == token
    account.close()


def test_two_loops_one_after_the_other(zuora):
    account = zuora.account()
    first = asyncio.run(account.arun(asked()))

    assert asyncio.run(account.arun(asked())) == first
    assert zuora.connections() == []
    assert len(account._pools) == 1, "the first loop is forgotten"


def test_the_coroutine_that_signs_in_may_be_cancelled(zuora):
    zuora.fault(path="/oauth/token", kind="hang")
    account = zuora.account()

    async def cancelled():
        one = asyncio.ensure_future(account.arun(asked()))
        while not zuora.ledger()["recent"]:  # noqa: ASYNC110 - the sandbox is on a thread of its own
            await asyncio.sleep(0.01)
        other = asyncio.ensure_future(account.arun(asked()))
        await asyncio.sleep(0)
        one.cancel()
        return await other

    assert asyncio.run(cancelled()) in zuora.ledger()["tokens"]


def test_a_sign_in_that_fails_fails_all_who_wait_for_it(zuora):
    zuora.fault(path="/oauth/token", status=503, times=None)

    async def until_all_wait(seconds):
        (pool,) = account._pools.values()
        for _ in range(1000):
            await asyncio.sleep(0)
        assert pool.users == 50

    account = zuora.account(asleep=until_all_wait)

    async def many():
        flows = (account.arun(asked(Budget(2, 100))) for _ in range(50))
        return await asyncio.gather(*flows, return_exceptions=True)

    assert {type(error) for error in asyncio.run(many())} == {Unreadable}
    assert zuora.ledger()["requests"] == {"POST /oauth/token": 2}


def test_a_sign_in_that_is_refused_is_thrown_into_the_flow(zuora):
    wrong = Credentials(zuora.url, CLIENT_ID, "wrong")
    account = account_of("zuora", wrong, Line(zuora.url), Masks(print, asyncio.sleep))

    with pytest.raises(SignInRefused):
        account.run(asked())
    with pytest.raises(SignInRefused):
        asyncio.run(account.arun(asked()))
    account.close()


def test_signing_in_afresh_replaces_a_good_token(zuora):
    account = zuora.account()
    account.sign_in()
    first = account.run(asked())
    account.sign_in()

    assert account.run(asked()) != first
    account.close()


class TestRegistry:
    MASKS = Masks(print, asyncio.sleep)

    def of(self, url="https://h", secret="s", **line):
        return account_of("zuora", Credentials(url, "c", secret), Line(url, **line), self.MASKS)

    def test_one_account_for_equal_credentials(self):
        assert self.of() is self.of()

    def test_a_changed_secret_is_noticed(self):
        assert self.of() is not self.of(secret="other")

    def test_another_url_is_another_account(self):
        assert self.of() is not self.of("https://i")

    def test_accounts_that_nobody_uses_do_not_pile_up(self):
        for number in range(1000):
            self.of(secret=f"changed-{number}")
        gc.collect()

        assert len(accounts._ACCOUNTS) < 50
        assert len(accounts._LIVING) < 50

    def test_an_account_outlives_its_hooks_for_a_while_and_as_long_as_it_is_used(self):
        unused, used = weakref.ref(self.of(secret="unused")), self.of(secret="used")
        gc.collect()
        assert unused() is self.of(secret="unused")
        for number in range(100):
            self.of(secret=f"changed-{number}")
        gc.collect()

        assert unused() is None
        assert self.of(secret="used") is used

    def test_a_changed_secret_and_another_line_leave_the_limits_as_they_are(self):
        here = self.of()

        assert self.of(secret="other")._rules.limits is here._rules.limits
        assert self.of(timeout=1)._rules.limits is here._rules.limits
        assert self.of("https://i")._rules.limits is not here._rules.limits


def test_the_secret_is_in_no_repr(zuora):
    assert CLIENT_SECRET not in repr(zuora.credentials) + repr(zuora.account()) + repr(accounts._ACCOUNTS)


@pytest.mark.parametrize("zuora", [Settings(token_seconds=50), Settings(token_seconds=8)], indirect=True)
def test_a_token_that_lasts_less_than_a_minute_is_used_for_many_requests(zuora):
    now = [zuora.sandbox.now]
    account = zuora.account(clock=lambda: now[0])
    tokens = [account.run(asked()) for _ in range(40)]
    now[0] += 45
    tokens.append(account.run(asked()))
    account.close()

    assert len(set(tokens[:40])) == 1
    assert zuora.ledger()["signIns"] == 2


def test_limits_go_by_a_clock_that_nobody_sets(zuora):
    assert zuora.account()._rules.clock is time.monotonic
    assert zuora.account(clock=float)._rules.clock is float
    assert zuora.account(clock=float, ticks=int)._rules.clock is int


def test_budgets_and_waits_go_by_a_clock_that_nobody_sets(zuora):
    assert zuora.account().client().ticks is time.monotonic
    assert zuora.account(clock=float).client().ticks is float
    assert zuora.account(clock=float, ticks=int).client().ticks is int


def test_a_thread_beside_a_loop(zuora):
    account = zuora.account()
    tokens = []

    async def beside():
        thread = threading.Thread(target=lambda: tokens.append(account.run(asked())))
        thread.start()
        tokens.append(await account.arun(asked()))
        await asyncio.to_thread(thread.join)

    asyncio.run(beside())
    account.close()

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
    account = zuora.account()
    token = account.run(asked())
    ports = zuora.connections()

    def child_asks():
        return (
            zuora.connections() == ports  # inherited, not closed
            and account.run(looked(account)).status == "Processing"
            and len(set(zuora.connections()) - set(ports)) == 1
        )

    zuora.sandbox.settings = Settings(job_seconds=1e6)
    job = account.run(submitted(account))

    def looked(account):
        return account.client().job(job)

    assert in_a_child(child_asks)
    assert account.run(looked(account)).status == "Processing"
    assert zuora.connections() == ports
    assert zuora.ledger()["tokens"] == [token]
    account.close()


def submitted(account):
    client = account.client()
    request = client.vendor.submission("order", ORDER, {})
    return client.submit(request.with_headers({"Idempotency-Key": "k"}))


def test_a_fork_amid_everything_finds_no_lock_taken(zuora):
    account = zuora.account()
    account.run(asked())
    account._signing.acquire()
    account._opening.acquire()
    account._rules.limits._lock.acquire()
    account._rules.limits._under_way += 1  # a request of another thread
    accounts._LOOKING_UP.acquire()
    try:
        assert in_a_child(
            lambda: (
                in_a_thread(
                    lambda: account_of("zuora", zuora.credentials, Line(zuora.url), Masks(print, print))
                )
                and in_a_thread(account.sign_in)
                and account._rules.limits._under_way == 0
            )
        )
    finally:
        accounts._LOOKING_UP.release()
        account._signing.release()
        account._opening.release()
        account._rules.limits._lock.release()
    account.close()


def in_a_thread(call):
    """Return whether a call comes back, in another thread than the one that took the locks."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(30)
    return not thread.is_alive()


def test_a_fork_on_a_running_loop_leaves_the_parents_connections_alone(zuora):
    account = zuora.account()

    async def forked():
        await account.arun(asked())
        ports = zuora.connections()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                gc.collect()
                thread = threading.Thread(
                    target=lambda: asyncio.run(account.arun(refused(token_of(account))))
                )
                thread.start()
                thread.join()
                status = 0 if len(account._pools) == 1 else 2
            finally:
                os._exit(status)
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
        await account.arun(refused(token_of(account)))
        assert zuora.connections() == ports
        assert len(ports) == 1

    asyncio.run(forked())
    assert zuora.ledger()["signIns"] == 3


def test_a_forked_child_waits_for_no_lock_of_the_parents_notes_and_reads_its_own():
    claims = accounts.claims_of(object())
    claims.notes = Notes(Try())
    with claims.reading, claims.notes._writing:
        child = os.fork()
        if child == 0:
            os._exit(0 if claims.notes is None and claims.reading.acquire(timeout=10) else 1)
    assert os.waitpid(child, 0)[1] == 0


def token_of(account):
    return account._grant.token


# The end of a loop.

ENDS = """
import asyncio, gc, sys
from airflow_provider_zuora.accounts import Masks, account_of
from airflow_provider_zuora.core.jobs import Credentials
from airflow_provider_zuora.core.wire import Token
from airflow_provider_zuora.transports import Line

async def mask(token):
    pass

def asked():
    yield Token()

url, end = sys.argv[1:]
account = account_of("zuora", Credentials(url, CLIENT_ID, CLIENT_SECRET), Line(url), Masks(print, mask))
if end == "run":
    asyncio.run(account.arun(asked()))
elif end == "aclose":
    async def closed():
        await account.arun(asked())
        await account.aclose()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(closed())
    loop.close()
else:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(account.arun(asked()))
    loop.close()
    del loop
    if end == "next":
        asyncio.run(account.arun(asked()))
        gc.collect()
print(account._grant is not None)
"""


STRICT = ("-X", "dev", "-W", "error")


@pytest.mark.parametrize(
    ("end", "options"),
    [
        ("run", STRICT),  # asyncio.run closes what is open, within the grace period too
        ("aclose", STRICT),
        ("died", ()),  # here asyncio has a ResourceWarning for its own sockets, which Python does not show
        ("next", ()),
    ],
)
def test_nothing_complains_where_a_loop_ends_while_its_connections_are_kept(zuora, end, options):
    command = [sys.executable, *options, "-c", ENDS, zuora.url, end]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


class TestRenewal:
    """A secret that is changed while an account is in use."""

    NEW = "another-secret-of-ours"

    @pytest.fixture(params=["run", "arun"])
    def carry(self, request):
        def carried(account):
            if request.param == "run":
                return account.run(asked())
            return asyncio.run(account.arun(asked()))

        return carried

    def account(self, zuora, found, **options):
        """Return an account whose connection says other credentials by now, and how often it was read."""
        readings = []

        def read():
            readings.append(1)
            return found

        async def aread():
            return read()

        account = zuora.account(**options)
        account.renewal = accounts.Renewal(read, aread)
        return account, readings

    def rotate(self, zuora):
        zuora.sandbox.settings = replace(zuora.sandbox.settings, client_secret=self.NEW)
        zuora.sandbox.revoke_tokens()
        return replace(zuora.credentials, client_secret=self.NEW)

    @pytest.mark.parametrize("shared", [True, False])
    def test_a_changed_secret_is_taken_once(self, zuora, carry, shared):
        file = zuora.token_file if shared else None
        account, readings = self.account(zuora, self.rotate(zuora), token_file=file)
        token = carry(account)

        assert token in zuora.ledger()["tokens"]
        assert readings == [1]
        if shared:
            assert replace(file, secret=self.NEW).read(zuora.sandbox.now).token == token
        account.close()
        account.sign_in()
        account.close()
        assert readings == [1]

    @pytest.mark.parametrize(
        "changed", [{}, {"client_id": "another"}, {"base_url": "https://another"}, None], ids=str
    )
    def test_what_is_no_other_secret_of_this_client_is_not(self, zuora, carry, changed):
        self.rotate(zuora)
        found = None if changed is None else replace(zuora.credentials, **changed)
        account, readings = self.account(zuora, found)
        with pytest.raises(SignInRefused):
            carry(account)

        assert readings == [1]
        assert account.client().credentials == zuora.credentials
        account.close()

    def test_a_new_secret_that_is_refused_too_is_an_error(self, zuora, carry):
        self.rotate(zuora)
        account, readings = self.account(zuora, replace(zuora.credentials, client_secret="a-third-one"))
        with pytest.raises(SignInRefused):
            carry(account)

        assert readings == [1]
        account.close()

    def test_many_flows_read_the_connection_once(self, zuora):
        account, readings = self.account(zuora, self.rotate(zuora))

        async def many():
            found = await asyncio.gather(*(account.arun(asked()) for _ in range(50)))
            await account.aclose()
            return found

        assert len(set(asyncio.run(many()))) == 1
        assert readings == [1]
