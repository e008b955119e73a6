"""The only module with process-wide state: one signed-in account per vendor, URL and client id.

An account answers what flows ask for: it keeps the token, signs in once at a time, and owns the connections.
All accounts of one client id, whatever their secret and their line, share one view of its limits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias, TypeVar
from weakref import WeakSet, WeakValueDictionary

from airflow_provider_zuora.core.errors import ApiError, SignInRefused
from airflow_provider_zuora.core.flow import ONCE, AsyncRunner, Flow, Runner, Token, arun, run
from airflow_provider_zuora.core.http.client import AccessToken, ApiClient
from airflow_provider_zuora.core.http.exchange import Sent
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import Credentials, Request, Response
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.session.pools import Pool
from airflow_provider_zuora.session.single_flight import SingleFlightCache
from airflow_provider_zuora.session.token_file import TokenFile
from airflow_provider_zuora.session.token_provider import force_sign_in, get_or_sign_in
from airflow_provider_zuora.transports.blocking import BlockingTransport
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.gates import Gate, Rules

T = TypeVar("T")
Send: TypeAlias = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Masks:
    """What hides a new token from the logs of this process, on either side."""

    mask: Callable[[str], object]
    amask: Callable[[str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Renewal:
    """What reads a connection again, on either side; None where it cannot be read or used."""

    read: Callable[[], Credentials | None]
    aread: Callable[[], Awaitable[Credentials | None]]


class Claims:
    """
    What one try of a task has submitted; safe to use from several threads.

    :ivar reading: held while the try's notes are read.
    :ivar notes: what the calls of the try note together, None before they are read.
    """

    def __init__(self) -> None:
        self.reading = threading.Lock()
        self.notes: Notes | None = None
        self._orders: set[object] = set()
        self._jobs: dict[object, object] = {}

    def add(self, orders: Collection[T]) -> list[T]:
        """Return which of these orders are here already; if it is none, they all are from now on."""
        with _LOOKING_UP:
            taken = [order for order in orders if order in self._orders]
            self._orders.update(() if taken else orders)
            return taken

    def discard(self, orders: Iterable[object]) -> None:
        """Forget orders that came to nothing: the same try may submit them again."""
        with _LOOKING_UP:
            self._orders.difference_update(orders)

    def is_of_another(self, job: object, content: object) -> bool:
        """Return whether a job stands for an order of another content; the first one that asks has it."""
        with _LOOKING_UP:
            return self._jobs.setdefault(job, content) != content


class ApiSession:
    """
    One client id at one vendor.

    :ivar renewal: asked once when a sign-in is refused, for a secret that was changed while we waited; None:
        nobody is asked.

    :param masks: called with every new token before it is used.
    :param token_file: where the processes of this host share the token, None where they do not.
    :param clock: returns seconds since the epoch; ``sleep`` and ``asleep`` wait for them.
    :param ticks: returns seconds that durations are measured by; None: ``clock`` where one was given, else a
        clock that nobody sets.
    :param rng: for jitter and Track-Ids; the system's, because forked workers must not draw the same.
    """

    def __init__(  # noqa: PLR0913 - clocks and chance are passed in
        self,
        vendor: str,
        credentials: Credentials,
        line: TransportConfig,
        masks: Masks,
        *,
        token_file: TokenFile | None = None,
        clock: Callable[[], float] | None = None,
        ticks: Callable[[], float] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        asleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
    ):
        self.renewal: Renewal | None = None
        self._vendor = VENDORS[vendor]
        self._credentials = credentials
        self._line = line
        self._masks = masks
        self._token_file = token_file
        self._clock = clock or time.time
        self._ticks = ticks or clock or time.monotonic
        self._sleep = sleep
        self._asleep = asleep
        self._rng = rng or random.SystemRandom()
        self._grant: AccessToken | None = None
        self._signing = threading.Lock()
        self._opening = threading.Lock()
        self._gate: Gate | None = None
        self._pools: dict[asyncio.AbstractEventLoop, Pool] = {}
        self._sent = Sent()
        limits = _limits_of(vendor, credentials, self._rng)
        self._rules = Rules(line.max_connections, limits, self._ticks, sleep, asleep)
        _LIVING.add(self)

    def client(self, headers: Mapping[str, str] | None = None) -> ApiClient:
        """Return the flows of this account, with headers that every request but the sign-in carries."""
        return ApiClient(
            self._vendor,
            self._credentials,
            headers or {},
            clock=self._clock,
            rng=self._rng,
            ticks=self._ticks,
            sent=self._sent,
        )

    def run(self, flow: Flow[T]) -> T:
        """Carry a flow with blocking calls."""
        return run(flow, Runner(self._blocking().send, self._token, self._sleep))

    def close(self) -> None:
        """Close the connections of `run`; the next flow opens them again."""
        with self._opening:
            if self._gate is not None:
                self._gate.close()
                self._gate = None

    async def arun(self, flow: Flow[T]) -> T:
        """Carry a flow on the running event loop; its connections are shared by all flows under way there."""
        pool = self._pool()
        async with pool.used() as gate:
            return await arun(flow, self._carrier(pool, gate.send))

    async def aclose(self) -> None:
        """Close the connections of the running loop now; where they are used, a while after the last use."""
        await self._pool().close()

    def sign_in(self) -> None:
        """Sign in afresh and once, whatever token is in hand, or in the file of this host."""
        with self._signing:
            self._sign_in(lambda: force_sign_in(self.client(), ONCE, self._token_file))

    def renew(self) -> None:
        """
        Begin afresh in a forked process, with the token.

        The connections are the parent's: here they are neither used nor closed, nor even collected.
        """
        _PARENTS.append((self._gate, self._pools))
        self._gate, self._pools = None, {}
        self._signing, self._opening = threading.Lock(), threading.Lock()
        self._rules.limits.renew_lock()

    def _blocking(self) -> Gate:
        with self._opening:
            if self._gate is None:
                self._gate = Gate(BlockingTransport(self._line), self._rules)
            return self._gate

    def _pool(self) -> Pool:
        """Return what is kept for the running loop, and forget the loops that have ended."""
        running = asyncio.get_running_loop()
        pool = self._pools.get(running)
        if pool is None:
            for loop in [loop for loop, other in list(self._pools.items()) if other.over]:
                self._pools.pop(loop, None)
            pool = self._pools[running] = Pool(self._line, self._rules, self)
        return pool

    def _cached(self, refused: str | None) -> str | None:
        """Return the token in hand, None where there is none, it is old, or it is the refused one."""
        grant = self._grant
        if grant is None or grant.token == refused or self._clock() >= grant.expires:
            return None
        return grant.token

    def _token(self, step: Token) -> str:
        if token := self._cached(step.refused):
            return token  # whoever signs in afresh meanwhile holds nobody up
        with self._signing:
            token = self._cached(step.refused)
            return token or self._sign_in(lambda: get_or_sign_in(self.client(), step, self._token_file))

    def _sign_in(self, flow: Callable[[], Flow[AccessToken]]) -> str:
        carrier = Runner(self._blocking().send, self._token, self._sleep)
        try:
            grant = run(flow(), carrier)
        except SignInRefused:
            if self.renewal is None or not self._took(self.renewal.read()):
                raise
            grant = run(flow(), carrier)
        self._masks.mask(grant.token)
        self._grant = grant
        return grant.token

    def _carrier(self, pool: Pool, send: Send) -> AsyncRunner:
        """Return what carries one flow; no circle of references, which each wait would leave behind."""
        return AsyncRunner(send, partial(self._atoken, pool, send), self._asleep)

    async def _atoken(self, pool: Pool, send: Send, step: Token) -> str:
        """Return the token, or take part in the sign-in that is under way, its error included."""
        while (token := self._cached(step.refused)) is None:
            if pool.signing is None:
                return await self._asign_in(pool, send, step)
            signing = pool.signing
            await asyncio.wait({signing})
            if not signing.cancelled() and (error := signing.exception()):
                raise error
        return token

    async def _asign_in(self, pool: Pool, send: Send, step: Token) -> str:
        signing = pool.signing = asyncio.get_running_loop().create_future()
        try:
            grant = await self._agranted(step, self._carrier(pool, send))
            await self._masks.amask(grant.token)
        except ApiError as error:
            signing.set_exception(error)
            signing.exception()  # nobody else may have waited for it
            raise
        else:
            self._grant = grant
            signing.set_result(None)
            return grant.token
        finally:
            pool.signing = None
            signing.cancel()  # no more than a word to those who wait, where this coroutine was cancelled

    async def _agranted(self, step: Token, carrier: AsyncRunner) -> AccessToken:
        try:
            return await arun(get_or_sign_in(self.client(), step, self._token_file), carrier)
        except SignInRefused:
            if self.renewal is None or not self._took(await self.renewal.aread()):
                raise
            return await arun(get_or_sign_in(self.client(), step, self._token_file), carrier)

    def _took(self, found: Credentials | None) -> bool:
        """Take another secret of the same client, and return whether there is one."""
        own = self._credentials
        if found is None or found == own or replace(found, client_secret=own.client_secret) != own:
            return False
        log.info(
            "The sign-in was refused; the connection has another client secret now, signing in with that"
        )
        self._credentials = found
        if self._token_file is not None:
            self._token_file = replace(self._token_file, secret=found.client_secret)
        return True


_ACCOUNTS: WeakValueDictionary[tuple[str, Credentials, TransportConfig, TokenFile | None], ApiSession] = (
    WeakValueDictionary()
)
_LIMITS: WeakValueDictionary[tuple[str, str, str], RateLimiter] = WeakValueDictionary()
_LIVING: WeakSet[ApiSession] = WeakSet()
_RECENT: deque[ApiSession] = deque(maxlen=16)
"""Accounts that outlive their hooks, for the next ones; not all, for each changed secret makes another."""
_TRIES: deque[tuple[object, Claims]] = deque(maxlen=16)
"""What the last tries of tasks have submitted; a process mostly runs one."""
_PARENTS: list[object] = []
_LOOKING_UP = threading.RLock()
READINGS: SingleFlightCache[Any] = SingleFlightCache(10.0)
"""What connections say: a triggerer takes up a thousand waits in a second, and reads each connection once."""


def account_of(
    vendor: str,
    credentials: Credentials,
    line: TransportConfig,
    masks: Masks,
    token_file: TokenFile | None = None,
) -> ApiSession:
    """
    Return the account of this process for these credentials; a changed secret makes another account.

    :param token_file: another one, as two entities of one client have, makes another account too.
    """
    with _LOOKING_UP:
        key = (vendor, credentials, line, token_file)
        account = _ACCOUNTS.get(key)
        if account is None:
            account = _ACCOUNTS[key] = ApiSession(vendor, credentials, line, masks, token_file=token_file)
        if account in _RECENT:
            _RECENT.remove(account)
        _RECENT.append(account)
        return account


def claims_of(try_of_task: object) -> Claims:
    """
    Return what one try of a task has submitted in this process.

    :param try_of_task: Airflow's task instance, the same object all through a try.
    """
    with _LOOKING_UP:
        found = next((claims for known, claims in _TRIES if known is try_of_task), None)
        if found is None:
            found = Claims()
            _TRIES.append((try_of_task, found))
        return found


def _limits_of(vendor: str, credentials: Credentials, rng: random.Random) -> RateLimiter:
    with _LOOKING_UP:
        key = (vendor, credentials.base_url, credentials.client_id)
        limits = _LIMITS.get(key)
        if limits is None:
            limits = _LIMITS[key] = RateLimiter(rng)
        return limits


def _renew() -> None:
    """Begin afresh in a forked process: connections and locks belong to the parent."""
    global _LOOKING_UP  # noqa: PLW0603 - this module's law allows it
    _LOOKING_UP = threading.RLock()
    for account in list(_LIVING):
        account.renew()
    for _, claims in list(_TRIES):
        claims.reading, claims.notes = threading.Lock(), None


os.register_at_fork(after_in_child=_renew)
