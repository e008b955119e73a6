"""Create orders at Zuora, each once, and wait for their jobs; the requests themselves are built in `core`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, raise_first
from airflow_provider_zuora.core.flow import ON_WORKER, Pausing
from airflow_provider_zuora.core.validation import (
    KEY_LENGTH,
    find_flag_violations,
    find_header_violation,
    find_list_violations,
    find_text_violations,
)
from airflow_provider_zuora.core.vendors.zuora.order_rules import CheckedOrder, check_order, check_preview
from airflow_provider_zuora.core.vendors.zuora.order_secrets import mask_secrets
from airflow_provider_zuora.exceptions import convert_error, convert_errors
from airflow_provider_zuora.guards import Guard
from airflow_provider_zuora.hooks.billing import BaseBillingHook
from airflow_provider_zuora.hooks.data_query import BaseDataQueryHook
from airflow_provider_zuora.hooks.order_changes import BaseOrderChangesHook
from airflow_provider_zuora.version_compat import NEVER_EXPIRE, get_running_context, mask_secret

if TYPE_CHECKING:
    from airflow_provider_zuora.airflow_context.task import TaskCall
    from airflow_provider_zuora.core.submission.bulk_orders import BulkOrder, Key
    from airflow_provider_zuora.core.submission.bulk_results import BulkResult
    from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope

LogPath: TypeAlias = str | PathLike[str] | None
"""Where a submission log is; `ObjectStoragePath` is a ``PathLike``, too."""


class ZuoraHook(BaseDataQueryHook, BaseBillingHook, BaseOrderChangesHook):
    """
    Sign in to Zuora, submit orders and runs once each, run data queries, and reach every other endpoint.

    The connection (type ``zuora``): host = base URL, or blank and ``environment`` in extra; login and
    password = OAuth client id and secret; all else in extra is optional, see the connection form.

    :param zuora_conn_id: the Airflow connection.
    :param submission_log: a path, or what ``ObjectStoragePath`` takes, below which a line of each submission
        is written before it is sent, besides the log of the connection (docs/submission-log.md).
    :param guard: what may be sent at most, besides the guard of the connection (docs/guards.md).
    """

    conn_name_attr = "zuora_conn_id"
    default_conn_name = "zuora_default"
    conn_type = "zuora"
    hook_name = "Zuora"

    def __init__(
        self, zuora_conn_id: str = default_conn_name, submission_log: LogPath = None, guard: Guard = None
    ):
        super().__init__(zuora_conn_id)
        self.submission_log = submission_log
        self.guard = guard

    def create_order(
        self,
        order: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        raw_idempotency_key: str | None = None,
        adopt_job_id: str | None = None,
        return_ids: bool = False,
        context: Mapping[str, Any] | None = None,
    ) -> str:
        """
        Check an order, submit it once, and return the id of the job that will create it.

        The Idempotency-Key is made of the order's content and of who submits it: dag, run, task, and the
        order's ``orderNumber``, or the map index if it has none. So a retry repeats nothing (for how long:
        docs/exactly-once.md). Outside of a task every call is a new submission. A second call of a task with
        an equal order that has no ``orderNumber`` is refused: pass an ``idempotency_key`` for each. The id is
        ``order:<orderNumber>`` if the order was found by its number.

        :param order: the body of Zuora's "Create an order asynchronously"; checked before it is sent.
        :param idempotency_key: replaces dag, run, task and map index in the key.
        :param raw_idempotency_key: sent as the key, as it is.
        :param adopt_job_id: a job, or ``order:<orderNumber>``, that replaces the order: nothing is sent.
        :param return_ids: True: the job's result holds ids instead of numbers.
        :param context: the task's context; None: that of the running task.
        :raises GuardRefusedError: if a guard refuses it; nothing was sent.
        :raises PermanentError: if a rule is broken (one line each, nothing was sent), or Zuora refuses it.
        :raises OutcomeUnknownError: if only a person can tell whether the order exists.
        :raises LockContentionError: if the order met a lock in Zuora.
        :raises TransientError: if it is unknown whether Zuora accepted it: a retry sends the same key.
        """
        return self._create_order(
            order, context, idempotency_key, raw_idempotency_key, adopt_job_id, return_ids=return_ids
        )

    def _create_order(
        self,
        order: Mapping[str, Any],
        context: Mapping[str, Any] | None,
        idempotency_key: str | None,
        raw_idempotency_key: str | None,
        adopt_job_id: str | None,
        *,
        return_ids: bool,
        is_sole: bool = False,
        pausing: Pausing = ON_WORKER,
    ) -> str:
        from airflow_provider_zuora.airflow_context.task import begin_call
        from airflow_provider_zuora.core.submission.adoption import adopt_job
        from airflow_provider_zuora.core.submission.idempotency_keys import build_shared_job_error
        from airflow_provider_zuora.core.submission.submission import submit_order
        from airflow_provider_zuora.hooks.guards import open_guard
        from airflow_provider_zuora.hooks.submission_log import open_log

        # is_sole: the task submits no other order, so each try means the same one, even with another content
        if (idempotency_key, raw_idempotency_key, adopt_job_id, return_ids) != (None, None, None, False):
            self._check_options(idempotency_key, raw_idempotency_key, adopt_job_id, return_ids)
        adopted = adopt_job_id and adopt_job_id.strip()
        check = partial(check_order, return_ids=True) if return_ids and not adopted else check_order
        checked = self._check(order, check)
        settings, context = self._settings, context or get_running_context()
        client, namespace = settings.client, settings.fields["idempotency_namespace"]
        call = begin_call(context, settings.credentials, namespace, idempotency_key, NEVER_EXPIRE)
        who = (client, checked, call.scope, call.attempt)
        try:
            options: dict[str, Any] = {"raw_key": raw_idempotency_key, "shared": call.shared}
            options |= {"submission_log": open_log(self, context)}
            if adopted:
                flow = adopt_job(client, adopted, checked, call.scope, call.attempt, **options)
                return settings.session.run(flow, call.store)
            with call.claim_order(checked, raw_idempotency_key):
                options["guard"] = open_guard(self, context)
                flow = submit_order(*who, is_sole=is_sole, state=pausing.state, **options)
                job_id = settings.session.run(flow, call.store, pausing)
            if call.is_task and call.is_of_another(job_id, checked.content, is_numbered=bool(checked.number)):
                raise build_shared_job_error(job_id)
        except ApiError as error:
            raise convert_error(error) from error
        return job_id

    def create_orders(
        self,
        orders: Sequence[Mapping[str, Any]],
        *,
        idempotency_key: Key = None,
        return_ids: bool = False,
        on_existing: Literal["fail", "adopt"] = "fail",
        concurrency: int = 20,
        labels: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
    ) -> list[BulkResult]:
        """
        Check all orders, submit each once, many at the same time, and return what became of each, in order.

        An order that is refused does not stop the others; its result holds the error. Each key is made as in
        `create_order`; equal orders without an ``orderNumber`` are told apart by their count, so the list may
        be reordered.

        :param orders: bodies of Zuora's "Create an order asynchronously"; all are checked before one is sent.
        :param idempotency_key: replaces dag, run and task in the keys: a text, or a function that returns one
            for an order.
        :param return_ids: True: the jobs' results hold ids instead of numbers.
        :param on_existing: ``adopt``: each order with an ``orderNumber`` is looked up before it is sent. One
            that exists, by whichever run, replaces the job (``order:<orderNumber>``), and nothing is sent;
            one with another account, date or content is refused. ``fail``: nothing is looked up.
        :param concurrency: orders at the same time; the connection's ``max_connections`` bounds it too.
        :param labels: what messages call the orders; empty: ``orders[0]`` and so on.
        :param context: the task's context; None: that of the running task.
        :raises GuardRefusedError: if a guard refuses the list; nothing was sent.
        :raises PermanentError: if a rule is broken (a line each), or signing in fails: nothing was sent.
        """
        from airflow_provider_zuora.airflow_context.task import begin_call
        from airflow_provider_zuora.core.submission.idempotency_keys import EQUAL
        from airflow_provider_zuora.hooks.guards import open_guard
        from airflow_provider_zuora.hooks.order_list import submit_all
        from airflow_provider_zuora.hooks.submission_log import open_log

        violations = find_list_violations(on_existing, concurrency) + find_flag_violations(
            {"return_ids": return_ids}
        )
        if labels and len(labels) != len(orders):
            violations += ("labels: must be as many as orders",)
        self._refuse(violations)
        settings, context = self._settings, context or get_running_context()
        namespace = settings.fields["idempotency_namespace"]
        own = None if idempotency_key is None else ""  # with the user's own keys it is irrelevant who submits
        call = begin_call(context, settings.credentials, namespace, own, NEVER_EXPIRE, self)
        with convert_errors():
            prepared = self._prepare(orders, call.scope, idempotency_key, labels, return_ids)
            with call.claim(order.claim for order in prepared if order.claim) as taken:
                repeated = [order.label for order in prepared if order.claim in taken]
                raise_first("Nothing was sent.", [f"{label}: {EQUAL}" for label in repeated])
                what = (settings, prepared, call, open_log(self, context), open_guard(self, context))
                results = submit_all(*what, concurrency=concurrency, adopt=on_existing == "adopt")
            call.discard(result.order.claim for result in results if result.job_id is None)
        return [self._check_shared(call, result) for result in results]

    def preview_order(self, order: Mapping[str, Any]) -> str:
        """
        Check a preview, submit it, and return the id of its job; it changes nothing at Zuora.

        :param order: the body of Zuora's "Preview an order asynchronously", with its ``previewOptions``.
        """
        checked = self._check(order, check_preview)
        return self._run(lambda client: client.submit(checked.request, "preview"))

    def _check_shared(self, call: TaskCall, result: BulkResult) -> BulkResult:
        """Return the result of an order, without a job that this try has been given for another order."""
        from airflow_provider_zuora.core.submission.idempotency_keys import build_shared_job_error

        order, job_id = result.order, result.job_id
        content = order.checked.content
        own = content if order.number else (content, order.scope.identity, order.scope.position)
        if job_id is None or not call.is_of_another(job_id, own, is_numbered=bool(order.number)):
            return result
        return replace(result, job_id=None, error=build_shared_job_error(job_id))

    def _check_options(
        self, idempotency_key: object, raw_idempotency_key: object, adopt_job_id: object, return_ids: object
    ) -> None:
        """Raise a `PermanentError` with each rule that the options of one order break."""
        texts = {"adopt_job_id": adopt_job_id, "idempotency_key": idempotency_key}
        self._refuse((*find_text_violations(texts), *find_flag_violations({"return_ids": return_ids})))
        keys = {"idempotency_key": idempotency_key, "raw_idempotency_key": raw_idempotency_key}
        wrong = {
            name: find_header_violation(key, KEY_LENGTH) for name, key in keys.items() if key is not None
        }
        self._refuse([f"{name}: {rule}" for name, rule in wrong.items() if rule])

    def _check(self, order: object, check: Callable[[object], CheckedOrder]) -> CheckedOrder:
        """Check an order and its size, and let Airflow mask its secrets in its logs."""
        try:
            checked = check(order)
        except InvalidInput as error:
            self._mask_and_measure([order], [""])
            raise convert_error(error) from error
        if checked.is_special or self._settings.fields["order_limits"].raised:
            self._mask_and_measure([order], [""])
        return checked

    def _prepare(
        self, orders: Any, scope: IdempotencyScope, key: Key, labels: Sequence[str], return_ids: bool
    ) -> list[BulkOrder]:
        """Check a list of orders and their sizes, and let Airflow mask their secrets in its logs."""
        from airflow_provider_zuora.core.submission.bulk_orders import prepare_orders

        try:
            prepared = prepare_orders(orders, scope, key, labels, return_ids=return_ids)
        except InvalidInput:
            self._mask_and_measure(orders, labels)
            raise
        is_limited = bool(self._settings.fields["order_limits"].raised)
        special = [order for order in prepared if is_limited or order.checked.is_special]
        self._mask_and_measure([orders[order.index] for order in special], [order.label for order in special])
        return prepared

    def _mask_and_measure(self, orders: Sequence[object], labels: Sequence[str]) -> None:
        """Let Airflow mask the secrets of orders in its logs, and compare their sizes with Zuora's limits."""
        given = orders if isinstance(orders, (list, tuple)) else ()
        if left := mask_secrets(given, mask_secret):
            self.log.warning("Airflow is not given %d more secrets to mask: it would take too long", left)
        over: list[str] = []
        names = labels or [f"orders[{index}]" for index in range(len(given))]
        for name, order in zip(names, given, strict=True):
            before = f"{name}: " if name else ""
            try:
                for warning in self._settings.fields["order_limits"].check(order):
                    self.log.warning("%s%s", before, warning)
            except InvalidInput as error:
                over += [f"{before}{violation}" for violation in error.violations]
        self._refuse(over)
