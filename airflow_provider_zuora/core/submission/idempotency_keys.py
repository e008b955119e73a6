"""What makes a submission the same one again, its content and who submits it; keys are made here only."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_zuora.core.errors import OutcomeUnknown
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.json_types import CANONICAL
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.times import read_minute, write_minute
from airflow_provider_zuora.core.vendors.base import CheckedDocument

KEY_AGE = 23 * 3600.0  # seconds; Zuora forgets a key at 24 hours
_ISSUED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z\Z")  # such as 2026-03-01T12:30Z
EQUAL = "order: this task has submitted an equal one; give each an orderNumber, or an idempotency_key"
_MOST_PATHS = 250  # a record of this many stays below 32 kB
_MARK_LENGTH = 16  # hex digits
_HINT_LENGTH = 8
_ORDER = "order"  # the kind whose records and keys name none
_WINDOW = 1000  # generations that belong to each 23 hours of a run of which nothing is noted


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """Which try of a task submits; the defaults are those of a submission outside of Airflow."""

    number: int = 1
    max_tries: int = 0  # Airflow's; clearing a task raises it
    is_cleared: bool = False  # since it first ran
    since: float | None = None  # seconds since 1970; its run was first queued then, or later; None: now
    has_moved: bool = False  # another of the mapped tasks may have had this order before a clear

    @property
    def is_first(self) -> bool:
        """Return whether no other try can have sent the order before."""
        return self.number <= 1 and not self.is_cleared and not self.has_moved


OUTSIDE = TaskAttempt()


@dataclass(frozen=True, slots=True)
class IdempotencyScope:
    """
    Who submits, as far as an idempotency key must tell.

    :param namespace: tells two Airflows apart that submit to one tenant.
    :param identity: dag, run and task; or a user's own key alone.
    :param position: the map index, and the count among equal orders of a list; the order's ``orderNumber``
        replaces it in the key. None: with a user's own key neither is part of it.
    """

    namespace: str
    identity: tuple[str, ...]
    position: int | str | None = None

    def key(self, digest: str, order_number: str | None, generation: int = 0) -> str:
        """Return the Idempotency-Key, made of all that makes a submission the same one."""
        return "af-" + sha256([self.namespace, self._members(order_number), digest, generation])

    def fingerprint(self, order_number: str | None, kind: str = _ORDER) -> str:
        """Return the SHA-256 of who submits what, and of the order's number, also if the key is a user's."""
        of_kind = [] if kind == _ORDER else [kind]
        return sha256([self.namespace, self._members(order_number), order_number, *of_kind])

    def mark(self, content: str) -> str:
        """Return a word that no other submission has, to find this one by at the vendor."""
        return "af-" + sha256([self.namespace, self._members(None), content])[:_MARK_LENGTH]

    @property
    def issued_at(self) -> float | None:
        """Return the seconds since 1970 that end a user's own key, if any do: it was not sent earlier."""
        found = None if self.position is not None else _ISSUED.search(self.identity[0])
        return None if found is None else read_minute(found[0])

    def _members(self, order_number: str | None) -> list[str | int]:
        return [*self.identity] if self.position is None else [*self.identity, order_number or self.position]


@dataclass(slots=True)
class Generations:
    """
    The keys of one order, or run, in one try, one after the other, and the record that each begins with.

    :param raw_key: sent as it is instead of a key of ours; then there are no generations.
    :param is_remembered: True if nothing can have been sent that is not in the notes of the tries.
    """

    client: ApiClient
    order: CheckedDocument
    scope: IdempotencyScope
    attempt: TaskAttempt
    raw_key: str | None
    is_remembered: bool
    keeps_paths: bool
    digest: str = field(init=False)
    submitter: str = field(init=False)
    account: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute what all keys have in common."""
        self.digest = compute_digest(self.client, self.order)
        self.submitter = self.scope.fingerprint(self.order.number, self.order.kind)
        self.account = compute_account(self.client)

    def begin_record(self, generation: int, before: SubmissionRecord | None = None) -> SubmissionRecord:
        """Return the record of a generation; all generations are of the content of the first."""
        digest, number = before.digest if before else self.digest, self.order.number
        is_absent = before is not None and before.state is SubmissionState.ABSENT
        may_be_sent = self._may_have_been_sent(generation)
        first_post = self._since if may_be_sent else self.client.clock()
        if may_be_sent and before is not None and is_absent:
            first_post = max(first_post, before.decided_at)  # it was not sent earlier, or came to nothing
        return SubmissionRecord(
            submitter=self.submitter,
            order_number=number,
            account=self.account,
            key=self.raw_key or self.scope.key(digest, number, generation),
            generation=generation,
            digest=digest,
            contents=(self.digest,),
            params=self.order.request.params,
            paths=hash_paths(self.client, self.order.document) if self.keeps_paths else None,
            first_post=first_post,
            try_number=self.attempt.number,
            max_tries=self.attempt.max_tries,
            unanswered=int(may_be_sent),
            absence_believed=is_absent and self.order.mark is not None,
        )

    def is_of_an_earlier_try(self, generation: int) -> bool:
        """Return whether an earlier try would have ended with this key: each goes one key further."""
        attempt = self.attempt
        tries_before = attempt.number - 1 + (attempt.has_moved or attempt.is_cleared)
        return self._may_have_been_sent(generation) and generation % _WINDOW < tries_before

    def generation_after(self, before: SubmissionRecord, *, is_known: bool) -> int:
        """
        Return the next generation.

        :param is_known: True if the key before is noted, or was sent by this try.
        """
        if is_known or self.is_remembered:
            return before.generation + 1
        # The run may be too old for its first keys. Those of its second 23 hours begin at 1000, and so on, so
        # that the tries of a window agree on them.
        return max(before.generation, int((self.client.clock() - self._since) // KEY_AGE) * _WINDOW)

    def _may_have_been_sent(self, generation: int) -> bool:
        """Return whether an earlier try may have sent this key although nothing is noted of it."""
        if self.is_remembered:  # but perhaps by another of the mapped tasks
            return self.attempt.has_moved and self.order.number is not None and generation == 0
        return not self.attempt.is_first

    @property
    def _since(self) -> float:
        """Return a time before which no try can have sent a key."""
        moments = (self.attempt.since, self.scope.issued_at)
        known = [moment for moment in moments if moment is not None]
        return max(known, default=self.client.clock())


def build_shared_job_error(job_id: str, kind: str = _ORDER) -> OutcomeUnknown:
    """Return the error of a job that a try has been given for two orders, or two runs."""
    tell_apart = "an orderNumber, or an own idempotency_key" if kind == _ORDER else "an own idempotency_key"
    return OutcomeUnknown(
        f"Job {job_id} was returned for two {kind}s of this task that differ, so one of them was not "
        f"submitted. Look in Zuora for which of them the job has made; give each {tell_apart}."
    )


def compute_digest(client: ApiClient, order: CheckedDocument) -> str:
    """Return the SHA-256 of what is submitted and where to, in hex; the order of keys plays no part."""
    request = order.request
    place = CANONICAL.encode([request.method, request.path, request.params, _scope_headers(client)])
    return hashlib.sha256(b"%b,%b]" % (place[:-1].encode(), order.canonical)).hexdigest()


def compute_account(client: ApiClient) -> str:
    """Return a fingerprint of the account: URL, client id, entity and orgs."""
    return sha256([client.credentials.base_url, client.credentials.client_id, _scope_headers(client)])


def hash_paths(client: ApiClient, document: Any) -> dict[str, str]:
    """
    Return a hash for each JSON path of a document, to tell later what has changed without keeping it.

    The hashes are keyed by the client secret: a security code of three digits could be guessed otherwise.
    A document of more than 250 values is hashed by parts, as deep as there are at most so many.
    """
    secret = client.credentials.client_secret.encode()
    rows: list[tuple[str, Any]] = [("$", document)]
    while len(deeper := [part for row in rows for part in _split(*row)]) <= _MOST_PATHS and deeper != rows:
        rows = deeper
    return {
        path: hmac.digest(secret, CANONICAL.encode(value).encode(), "sha256").hex()[:16]
        for path, value in rows
    }


def find_changed_paths(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the paths whose hashes differ, those that only one side has included, sorted."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def propose_key(key: str, now: float) -> str:
    """
    Return a user's own key for what was sent under a key and is not there; it ends in the time.

    No other order may have the same: two equal ones without a number would be one then.
    """
    return f"again-{sha256([key])[:_HINT_LENGTH]}-{write_minute(now)}"


def sha256(value: Any) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of a value in plain types (`core.json_types`)."""
    return hashlib.sha256(CANONICAL.encode(value).encode()).hexdigest()


def _scope_headers(client: ApiClient) -> dict[str, str]:
    return {name: client.headers.get(name, "") for name in client.vendor.scope_headers}


def _split(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of a part of a document, or the part; paths are written as `format_path` does."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            is_plain = name.isascii() and name.isidentifier()
            yield (f"{path}.{name}" if is_plain else f"{path}[{json.dumps(name)}]"), member
    elif isinstance(value, list) and value:
        for index, member in enumerate(value):
            yield f"{path}[{index}]", member
    else:
        yield path, value
