"""One sign-in at a time: in this process by a lock, on this host by a file that the processes share.

The file may fail in any way: then a process logs so, once, and signs in for itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeAlias

from airflow_provider_zuora.core.errors import ApiError, SignInRefused
from airflow_provider_zuora.core.flow import (
    AsyncRunner,
    Flow,
    RetryBudget,
    RunInThread,
    Runner,
    Sleep,
    Token,
    arun,
    run,
)
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import ONCE, READ
from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.messages import Credentials, Request, Response
from airflow_provider_zuora.session.secure_directory import FileLock, InsecurePath
from airflow_provider_zuora.session.token_file import TokenFile
from airflow_provider_zuora.transports.config import Timing

log = logging.getLogger(__name__)

Send: TypeAlias = Callable[[Request], Response]
AsyncSend: TypeAlias = Callable[[Request], Awaitable[Response]]
MakeClient: TypeAlias = Callable[[Credentials, Mapping[str, str]], ApiClient]

PATIENCE = 60.0
"""Seconds for which another process's sign-in is waited for; one that hangs must not stop all others."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds


class ConnectionSource(Protocol):
    """What the room above lends: it hides secrets in logs and reads a connection again, for either side."""

    def mask(self, secret: str) -> object:
        """Hide a secret in the logs of this process."""

    async def amask(self, secret: str) -> object:
        """Do what `mask` does, on an event loop."""

    def read_credentials(self) -> Credentials | None:
        """Read the connection again; None if it cannot be read or used any more."""

    async def aread_credentials(self) -> Credentials | None:
        """Do what `read_credentials` does, on an event loop."""


class TokenProvider:
    """
    Keep the token of a session, and sign in if there is none: one thread at a time, one coroutine of a loop.

    When a sign-in is refused, the connection is read again, once: the secret may have been changed meanwhile.

    :ivar credentials: those that the next sign-in sends.
    :ivar source: that of the last hook that uses the session.
    """

    def __init__(
        self,
        make_client: MakeClient,
        credentials: Credentials,
        file: TokenFile | None,
        source: ConnectionSource,
        timing: Timing,
    ):
        self.credentials = credentials
        self.source = source
        self._make_client = make_client
        self._file = file
        self._timing = timing
        self._token: AccessToken | None = None
        self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Forget who signs in: they are threads of the process that forked."""
        self._signing_in = threading.Lock()
        self._under_way: dict[asyncio.AbstractEventLoop, asyncio.Future[None]] = {}

    def get(self, send: Send, step: Token) -> str:
        """Return the token; sign in if there is none, it is old, or it is the refused one."""
        if token := self._get_current(step.refused):
            return token  # whoever signs in meanwhile holds nobody up
        with self._signing_in:
            if token := self._get_current(step.refused):
                return token
            return self._sign_in(send, lambda: get_or_sign_in(self._client(), step, self._file))

    def force_sign_in(self, send: Send) -> None:
        """Sign in once, whatever token is in hand, or in the file of this host."""
        with self._signing_in:
            self._sign_in(send, lambda: force_sign_in(self._client(), ONCE, self._file))

    async def aget(self, send: AsyncSend, step: Token) -> str:
        """Return the token, or share the sign-in that is under way on this loop, its error included."""
        loop = asyncio.get_running_loop()
        while (token := self._get_current(step.refused)) is None:
            under_way = self._under_way.get(loop)
            if under_way is None:
                return await self._asign_in(loop, send, step)
            await asyncio.wait({under_way})
            if not under_way.cancelled() and (error := under_way.exception()):
                raise error
        return token

    def _client(self) -> ApiClient:
        return self._make_client(self.credentials, {})

    def _get_current(self, refused: str | None) -> str | None:
        current = self._token
        if current is None or current.token == refused or self._timing.wall_clock() >= current.expires:
            return None
        return current.token

    def _sign_in(self, send: Send, make_flow: Callable[[], Flow[AccessToken]]) -> str:
        runner = Runner(send, partial(self.get, send), self._timing.sleep)
        try:
            token = run(make_flow(), runner)
        except SignInRefused:
            if not self._replace_secret(self.source.read_credentials()):
                raise
            token = run(make_flow(), runner)
        self.source.mask(token.token)
        self._token = token
        return token.token

    async def _asign_in(self, loop: asyncio.AbstractEventLoop, send: AsyncSend, step: Token) -> str:
        under_way = self._under_way[loop] = loop.create_future()
        try:
            token = await self._arun_sign_in(send, step)
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

    async def _arun_sign_in(self, send: AsyncSend, step: Token) -> AccessToken:
        runner = AsyncRunner(send, partial(self.aget, send), self._timing.asleep)
        try:
            return await arun(get_or_sign_in(self._client(), step, self._file), runner)
        except SignInRefused:
            if not self._replace_secret(await self.source.aread_credentials()):
                raise
            return await arun(get_or_sign_in(self._client(), step, self._file), runner)

    def _replace_secret(self, found: Credentials | None) -> bool:
        """Take another secret of the same client, and return whether there is one."""
        own = self.credentials
        if found is None or found == own or replace(found, client_secret=own.client_secret) != own:
            return False
        log.info(
            "The sign-in was refused; the connection has another client secret now, signing in with that"
        )
        self.credentials = found
        if self._file is not None:
            self._file = replace(self._file, secret=found.client_secret)
        return True


def get_or_sign_in(client: ApiClient, step: Token, file: TokenFile | None) -> Flow[AccessToken]:
    """
    Return the token that another process has left, else sign in, and leave the token to the others.

    :param step: the token that it refuses is not taken again.
    :param file: None: nothing is shared.
    """
    if file is None:
        return (yield from client.sign_in(step.budget or READ))
    shared = _SharedToken(client, file, step.refused, file.lock())
    try:
        return (yield from shared.get_or_sign_in(step.budget or READ))
    finally:
        shared.lock.release()


def force_sign_in(client: ApiClient, budget: RetryBudget, file: TokenFile | None) -> Flow[AccessToken]:
    """Sign in whatever another process has left, and leave the token to the others."""
    if file is None:
        return (yield from client.sign_in(budget))
    return (yield from _SharedToken(client, file, None, file.lock()).sign_in(budget))


@dataclass(slots=True)
class _SharedToken:
    """The token of a host; what reaches for the file may block, so the flow asks for it in a thread."""

    client: ApiClient
    file: TokenFile
    refused: str | None
    lock: FileLock
    warnings: set[str] = field(default_factory=set)

    def get_or_sign_in(self, budget: RetryBudget) -> Flow[AccessToken]:
        """
        Return the others' token or a new one; the lock is held from here until it is released.

        The file is read first: whoever holds the lock, a stopped process say, holds up nobody who needs no
        sign-in.
        """
        waited, pause, is_locked = 0.0, _FIRST_PAUSE, False
        while (token := (yield RunInThread(self.read))) is None:
            if is_locked:
                return (yield from self.sign_in(budget))
            is_locked = yield RunInThread(self.take_lock)
            if is_locked:
                continue  # who had the lock may have left a token since the file was read
            if waited >= PATIENCE:
                log.warning("Another process has been signing in for %.0f s; signing in beside it", waited)
                return (yield from self.sign_in(budget))
            if not waited:
                log.info("Waiting for another process of this host, which signs in")
            yield Sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)
        log.info("Signed in to %s with this host's token", self.client.credentials.base_url)
        found: AccessToken = token
        return found

    def sign_in(self, budget: RetryBudget) -> Flow[AccessToken]:
        """Sign in, and leave the token to the others."""
        token = yield from self.client.sign_in(budget)
        yield RunInThread(partial(self.write, token))
        return token

    def take_lock(self) -> bool:
        """Take the lock; if there can be none, go on as if it were taken."""
        try:
            return self.lock.try_acquire()
        except InsecurePath as problem:
            self.warn(problem)
            return True

    def read(self) -> AccessToken | None:
        """Return the token in the file, None if it is of no use."""
        try:
            token = self.file.read(self.client.clock())
        except InsecurePath as problem:
            self.warn(problem)
            return None
        return None if token is None or token.token == self.refused else token

    def write(self, token: AccessToken) -> None:
        """Put a token into the file."""
        try:
            self.file.write(token)
        except InsecurePath as problem:
            self.warn(problem)

    def warn(self, problem: InsecurePath) -> None:
        """Log a problem once."""
        if str(problem) not in self.warnings:
            self.warnings.add(str(problem))
            log.warning("The shared token is of no use, signing in without it. %s", problem)
