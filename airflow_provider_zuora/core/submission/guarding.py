"""
The guards of a submission: asked before its first POST, when nothing of this try can have been sent.

What an earlier try is known to have sent has passed them, and goes on: its order is there, or may be. What an
earlier try may have sent is looked for once if a guard refuses it; if it is not found, a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_zuora.core.errors import ApiError, GuardRefused, LogUnavailable, SignInRefused
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.guards import NO_GUARDS, Guards, Money
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.submission import endings, recovery
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.logging_facts import describe
from airflow_provider_zuora.core.submission.protocol import Event
from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission_log import SubmissionLog
from airflow_provider_zuora.core.vendors.base import CheckedDocument

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.submission import Submission

ReadAmounts = Callable[[ApiClient, CheckedDocument], Flow[list[Money]]]
ORDER, BILL_RUN = "order", "bill run"
_NO_LOG = (
    "how many orders the run has sent is unknown: it needs a submission_log, of the connection or of each "
    "task."
)
_NO_RUN = "how many orders were sent before is unknown: this is no task of a run."
_AUTO_POST = "what autoPost posts cannot be read before; leave it out, and pass post=True."


@dataclass(frozen=True, slots=True)
class SubmissionGuard:
    """
    The guards of one call that submits.

    :param readers: how what a document comes to is read, by its kind.
    :param is_mapped: whether there are other tasks like this one in the run.
    """

    guards: Guards = NO_GUARDS
    readers: Mapping[str, ReadAmounts] | None = None
    is_mapped: bool = False

    def check_environment(self, client: ApiClient) -> None:
        """Refuse a connection to another environment; nothing is asked for that."""
        self.guards.check_environment(client.credentials.base_url)

    def check(self, submission: Submission) -> Flow[None]:
        """
        Check what is to be submitted alone.

        :raises GuardRefused: if a guard refuses it, or cannot tell.
        :raises ApiError: transient, if the next try may be able to tell.
        """
        order = submission.order
        if self.guards.reads_amounts:
            found = yield from self.read_amounts(submission.client, order)
            self.guards.check_amounts(found, f"the {order.kind} comes to")
        if order.kind == ORDER and self.guards.counts_orders:
            if not submission.log.is_kept:
                raise self.guards.build_refusal("max_orders", _NO_LOG)
            yield from self.check_run(submission.log, [submission], [submission], is_alone=True)

    def read_amounts(self, client: ApiClient, document: CheckedDocument) -> Flow[list[Money]]:
        """Return what a document would come to; raise as `check` does."""
        if document.kind == BILL_RUN:
            if document.document.get("autoPost") is True:
                raise self.guards.build_refusal("max_amount", _AUTO_POST)
            return []  # it makes drafts
        try:
            return (yield from (self.readers or {})[document.kind](client, document))
        except ApiError as error:
            raise_refusal(self.guards, f"what the {document.kind} comes to", error)

    def check_list(
        self, log_of_list: SubmissionLog, submissions: Sequence[Submission], new: Sequence[Submission]
    ) -> Flow[None]:
        """Check how many orders a list has, and its run with it; ``new``: those that are not sent yet."""
        if not self.guards.counts_orders:
            return
        if log_of_list.is_kept and _has_run(log_of_list):
            yield from self.check_run(log_of_list, submissions, new)
        elif self.is_mapped:
            raise self.guards.build_refusal("max_orders", _NO_LOG)
        else:
            self.guards.check_count(len(submissions), "the list has")

    def check_run(
        self,
        log_of_task: SubmissionLog,
        submissions: Sequence[Submission],
        new: Sequence[Submission],
        *,
        is_alone: bool = False,
    ) -> Flow[None]:
        """
        Check how many orders the run has with these, each key once; intents of new ones are written first.

        So of two tasks that count at the same time at least one sees the other.
        """
        if not _has_run(log_of_task):
            raise self.guards.build_refusal("max_orders", _NO_RUN)
        yield from log_of_task.note_intents(describe_intents(new), is_first_word=is_alone)
        try:
            keys = yield from log_of_task.read_order_keys()
        except LogUnavailable as error:
            if isinstance(error.__cause__, (PermissionError, ValueError)):
                words = f"what the run has sent cannot be read: {error}"
                raise self.guards.build_refusal("max_orders", words) from error
            raise
        own = {each.record.key for each in submissions}
        self.guards.check_count(len(keys | own), "with these the run has")


NO_GUARD = SubmissionGuard()


def _has_run(log_of_task: SubmissionLog) -> bool:
    return log_of_task.task.get("run_id") is not None


def end_refusal(refusal: GuardRefused, kind: str = ORDER, *, is_first: bool = False) -> GuardRefused:
    """
    Return a refusal as it ends a try, which has sent none of this kind; previews and reads it may have sent.

    :param is_first: whether no earlier try can have sent one.
    """
    words = f"No {kind} was sent." if is_first else f"This try has sent no {kind}."
    return GuardRefused(f"{refusal.message} {words}", info=refusal.info)


def raise_refusal(guards: Guards, words: str, error: ApiError) -> NoReturn:
    """Raise that an amount could not be read, unless it is for a reason that may pass."""
    if error.transient or isinstance(error, (GuardRefused, SignInRefused)):
        raise error
    raise guards.build_refusal(
        "max_amount", f"{words} cannot be told: {error.message}", error.info
    ) from error


def describe_intents(submissions: Iterable[Submission]) -> list[dict[str, Any]]:
    """Return what the log says of submissions that are about to be sent."""
    return [
        describe(each, replace(each.record, unanswered=each.record.unanswered + 1)) for each in submissions
    ]


def send(submission: Submission) -> Flow[Event]:
    """Send what the guards let pass; return the event."""
    if not (submission.is_guarded or submission.is_known_sent):
        try:
            yield from submission.check_guard(submission)
        except GuardRefused as refusal:
            return (yield from refuse(submission, refusal))
    submission.is_guarded = True
    submission.record, event = yield from submission.post.send(submission.record)
    return Event.ACCEPTED_BEFORE if event is Event.ACCEPTED and submission.is_inherited else event


def may_exist(submission: Submission) -> bool:
    """Return whether there may be what is to be submitted, sent by an earlier try or process."""
    is_unknown = submission.is_inherited and not submission.keys.is_remembered
    return submission.record.may_exist or is_unknown or submission.left_absent


def refuse(submission: Submission, refusal: GuardRefused, *, looks: bool = True) -> Flow[Event]:
    """
    Refuse what may not be sent; what an earlier try may have sent is looked for first.

    :param looks: False: nothing is asked for, because it would be in the wrong place.
    :raises GuardRefused: if nothing was sent.
    :raises OutcomeUnknown: if that is unknown.
    """
    if not may_exist(submission):
        yield from submission.notes.note_nothing_sent()
        is_first = submission.keys.attempt.is_first
        raise end_refusal(refusal, submission.order.kind, is_first=is_first) from refusal
    if looks and (yield from recovery.look_once(submission)) is Event.FOUND:
        return Event.FOUND
    submission.why = f"a guard does not let it be sent ({refusal}), and an earlier try may have sent it"
    raise recovery.build_question(submission) from refusal


def check_place(
    guard: SubmissionGuard,
    client: ApiClient,
    attempt: TaskAttempt,
    sent: SubmissionRecord | None,
    begin: Callable[[RecordStore], Submission],
) -> Flow[None]:
    """
    Refuse what must not be sent to where the connection leads; nothing is asked there, not even for a token.

    :param sent: what an earlier process of this try has sent.
    :param begin: returns the submission as the notes of the tries have it.
    :raises GuardRefused: if nothing was sent; ``OutcomeUnknown``: if that is unknown.
    """
    try:
        guard.check_environment(client)
    except GuardRefused as refusal:
        if sent is not None:
            raise endings.build_sent_error(sent, refusal) from refusal
        yield from refuse(begin((yield from RecordStore(attempt).load())), refusal, looks=False)


def refuse_all(_: Submission, refusal: GuardRefused) -> Flow[None]:
    """Refuse an order of a list, because its list is refused."""
    yield from ()
    raise refusal
