"""Submit orders and previews, each once, and wait for their jobs if asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, Unpack

from typing_extensions import override

from airflow_provider_zuora.airflow_context.lineage import FileUse, report_file
from airflow_provider_zuora.airflow_context.parameters import OperatorOptions, keep_parameters
from airflow_provider_zuora.core.json_text import read_orders, write_lines
from airflow_provider_zuora.core.validation import check_execution_timeout, check_flags, find_list_violations
from airflow_provider_zuora.core.vendors.zuora.order_secrets import mask_secrets, unredact
from airflow_provider_zuora.exceptions import TransientError, convert_error, convert_errors
from airflow_provider_zuora.guards import Guard
from airflow_provider_zuora.hooks.zuora import LogPath, ZuoraHook
from airflow_provider_zuora.operators.order_file import check_refused_path, is_path, read_order_list
from airflow_provider_zuora.operators.order_input import BaseOrderInput, BaseOrderOperator
from airflow_provider_zuora.version_compat import SUBMIT_RESULTS, mask_secret

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zuora.core.submission.bulk_results import BulkResult
    from airflow_provider_zuora.operators.order_file import OrderFile


Order: TypeAlias = Mapping[str, Any]


class ZuoraCreateOrderOperator(BaseOrderOperator):
    """
    Submit an order to Zuora's "Create an order asynchronously", once, and return its job's id or its result.

    Zuora has the order when the job has completed: wait for that with ``wait_for_completion=True``, or with
    ``ZuoraJobSensor`` in a task of its own. What is promised, and on which Airflow: docs/exactly-once.md.

    :param order: the body of the call: a dict, JSON text, the path of a ``.json`` file that Airflow finds as
        a template, or a path that is read when the task runs (docs/orders.md). Values that are secrets are
        hidden from the rendered-template page and the logs; do not write them into the DAG file. Give the
        order an ``orderNumber``, by which it can be found again.
    :param zuora_conn_id: the Airflow connection.
    :param return_ids: True: the job's result holds ids instead of numbers.
    :param idempotency_key: replaces dag, run, task and map index in the key; the content stays part of it.
    :param raw_idempotency_key: sent as the key, as it is: 1 to 254 printable ASCII characters.
    :param adopt_job_id: a job id, or ``order:<orderNumber>``, to take instead of submitting; blank: submit.
    :param submission_log: a path, or a store's URL, below which the order is noted before it is sent,
        besides the connection's log; a template. What cannot be noted is not sent: docs/submission-log.md.
    :param guard: an ``OrderGuard``, or its fields as a dict; a template. ``max_orders`` counts the DAG run's
        orders, by the submission log; ``max_amount`` is compared with the order's preview: docs/guards.md.
    :param require_order_completed: True: a completed job whose order is not Completed (it may wait for an
        activation) fails the task that waits; False: the log warns of it.
    :param wait_for_completion: wait in the same task, return the job's result, push its id as ``job_id``.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s on a worker) to 60 s.
    :param timeout: seconds that the wait may last, or a timedelta; the job goes on at Zuora.
    :return: the job id; with ``wait_for_completion`` the job's result, as a dict.
    :raises PermanentError: (no retries) if the order breaks a rule, one line each, or Zuora refuses it.
    :raises GuardRefusedError: (no retries) if a guard refuses it, or cannot tell; nothing was sent.
    :raises OutcomeUnknownError: (no retries) if only a person can tell whether the order exists.
    :raises LockContentionError: (retries) if it met a lock; the next try submits it again.
    :raises TransientError: (retries) if Zuora could not be reached, the outcome is open, the job failed for a
        transient reason, or ``timeout`` passed.
    """

    # For Airflow's Registry: a retry goes on with what an earlier try has submitted.
    __supports_durable_execution: ClassVar[bool] = True
    receipt_kind = "order"
    key_options = ("idempotency_key", "raw_idempotency_key", "adopt_job_id")
    job_options = (*key_options, "return_ids")
    result_options = ("require_order_completed",)
    next_try = "waits for the same job"
    template_fields: Sequence[str] = (
        *BaseOrderOperator.template_fields,
        *key_options,
        "submission_log",
        "guard",
    )

    def __init__(  # noqa: PLR0913 - each option is named, so that a type checker knows it
        self,
        *,
        order: Order | str | PathLike[str],
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        return_ids: bool = False,
        idempotency_key: str | None = None,
        raw_idempotency_key: str | None = None,
        adopt_job_id: str | None = None,
        submission_log: LogPath = None,
        guard: Guard = None,
        require_order_completed: bool = False,
        wait_for_completion: bool = False,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
        **kwargs: Unpack[OperatorOptions],
    ):
        keep_parameters(self, locals())
        super().__init__(**kwargs)
        self.keep_guard(guard)
        check_flags({"return_ids": return_ids, "require_order_completed": require_order_completed})

    def list_expected(self) -> dict[str, str]:
        """Return the numbers of order and account, as far as the order names them."""
        from airflow_provider_zuora.core.submission.order_lookup import build_expectation

        return build_expectation(self._read_order())

    def start_job(self, context: Context) -> str:
        """Submit the order, once."""
        self.notes.add_order(self.list_expected())
        # Airflow calls execute() once in a try; a subclass of the user's may call it for several orders.
        is_own = type(self).execute is ZuoraCreateOrderOperator.execute
        is_sole = is_own and getattr(context["ti"], "task_id", None) == self.task_id
        # The file of an order may be gone, or another one, after a pause.
        is_kept = (
            not is_path(unredact(self.order)) and type(self).start_job is ZuoraCreateOrderOperator.start_job
        )
        options = {name: getattr(self, name) for name in self.job_options}
        options |= {"is_sole": is_sole, "pausing": self.choose_pausing(may_defer=is_sole and is_kept)}
        job_id = self.hook._create_order(self._read_order(), context, **options)
        self.log.info("Zuora has the order as job %s; it is carried out when that completes", job_id)
        return job_id


class ZuoraCreateOrdersOperator(BaseOrderInput):
    """
    Submit many orders to Zuora, each once, and return the ids of their jobs, in the order of the input.

    All orders are checked before the first is sent. One that Zuora refuses does not stop the others. Wait for
    the jobs with ``ZuoraJobSensor(job_id=submit.output)``. The XCom ``submit_results``, which a task that
    fails has too, holds for each order its index, order number, state (``submitted``, ``refused``,
    ``unknown`` or ``open``), job id and error. A retry, and a clear, send the same keys, whatever the order
    of the list: Zuora answers with the jobs that are there. What is promised: docs/exactly-once.md.

    :param orders: a list of order bodies, its JSON text, or the path of a file (a text, a URL such as
        ``s3://conn_id@bucket/orders.jsonl``, or a path object) of JSON Lines or a JSON list, gzipped or not.
        Secrets in a list are hidden from the rendered-template page and the logs; those in a file never reach
        Airflow's database.
    :param zuora_conn_id: the Airflow connection.
    :param idempotency_key: replaces dag, run and task in the keys: a text, or a function that returns one for
        an order; the content stays part of each key. Another one makes all orders of the list new ones.
    :param return_ids: True: the jobs' results hold ids instead of numbers.
    :param on_refusal: what refused orders do: ``fail`` the task at its end, or ``skip``: they are left out of
        the ids that are returned, and stand in the log and in ``submit_results``.
    :param on_existing: ``adopt``: look each order with an ``orderNumber`` up before sending it, and take one
        that exists already, by whichever run; one with another content is refused. ``fail``: look up none.
    :param refused_path: a file, not that of the orders, for the refused orders, as JSON Lines, for another
        submission; it is empty if none is refused. A local one can be read by its owner only.
    :param concurrency: orders at the same time; the connection's ``max_connections`` bounds it too.
    :param submission_log: a path, or a store's URL, below which each order is noted before it is sent,
        besides the connection's log; a template. What cannot be noted is not sent: docs/submission-log.md.
    :param guard: an ``OrderGuard``, or its fields as a dict; a template. ``max_orders`` counts the list, or,
        by the submission log, the DAG run; ``max_amount``: the previews of all together: docs/guards.md.
    :raises PermanentError: (no retries) if an order breaks a rule (nothing was sent then), or is refused.
    :raises GuardRefusedError: (no retries) if a guard refuses the list, or cannot tell; nothing was sent.
    :raises OutcomeUnknownError: (no retries) if only a person can tell whether one of them exists.
    :raises TransientError: (retries) if a retry goes on with some of them.
    """

    # For Airflow's Registry: a retry goes on with what an earlier try has submitted.
    __supports_durable_execution: ClassVar[bool] = True
    receipt_kind = "orders"
    order_field = "orders"
    hook_options = ("return_ids", "on_existing", "concurrency")
    template_fields: Sequence[str] = (
        "orders",
        "zuora_conn_id",
        "idempotency_key",
        "refused_path",
        "submission_log",
        "guard",
    )
    orders: Any
    on_refusal: str
    refused_path: str | PathLike[str] | None

    def __init__(  # noqa: PLR0913 - each option is named, so that a type checker knows it
        self,
        *,
        orders: Sequence[Order] | str | PathLike[str],
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        idempotency_key: str | Callable[[Order], str] | None = None,
        return_ids: bool = False,
        on_refusal: Literal["fail", "skip"] = "fail",
        on_existing: Literal["fail", "adopt"] = "fail",
        refused_path: str | PathLike[str] | None = None,
        concurrency: int = 20,
        submission_log: LogPath = None,
        guard: Guard = None,
        **kwargs: Unpack[OperatorOptions],
    ):
        keep_parameters(self, locals())
        super().__init__(**kwargs)
        self.keep_guard(guard)
        check_execution_timeout(self.execution_timeout)
        if on_refusal not in ("fail", "skip"):
            raise ValueError(f"on_refusal: must be fail or skip, not {on_refusal!r}")
        if wrong := find_list_violations(on_existing, concurrency):
            raise ValueError("\n".join(wrong))
        check_flags({"return_ids": return_ids})
        # Airflow 2.11 would write a function that is a template into the DAG with its address in memory.
        self.key_of_order = idempotency_key if callable(idempotency_key) else None
        self.idempotency_key = None if callable(idempotency_key) else idempotency_key

    def execute(self, context: Context) -> list[str]:
        """Submit the orders, and leave what became of each as an XCom."""
        with self.reporting(context) as notes:
            with convert_errors():
                given = unredact(self.orders)
                refused_file = check_refused_path(self.refused_path, given)
                orders, labels = read_order_list(given)
                self.note_input()
                if refused_file:
                    refused_file.check_writable()
            mask_secrets(orders, mask_secret)
            options: dict[str, Any] = {name: getattr(self, name) for name in self.hook_options}
            options["idempotency_key"] = self.key_of_order or self.idempotency_key
            results = self.hook.create_orders(orders, labels=labels, context=context, **options)
            notes.add_submissions(results)
            context["ti"].xcom_push(key=SUBMIT_RESULTS, value=[result.as_dict() for result in results])
            self._conclude(results, refused_file)
            return list(notes.job_ids)

    def _conclude(self, results: Sequence[BulkResult], refused_file: OrderFile | None) -> None:
        """Write the refused orders, and raise what the results mean to the task."""
        from airflow_provider_zuora.core.submission.bulk_results import summarize_errors
        from airflow_provider_zuora.core.submission.outcomes import SubmitState

        error = summarize_errors(results)
        refused = [result.order.checked.document for result in results if result.state is SubmitState.REFUSED]
        write_error = self._write_refused(refused_file, refused) if refused_file else ""
        others = {result.state for result in results} - {SubmitState.SUBMITTED, SubmitState.REFUSED}
        if error and (self.on_refusal == "fail" or others):
            raise convert_error(error, message=f"{error}\n{write_error}".rstrip()) from error
        if write_error:
            head = f"{len(refused)} of {len(results)} orders are refused, see the XCom {SUBMIT_RESULTS}."
            raise TransientError(f"{head}\n{write_error}\nA retry sends the same keys and writes it again.")
        if error:
            self.log.error("Refused orders are left out (on_refusal=skip): %s", error)

    def _write_refused(self, file: OrderFile, refused: Sequence[Order]) -> str:
        """Write the refused orders to their file; return an empty text, or why that failed."""
        content = write_lines(refused)
        if error := file.write(content):
            return error
        self.notes.written.append(FileUse(file.path, len(refused), len(content)))
        report_file(self.hook, file.path, is_written=True)
        return ""

    def on_kill(self) -> None:
        """Log that what was sent stays sent: Zuora cannot cancel an order's job."""
        self.log.warning("What was sent to Zuora before the task was killed goes on there")

    @override
    def _parse(self, text: str | bytes) -> Any:
        return read_orders(text)[0]


class ZuoraPreviewOrderOperator(BaseOrderOperator):
    """
    Preview an order at Zuora, wait for it, and return the preview; it changes nothing there.

    :param order: the body of "Preview an order asynchronously", with its ``previewOptions``, in all forms
        that ``ZuoraCreateOrderOperator`` takes.
    :param zuora_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s on a worker) to 60 s.
    :param timeout: seconds that the wait may last, or a timedelta.
    :return: the job's result (``invoices``, ``creditMemos`` and so on, as asked for), as a dict.
    :raises PermanentError: (no retries) if the preview breaks a rule, or Zuora refuses it.
    :raises TransientError: (retries) if Zuora could not be reached, or ``timeout`` passed.
    """

    receipt_kind = "preview"
    wait_for_completion = True

    def __init__(
        self,
        *,
        order: Order | str | PathLike[str],
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
        **kwargs: Unpack[OperatorOptions],
    ):
        if "wait_for_completion" in kwargs:
            raise ValueError("wait_for_completion: a preview is always waited for; leave this option out")
        keep_parameters(self, locals())
        super().__init__(**kwargs)

    def start_job(self, context: Context) -> str:
        """Submit the preview."""
        return self.hook.preview_order(self._read_order())
