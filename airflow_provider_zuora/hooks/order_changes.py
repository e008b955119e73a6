"""Delete, activate and cancel orders, and set their trigger dates; a base of Zuora's hook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_zuora.exceptions import convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.version_compat import NEVER_EXPIRE, get_running_context

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.order_absence import Deletion
    from airflow_provider_zuora.core.vendors.zuora.order_changes import OrderChange


class BaseOrderChangesHook(BaseJobHook):
    """What a hook for Zuora does with orders that exist."""

    conn_type = "zuora"
    submission_log: Any  # besides the log of the connection; None: there is no other
    guard: Any  # likewise

    def delete_order(
        self,
        order_number: str,
        *,
        on_missing: Literal["fail", "succeed"] = "fail",
        context: Mapping[str, Any] | None = None,
    ) -> str:
        """
        Have Zuora delete an order, and return ``order-deletion:<orderNumber>``, which ends when it is gone.

        The order is read before, and its account. Zuora deletes it later, or not: wait for the id that is
        returned.

        :param order_number: of an order none of whose charges is invoiced.
        :param on_missing: what an order means that is not there before anything was sent: ``fail``, because
            the number may be mistyped, or ``succeed``.
        :param context: the task's context; None: that of the running task.
        :raises GuardRefusedError: if a guard expects another environment.
        :raises PermanentError: if it is not there, or Zuora refuses.
        :raises OutcomeUnknownError: if only a person can tell whether it is deleted.
        :raises TransientError: if a retry goes on.
        """
        return self._delete_order(order_number, on_missing, context).job_id

    def activate_order(self, order_number: str) -> dict[str, Any]:
        """
        Activate a draft order ("Activate an order"), and return Zuora's answer.

        It may bill and collect. The order is read before; one that is activated already is a success, and
        nothing is sent: then ``orderNumber``, ``accountNumber``, ``status`` and ``subscriptions`` of its page
        are returned.

        :param order_number: of a Draft.
        :raises GuardRefusedError: if a guard refuses it, one with ``max_amount`` always.
        :raises PermanentError: if there is no such order, it is no Draft, or Zuora refuses.
        :raises OutcomeUnknownError: if no answer came, and the order is still a Draft when it is read.
        :raises TransientError: if nothing was changed, and a retry goes on.
        """
        from airflow_provider_zuora.core.vendors.zuora.order_changes import make_activation

        return self._change_order(order_number, make_activation())

    def cancel_order(self, order_number: str, *, cancel_reason: str | None = None) -> dict[str, Any]:
        """
        Cancel an order that is Draft or Scheduled ("Cancel an order"), and return Zuora's answer.

        One that is cancelled already is a success, as in `activate_order`.

        :param order_number: of a Draft, or of one that is Scheduled.
        :param cancel_reason: text in one line; None: none.
        :raises GuardRefusedError: if a guard expects another environment.
        :raises PermanentError: if there is no such order, its status forbids it, or Zuora refuses.
        :raises OutcomeUnknownError: if no answer came, and the order does not show it when it is read.
        :raises TransientError: if nothing was changed, and a retry goes on.
        """
        from airflow_provider_zuora.core.vendors.zuora.order_changes import make_cancellation

        with convert_errors():
            change = make_cancellation(cancel_reason)
        return self._change_order(order_number, change)

    def update_order_trigger_dates(
        self, order_number: str, subscriptions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """
        Set trigger dates of a pending order ("Update order trigger dates"), and return Zuora's answer.

        Its ``status`` is Completed, or still Pending. An order that shows all these dates already is a
        success, as in `activate_order`; those of ``charges`` it does not show.

        :param order_number: of one that is Pending.
        :param subscriptions: as Zuora takes them: ``subscriptionNumber`` and ``orderActions``, each with its
            ``sequence`` and ``triggerDates`` (``name``, ``triggerDate``), or ``charges``; checked before
            anything is sent.
        :raises GuardRefusedError: if a guard refuses it, one with ``max_amount`` always.
        :raises PermanentError: if a rule is broken (one line each), there is no such order, it is not
            Pending, or Zuora refuses.
        :raises OutcomeUnknownError: if no answer came, and the order does not show them when it is read.
        :raises TransientError: if nothing was changed, and a retry goes on.
        """
        from airflow_provider_zuora.core.vendors.zuora.order_changes import make_trigger_dates

        with convert_errors():
            change = make_trigger_dates(subscriptions)
        return self._change_order(order_number, change)

    def _delete_order(
        self, order_number: str, on_missing: str, context: Mapping[str, Any] | None = None
    ) -> Deletion:
        from airflow_provider_zuora.airflow_context.task import open_store, read_attempt
        from airflow_provider_zuora.core.submission.order_deletion import MISSING, delete_order
        from airflow_provider_zuora.hooks.guards import check_change
        from airflow_provider_zuora.hooks.submission_log import open_log

        if on_missing not in MISSING:
            self._refuse([f"on_missing: must be {' or '.join(MISSING)}, not {on_missing!r:.80}"])
        context = context or get_running_context()
        with convert_errors():
            check_change(self, "order deletion", context)
        store, submission_log = open_store(context, NEVER_EXPIRE), open_log(self, context)
        options: dict[str, Any] = {"on_missing": on_missing, "is_remembered": store is not None}
        who = (read_attempt(context), submission_log)
        return self._run(lambda client: delete_order(client, order_number, *who, **options), store)

    def _confirm_deletion(self, deletion: Deletion) -> None:
        """Raise an error unless an order is gone that was there."""
        from airflow_provider_zuora.core.submission.order_absence import confirm_deletion

        self._run(lambda client: confirm_deletion(client, deletion))

    def _change_order(self, order_number: str, change: OrderChange) -> dict[str, Any]:
        from airflow_provider_zuora.core.submission.order_changes import change_order
        from airflow_provider_zuora.hooks.guards import check_change
        from airflow_provider_zuora.hooks.submission_log import open_log

        context = get_running_context()
        with convert_errors():
            check_change(self, change.kind, context, change)
        submission_log = open_log(self, context)
        return self._run(lambda client: change_order(client, order_number, change, submission_log))
