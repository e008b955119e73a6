"""One sign-in at a time: in this process by a lock, on this host by a file that the processes share.

If the file fails in any way, a process logs that once, and signs in for itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from airflow_provider_zuora.core.errors import ApiError, SignInRefused
from airflow_provider_zuora.core.flow import AsyncRunner, Flow, RunInThread, Runner, Sleep, Token, arun, run
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import ONCE, READ
from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.messages import Credentials, Request, Response
from airflow_provider_zuora.core.metrics import Metric
from airflow_provider_zuora.session.token_file import FileLock, InsecurePath, TokenFile
from airflow_provider_zuora.transports.timing import Timing

log = logging.getLogger(__name__)

T = TypeVar("T")
Send: TypeAlias = Callable[[Request], Response]
AsyncSend: TypeAlias = Callable[[Request], Awaitable[Response]]

PATIENCE = 60.0
"""Seconds for which another process's sign-in is waited for; one that hangs must not stop all others."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds


class ConnectionSource(Protocol):
    """What the room above lends: it hides secrets in logs, reads a connection again, and takes figures."""

    def emit(self, metric: Metric, value: float, tags: Mapping[str, str]) -> None:
        """Take a figure of `metrics.METRICS`."""

    def mask(self, secret: str) -> object:
        """Hide a secret in the logs of this process."""

    async def amask(self, secret: str) -> object:
        """Do what `mask` does, on an event loop."""

    def read_credentials(self) -> Credentials | None:
        """Read the connection again; None if it cannot be read or used any more."""

    async def aread_credentials(self) -> Credentials | None:
        """Do what `read_credentials` does, on an event loop."""


@dataclass(eq=False, repr=False)
class TokenProvider:
    """
    Keep the token of a session, and sign in if there is none: one thread at a time, one coroutine of a loop.

    If a sign-in is refused, the connection is read again, once: its secret may have been changed meanwhile.

    :param credentials: those that the next sign-in sends.
    :param file: where the processes of this host share the token, None if they do not.
    :param source: that of the last hook that uses the session.
    """

    make_client: Callable[[Credentials, Mapping[str, str]], ApiClient]
    credentials: Credentials
    file: TokenFile | None
    source: ConnectionSource
    timing: Timing
    _token: AccessToken | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Forget who signs in: they are threads of the process that forked."""
        self._signing_in = threading.Lock()
        self._under_way: dict[asyncio.AbstractEventLoop, asyncio.Future[None]] = {}

    def get(self, send: Send, step: Token) -> str:
        """Return the token; sign in if there is none, it is old, or it is the refused one."""
        if token := self._get_current(step):
            return token  # a sign-in that is under way delays only those who need it
        with self._signing_in:
            return self._get_current(step) or self._sign_in(send, step)

    def force_sign_in(self, send: Send) -> None:
        """Sign in once, whatever token is in hand, or in the file of this host."""
        with self._signing_in:
            self._sign_in(send, None)

    def take(self, other: TokenProvider) -> None:
        """Go on with the token of another one, if both are of the same client."""
        if other.credentials == self.credentials:
            self._token = other._token

    async def aget(self, send: AsyncSend, step: Token) -> str:
        """Return the token, or share the sign-in that is under way on this loop, its error included."""
        loop = asyncio.get_running_loop()
        while (token := self._get_current(step)) is None:
            under_way = self._under_way.get(loop)
            if under_way is None:
                return await self._asign_in(loop, send, step)
            await asyncio.wait({under_way})
            if not under_way.cancelled() and (error := under_way.exception()):
                raise error
        return token

    def _get_current(self, step: Token) -> str | None:
        current = self._token
        if current is None or current.token == step.refused or self.timing.wall_clock() >= current.expires:
            return None
        return current.token

    def _sign_in(self, send: Send, step: Token | None) -> str:
        runner = Runner(send, partial(self.get, send), self.timing.sleep)
        try:
            token = run(self._make_flow(step), runner)
        except SignInRefused:
            if not self._replace_secret(self.source.read_credentials()):
                raise
            token = run(self._make_flow(step), runner)
        self.source.mask(token.token)
        self._token = token
        return token.token

    async def _asign_in(self, loop: asyncio.AbstractEventLoop, send: AsyncSend, step: Token) -> str:
        under_way = self._under_way[loop] = loop.create_future()
        runner = AsyncRunner(send, partial(self.aget, send), self.timing.asleep)
        try:
            try:
                token = await arun(self._make_flow(step), runner)
            except SignInRefused:
                if not self._replace_secret(await self.source.aread_credentials()):
                    raise
                token = await arun(self._make_flow(step), runner)
            await self.source.amask(token.token)
        except ApiError as error:
            under_way.set_exception(error)
            under_way.exception()  # nobody else may have waited for it
            raise
        else:
            self._token = token
            under_way.set_result(None)
            return token.token
        finally:
            self._under_way.pop(loop, None)
            under_way.cancel()  # wakes those who wait, if this coroutine was cancelled

    def _make_flow(self, step: Token | None) -> Flow[AccessToken]:
        """Return the flow of a sign-in; None: a single one, whatever token another process has left."""
        client = self.make_client(self.credentials, {})
        sign_in = partial(client.sign_in, ONCE if step is None else step.budget or READ)
        if self.file is None:
            return sign_in()
        shared = _SharedToken(client, self.file, sign_in)
        return shared.sign_in() if step is None else shared.get_or_sign_in(step.refused)

    def _replace_secret(self, found: Credentials | None) -> bool:
        """Take another secret of the same client, and return whether there is one."""
        own = self.credentials
        if found is None or found == own or replace(found, client_secret=own.client_secret) != own:
            return False
        log.info("The sign-in was refused; signing in with the other secret that the connection has by now")
        self.credentials = found
        if self.file is not None:
            self.file = replace(self.file, secret=found.client_secret)
        return True


@dataclass(slots=True)
class _SharedToken:
    """The token of a host; the use of its file may block, so the flow asks for it in a thread."""

    client: ApiClient
    file: TokenFile
    make_sign_in: Callable[[], Flow[AccessToken]]
    warnings: set[str] = field(default_factory=set)

    def get_or_sign_in(self, refused: str | None) -> Flow[AccessToken]:
        """Return the token that another process has left, unless it is the refused one; else sign in."""
        lock = self.file.lock()
        try:
            token = yield from self._wait_for_token(lock, refused)
            return token or (yield from self.sign_in())
        finally:
            lock.release()

    def sign_in(self) -> Flow[AccessToken]:
        """Sign in, and leave the token to the others."""
        token = yield from self.make_sign_in()
        yield RunInThread(partial(self._use_file, partial(self.file.write, token), None))
        return token

    def _wait_for_token(self, lock: FileLock, refused: str | None) -> Flow[AccessToken | None]:
        """
        Return a token that another process has left, None if this process is to sign in.

        The file is read first: a process that has the lock and hangs delays nobody who needs no sign-in.
        """
        waited, pause, is_locked = 0.0, _FIRST_PAUSE, False
        while True:
            token: AccessToken | None = yield RunInThread(partial(self._read, refused))
            if token is not None:
                log.info("Signed in to %s with this host's token", self.client.credentials.base_url)
            if token is not None or is_locked:
                return token
            is_locked = yield RunInThread(partial(self._use_file, lock.try_acquire, True))
            if is_locked:
                continue  # who had the lock may have left a token since the file was read
            if waited >= PATIENCE:
                log.warning("Another process has been signing in for %.0f s; signing in beside it", waited)
                return None
            if not waited:
                log.info("Waiting for another process of this host, which signs in")
            yield Sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)

    def _read(self, refused: str | None) -> AccessToken | None:
        token = self._use_file(partial(self.file.read, self.client.clock()), None)
        return None if token is None or token.token == refused else token

    def _use_file(self, call: Callable[[], T], otherwise: T) -> T:
        """Return the result of a call; if the file is of no use, log why, once, and go on without it."""
        try:
            return call()
        except InsecurePath as problem:
            if str(problem) not in self.warnings:
                self.warnings.add(str(problem))
                log.warning("The shared token is of no use, signing in without it. %s", problem)
            return otherwise
