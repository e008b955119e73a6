"""Talk to Zuora."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar

from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_zuora.airflow_context.task import TaskCall, begin_call
from airflow_provider_zuora.core.errors import ApiError, InvalidInput, raise_first
from airflow_provider_zuora.core.submission.adoption import adopt_job
from airflow_provider_zuora.core.submission.bulk import BulkResult, option_violations
from airflow_provider_zuora.core.submission.failures import EQUAL, build_shared_job_error
from airflow_provider_zuora.core.submission.keys import IdempotencyScope
from airflow_provider_zuora.core.submission.order_list import BulkOrder, Key, prepare_orders
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.validation import (
    KEY_LENGTH,
    find_flag_violations,
    find_header_violation,
    find_text_violations,
)
from airflow_provider_zuora.core.vendors.zuora.order_rules import (
    CheckedOrder,
    check_order,
    check_preview,
)
from airflow_provider_zuora.core.vendors.zuora.order_secrets import mask_secrets
from airflow_provider_zuora.exceptions import convert_error, convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.hooks.bulk import submit_all
from airflow_provider_zuora.hooks.submitted import get_running_context
from airflow_provider_zuora.version_compat import NEVER_EXPIRE

T = TypeVar("T")


class ZuoraHook(BaseJobHook):
    """
    Talk to Zuora.

    The connection (type ``zuora``): host = base URL, or blank and ``environment`` in extra; login and
    password = OAuth client id and secret; all else in extra is optional, see the connection form.

    :param zuora_conn_id: the Airflow connection.
    """

    conn_name_attr = "zuora_conn_id"
    default_conn_name = "zuora_default"
    conn_type = "zuora"
    hook_name = "Zuora"

    def __init__(self, zuora_conn_id: str = default_conn_name):
        super().__init__(zuora_conn_id)

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
        order's ``orderNumber``, or the map index if it has none. So a retry repeats nothing, for the 24
        hours that Zuora remembers a key, and beyond if Airflow keeps notes (3.3 and later). Outside of a
        task every call is a new submission. A task may submit several orders; a second call with an equal one
        that has no ``orderNumber`` is refused: pass an ``idempotency_key`` for each. The id may be
        ``order:<orderNumber>``, for an order that was found by its number.

        :param order: the body of Zuora's "Create an order asynchronously"; checked before it is sent.
        :param idempotency_key: replaces dag, run, task and map index in the key.
        :param raw_idempotency_key: sent as the key, as it is.
        :param adopt_job_id: a job, or ``order:<orderNumber>``, that replaces the order: nothing is sent.
        :param return_ids: True: the job's result carries ids instead of numbers.
        :param context: the task's context; None: that of the running task.
        :raises PermanentError: if a rule is broken (one line each, nothing was sent), or Zuora says no.
        :raises OrderOutcomeUnknownError: if only a person can tell whether the order exists.
        :raises LockContentionError: if the order met a lock in Zuora.
        :raises TransientError: if nobody knows whether Zuora accepted it: a retry sends the same key.
        """
        return self._create_order(
            order,
            idempotency_key=idempotency_key,
            raw_idempotency_key=raw_idempotency_key,
            adopt_job_id=adopt_job_id,
            return_ids=return_ids,
            context=context,
        )

    def _create_order(
        self,
        order: Mapping[str, Any],
        *,
        idempotency_key: str | None,
        raw_idempotency_key: str | None,
        adopt_job_id: str | None,
        return_ids: bool,
        context: Mapping[str, Any] | None,
        is_sole: bool = False,
    ) -> str:
        """
        Do what `create_order` does.

        :param is_sole: True if the task submits this order and no other: then it is the same one in each try,
            even if a template has changed it.
        """
        if (idempotency_key, raw_idempotency_key, adopt_job_id, return_ids) != (None, None, None, False):
            self._check_options(idempotency_key, raw_idempotency_key, adopt_job_id, return_ids)
        adopted = adopt_job_id and adopt_job_id.strip()
        check = partial(check_order, return_ids=True) if return_ids and not adopted else check_order
        checked = self._check(order, check)
        settings, context = self._settings, context or get_running_context()
        if checked.is_special or settings.fields["order_limits"].raised:
            self._look_at([order], [""])
        namespace = settings.fields["idempotency_namespace"]
        call = begin_call(context, settings.credentials, namespace, idempotency_key, NEVER_EXPIRE)
        options: dict[str, Any] = {"raw_key": raw_idempotency_key, "shared": call.shared}
        try:
            if adopted:
                flow = adopt_job(settings.client, adopted, checked, call.scope, call.attempt, **options)
                return settings.session.run(flow, call.store)
            with call.claim_order(checked, raw_idempotency_key):
                flow = submit_order(
                    settings.client, checked, call.scope, call.attempt, is_sole=is_sole, **options
                )
                job_id = settings.session.run(flow, call.store)
            call.check_job(job_id, checked)
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
        be reordered. If Airflow keeps notes (3.3 and later) the list's are kept, a hundred orders at a
        time, before the first of them is sent.

        :param idempotency_key: replaces dag, run and task in the keys: a text, or what a function returns
            for an order.
        :param on_existing: ``adopt``: each order with an ``orderNumber`` is looked up before it is sent. One
            that is there already, by whichever run, replaces the job (``order:<orderNumber>``), and nothing
            is sent; one with another account, date or content is refused. ``fail``: nothing is looked up.
        :param concurrency: orders at the same time; the connection's ``max_connections`` bounds it too.
        :param labels: what messages call the orders; ``orders[0]`` and so on if it is empty.
        :raises PermanentError: if a rule is broken (a line each), or signing in fails: nothing was sent.
        """
        violations = option_violations(on_existing, concurrency) + find_flag_violations(
            {"return_ids": return_ids}
        )
        if labels and len(labels) != len(orders):
            violations += ("labels: must be as many as orders",)
        self._refuse(violations)
        settings, context = self._settings, context or get_running_context()
        # With keys of the user's own it plays no part who submits.
        own, namespace = None if idempotency_key is None else "", settings.fields["idempotency_namespace"]
        call = begin_call(context, settings.credentials, namespace, own, NEVER_EXPIRE, self)
        with convert_errors():
            prepared = self._prepare(orders, call.scope, idempotency_key, labels, return_ids=return_ids)
            with call.claim(order.claim for order in prepared if order.claim) as taken:
                repeated = [order.label for order in prepared if order.claim in taken]
                raise_first("Nothing was sent.", [f"{label}: {EQUAL}" for label in repeated])
                results = submit_all(
                    settings.session,
                    settings.client,
                    prepared,
                    call,
                    concurrency=concurrency,
                    adopt=on_existing == "adopt",
                )
            call.discard(result.order.claim for result in results if result.job_id is None)
        return [self._check_shared(call, result) for result in results]

    def preview_order(self, order: Mapping[str, Any]) -> str:
        """Check a preview, submit it, and return the id of its job; a preview changes nothing at Zuora."""
        checked = self._check(order, check_preview)
        if checked.is_special or self._settings.fields["order_limits"].raised:
            self._look_at([order], [""])
        return self._run(lambda client: client.submit(checked.request))

    def _check_shared(self, call: TaskCall, result: BulkResult) -> BulkResult:
        """Return the result of an order, without a job that this try has been given for another one."""
        order, job_id = result.order, result.job_id
        content = order.checked.content
        own = content if order.number else (content, order.scope.identity, order.scope.position)
        if job_id is None or not call.is_of_another(job_id, own, is_numbered=bool(order.number)):
            return result
        return replace(result, job_id=None, error=build_shared_job_error(job_id))

    def _check_options(
        self,
        idempotency_key: object,
        raw_idempotency_key: object,
        adopt_job_id: object,
        return_ids: object,
    ) -> None:
        """
        Look at the options of one order.

        :raises PermanentError: with each broken rule.
        """
        texts = {"adopt_job_id": adopt_job_id, "idempotency_key": idempotency_key}
        self._refuse((*find_text_violations(texts), *find_flag_violations({"return_ids": return_ids})))
        keys = {"idempotency_key": idempotency_key, "raw_idempotency_key": raw_idempotency_key}
        wrong = {
            name: find_header_violation(key, KEY_LENGTH) for name, key in keys.items() if key is not None
        }
        self._refuse([f"{name}: {rule}" for name, rule in wrong.items() if rule])

    def _check(self, order: object, check: Callable[[object], CheckedOrder]) -> CheckedOrder:
        """
        Check an order.

        :raises PermanentError: with each broken rule; if it is larger than the connection allows.
        """
        try:
            return check(order)
        except InvalidInput as error:
            self._look_at([order], [""])
            raise convert_error(error) from error

    def _prepare(
        self,
        orders: Sequence[object],
        scope: IdempotencyScope,
        key: Key,
        labels: Sequence[str],
        *,
        return_ids: bool,
    ) -> list[BulkOrder]:
        """
        Check a list of orders, and let Airflow mask its secrets in its logs.

        :raises InvalidInput: with each broken rule of every order.
        """
        try:
            prepared = prepare_orders(orders, scope, key, labels, return_ids=return_ids)
        except InvalidInput:
            self._look_at(orders, labels)
            raise
        is_limited = bool(self._settings.fields["order_limits"].raised)
        special = [order for order in prepared if is_limited or order.checked.is_special]
        self._look_at([orders[order.index] for order in special], [order.label for order in special])
        return prepared

    def _look_at(self, orders: Sequence[object], labels: Sequence[str]) -> None:
        """
        Let Airflow mask the secrets of orders in its logs, and compare their sizes with Zuora's limits.

        :param labels: what messages call the orders; ``orders[0]`` and so on if it is empty.
        :raises PermanentError: if one is larger than the connection allows.
        """
        given = orders if isinstance(orders, (list, tuple)) else ()
        if left := mask_secrets(given, mask_secret):
            self.log.warning("Airflow is not given %d more secrets to mask: it would take too long", left)
        over: list[str] = []
        for label, order in zip(
            labels or [f"orders[{index}]" for index in range(len(given))], given, strict=True
        ):
            before = f"{label}: " if label else ""
            try:
                for warning in self._settings.fields["order_limits"].check(order):
                    self.log.warning("%s%s", before, warning)
            except InvalidInput as error:
                over += [f"{before}{violation}" for violation in error.violations]
        self._refuse(over)
