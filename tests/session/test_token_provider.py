"""One sign-in for all processes of a host, against a served sandbox; a session plays a process."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from airflow_provider_zuora.core.errors import SignInRefused
from airflow_provider_zuora.core.flow import Token
from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.session.session import SessionConfig
from airflow_provider_zuora.session.token_file import TokenFile
from airflow_provider_zuora.session.token_provider import PATIENCE
from airflow_provider_zuora.transports.config import TransportConfig
from demo.processes import wait_for
from zuora_sandbox import CLIENT_SECRET

SIGN_IN = "/oauth/token"


def ask_token(refused=None):
    """Return a flow that asks for the token."""

    def flow():
        return (yield Token(refused=refused))

    return flow()


def run_flow(session, flow):
    return session.run(flow)


def arun_flow(session, flow):
    return asyncio.run(session.arun(flow))


@pytest.fixture(params=[run_flow, arun_flow], ids=["run", "arun"])
def perform(request):
    return request.param


@pytest.fixture
def session(zuora):
    """Return the maker of sessions that share a token, each as if it were another process's."""
    made = []

    def of(**options):
        made.append(zuora.make_session(token_file=zuora.token_file, **options))
        return made[-1]

    yield of
    for each in made:
        each.close()


@pytest.fixture
def warnings(caplog):
    """Return the warnings of this package."""
    caplog.set_level(logging.INFO, logger="airflow_provider_zuora")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def token_path(zuora):
    return zuora.token_file.directory.path / f"{zuora.token_file.name}.token"


def lock_path(zuora):
    return token_path(zuora).with_suffix(".lock")


def test_the_first_process_signs_in_for_all(zuora, session, perform, warnings):
    tokens = {perform(session(), ask_token()), *(perform(session(), ask_token()) for _ in range(3))}

    assert len(tokens) == zuora.ledger()["signIns"] == 1
    assert zuora.masked == [*tokens] * 4
    assert zuora.naps == []
    assert warnings() == []


def test_a_refused_token_is_not_taken_again_and_is_replaced_once(zuora, session, perform):
    one, other = session(), session()
    old = perform(one, ask_token())
    assert perform(other, ask_token()) == old
    zuora.sandbox.revoke_tokens()

    new = perform(one, ask_token(refused=old))
    assert new != old
    assert perform(other, ask_token(refused=old)) == new
    assert perform(session(), ask_token()) == new
    assert zuora.ledger()["signIns"] == 2


def test_an_old_token_is_replaced_without_a_word(zuora, session, perform, warnings):
    now = [zuora.sandbox.now]
    first = perform(session(clock=lambda: now[0]), ask_token())
    now[0] += 3600 - 59

    second = perform(session(clock=lambda: now[0]), ask_token())
    assert perform(session(clock=lambda: now[0]), ask_token()) == second != first
    assert warnings() == []


def test_a_sign_in_that_fails_lets_the_next_process_try(zuora, session, perform):
    zuora.fault(path=SIGN_IN, status=401)
    with pytest.raises(SignInRefused):
        perform(session(), ask_token())

    assert perform(session(), ask_token()) in zuora.ledger()["tokens"]
    assert zuora.naps == []


def test_a_forced_sign_in_reads_no_file_and_leaves_its_token(zuora, session, perform):
    first = perform(session(), ask_token())
    session().sign_in()

    assert zuora.ledger()["signIns"] == 2
    assert perform(session(), ask_token()) == zuora.ledger()["tokens"][-1] != first


def test_a_process_that_does_not_share_makes_no_file(zuora, registry, runtime_dir, perform):
    registry.reset()
    alone = zuora.make_session()
    perform(alone, ask_token())
    alone.close()

    assert not runtime_dir.exists()
    alone.sign_in()
    alone.close()
    assert not runtime_dir.exists()


def test_two_entities_share_no_token_and_no_session(zuora, registry):
    files = [TokenFile.for_credentials(zuora.credentials, entity) for entity in ("", "e1", "e2")]
    transport = TransportConfig(zuora.url)
    configs = [SessionConfig(VENDORS["zuora"], zuora.credentials, transport, file) for file in files]
    sessions = [registry.get_session(config, zuora.source) for config in configs]
    tokens = {each.run(ask_token()) for each in sessions}
    for each in sessions:
        each.close()

    assert len(tokens) == 3


def damage(zuora):
    token_path(zuora).write_bytes(b"damaged")


def empty(zuora):
    token_path(zuora).write_bytes(b"")


def open_up(zuora):
    token_path(zuora).chmod(0o644)


def link(zuora):
    moved = token_path(zuora).with_name("moved")
    token_path(zuora).rename(moved)
    token_path(zuora).symlink_to(moved)


def seal_as_another(zuora):
    other = TokenFile.for_credentials(replace(zuora.credentials, client_secret="another"))
    other.write(AccessToken("6447d349d8854f0d", zuora.sandbox.now + 3000))


def from_the_future(zuora):
    zuora.token_file.write(AccessToken("6447d349d8854f0d", zuora.sandbox.now + 90_000))


@pytest.mark.parametrize(
    "spoil", [damage, empty, open_up, link, seal_as_another, from_the_future], ids=lambda f: f.__name__
)
def test_a_file_of_no_use_is_reported_once_and_replaced(zuora, session, perform, warnings, spoil):
    first = perform(session(), ask_token())
    spoil(zuora)

    second = perform(session(), ask_token())
    assert second != first
    [line] = warnings()
    assert line.startswith(f"The shared token is of no use, signing in without it. {token_path(zuora)}: ")
    assert perform(session(), ask_token()) == second
    assert len(warnings()) == 1
    assert zuora.ledger()["signIns"] == 2


def test_no_directory_no_sharing_and_one_line_about_it(zuora, session, perform, warnings, runtime_dir):
    runtime_dir.mkdir()
    runtime_dir.chmod(0o755)
    tokens = [perform(session(), ask_token()) for _ in range(2)]

    assert len(set(tokens)) == 2
    reason = f"{runtime_dir}: others may use it, its mode is 0755"
    assert warnings() == [f"The shared token is of no use, signing in without it. {reason}"] * 2
    assert [*runtime_dir.iterdir()] == []


def test_without_a_lock_the_token_is_shared_still(zuora, session, perform, warnings, runtime_dir):
    runtime_dir.mkdir(mode=0o700)
    lock_path(zuora).symlink_to(runtime_dir / "nowhere")
    tokens = {perform(session(), ask_token()) for _ in range(2)}

    assert len(tokens) == zuora.ledger()["signIns"] == 1
    [line] = warnings()
    assert str(lock_path(zuora)) in line, "the second found the token and needs no lock"


def test_no_secret_is_in_any_log_line(zuora, session, perform, caplog):
    caplog.set_level(logging.DEBUG)
    token = perform(session(), ask_token())
    damage(zuora)
    tokens = [token, perform(session(), ask_token()), perform(session(), ask_token())]

    assert "with this host's token" in caplog.text
    for secret in (CLIENT_SECRET, *tokens):
        assert secret not in caplog.text


class TestWaiting:
    """Another process has the lock: here another lock object, which to the system is the same."""

    @pytest.fixture
    def held(self, zuora):
        lock = zuora.token_file.lock()
        assert lock.try_acquire()
        yield lock
        lock.release()

    def napping(self, session, zuora, then):
        """Return a session that does something in its third pause."""

        def nap(seconds):
            zuora.naps.append(seconds)
            if len(zuora.naps) == 3:
                then()

        async def anap(seconds):
            nap(seconds)

        return session(sleep=nap, asleep=anap)

    def test_a_token_that_is_left_meanwhile_is_taken(self, zuora, session, perform, held, warnings):
        token = AccessToken("6447d349d8854f0d", zuora.sandbox.now + 3000)
        waiting = self.napping(session, zuora, lambda: zuora.token_file.write(token))

        assert perform(waiting, ask_token()) == token.token
        assert zuora.masked == [token.token]
        assert zuora.ledger()["signIns"] == 0
        assert len(zuora.naps) == 3
        assert warnings() == []

    def test_who_finds_a_good_token_waits_for_no_lock(self, zuora, session, perform, held, caplog):
        caplog.set_level(logging.INFO)
        zuora.token_file.write(AccessToken("6447d349d8854f0d", zuora.sandbox.now + 3000))

        assert perform(session(), ask_token()) == "6447d349d8854f0d"
        assert zuora.naps == []
        assert "Waiting" not in caplog.text

    def test_the_wait_is_logged_once(self, zuora, session, perform, held, caplog):
        caplog.set_level(logging.INFO)
        perform(self.napping(session, zuora, held.release), ask_token())

        assert len(zuora.naps) == 3
        waiting = [each for each in caplog.records if each.getMessage().startswith("Waiting for another")]
        assert [each.levelname for each in waiting] == ["INFO"]

    def test_a_lock_that_is_freed_without_a_token_is_taken(self, zuora, session, perform, held, warnings):
        waiting = self.napping(session, zuora, held.release)

        assert perform(waiting, ask_token()) in zuora.ledger()["tokens"]
        assert len(zuora.naps) == 3
        assert warnings() == []

    def test_one_who_never_ends_is_not_waited_for_for_ever(self, zuora, session, perform, held, warnings):
        token = perform(session(), ask_token())

        assert token in zuora.ledger()["tokens"]
        assert PATIENCE <= sum(zuora.naps) < PATIENCE + 1
        assert zuora.naps[0] == 0.05
        assert max(zuora.naps) == 1
        assert warnings() == [
            f"Another process has been signing in for {sum(zuora.naps):.0f} s; signing in beside it"
        ]
        assert perform(session(), ask_token()) == token

    def test_the_lock_is_free_afterwards(self, zuora, session, perform):
        perform(session(), ask_token())
        lock = zuora.token_file.lock()

        assert lock.try_acquire()
        lock.release()

    def test_the_event_loop_goes_on_meanwhile(self, zuora, session, held):
        ticks, seen = [0], []

        async def tick():
            while True:
                ticks[0] += 1
                await asyncio.sleep(0)

        async def nap(seconds):
            until = ticks[0] + 100
            while ticks[0] < until:  # noqa: ASYNC110 - it is this that has to go on
                await asyncio.sleep(0)
            seen.append(ticks[0])
            if len(seen) == 5:
                held.release()

        async def main():
            ticking = asyncio.ensure_future(tick())
            await session(asleep=nap).arun(ask_token())
            ticking.cancel()

        asyncio.run(main())
        assert len(seen) == 5

    @pytest.mark.parametrize("steps", [1, 3, 10, 100])
    def test_a_coroutine_that_is_cancelled_leaves_no_lock(self, zuora, session, steps):
        zuora.fault(path=SIGN_IN, kind="hang")

        async def main():
            waiting = asyncio.ensure_future(session().arun(ask_token()))
            for _ in range(steps):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})

        asyncio.run(main())
        lock = zuora.token_file.lock()
        assert lock.try_acquire()
        lock.release()


SCRIPT = """
import asyncio, sys, time
from airflow_provider_zuora.core.flow import Token
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.session.session import REGISTRY
from airflow_provider_zuora.session.session import SessionConfig
from airflow_provider_zuora.session.token_file import TokenFile
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.timing import Timing

how, *who = sys.argv[1:]
credentials = Credentials(*who)

def nap(seconds):
    print("waiting", flush=True)
    time.sleep(seconds)

async def anap(seconds):
    print("waiting", flush=True)
    await asyncio.sleep(seconds)

class Source:
    def emit(self, *figure):
        pass
    def mask(self, token):
        pass
    async def amask(self, token):
        pass

def ask_token():
    return (yield Token())

file = TokenFile.for_credentials(credentials)
config = SessionConfig(VENDORS["zuora"], credentials, TransportConfig(who[0]), file)
session = REGISTRY.make_session(config, Source(), timing=Timing(sleep=nap, asleep=anap))
print(session.run(ask_token()) if how == "run" else asyncio.run(session.arun(ask_token())), flush=True)
session.close()
"""


class TestProcesses:
    @pytest.fixture
    def start(self, zuora):
        """Return the starter of processes that ask for the token, say when they wait, and print it."""
        who = [zuora.url, zuora.credentials.client_id, CLIENT_SECRET]
        started = []

        def start(how):
            command = [sys.executable, "-c", SCRIPT, how, *who]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            return started[-1]

        yield start
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()

    def waiting(self, processes, count):
        """Return those that have printed that they wait, once there are so many."""
        found = {}
        while len(found) < count:
            rest = {each.stdout.fileno(): each for each in processes if each not in found.values()}
            for file in select.select([*rest], [], [])[0]:
                assert rest[file].stdout.readline() == "waiting\n"
                found[file] = rest[file]
        return list(found.values())

    def test_twelve_that_start_together_sign_in_once(self, zuora, start):
        zuora.fault(path=SIGN_IN, kind="stop")
        processes = [start(how) for how in ("run", "arun") * 6]
        waiting = self.waiting(processes, 11)
        [signing] = [each for each in processes if each not in waiting]
        status = psutil.Process(signing.pid).status
        wait_for("the stop of the one that signs in", lambda: status() == psutil.STATUS_STOPPED, 30)
        assert zuora.ledger()["signIns"] == 0
        os.kill(signing.pid, signal.SIGCONT)
        tokens = {each.communicate()[0].splitlines()[-1] for each in processes}

        assert [*tokens] == zuora.ledger()["tokens"]
        assert len(tokens) == 1

    @pytest.mark.parametrize("how", ["run", "arun"])
    def test_one_that_is_killed_while_it_signs_in_is_replaced_by_one_other(self, zuora, start, how):
        zuora.fault(path=SIGN_IN, kind="hang")
        first = start(how)
        wait_for("the first sign-in", lambda: zuora.ledger()["recent"], 60, interval=0.05)
        others = [start("run"), start("arun"), start("run")]
        self.waiting(others, 3)
        first.kill()
        tokens = {each.communicate()[0].splitlines()[-1] for each in others}

        assert [*tokens] == zuora.ledger()["tokens"]
        assert zuora.ledger()["requests"] == {f"POST {SIGN_IN}": 2}
