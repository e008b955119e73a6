"""One account: its token, its sign-ins and its connections, against a served sandbox."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_zuora import accounts
from airflow_provider_zuora.accounts import Masks, account_of
from airflow_provider_zuora.core.errors import SignInRefused, Unreadable
from airflow_provider_zuora.core.jobs import Credentials
from airflow_provider_zuora.core.wire import READ, Budget, Token
from airflow_provider_zuora.sandbox.settings import CLIENT_ID, CLIENT_SECRET, Settings
from airflow_provider_zuora.transports import Line


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
    assert account._loops == {}


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
        (loop,) = account._loops.values()
        for _ in range(1000):
            await asyncio.sleep(0)
        assert loop.users == 50

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

    def test_a_forked_process_begins_afresh(self):
        here = self.of()
        child = os.fork()
        if child == 0:
            os._exit(0 if self.of() is not here and not accounts._LOOKING_UP.locked() else 1)

        assert os.waitpid(child, 0)[1] == 0
        assert self.of() is here


def test_the_secret_is_in_no_repr(zuora):
    assert CLIENT_SECRET not in repr(zuora.credentials) + repr(zuora.account()) + repr(accounts._ACCOUNTS)


@pytest.mark.parametrize("zuora", [Settings(token_seconds=30)], indirect=True)
def test_a_token_that_lasts_less_than_a_minute_is_used_once(zuora):
    account = zuora.account()
    tokens = [account.run(asked()) for _ in range(2)]
    account.close()

    assert len(set(tokens)) == 2


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
