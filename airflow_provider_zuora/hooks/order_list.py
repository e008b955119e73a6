"""Submit the orders of a list over one session; a hundred at a time are noted before they are sent."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from airflow_provider_zuora.airflow_context.task import TaskCall
from airflow_provider_zuora.core.errors import GuardRefused, LogUnavailable, StoreUnavailable
from airflow_provider_zuora.core.flow import Store
from airflow_provider_zuora.core.submission.beginnings import read_notes
from airflow_provider_zuora.core.submission.bulk import (
    PreparedOrder,
    prepare_order,
    refuse_repeated,
    reserve_batch,
    submit_one,
)
from airflow_provider_zuora.core.submission.bulk_orders import BulkOrder
from airflow_provider_zuora.core.submission.bulk_results import BulkResult, Progress, leave_unsent
from airflow_provider_zuora.core.submission.guarding import NO_GUARD, SubmissionGuard
from airflow_provider_zuora.core.submission.logging_facts import describe_end
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission_log import NO_LOG, SubmissionLog
from airflow_provider_zuora.hooks.connection import Settings
from airflow_provider_zuora.hooks.list_guard import ListGuard
from airflow_provider_zuora.session.concurrency import call_concurrently, run_on_own_loop
from airflow_provider_zuora.session.session import ApiSession

log = logging.getLogger(__name__)

_BATCH = 100  # orders that are noted at a time
_PATIENCE = 10  # transient failures in a row, at the least, before the rest is left to a retry


def submit_all(
    settings: Settings,
    orders: Sequence[BulkOrder],
    call: TaskCall,
    submission_log: SubmissionLog,
    guard: SubmissionGuard = NO_GUARD,
    *,
    concurrency: int,
    adopt: bool,
) -> list[BulkResult]:
    """
    Submit orders and return what became of each, in their order; ``adopt``: take those that exist.

    :raises GuardRefused: if a guard refuses the list, and none of its orders can have been sent before.
    """
    if not orders:
        return []
    client, of_list = settings.client, ListGuard(settings, call, submission_log, guard, concurrency)
    try:
        guard.check_environment(client)
    except GuardRefused as refusal:
        return of_list.refuse_elsewhere(orders, refusal)
    check = partial(client.check_allowed, orders[0].checked.request)
    notes = settings.session.run(read_notes(call.attempt, call.shared, check), call.store)
    notes.is_kept = call.store is not None
    progress = Progress(len(orders), max(concurrency, _PATIENCE))
    # Each is made when its turn comes: while others are under way that takes no time.
    prepared = (prepare_order(client, order, notes.attempt, notes, submission_log) for order in orders)
    if not notes.is_empty or of_list.is_needed:
        every = list(prepared)
        refuse_repeated(every)
        of_list.check(every)
        prepared = (each for each in every)
    batches = _Batches(settings.session, notes, submission_log, call.store, progress, concurrency, adopt)
    return run_on_own_loop(lambda: batches.submit(prepared))


@dataclass(frozen=True, slots=True)
class _Batches:
    """The orders of a list in batches; for the parameters see `submit_all`."""

    session: ApiSession
    notes: RecordStore
    submission_log: SubmissionLog
    store: Store | None
    progress: Progress
    concurrency: int
    adopt: bool

    async def submit(self, prepared: Iterator[PreparedOrder]) -> list[BulkResult]:
        """Submit the orders; see `submit_all`."""
        try:
            return await self._submit_batches(prepared)
        finally:
            try:
                await self.session.arun(self.submission_log.write_ends())
            finally:
                await self.session.aclose()

    async def _submit_batches(self, prepared: Iterator[PreparedOrder]) -> list[BulkResult]:
        if self.store is None and not self.submission_log.is_kept:
            return await self._submit_batch(prepared, self.progress.total)
        results: list[BulkResult] = []
        while batch := list(islice(prepared, _BATCH)):
            await self._reserve(batch, is_first=not results)
            results += await self._submit_batch(batch, len(batch))
        await self._reserve((), is_first=False)
        return results

    async def _submit_batch(self, batch: Iterable[PreparedOrder], size: int) -> list[BulkResult]:
        return await call_concurrently(self._submit_one, batch, min(self.concurrency, size))

    async def _reserve(self, batch: Iterable[PreparedOrder], *, is_first: bool) -> None:
        """Note a batch before it is sent; if that fails, the results of the batches before are kept."""
        log_of_batch = NO_LOG if self.progress.stop else self.submission_log  # then nothing is sent
        try:
            await self.session.arun(reserve_batch(batch, self.notes, log_of_batch), self.store)
        except (LogUnavailable, StoreUnavailable) as error:
            if is_first:
                raise
            log.warning("What became of the orders could not be noted, a retry finds it: %r", error.__cause__)
            self.progress.stop = self.progress.stop or error

    async def _submit_one(self, prepared: PreparedOrder) -> BulkResult:
        if self.progress.stop is None:
            try:
                result = await self.session.arun(submit_one(prepared, adopt=self.adopt), self.store)
            except StoreUnavailable as error:  # it is about this order, the others go on
                result = BulkResult(prepared.order, error=error)
        else:
            result = leave_unsent(prepared.order, self.progress.stop)
        end = describe_end(prepared.submission, result.job_id or "")
        self.submission_log.add_end(end, result.error)
        self.progress.add(result)
        return result
