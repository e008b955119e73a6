"""The only process-wide state: which sessions, rate limiters and read connections live; it survives forks."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.session.secure_directory import RUNTIME_DIR
from airflow_provider_zuora.session.session import ApiSession, SessionConfig
from airflow_provider_zuora.session.token_provider import ConnectionSource
from airflow_provider_zuora.transports.config import VARIABLES

T = TypeVar("T")

_MAX_SETTINGS = 16  # connections, the last ones, whose settings and sessions outlive their hooks
_LOOKUP_SECONDS = 10.0  # a triggerer takes up a thousand waits in a second, and looks up a connection once
_ENVIRONMENT = (*VARIABLES, RUNTIME_DIR, "XDG_RUNTIME_DIR", "HOME")


class SessionSettings(Protocol):
    """What was made of a connection: whether its session is that of the process, and whatever else."""

    @property
    def is_shared(self) -> bool:
        """Return whether other hooks may use it too."""


S = TypeVar("S", bound=SessionSettings)


class SessionRegistry:
    """
    What the hooks of a process share; safe to use from several threads.

    Sessions and limiters live as long as somebody uses them. All sessions of one client id, whatever their
    secret and their transport, share one limiter.

    :ivar lookups: the connections that coroutines have looked up in the last seconds.
    """

    def __init__(self) -> None:
        self._parents: list[object] = []
        self.reset()
        _REGISTRIES.add(self)

    def reset(self) -> None:
        """Forget everything; sessions that are used elsewhere go on."""
        self._lock = threading.RLock()
        self._sessions: WeakValueDictionary[SessionConfig, ApiSession] = WeakValueDictionary()
        self._limiters: WeakValueDictionary[tuple[str, str, str], RateLimiter] = WeakValueDictionary()
        self._all: WeakSet[ApiSession] = WeakSet()
        self._settings: dict[Hashable, Any] = {}
        self.lookups: SingleFlightCache[Any] = SingleFlightCache(_LOOKUP_SECONDS)

    def get_session(self, config: SessionConfig, source: ConnectionSource) -> ApiSession:
        """Return the session of this process for these credentials; a changed secret makes another one."""
        with self._lock:
            session = self._sessions.get(config)
            if session is None:
                session = self.make_session(config, source)
                self._sessions[config] = session
            return session

    def make_session(self, config: SessionConfig, source: ConnectionSource, **options: Any) -> ApiSession:
        """Return a session of its own, with the limiter that its client id has in this process."""
        rng = options.pop("rng", None) or random.SystemRandom()  # forked workers must not draw the same
        key = (config.vendor.name, config.credentials.base_url, config.credentials.client_id)
        with self._lock:
            limiter = self._limiters.get(key)
            if limiter is None:
                limiter = self._limiters[key] = RateLimiter(rng)
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
        :param make: reads and checks the connection; what it makes is kept if others may use it too.
        """
        key = (content, *map(os.environ.get, _ENVIRONMENT))
        settings: S | None = self._settings.get(key)
        if settings is None:
            settings = make()
        if settings.is_shared:
            with self._lock:
                self._settings.pop(key, None)
                self._settings[key] = settings  # behind all others: the first one is the oldest
                while len(self._settings) > _MAX_SETTINGS:
                    del self._settings[next(iter(self._settings))]
        return settings

    def renew_after_fork(self) -> None:
        """
        Begin anew in a forked process, with the tokens.

        Locks and connections are the parent's: here they are neither used nor closed, nor even collected.
        """
        self._lock = threading.RLock()
        for limiter in list(self._limiters.values()):
            limiter.renew_lock()
        self._parents += [session.renew_after_fork() for session in list(self._all)]


@dataclass(slots=True)
class _Entry(Generic[T]):
    """What was read last under one name, and until when it may be used."""

    values: tuple[T, ...] = ()
    until: float = 0.0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class SingleFlightCache(Generic[T]):
    """
    Read a thing once for all coroutines of an event loop that want it at about the same time.

    :param seconds: how long what was read is used.
    :param clock: returns seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._seconds = seconds
        self._clock = clock
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Entry[T]]]
        self._loops = WeakKeyDictionary()

    async def get(self, name: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """
        Return what was read under a name, and read it if that is too long ago.

        Those who ask while it is being read wait for it. An error is raised to the one whose reading failed,
        and the next reads for itself, as it does if the reader is cancelled.
        """
        loop = asyncio.get_running_loop()
        entry = self._loops.setdefault(loop, {}).setdefault(name, _Entry())
        async with entry.reading:
            if not entry.values or self._clock() >= entry.until:
                entry.values = (await read(),)
                entry.until = self._clock() + self._seconds
            return entry.values[0]


_REGISTRIES: WeakSet[SessionRegistry] = WeakSet()
REGISTRY = SessionRegistry()
"""That of the process."""


def _renew_after_fork() -> None:
    for registry in list(_REGISTRIES):
        registry.renew_after_fork()


os.register_at_fork(after_in_child=_renew_after_fork)
