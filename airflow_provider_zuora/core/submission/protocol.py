"""
The exactly-once protocol: under which key an order goes out, and when another one may begin.

A key stays as long as a POST under it may still make an order. The next generation begins only where the
refusal, the failed job or the absence of this one was *seen*, so that tries which overlap agree on the key
although their store cannot compare and set. What nobody can know is an error, never a guess.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.errors import ApiError, LockContention, NotFound, OutcomeUnknown, Refused
from airflow_provider_zuora.core.jobs import JobState
from airflow_provider_zuora.core.submission.keys import (
    Submitter,
    account_of,
    changed_paths,
    digest_of,
    path_hashes,
    sha256,
)
from airflow_provider_zuora.core.submission.order_lookup import find_order
from airflow_provider_zuora.core.submission.post import post
from airflow_provider_zuora.core.submission.record import NAME, Fate, Intent
from airflow_provider_zuora.core.wire import Memoir, Pause, Recall, Record, Request

log = logging.getLogger(__name__)

KEY_AGE = 23 * 3600.0  # seconds; Zuora forgets a key at 24 hours
LOCK_REST = 60.0  # seconds between a lock that was met and the next key
_LAG = 600.0  # seconds in which a job that was issued may not be known everywhere yet
_WINDOW = 1000  # generations that belong to each KEY_AGE of a run, where no try remembers another


_WAYS_ON = (
    "2. It is there: pass its job id, or order:<orderNumber>, as adopt_job_id, and clear the task.\n"
    "3. It is not: pass another idempotency_key, and clear the task."
)
_WAYS_ON_IN_A_LIST = (
    "2. It is there: take it out of the list, and clear the task.\n"
    "3. It is not: take it out of the list too, and submit it in another task."
)


class Submission:
    """
    One order, in one try.

    :param alone: False where the task submits others too, so that its options are not about this one.
    """

    def __init__(
        self,
        client: Client,
        document: Mapping[str, Any],
        request: Request,
        by: Submitter,
        attempt: Try,
        raw_key: str | None = None,
        *,
        alone: bool = True,
    ):
        self.client = client
        self.document = document
        self.request = request
        self.by = by
        self.attempt = attempt
        self.raw_key = raw_key
        self.alone = alone
        self.digest = digest_of(client, request, document)
        self.number: str | None = document.get("orderNumber")
        self.submitter, self.account = by.fingerprint(self.number), account_of(client)
        self.before: Intent | None = None  # what an earlier try, or one beside this one, has noted
        self.foreign = False  # what is noted is about something else
        self.cleared = attempt.cleared
        self.errors: dict[str, ApiError] = {}  # the vendor's words, by key, as far as this try has heard them
        self.left_gone = False  # this try has gone on from a key that only repeated itself

    def run(self) -> Memoir[str]:
        """Submit the order, or find what an earlier try has made of it."""
        intent = (yield from self.recalled()) or (yield from self._first())
        while intent.fate is not Fate.STARTED or intent.blind or not self._fresh(intent):
            if intent.fate is Fate.STARTED:
                intent = yield from self._asked(intent)
                if intent.fate is Fate.STARTED:
                    break
            elif intent.fate is not Fate.OPEN:
                intent = yield from self._next(intent)
            elif self.client.clock() - intent.first_post > KEY_AGE:
                intent = yield from self._looked_up(intent, "its key is too old to be sent again")
            else:
                intent = yield from self._posted(intent)
        return str(intent.job_id)

    def recalled(self) -> Memoir[Intent | None]:
        """Return what an earlier try has noted of this order, None where it has noted nothing."""
        stored = yield Recall(NAME)
        intent = self._usable(stored)
        if intent is None and stored is not None:  # keep it for when the task is about that order again
            other = Intent.from_dict(stored)
            yield Record(_place(other.submitter, other.account), stored)
            intent = self._usable((yield Recall(_place(self.submitter, self.account))))
        if intent is None or self.digest in intent.contents:
            return intent
        if intent.fate is not Fate.OPEN and self.cleared:
            log.info(
                "The order is not the one that was sent before the task was cleared (key %s)", intent.key
            )
            for digest in intent.contents:
                yield Record(f"{NAME}:{digest}", intent.as_dict())
            return self._usable((yield Recall(f"{NAME}:{self.digest}"))) or self.begun(0)
        changed = changed_paths(intent.paths, path_hashes(self.client, self.document))
        log.warning(
            "The order has changed since an earlier try sent it under key %s. What that try has made of it "
            "counts, and may lack these changes: %s",
            intent.key,
            ", ".join(changed) or "the entity, the orgs or return_ids",
        )
        return intent

    def begun(self, generation: int, before: Intent | None = None, *, blind: bool = False) -> Intent:
        """
        Return the intent of a generation; all generations are of the content of the first.

        :param blind: True: earlier tries may have sent its key, in this window of the run's time.
        """
        digest = before.digest if before else self.digest
        window, opened = self._window
        generation = max(generation, window * _WINDOW) if blind else generation
        return Intent(
            submitter=self.submitter,
            order_number=self.number,
            account=self.account,
            key=self.raw_key or self.by.key(digest, self.number, generation),
            generation=generation,
            digest=digest,
            contents=(self.digest,),
            params=self.request.params,
            paths=path_hashes(self.client, self.document) if self.alone else {},  # of a list, nothing is kept
            first_post=opened if blind else self.client.clock(),
            max_tries=self.attempt.max_tries,
            blind=blind,
            doubt=before is not None and (before.doubt or before.fate is Fate.GONE),
        )

    @property
    def _window(self) -> tuple[int, float]:
        """Return how many times KEY_AGE has passed since the run was first queued, and when it last did."""
        now = self.client.clock()
        since = now if self.attempt.since is None else min(self.attempt.since, now)
        passed = int((now - since) // KEY_AGE)
        return passed, since + passed * KEY_AGE

    def _usable(self, stored: object) -> Intent | None:
        """Return what is noted where it is about this order and this account."""
        if stored is None:
            return None
        intent = Intent.from_dict(stored)
        others = {
            "another account": intent.account != self.account,
            f"another orderNumber ({intent.order_number})": intent.order_number != self.number,
            "another idempotency_key or namespace": intent.submitter != self.submitter,
            "another raw_idempotency_key": self.raw_key not in (None, intent.key),
        }
        if other := next((what for what, differs in others.items() if differs), ""):
            log.warning("What an earlier try noted is of %s (key %s): it is not used", other, intent.key)
            self.foreign = True
            return None
        self.before, self.cleared = intent, intent.max_tries < self.attempt.max_tries
        return intent

    def _first(self) -> Memoir[Intent]:
        """Return the intent to begin with where nothing is noted of this order."""
        blind = self.attempt.moved or self._forgetful
        intent = self.begun(self._window[0] * _WINDOW, blind=blind)
        if not self._window[0] or not self._may_be_forgotten():
            return intent
        found = yield from self._found(intent, "an earlier try may have sent it more than 23 hours ago")
        if found is None and self.raw_key:
            raise self._used_up(intent)
        return found or intent

    def _may_be_forgotten(self) -> bool:
        """Say whether an earlier try of an old run may have sent this order, and nobody remembers."""
        if self.attempt.moved and self.number is not None:
            return True
        if self.by.position is None and self.raw_key is None and self.attempt.anew and self.number is None:
            log.warning(
                "Nothing is known of earlier tries: your own key is taken for another one than theirs"
            )
            return False
        return self._forgetful

    @property
    def _forgetful(self) -> bool:
        """Say whether earlier tries may have sent this order although nothing is noted of it."""
        told = self.foreign or (self.attempt.remembers and not self.attempt.cleared)
        return self.attempt.number > 1 and not told

    def _fresh(self, intent: Intent) -> bool:
        """Say whether no other try can have sent this key, as far as this one knows."""
        if intent.blind:
            return intent.generation % _WINDOW >= self.attempt.number - 1 + self.attempt.moved
        return self.before is None or self.before.key != intent.key

    def _asked(self, intent: Intent) -> Memoir[Intent]:
        """Return what has become of the job of an earlier try."""
        job_id, title = str(intent.job_id), self.client.vendor.title
        try:
            job = yield from self.client.job(job_id)
        except NotFound:
            if self.client.clock() - intent.seen < _LAG:
                log.warning("%s does not know job %s yet", title, job_id)
                return intent
            found = yield from self._found(intent, f"{title} no longer knows its job {job_id}")
            if found is None:  # whoever deleted the order may have meant it
                raise self._unknown(intent, f"neither its job {job_id} nor its order is at {title}") from None
            return found
        if job.state is JobState.FAILED:
            self.errors[intent.key] = job.failure()
            intent = intent.failed(job, self.client.clock())
        else:
            log.info("An earlier try started job %s, which is %s; nothing is submitted", job_id, job.status)
            intent = replace(intent, max_tries=self.attempt.max_tries)
        yield Record(NAME, intent.as_dict())
        return intent

    def _looked_up(self, intent: Intent, why: str) -> Memoir[Intent]:
        """Return the intent with the order that is there under its number, gone where there is none."""
        found = yield from self._found(intent, why)
        if found is None:
            found = intent.gone(f"there is no order {self.number} at {self.client.vendor.title}, and {why}")
            yield Record(NAME, found.as_dict())
        return found

    def _found(self, intent: Intent, why: str) -> Memoir[Intent | None]:
        """Return the intent with the order that is there under its number, None where there is none."""
        if self.number is None:
            raise self._unknown(intent, f"{why}, and it has no orderNumber to look it up by")
        log.warning("Looking for order %s: %s", self.number, why)
        order_id = yield from find_order(self.client, self.document)
        if order_id is None:
            return None
        found = intent.started(order_id, self.attempt.max_tries, self.client.clock())
        yield Record(NAME, found.as_dict())
        return found

    def _next(self, intent: Intent) -> Memoir[Intent]:
        """Return the next generation after one that cannot make an order, or raise what ended that one."""
        if intent.doubt and intent.fate is not Fate.GONE:
            found = yield from self._found(
                intent, f"it may have been made under an earlier key, and {intent.said}"
            )
            if found is not None:
                return found
        if intent.fate is Fate.GONE:
            if self.left_gone and self._fresh(intent):
                raise self._ended(intent)  # one new key in a try is enough
            self.left_gone = True
        elif self._fresh(intent) or (intent.lasting and not self.cleared):
            raise self._ended(intent)
        if self.raw_key:
            raise self._used_up(intent)
        if intent.locked and (rest := intent.seen + LOCK_REST - self.client.clock()) > 0:
            yield Pause(rest)
        log.warning("Key %s cannot make the order, the next one follows: %s", intent.key, intent.said)
        return self.begun(intent.generation + 1, intent, blind=intent.blind)

    def _posted(self, intent: Intent) -> Memoir[Intent]:
        """Return the intent as its POSTs leave it."""
        known = intent.key
        fresh = self._fresh(intent)
        intent, error = yield from post(
            self.client, self.request, intent, self.digest, self.attempt.max_tries, fresh=fresh
        )
        if intent.key != known:
            self.before = intent  # another try's
        if error is None:
            return intent
        self.errors[intent.key] = error
        if intent.fate is not Fate.OPEN:
            return intent
        said = error.answer.bare if error.answer else ""
        return (yield from self._looked_up(intent, f"its key gets the same answer each time, {said}"))

    def _ended(self, intent: Intent) -> ApiError:
        """Return the error that ends a try, in the vendor's words where this try has heard them."""
        error = self.errors.get(intent.key)
        if error is None or intent.fate is Fate.GONE:
            return intent.error()
        return LockContention(str(error), transient=True) if intent.locked else error

    def _used_up(self, intent: Intent) -> Refused:
        return Refused(
            f"The raw_idempotency_key {intent.key} is used up: Zuora repeats its answer for 24 hours. Pass "
            f"another one. {intent.said}"
        )

    def _unknown(self, intent: Intent, why: str) -> OutcomeUnknown:
        first = datetime.fromtimestamp(intent.first_post, UTC).isoformat(timespec="seconds")
        sent = (
            f"first sent {first}, Track-Ids {', '.join(intent.track_ids)}" if intent.track_ids else "not sent"
        )
        new = self.document.get("newAccount") or {}
        names = (self.document.get(name) for name in ("existingAccountNumber", "existingAccountId"))
        account = next((name for name in names if name), new.get("name"))
        order = f"order {self.number}" if self.number else "an order"
        return OutcomeUnknown(
            f"Whether this order exists is unknown: {why}. It was not sent again, that could make it twice.\n"
            f"Key {intent.key}, {sent}.\n"
            f"1. Look in {self.client.vendor.title} for {order} of account {account}, dated "
            f"{self.document['orderDate']}, made since then (give it some minutes).\n"
            f"{_WAYS_ON if self.alone else _WAYS_ON_IN_A_LIST} More: docs/exactly-once.md"
        )


def _place(submitter: str, account: str) -> str:
    """Return under what an intent is kept while the open one is about something else."""
    return f"{NAME}:{sha256([submitter, account])}"
