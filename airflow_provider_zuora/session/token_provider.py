"""How processes of one host come to one token: one signs in, the others wait for what it leaves to them.

The file may fail in any way: then a process says so, once, and signs in for itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from airflow_provider_zuora.core.flow import Flow, RetryBudget, RunInThread, Sleep, Token
from airflow_provider_zuora.core.http.client import AccessToken, ApiClient
from airflow_provider_zuora.session.secure_directory import FileLock, InsecurePath
from airflow_provider_zuora.session.token_file import TokenFile

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds for which another process's sign-in is waited for; one that hangs must not stop all others."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds


def get_or_sign_in(client: ApiClient, step: Token, file: TokenFile | None) -> Flow[AccessToken]:
    """
    Return the token that another process has left, else sign in, and leave the token to the others.

    :param step: the token that it refuses is not taken again.
    :param file: None: nothing is shared.
    """
    if file is None:
        return (yield from client.sign_in(step.budget))
    sharing = _Sharing(client, file, step.refused)
    try:
        return (yield from sharing.taken(step.budget))
    finally:
        sharing.lock.release()


def force_sign_in(client: ApiClient, budget: RetryBudget, file: TokenFile | None) -> Flow[AccessToken]:
    """Sign in whatever another process has left, and leave the token to the others."""
    if file is None:
        return (yield from client.sign_in(budget))
    return (yield from _Sharing(client, file, None).signed_in(budget))


@dataclass(slots=True)
class _Sharing:
    """One conversation about the token of a host; its calls may block, so the flow asks for them aside."""

    client: ApiClient
    file: TokenFile
    refused: str | None
    lock: FileLock = field(init=False)
    said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.lock = self.file.lock()

    def taken(self, budget: RetryBudget) -> Flow[AccessToken]:
        """
        Return the others' token or a new one; the lock is held from here until it is released.

        The file is looked at first: whoever holds the lock, a stopped process say, holds up nobody who
        needs no sign-in.
        """
        waited, pause, held = 0.0, _FIRST_PAUSE, False
        while (grant := (yield RunInThread(self.look))) is None:
            if held:
                return (yield from self.signed_in(budget))
            held = yield RunInThread(self.attempt)
            if held:
                continue  # who had the lock may have left a token since the look
            if waited >= PATIENCE:
                log.warning("Another process has been signing in for %.0f s; signing in beside it", waited)
                return (yield from self.signed_in(budget))
            if not waited:
                log.info("Waiting for another process of this host, which signs in")
            yield Sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)
        log.info("Signed in to %s with this host's token", self.client.credentials.base_url)
        found: AccessToken = grant
        return found

    def signed_in(self, budget: RetryBudget) -> Flow[AccessToken]:
        """Sign in, and leave the token to the others."""
        new = yield from self.client.sign_in(budget)
        yield RunInThread(lambda: self.leave(new))
        return new

    def attempt(self) -> bool:
        """Take the lock; where there can be none, go on as if it were taken."""
        try:
            return self.lock.attempt()
        except InsecurePath as problem:
            self.say(problem)
            return True

    def look(self) -> AccessToken | None:
        """Return the token in the file, None where it is of no use."""
        try:
            grant = self.file.read(self.client.clock())
        except InsecurePath as problem:
            self.say(problem)
            return None
        return None if grant is None or grant.token == self.refused else grant

    def leave(self, grant: AccessToken) -> None:
        """Put a token into the file."""
        try:
            self.file.write(grant)
        except InsecurePath as problem:
            self.say(problem)

    def say(self, problem: InsecurePath) -> None:
        """Log a problem once."""
        if str(problem) not in self.said:
            self.said.add(str(problem))
            log.warning("The shared token is of no use, signing in without it. %s", problem)
