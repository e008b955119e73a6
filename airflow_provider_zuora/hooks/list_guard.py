"""The guards of a list, asked before one of its orders is sent: they let it pass as a whole, or refuse it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from airflow_provider_zuora.airflow_context.task import TaskCall
from airflow_provider_zuora.core.errors import ApiError, GuardRefused
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.guards import Money
from airflow_provider_zuora.core.submission.bulk import PreparedOrder, prepare_order
from airflow_provider_zuora.core.submission.bulk_orders import BulkOrder
from airflow_provider_zuora.core.submission.bulk_results import BulkResult
from airflow_provider_zuora.core.submission.guarding import (
    SubmissionGuard,
    end_refusal,
    may_exist,
    refuse,
    refuse_all,
)
from airflow_provider_zuora.core.submission.logging_facts import describe_end
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission_log import SubmissionLog
from airflow_provider_zuora.hooks.connection import Settings
from airflow_provider_zuora.session.concurrency import call_concurrently, run_on_own_loop

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListGuard:
    """The guards of one call that submits a list; for the parameters see `submit_all`."""

    settings: Settings
    call: TaskCall
    submission_log: SubmissionLog
    guard: SubmissionGuard
    concurrency: int

    @property
    def is_needed(self) -> bool:
        """Return whether the orders must be looked at before the first is sent."""
        return self.guard.guards.counts_orders or self.guard.guards.reads_amounts

    def refuse_elsewhere(self, orders: Sequence[BulkOrder], refusal: GuardRefused) -> list[BulkResult]:
        """
        Refuse a list whose connection is not to where it must be; nothing is asked there.

        :return: what became of each, if earlier tries may have sent some of them.
        :raises GuardRefused: if none of them can have been sent.
        """
        notes = self._run(RecordStore(self.call.attempt).load())
        client, attempt = self.settings.client, self.call.attempt
        results = []
        for order in orders:
            submission = prepare_order(client, order, attempt, notes).submission
            try:
                self._run(refuse(submission, refusal, looks=False))
            except ApiError as error:
                results.append(BulkResult(order, error=error))
        if all(isinstance(result.error, GuardRefused) for result in results):
            raise end_refusal(refusal, is_first=self.call.attempt.is_first) from refusal
        return results

    def check(self, every: Sequence[PreparedOrder]) -> None:
        """
        Ask the guards of what is to be sent; orders of a list that they refuse are not sent.

        :raises GuardRefused: if they refuse it, and none of its orders can have been sent before.
        :raises ApiError: if that cannot be told now: nothing was sent by this try.
        """
        fresh = [each for each in every if not each.submission.is_known_sent]
        try:
            self._check(every, fresh)
        except GuardRefused as refusal:
            for each in fresh:
                each.submission.check_guard = partial(refuse_all, refusal=refusal)
            if not any(may_exist(each.submission) for each in every):
                self._note_ends(fresh, refusal)
                self._run(RecordStore(self.call.attempt).note_nothing_sent())
                raise end_refusal(refusal, is_first=self.call.attempt.is_first) from refusal
            return
        except ApiError as error:
            self._note_ends(fresh, error)
            raise
        for each in every:
            each.submission.is_guarded = True

    def _check(self, every: Sequence[PreparedOrder], fresh: Sequence[PreparedOrder]) -> None:
        guards = self.guard.guards
        if guards.reads_amounts:
            guards.check_count(len(every), "the list has")  # its run has no fewer; previews take their time
            guards.check_amounts(self._read_amounts(fresh), "the list comes to")
        submissions, new = ([each.submission for each in some] for some in (every, fresh))
        self._run(self.guard.check_list(self.submission_log, submissions, new))

    def _read_amounts(self, fresh: Sequence[PreparedOrder]) -> list[Money]:
        """Return what all orders of the list come to that are not sent yet."""
        session = self.settings.session

        async def read() -> list[list[Money]]:
            try:
                flows = map(self._read_amounts_of, fresh)
                return await call_concurrently(session.arun, flows, min(self.concurrency, len(fresh)))
            finally:
                await session.aclose()

        return [money for found in (run_on_own_loop(read) if fresh else ()) for money in found]

    def _read_amounts_of(self, each: PreparedOrder) -> Flow[list[Money]]:
        try:
            return (yield from self.guard.read_amounts(each.submission.client, each.order.checked))
        except GuardRefused as error:
            raise GuardRefused(f"{each.order}: {error.message}", info=error.info) from error

    def _note_ends(self, fresh: Sequence[PreparedOrder], error: ApiError) -> None:
        """Write to the log that this try has sent nothing."""
        for each in fresh:
            self.submission_log.add_end(describe_end(each.submission, ""), error)
        self._run(self.submission_log.write_ends())

    def _run(self, flow: Flow[T]) -> T:
        return self.settings.session.run(flow, self.call.store)
