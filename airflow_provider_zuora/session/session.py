"""The only process-wide state: which sessions, rate limiters and read connections live; it survives forks."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet, WeakValueDictionary

from airflow_provider_zuora.core.flow import ON_WORKER, AsyncRunner, Flow, Pausing, Runner, Store, arun, run
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.http.response_parsing import make_recent_requests
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.metrics import THROTTLED_SECONDS
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.session.concurrency import SingleFlightCache
from airflow_provider_zuora.session.limits_file import LimitsFile
from airflow_provider_zuora.session.token_file import TokenFile
from airflow_provider_zuora.session.token_provider import ConnectionSource, TokenProvider
from airflow_provider_zuora.transports.asynchronous import AsyncTransport
from airflow_provider_zuora.transports.blocking import BlockingTransport
from airflow_provider_zuora.transports.config import VARIABLES, TransportConfig
from airflow_provider_zuora.transports.timing import Timing

T = TypeVar("T")

_MAX_SETTINGS = 16  # connections, the last ones, whose settings and sessions outlive their hooks
_LOOKUP_SECONDS = 10.0  # a triggerer takes up a thousand waits in a second, and looks up a connection once
_ENVIRONMENT = (*VARIABLES, "XDG_RUNTIME_DIR", "HOME")


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What makes a session: hooks whose connections agree in all of it share one."""

    vendor: Vendor
    credentials: Credentials
    transport: TransportConfig
    token_file: TokenFile | None = None
    is_read_only: bool = False


class ApiSession:
    """
    Run flows for one client id at one vendor; safe to use from several threads and event loops.

    :ivar tokens: whoever uses the session next puts its `source` there.
    :param limiter: of the client id, the same for all of its sessions.
    :param rng: for jitter and Track-Ids.
    """

    def __init__(
        self,
        config: SessionConfig,
        source: ConnectionSource,
        limiter: RateLimiter,
        *,
        rng: random.Random,
        timing: Timing | None = None,
        open_transport: Callable[..., BlockingTransport] = BlockingTransport,
        open_async_transport: Callable[..., AsyncTransport] = AsyncTransport,
    ):
        self.config = config
        self._timing = timing = timing or Timing()
        self._make_client = partial(
            ApiClient,
            config.vendor,
            clock=timing.wall_clock,
            ticks=timing.monotonic,
            rng=rng,
            recent=make_recent_requests(),
            is_read_only=config.is_read_only,
            emit=source.emit,
        )
        self.tokens = TokenProvider(self._make_client, config.credentials, config.token_file, source, timing)
        # Partials, no methods of this object: nothing that is kept here may lead back here. What is in no
        # circle goes when its last user goes, and its connections are closed while their loop still runs.
        self._open_transport = partial(open_transport, config.transport, limiter, timing)
        self._open_async_transport = partial(open_async_transport, config.transport, limiter, timing)
        self._open()

    def _open(self) -> None:
        self._transport = self._open_transport()
        send = self._transport.send
        self._runner = Runner(send, partial(self.tokens.get, send), self._timing.sleep)
        self._loops: dict[asyncio.AbstractEventLoop, tuple[AsyncTransport, AsyncRunner]] = {}

    def client(self, headers: Mapping[str, str] | None = None) -> ApiClient:
        """Return the flows of this session, with headers that every request but the sign-in carries."""
        return self._make_client(self.tokens.credentials, headers or {})

    def run(self, flow: Flow[T], store: Store | None = None, pausing: Pausing = ON_WORKER) -> T:
        """Run a flow with blocking calls; ``store`` is where it keeps its state."""
        longest, has_posted = pausing.longest, pausing.has_begun
        return run(flow, replace(self._runner, store=store, longest_pause=longest, has_posted=has_posted))

    def close(self) -> None:
        """Close the connections of `run`; the next flow opens them again."""
        self._transport.close()

    async def arun(self, flow: Flow[T], store: Store | None = None) -> T:
        """Run a flow on the running event loop; all flows under way there share connections."""
        loop = asyncio.get_running_loop()
        _, runner = self._loops.get(loop) or self._open_on(loop)
        return await arun(flow, runner if store is None else replace(runner, store=store))

    async def aclose(self) -> None:
        """Close the connections of the running loop, unless requests are under way; its end does so too."""
        if opened := self._loops.get(asyncio.get_running_loop()):
            await opened[0].close()

    def sign_in(self) -> None:
        """Sign in once, whatever token is in hand, or in the file of this host."""
        self.tokens.force_sign_in(self._transport.send)

    def take_token(self, other: ApiSession) -> None:
        """Go on with the token of another session of the same client."""
        self.tokens.take(other.tokens)

    def renew_after_fork(self) -> object:
        """Begin anew in a forked process, with the token; return the parent's connections, to be kept."""
        parents = self._transport, self._runner, self._loops
        self.tokens.renew_after_fork()
        self._open()
        return parents

    def _open_on(self, loop: asyncio.AbstractEventLoop) -> tuple[AsyncTransport, AsyncRunner]:
        """Make what sends requests from a loop, and forget the loops that have ended."""
        for other in [other for other in list(self._loops) if other.is_closed()]:
            self._loops.pop(other, None)
        transport = self._open_async_transport()
        runner = AsyncRunner(transport.send, partial(self.tokens.aget, transport.send), self._timing.asleep)
        self._loops[loop] = transport, runner
        return transport, runner


S = TypeVar("S")


class SessionRegistry:
    """
    What the hooks of a process share; safe to use from several threads.

    Sessions and limiters live as long as something uses them. All sessions of one client id, whatever their
    secret and their transport, share one limiter. `lookups` are connections that coroutines read just now.
    """

    def __init__(self) -> None:
        self._parents: list[object] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything; sessions that are used elsewhere go on."""
        self._lock = threading.RLock()
        self._sessions: WeakValueDictionary[SessionConfig, ApiSession] = WeakValueDictionary()
        self._limiters: WeakValueDictionary[tuple[str, str, str], RateLimiter] = WeakValueDictionary()
        self._all: WeakSet[ApiSession] = WeakSet()
        self._waiting: Counter[str] = Counter()
        self._settings: dict[Hashable, Any] = {}
        self._told: set[Hashable] = set()
        self.lookups: SingleFlightCache[Any] = SingleFlightCache(_LOOKUP_SECONDS)

    def get_session(self, config: SessionConfig, source: ConnectionSource) -> ApiSession:
        """Return the session of this process for a configuration; a changed secret makes another one."""
        with self._lock:
            session = self._sessions.get(config)
            if session is None:
                session = self._sessions[config] = self.make_session(config, source)
            return session

    def make_session(self, config: SessionConfig, source: ConnectionSource, **options: Any) -> ApiSession:
        """Return a session of its own, with the limiter that its client id has in this process."""
        rng = options.pop("rng", None) or random.SystemRandom()  # forked workers must not draw the same
        key = (config.vendor.name, config.credentials.base_url, config.credentials.client_id)
        with self._lock:
            limiter = self._limiters.get(key)
            if limiter is None:
                tags = {"vendor": config.vendor.name}
                emit = source.emit
                limiter = RateLimiter(rng, lambda seconds: emit(THROTTLED_SECONDS, seconds, tags))
                self._limiters[key] = limiter
            if limiter.shared is None and config.token_file is not None:
                directory = config.token_file.directory
                limiter.shared = LimitsFile.for_account(config.credentials, config.vendor.name, directory)
            session = ApiSession(config, source, limiter, rng=rng, **options)
            self._all.add(session)
            return session

    def add(self, session: ApiSession) -> None:
        """Let a session be that of the process for its configuration, from the next hook on."""
        with self._lock:
            self._sessions[session.config] = session
            self._settings.clear()

    def get_settings(self, content: Hashable, make: Callable[[], S]) -> S:
        """
        Return what was made of a connection; it is made again only if that or the environment has changed.

        :param content: all that the connection says.
        :param make: reads and checks the connection.
        """
        key = (content, *map(os.environ.get, _ENVIRONMENT))
        settings: S = self._settings.get(key) or make()
        with self._lock:
            self._settings.pop(key, None)
            self._settings[key] = settings  # behind all others: the first one is the oldest
            if len(self._settings) > _MAX_SETTINGS:
                del self._settings[next(iter(self._settings))]
        return settings

    def is_new(self, words: Hashable) -> bool:
        """Return whether this process hears something for the first time; of a warning, once is enough."""
        with self._lock:
            if words in self._told:
                return False
            self._told.add(words)
            return True

    def count_waiting(self, vendor: str, change: int) -> int:
        """Count the jobs of a vendor that the triggers of this process wait for, and return their number."""
        with self._lock:
            self._waiting[vendor] += change
            return self._waiting[vendor]

    def renew_after_fork(self) -> None:
        """Begin anew in a forked process, with the tokens; the parent's connections are kept unused."""
        self._lock = threading.RLock()
        self._waiting.clear()
        for limiter in list(self._limiters.values()):
            limiter.renew_lock()
        self._parents += [session.renew_after_fork() for session in list(self._all)]


REGISTRY = SessionRegistry()
"""The registry of the process."""

os.register_at_fork(after_in_child=REGISTRY.renew_after_fork)
