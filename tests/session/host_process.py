"""One process of a host, as a worker is one: it polls when it is told to, and tells what it did."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from airflow_provider_zuora.core.errors import RateLimited
from airflow_provider_zuora.core.flow import Token
from airflow_provider_zuora.core.http.limit_headers import read_retry_after
from airflow_provider_zuora.core.http.retry import ONCE
from airflow_provider_zuora.core.messages import Credentials, Request
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.session.session import ApiSession, SessionConfig, SessionRegistry
from airflow_provider_zuora.session.token_file import SecureDirectory, TokenFile
from airflow_provider_zuora.transports.blocking import BlockingTransport, open_requests_session
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.timing import Timing
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET


class Call(NamedTuple):
    """A poll, in seconds of the monotonic clock; ``quiet``: seconds for which nothing is to be sent."""

    began: float
    ended: float
    status: int
    told: float
    quiet: float | None


class TooLong(Exception):
    """A wait that nobody waits for."""


class Process:
    """A session that notes of each poll when it began and ended, in monotonic seconds, and its status."""

    def __init__(self, url: str, directory: Path, connections: int, per_host: int):
        self.waits: list[float] = []
        self.longest = 0.0
        self.under_way = threading.local()
        credentials = Credentials(url, CLIENT_ID, CLIENT_SECRET)
        file = TokenFile.for_credentials(credentials, directory=SecureDirectory(directory))
        transport = TransportConfig(url, max_connections=connections, max_connections_per_host=per_host)
        self.session: ApiSession = SessionRegistry().make_session(
            SessionConfig(VENDORS["zuora"], credentials, transport, file),
            self,
            timing=Timing(sleep=self.sleep),
            open_transport=partial(BlockingTransport, open_session=self.open_session),
        )

    def emit(self, *_):
        pass

    def mask(self, _):
        pass

    def sleep(self, seconds):
        self.waits.append(seconds)
        if seconds > self.longest:
            raise TooLong
        time.sleep(seconds)

    def open_session(self, config):
        session = open_requests_session(config)
        request = session.request

        def note_call(*args, **options):
            self.under_way.began = time.monotonic()
            answer = request(*args, **options)
            close = answer.close

            def note_end():
                self.under_way.ended = time.monotonic()
                close()

            answer.close = note_end
            return answer

        session.request = note_call
        return session

    def poll(self, _=None):
        def flow():
            token = yield Token(budget=ONCE)
            return (yield Request("GET", "/v1/async-jobs/none", headers={"Authorization": f"Bearer {token}"}))

        try:
            answer = self.session.run(flow())
        except TooLong:
            return None
        except RateLimited as error:
            self.waits.append(error.retry_after)
            return None
        told = time.monotonic()  # all others can know by now
        quiet = read_retry_after(answer) if answer.status == 429 else None
        return Call(self.under_way.began, self.under_way.ended, answer.status, told, quiet)

    def obey(self, polls, threads, longest):
        """Send polls from threads, and wait for so many seconds at most; return the calls, and all waits."""
        self.longest, self.waits = longest, []
        with ThreadPoolExecutor(threads) as pool:
            calls = list(pool.map(self.poll, range(polls * threads)))
        return [call for call in calls if call], self.waits


def serve(pipe, url, directory, connections, per_host):
    """Do what comes by a pipe, and send back what was done, until it is closed."""
    own = Process(url, directory, connections, per_host)
    while True:
        pipe.send(own.obey(**pipe.recv()))
