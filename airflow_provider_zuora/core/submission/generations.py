"""Which record a try begins with, and which key comes next: what is noted, and what may have been sent."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.errors import OutcomeUnknown
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.submission.attempt import TaskAttempt
from airflow_provider_zuora.core.submission.keys import (
    IdempotencyScope,
    account_fingerprint,
    changed_paths,
    digest_of,
    path_hashes,
)
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.post import KEY_AGE
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.vendors.zuora.order_secrets import hidden_values

log = logging.getLogger(__name__)

_WINDOW = 1000  # generations that belong to each 23 hours of a run of which nothing is remembered


class Generations:
    """
    The keys of one order, in one try.

    :param document: the order, checked.
    :param request: the POST of it, without a key.
    :param notes: what the tries of the task have noted, loaded.
    :param raw_key: sent as it is instead of a key of ours; then there are no generations.
    :param alone: False if it is one of a list, so that the task's options are not about this one.
    :param sole: True if the task submits no other order: what an earlier try has sent is this one, changed.
    :param equals: how many equal orders its list holds besides.
    """

    def __init__(  # noqa: PLR0913 - all that makes an order the same one
        self,
        client: ApiClient,
        document: Mapping[str, Any],
        request: Request,
        by: IdempotencyScope,
        attempt: TaskAttempt,
        notes: Notes,
        raw_key: str | None = None,
        *,
        alone: bool = True,
        sole: bool = True,
        equals: int = 0,
    ):
        self.client = client.hiding(hidden_values(document))
        self.document = document
        self.request = request
        self.by = by
        self.attempt = attempt
        self.notes = notes
        self.raw_key = raw_key
        self.alone = alone
        self.sole = sole
        self.ways_on = "alone" if alone else "equals" if equals else "list"
        self.digest = digest_of(client, request, document)
        self.number: str | None = document.get("orderNumber")
        self.submitter, self.account = by.fingerprint(self.number), account_fingerprint(client)
        self.is_cleared = attempt.cleared
        self.is_inherited = False  # an earlier try may have ended with the key
        self.is_noted = False  # the record is of the notes
        self.is_remembered = notes.is_complete
        self.record = self._begin()

    def _begin(self) -> SubmissionRecord:
        """Return what is known of this order, from the notes if they tell of it."""
        noted = self._noted()
        if noted is not None:
            self.is_cleared = noted.max_tries < self.attempt.max_tries
            self.is_inherited = noted.try_number != self.attempt.number
            self.is_noted = True
            return noted
        begun = self.begun(0)
        self.is_inherited = self.is_of_an_earlier_try(0)
        return begun

    def _noted(self) -> SubmissionRecord | None:
        """Return what an earlier try has noted of this order, also if the order has changed since."""
        if self.alone and self.notes.is_of_another_account(self.submitter, self.account):
            log.warning("What earlier tries noted of this order is of another account: it is not used")
        exact = self.notes.find(self.submitter, self.account, self.digest)
        if exact is not None and self.raw_key not in (None, exact.key):
            log.warning("An earlier try sent this order under key %s: it is not used", exact.key)
            return None
        if exact is not None or not (self.alone or self.number):
            return exact
        others = [
            record
            for record in self.notes.of(self.submitter, self.account)
            if self.raw_key in (None, record.key)
        ]
        met = [record for record in others if record.try_number == self.attempt.number]
        others = [record for record in others if record not in met and not self._is_done_with(record)]
        is_sole = self.sole and not met
        if self.number is None and others and not (is_sole and len(others) == 1):
            raise OutcomeUnknown(
                f"Earlier tries of this task have sent {len(others)} orders without an orderNumber, and this "
                "is none of them. Whether it is one of them that has changed is unknown; nothing was sent. "
                "Give each order an orderNumber, or pass an idempotency_key for each, and clear the task."
            )
        if not others:
            return None
        changed = changed_paths(others[-1].paths or {}, path_hashes(self.client, self.document))
        log.warning(
            "The order has changed since an earlier try sent it under key %s. What that try has made of it "
            "counts, and may lack these changes: %s",
            others[-1].key,
            ", ".join(changed) or "the entity, the orgs or return_ids",
        )
        return others[-1]

    def _is_done_with(self, record: SubmissionRecord) -> bool:
        """Return whether a clear has ended this submission, so that a changed order is another one."""
        is_cleared = record.max_tries < self.attempt.max_tries
        return is_cleared and record.state is not SubmissionState.OPEN

    @property
    def is_repeated(self) -> bool:
        """Return whether this try has submitted an equal order, which nothing tells from this one."""
        is_own = (
            self.record.try_number == self.attempt.number and self.record.state is SubmissionState.STARTED
        )
        return is_own and self.number is None and self.by.position is not None

    def begun(self, generation: int, before: SubmissionRecord | None = None) -> SubmissionRecord:
        """Return the record of a generation; all generations are of the content of the first."""
        digest = before.digest if before else self.digest
        is_absent = before is not None and before.state is SubmissionState.ABSENT
        was_sent = self._may_have_been_sent(generation)
        return SubmissionRecord(
            submitter=self.submitter,
            order_number=self.number,
            account=self.account,
            key=self.raw_key or self.by.key(digest, self.number, generation),
            generation=generation,
            digest=digest,
            contents=(self.digest,),
            params=self.request.params,
            paths=path_hashes(self.client, self.document)
            if self.alone
            else None,  # of a list, nothing is kept
            first_post=self._first_post(before) if was_sent else self.client.clock(),
            try_number=self.attempt.number,
            max_tries=self.attempt.max_tries,
            unanswered=int(was_sent),
            absence_believed=is_absent and self.number is not None,
        )

    def _first_post(self, before: SubmissionRecord | None) -> float:
        """Return a time before which a key that nobody remembers was not sent, or came to nothing."""
        absent = before.decided_at if before and before.state is SubmissionState.ABSENT else -math.inf
        return max(self._since, absent)

    def _may_have_been_sent(self, generation: int) -> bool:
        """Return whether an earlier try may have sent this key although nothing is noted of it."""
        if self.is_remembered:  # but perhaps by another of the mapped tasks
            return self.attempt.moved and self.number is not None and generation == 0
        return not self.attempt.is_first

    def is_of_an_earlier_try(self, generation: int) -> bool:
        """Return whether an earlier try would have ended with this key: each goes one key further."""
        further = max(self.attempt.moved, self.attempt.cleared)
        was_sent = self._may_have_been_sent(generation)
        return was_sent and generation % _WINDOW < self.attempt.number - 1 + further

    @property
    def _since(self) -> float:
        """Return a time before which no try can have sent a key."""
        now = self.client.clock()
        known = (self.attempt.since, self.by.issued_at)
        return max((moment for moment in known if moment is not None), default=now)

    def generation_after(self, before: SubmissionRecord, *, was_sent: bool) -> int:
        """
        Return the next generation.

        :param was_sent: True if this try has sent the key before.

        Where a run is too old for its first keys and nobody remembers them, they are not sent. Those of its
        second 23 hours begin at 1000, and so on, so that the tries of a window agree on them.
        """
        if self.is_noted or self.is_remembered or was_sent:
            return before.generation + 1
        return max(before.generation, int((self.client.clock() - self._since) // KEY_AGE) * _WINDOW)
