"""Delete an order, and wait until it is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from typing_extensions import override

from airflow_provider_zuora.airflow_context.parameters import OperatorOptions, keep_parameters
from airflow_provider_zuora.core.job import JobResult
from airflow_provider_zuora.exceptions import TransientError
from airflow_provider_zuora.guards import Guard, GuardedTask
from airflow_provider_zuora.hooks.zuora import LogPath, ZuoraHook
from airflow_provider_zuora.operators.base import BaseJobOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zuora.core.submission.order_absence import Deletion

_MISSING = ("fail", "succeed")


class ZuoraDeleteOrderOperator(GuardedTask, BaseJobOperator):
    """
    Delete an order in Zuora, and wait until Zuora does not know it any more.

    Zuora rolls its subscriptions back, and refuses if charges of it are invoiced. What becomes of the job of
    a deletion it documents nowhere, so the order itself is read, until the answer says that there is none,
    and its account, which was read before, can still be read. What is promised: docs/undo.md.

    :param order_number: the order; a template.
    :param on_missing: what an order means that is not there before this task has sent anything: ``fail``,
        because the number may be mistyped, or ``succeed``.
    :param zuora_conn_id: the Airflow connection.
    :param submission_log: a path, or a store's URL, below which the deletion is noted before it is sent,
        besides the connection's log; a template. What cannot be noted is not sent: docs/submission-log.md.
    :param guard: an ``OrderGuard``, or its fields as a dict; a template. Of a deletion ``expect_environment``
        is checked, before anything is asked: docs/guards.md.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s on a worker) to 60 s.
    :param timeout: seconds that the wait may last, or a timedelta; Zuora may delete it later.
    :return: ``order_number``, ``account_number``, and ``deleted``: False if it was not there.
    :raises GuardRefusedError: (no retries) if a guard expects another environment.
    :raises PermanentError: (no retries) if it is not there, or Zuora refuses, for example because charges
        are invoiced.
    :raises OutcomeUnknownError: (no retries) if only a person can tell whether it is deleted.
    :raises TransientError: (retries) if Zuora could not be reached, or ``timeout`` passed.
    """

    # For Airflow's Registry: a retry goes on with what an earlier try has sent.
    __supports_durable_execution: ClassVar[bool] = True
    hook_class = ZuoraHook
    receipt_kind = "order deletion"
    wait_for_completion = True
    next_try = "reads the order, and has it deleted if it is still there"
    template_fields: Sequence[str] = ("order_number", "zuora_conn_id", "submission_log", "guard")
    zuora_conn_id: str
    submission_log: LogPath
    order_number: str
    on_missing: str
    _deletion: Deletion | None = None

    def __init__(
        self,
        *,
        order_number: str,
        on_missing: Literal["fail", "succeed"] = "fail",
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        submission_log: LogPath = None,
        guard: Guard = None,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
        **kwargs: Unpack[OperatorOptions],
    ):
        if "wait_for_completion" in kwargs:
            raise ValueError("wait_for_completion: a deletion is always waited for; leave this option out")
        keep_parameters(self, locals())
        super().__init__(**kwargs)
        if on_missing not in _MISSING:
            raise ValueError(f"on_missing: must be {' or '.join(_MISSING)}, not {on_missing!r}")
        self.keep_guard(guard)

    @cached_property
    @override
    def hook(self) -> ZuoraHook:
        return ZuoraHook(self.zuora_conn_id, self.submission_log, self.rendered_guard)

    @override
    def execute(self, context: Context) -> Any:
        """Have the order deleted, or find that an earlier try has, and wait until it is gone."""
        with self.reporting(context) as notes:
            self.check_options()
            self._deletion = self.hook._delete_order(self.order_number, self.on_missing, context)
            notes.facts["order_number"] = self._deletion.number
            if not self._deletion.account:
                notes.state = "missing"
                return _describe(self._deletion)
            return self._execute(context)

    @override
    def start_job(self, context: Context) -> str:
        assert self._deletion is not None, "execute has sent it"
        return self._deletion.job_id

    @override
    def list_expected(self) -> dict[str, str]:
        assert self._deletion is not None, "execute has sent it"
        return self._deletion.as_dict()

    @override
    def _conclude(self, waited: JobResult, context: Context, expected: Mapping[str, str]) -> Any:
        """Return what is gone, once the order and its account are read again, by this worker."""
        from airflow_provider_zuora.core.submission.order_absence import Deletion

        deletion = Deletion.read(expected)
        if waited.job is not None:
            if not deletion.place:
                raise TransientError(f"What was known of {waited.job_id} is lost; a retry reads the order.")
            self.hook._confirm_deletion(deletion)
        self.notes.facts["account_number"] = deletion.account
        super()._conclude(waited, context, {})
        return _describe(deletion)


def _describe(deletion: Deletion) -> dict[str, Any]:
    """Return what the task returns of an order that is not there."""
    account = deletion.account or None
    return {"order_number": deletion.number, "account_number": account, "deleted": account is not None}
