"""Submit orders and previews, and wait for their jobs where told to; what a DAG author sees of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_lines import read_orders, write_lines
from airflow_provider_zuora.core.json_text import BrokenText, read_json
from airflow_provider_zuora.core.options import check_execution_timeout, check_flags
from airflow_provider_zuora.core.submission.bulk import option_violations, report
from airflow_provider_zuora.core.submission.result import expectation
from airflow_provider_zuora.core.vendors.zuora.order_secrets import (
    Redacted,
    hidden_values,
    hide,
    mask_secrets,
    reveal,
)
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_error, convert_errors
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.order_input import (
    BaseOrderInput,
    is_path,
    read_list,
    read_order,
    refused_file,
)
from airflow_provider_zuora.triggers.jobs import RESULTS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zuora.core.submission.bulk import BulkResult
    from airflow_provider_zuora.operators.order_file import OrderFile
from airflow_provider_zuora.operators.base import BaseJobOperator


class BaseSecretHiding(BaseOrderInput):
    """What the operators that carry orders have in common: secrets in them stay out of what Airflow shows."""

    def _hidden(self, given: Any) -> Any:
        """Return what Airflow may show of orders: paths as they are, and of all else what is no secret."""
        given = reveal(given)
        if is_path(given):
            return given
        parsed = _parsed(given)
        self._mask(parsed)
        if isinstance(parsed, (list, tuple)):
            return [self._hidden_order(each) for each in parsed]
        return given if given is None else self._hidden_order(parsed)

    def _hidden_order(self, order: Any) -> Any:
        """Hide the whole of what is no object: it cannot be searched for secrets."""
        return hide(order, str) if isinstance(order, Mapping) else Redacted(order)

    def _mask(self, orders: Any) -> None:
        """Let Airflow mask the secrets of orders in its logs; what we say ourselves has none."""
        mask_secrets(orders, mask_secret)


class BaseOrderOperator(BaseSecretHiding, BaseJobOperator):
    """
    What the operators that send an order have in common: how it is given, rendered and hidden.

    :param order: the body of the call, as a dict, as JSON text, as the path of a ``.json`` file that Airflow
        finds as a template, or as a path object or another path, read as it is when the task runs
        (docs/orders.md); checked against Zuora's documented rules before it is sent. Values that are secrets
        (card, security code, bank account) are hidden from the rendered-template page and the logs; do not
        write them into the DAG file, Airflow shows that as it is.
    :param zuora_conn_id: the Airflow connection.
    """

    hook_class = ZuoraHook
    hidden_field = "order"
    template_fields: Sequence[str] = ("order", "zuora_conn_id")
    template_ext: Sequence[str] = (".json",)
    template_fields_renderers = {"order": "json"}  # noqa: RUF012 - Airflow's own form

    def __init__(
        self,
        *,
        order: Mapping[str, Any] | str | PathLike[str],
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.order: Any = order
        self.zuora_conn_id = zuora_conn_id
        self._order: Mapping[str, Any] | None = None  # as this try has read it

    @cached_property
    def hook(self) -> ZuoraHook:
        """Return the hook, the same all through a task; what it says is free of the order's secrets."""
        hook = ZuoraHook(self.zuora_conn_id)
        hook.hidden = hidden_values(self._revealed())
        return hook

    def execute(self, context: Context) -> Any:
        """Read the order, once: a file may be gone or another one when the order has been sent."""
        self._order = self._revealed()
        try:
            return super().execute(context)
        finally:
            self._order = None

    def execute_complete(
        self, context: Context, event: Any = None, expected: Mapping[str, str] | None = None
    ) -> Any:
        """Take the trigger's event; Zuora has the order by now, also if its file is gone."""
        try:
            self._order = self._revealed()
        except (PermanentError, TransientError) as error:
            self.log.warning("Of its values only numbers of cards and accounts are hidden now: %s", error)
            self._order = {}
        return super().execute_complete(context, event, expected)

    def _revealed(self) -> Mapping[str, Any]:
        """Return the order as it is sent."""
        if self._order is not None:
            return self._order
        with convert_errors():
            order = read_order(reveal(self.order))
        self._mask(order)
        return order


class ZuoraCreateOrderOperator(BaseOrderOperator):
    """
    Submit an order to Zuora's "Create an order asynchronously", once, and return its job's id or its result.

    Zuora has the order when the job has completed: wait for that with ``wait_for_completion=True``, or with
    ``ZuoraJobSensor`` in a task of its own. What is promised, and on which Airflow: docs/exactly-once.md.

    :param order: see `BaseOrderOperator`; give it an ``orderNumber``, by which it can be found again.
    :param zuora_conn_id: the Airflow connection.
    :param return_ids: True: the job's result carries ids instead of numbers.
    :param idempotency_key: stands for dag, run, task and map index in the key; the content stays part of it.
    :param raw_idempotency_key: sent as the key, as it is: 1 to 254 printable ASCII characters.
    :param adopt_job_id: a job id, or ``order:<orderNumber>``, to take instead of submitting; blank: submit.
    :param require_order_completed: True: a completed job whose order is not Completed (it may wait for an
        activation) fails the task that waits; False: the log warns of it.
    :param wait_for_completion: wait in the same task; for the options of the wait see `BaseJobOperator`.
    :return: the job id; with ``wait_for_completion`` the job's result, as a dict.
    :raises PermanentError: (no retries) where the order breaks a rule, one line each, or Zuora says no.
    :raises ZuoraOutcomeUnknown: (no retries) where only a person can tell whether the order exists.
    :raises ZuoraLockContention: (retries) where it met a lock; the next try submits it again.
    :raises TransientError: (retries) where Zuora could not be reached, its answer leaves the outcome open,
        the job failed for a passing reason, or ``timeout`` passed.
    """

    outcome_options = ("require_order_completed",)
    next_try = "waits for the same job"
    template_fields: Sequence[str] = (
        *BaseOrderOperator.template_fields,
        "idempotency_key",
        "raw_idempotency_key",
        "adopt_job_id",
    )

    def __init__(
        self,
        *,
        return_ids: bool = False,
        idempotency_key: str | None = None,
        raw_idempotency_key: str | None = None,
        adopt_job_id: str | None = None,
        require_order_completed: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_flags({"return_ids": return_ids, "require_order_completed": require_order_completed})
        self.return_ids = return_ids
        self.idempotency_key = idempotency_key
        self.raw_idempotency_key = raw_idempotency_key
        self.adopt_job_id = adopt_job_id
        self.require_order_completed = require_order_completed

    def expected(self) -> dict[str, str]:
        """Return the numbers of order and account, as far as the order names them."""
        return expectation(self._revealed())

    def start_job(self, context: Context) -> str:
        """Submit the order, once."""
        # Airflow calls execute() once in a try; a subclass of the user's may call it for several orders.
        is_own = type(self).execute is ZuoraCreateOrderOperator.execute
        sole = is_own and getattr(context["ti"], "task_id", None) == self.task_id
        job_id = self.hook._create_order(  # noqa: SLF001 - what the operator alone knows
            self._revealed(),
            idempotency_key=self.idempotency_key,
            raw_idempotency_key=self.raw_idempotency_key,
            adopt_job_id=self.adopt_job_id,
            return_ids=self.return_ids,
            context=context,
            sole=sole,
        )
        self.log.info("Zuora has the order as job %s; it is carried out when the job completes", job_id)
        return job_id


class ZuoraCreateOrdersOperator(BaseSecretHiding):
    """
    Submit many orders to Zuora, each once, and return the ids of their jobs, in the order of the input.

    All orders are checked before the first is sent. One that Zuora refuses does not stop the others. Wait for
    the jobs with ``ZuoraJobSensor(job_id=submit.output)``. The XCom ``results`` says of each order what
    became of it: index, order number, state (``submitted``, ``refused``, ``unknown`` or ``open``), job id and
    error. It is there when the task fails too.

    A retry, and a clear, send the same keys, whatever the order of the list: Zuora answers with the jobs that
    are there. What is promised: docs/exactly-once.md.

    :param orders: a list of order bodies, its JSON text, or the path of a file, JSON Lines (one order a line)
        or a JSON list, gzipped or not: ``/data/orders.jsonl``, ``s3://conn_id@bucket/orders.jsonl``, or a
        path object. Secrets in a list are hidden as in `BaseOrderOperator`; those in a file never reach
        Airflow's database.
    :param zuora_conn_id: the Airflow connection.
    :param idempotency_key: stands for dag, run and task in the keys: a text, or a function that returns one
        for an order; the content stays part of each key. Another one makes all orders of the list new ones.
    :param return_ids: True: the jobs' results carry ids instead of numbers.
    :param on_refusal: what refused orders do: ``fail`` the task at its end, or ``skip``: they are left out of
        the ids that are returned, and the log and ``results`` tell of them.
    :param on_existing: ``adopt``: look each order with an ``orderNumber`` up before sending it, and take one
        that is there already, by whichever run; one with another content is refused. ``fail``: do not look.
    :param refused_path: where to write the refused orders, as JSON Lines, for another submission; an empty
        file where none is refused. A local file can be read by its owner only: orders hold secrets. Not the
        file of the orders, under whatever name.
    :param concurrency: orders at the same time; the connection's ``max_connections`` bounds it too.
    :raises PermanentError: (no retries) where an order breaks a rule (nothing was sent then), or is refused.
    :raises ZuoraOutcomeUnknown: (no retries) where only a person can tell whether one of the orders exists.
    :raises TransientError: (retries) where a retry goes on with some of them.
    """

    hidden_field = "orders"
    template_fields: Sequence[str] = ("orders", "zuora_conn_id", "idempotency_key", "refused_path")
    template_fields_renderers = {"orders": "json"}  # noqa: RUF012 - Airflow's own form
    ui_color = "#d5ecd4"

    def __init__(
        self,
        *,
        orders: Sequence[Mapping[str, Any]] | str | PathLike[str],
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        idempotency_key: str | Callable[[Mapping[str, Any]], str] | None = None,
        return_ids: bool = False,
        on_refusal: Literal["fail", "skip"] = "fail",
        on_existing: Literal["fail", "adopt"] = "fail",
        refused_path: str | PathLike[str] | None = None,
        concurrency: int = 20,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        if on_refusal not in ("fail", "skip"):
            raise ValueError(f"on_refusal: must be fail or skip, not {on_refusal!r}")
        if wrong := option_violations(on_existing, concurrency):
            raise ValueError("\n".join(wrong))
        check_flags({"return_ids": return_ids})
        self.orders: Any = orders
        self.zuora_conn_id = zuora_conn_id
        # Airflow 2.11 would write a function that is a template into the DAG with its address in memory.
        self.key_of_order = idempotency_key if callable(idempotency_key) else None
        self.idempotency_key = None if callable(idempotency_key) else idempotency_key
        self.return_ids = return_ids
        self.on_refusal = on_refusal
        self.on_existing = on_existing
        self.refused_path = refused_path
        self.concurrency = concurrency

    @cached_property
    def hook(self) -> ZuoraHook:
        """Return the hook, the same all through a task."""
        return ZuoraHook(self.zuora_conn_id)

    def execute(self, context: Context) -> list[str]:
        """Submit the orders, and tell of each."""
        with convert_errors():
            given = reveal(self.orders)
            refused = refused_file(self.refused_path, given)
            orders, places = read_list(given)
            if refused:
                refused.prepare()
        self._mask(orders)
        entries = self.hook.create_orders(
            orders,
            idempotency_key=self.key_of_order or self.idempotency_key,
            return_ids=self.return_ids,
            on_existing=self.on_existing,
            concurrency=self.concurrency,
            places=places,
            context=context,
        )
        context["ti"].xcom_push(key=RESULTS, value=[entry.as_dict() for entry in entries])
        self._conclude(entries, refused)
        return [entry.job_id for entry in entries if entry.job_id is not None]

    def _conclude(self, entries: Sequence[BulkResult], refused: OrderFile | None) -> None:
        """Write the refused orders down, and raise what the ends of the orders mean to the task."""
        error = report(entries)
        documents = [entry.order.document for entry in entries if entry.state == "refused"]
        unwritten = refused.write(write_lines(documents)) if refused else ""
        others = {entry.state for entry in entries} - {"submitted", "refused"}
        if error and (self.on_refusal == "fail" or others):
            raised = convert_error(error)
            raise type(raised)(f"{raised}\n{unwritten}".rstrip()) from error
        if unwritten:
            head = f"{len(documents)} of {len(entries)} orders are refused, see the XCom {RESULTS}."
            raise TransientError(f"{head}\n{unwritten}\nA retry sends the same keys and writes it again.")
        if error:
            self.log.error("Refused orders are left out (on_refusal=skip): %s", error)

    def on_kill(self) -> None:
        """Say that what was sent stays sent."""
        self.log.warning("What was sent to Zuora before the task was killed goes on there")

    def _hidden(self, given: Any) -> Any:
        """Make a list of JSON Lines, and of what a mapped task has pushed."""
        given = reveal(given)
        if isinstance(given, (str, bytes)) and not is_path(given):
            try:
                given, _ = read_orders(given)
            except InvalidInput:
                return Redacted(given)
        return super()._hidden(
            list(given) if isinstance(given, Sequence) and not isinstance(given, str) else given
        )


class ZuoraPreviewOrderOperator(BaseOrderOperator):
    """
    Preview an order at Zuora, wait for it, and return the preview; it changes nothing there.

    :param order: the body of "Preview an order asynchronously", with its ``previewOptions``; see
        `BaseOrderOperator`.
    :param zuora_conn_id: the Airflow connection.
    :return: the job's result (``invoices``, ``creditMemos`` and so on, as asked for), as a dict.
    :raises PermanentError: (no retries) where the preview breaks a rule, or Zuora says no.
    :raises TransientError: (retries) where Zuora could not be reached, or ``timeout`` passed.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs, wait_for_completion=True)

    def start_job(self, context: Context) -> str:
        """Submit the preview."""
        return self.hook.preview_order(self._revealed())


def _parsed(order: Any) -> Any:
    """Return orders given as JSON as objects, anything else as it is."""
    try:
        return read_json(order) if isinstance(order, (str, bytes)) else order
    except BrokenText:
        return order
