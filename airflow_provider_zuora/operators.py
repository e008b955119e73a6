"""Submit orders and previews, and wait for their jobs where told to; what a DAG author sees of it."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, BaseOperator, mask_secret

from airflow_provider_zuora.core.jobs import Job
from airflow_provider_zuora.core.masking import Hidden, hide, reveal
from airflow_provider_zuora.core.waiting import Pauses
from airflow_provider_zuora.hooks import JobHook, PermanentError, TransientError, ZuoraHook, task_store
from airflow_provider_zuora.triggers import read_event
from airflow_provider_zuora.watching import FIRST_LOOK, Watch

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

JOB_ID = "job_id"
"""The XCom key of the job's id, where the return value is its result."""


class JobOperator(BaseOperator):
    """
    What the operators that start a job have in common; a subclass names its hook and starts the job.

    :param wait_for_completion: wait for the job in the same task; its result is the return value then, and
        its id is under the XCom key ``job_id``.
    :param deferrable: wait in the triggerer, without a worker.
    :param poke_interval: seconds between two looks, plus up to a tenth by chance; None: growing by half, from
        10 s to 60 s (from 1 s where the worker waits).
    :param timeout: seconds that the wait may last, or a timedelta. The job goes on at the vendor, and a retry
        of the task waits for the same one.
    """

    hook_class: ClassVar[type[JobHook]]
    outcome_options: ClassVar[Sequence[str]] = ()
    ui_color = "#d5ecd4"

    def __init__(
        self,
        *,
        wait_for_completion: bool = False,
        deferrable: bool = True,
        poke_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poke_interval = None if poke_interval is None else _seconds("poke_interval", poke_interval)
        self.timeout = _seconds("timeout", timeout)

    @property
    def hook(self) -> JobHook:
        """Return a hook for the connection, whatever the option is called."""
        return self.hook_class(str(getattr(self, self.hook_class.conn_name_attr)))

    @abstractmethod
    def start_job(self, context: Context) -> str:
        """Start the job, or find the one that an earlier try has started, and return its id."""

    def execute(self, context: Context) -> Any:
        """Start the job, and wait for it where told to."""
        job_id = self.start_job(context)
        if not self.wait_for_completion:
            return job_id
        context["ti"].xcom_push(key=JOB_ID, value=job_id)
        if self.deferrable:
            job = self._looked_or_deferred(job_id)
        else:
            job = self.hook.wait_for_job(job_id, poke_interval=self.poke_interval, timeout=self._limit)
        return self._conclude(job, context)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take the trigger's event."""
        fired = read_event(event)
        if isinstance(fired, AirflowSensorTimeout):
            raise TransientError(f"{fired} A retry of this task waits for the same job.")
        if isinstance(fired, Exception):
            raise fired
        return self._conclude(self.hook.get_job(fired) if isinstance(fired, str) else fired, context)

    def on_kill(self) -> None:
        """Say that the vendor cannot be stopped."""
        self.log.warning(
            "%s has no cancel: what was sent before the task was killed goes on there",
            self.hook_class.hook_name,
        )

    @property
    def _limit(self) -> float:
        """Return the seconds that the wait may last; Airflow 3 ignores execution_timeout while deferred."""
        own = self.execution_timeout.total_seconds() if self.execution_timeout else math.inf
        return min(self.timeout, own)

    def _looked_or_deferred(self, job_id: str) -> Job:
        """Return the job where it has ended already, and leave the wait to a trigger otherwise."""
        watch = Watch.within(self._limit, self.hook, job_id)
        if (job := watch.look()) is not None:
            return job
        if watch.over:
            raise TransientError(f"Job {job_id} has not ended within {self._limit:.0f} s.")
        trigger, timeout = watch.trigger(Pauses(self.poke_interval, first=FIRST_LOOK))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)
        raise AssertionError("defer raises")

    def _conclude(self, job: Job, context: Context) -> Any:
        """Return the result of a job that has ended, or raise what its failure means to the next try."""
        options = {name: getattr(self, name) for name in self.outcome_options}
        outcome = self.hook.submitted_outcome(job, context, **options)
        if outcome.warning:
            self.log.warning(outcome.warning)
        return outcome.result


class OrderOperator(JobOperator):
    """
    What the operators that send an order have in common: how it is given, rendered and hidden.

    :param order: the body of the call, as a dict, as JSON text, or as the path of a ``.json`` file that
        Airflow finds as a template; checked against Zuora's documented rules before it is sent. Values that
        are secrets (card, security code, bank account) are hidden from the rendered-template page and the
        logs; do not write them into the DAG file, Airflow shows that as it is.
    :param zuora_conn_id: the Airflow connection.
    """

    hook_class = ZuoraHook
    template_fields: Sequence[str] = ("order", "zuora_conn_id")
    template_ext: Sequence[str] = (".json",)
    template_fields_renderers = {"order": "json"}  # noqa: RUF012 - Airflow's own form

    def __init__(
        self,
        *,
        order: Mapping[str, Any] | str,
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.order: Any = order
        self.zuora_conn_id = zuora_conn_id

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        """Hide secrets as soon as they are rendered, on the path of mapped tasks too; later is too late."""
        extensions = self.template_ext
        if not isinstance(self.order, str):
            self.template_ext = ()  # a description that ends in .json is no file
        try:
            super()._do_render_template_fields(*args, **kwargs)
        finally:
            self.template_ext = extensions
        order = _parsed(self.order)
        # What is no JSON cannot be searched for secrets, so all of it is hidden.
        self.order = Hidden(order) if isinstance(order, str) else hide(order, mask_secret)

    def _revealed(self) -> Mapping[str, Any]:
        """Return the order as it is sent."""
        order = reveal(_parsed(self.order))
        if not isinstance(order, Mapping):
            raise PermanentError(f"order: must be an object or its JSON text, not {_described(order)}")
        return order


class ZuoraCreateOrderOperator(OrderOperator):
    """
    Submit an order to Zuora's "Create an order asynchronously", once, and return its job's id or its result.

    Zuora has the order when the job has completed: wait for that with ``wait_for_completion=True``, or with
    ``ZuoraJobSensor`` in a task of its own. What is promised, and on which Airflow: docs/exactly-once.md.

    :param order: see `OrderOperator`; give it an ``orderNumber``, by which it can be found again.
    :param zuora_conn_id: the Airflow connection.
    :param return_ids: True: the job's result carries ids instead of numbers.
    :param idempotency_key: stands for dag, run, task and map index in the key; the content stays part of it.
    :param raw_idempotency_key: sent as the key, as it is: 1 to 254 printable ASCII characters.
    :param adopt_job_id: a job id, or ``order:<orderNumber>``, to take instead of submitting; blank: submit.
    :param require_order_completed: True: a completed job whose order is not Completed (it may wait for an
        activation) fails the task that waits; False: the log warns of it.
    :param wait_for_completion: wait in the same task, see `JobOperator`, also for the options of the wait.
    :return: the job id; with ``wait_for_completion`` the job's result, as a dict.
    :raises PermanentError: (no retries) where the order breaks a rule, one line each, or Zuora says no.
    :raises ZuoraOutcomeUnknown: (no retries) where only a person can tell whether the order exists.
    :raises ZuoraLockContention: (retries) where it met a lock; the next try submits it again.
    :raises TransientError: (retries) where Zuora could not be reached, its answer leaves the outcome open,
        the job failed for a passing reason, or ``timeout`` passed.
    """

    outcome_options = ("require_order_completed",)
    template_fields: Sequence[str] = (
        *OrderOperator.template_fields,
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
        self.return_ids = return_ids
        self.idempotency_key = idempotency_key
        self.raw_idempotency_key = raw_idempotency_key
        self.adopt_job_id = adopt_job_id
        self.require_order_completed = require_order_completed

    def start_job(self, context: Context) -> str:
        """Submit the order, once."""
        job_id = ZuoraHook(self.zuora_conn_id).create_order(
            self._revealed(),
            idempotency_key=self.idempotency_key,
            raw_idempotency_key=self.raw_idempotency_key,
            adopt_job_id=self.adopt_job_id,
            return_ids=self.return_ids,
            context=context,
            store=task_store(context),
        )
        self.log.info("Zuora has the order as job %s; it is carried out when the job completes", job_id)
        return job_id


class ZuoraPreviewOrderOperator(OrderOperator):
    """
    Preview an order at Zuora, wait for it, and return the preview; it changes nothing there.

    :param order: the body of "Preview an order asynchronously", with its ``previewOptions``; see
        `OrderOperator`.
    :param zuora_conn_id: the Airflow connection.
    :return: the job's result (``invoices``, ``creditMemos`` and so on, as asked for), as a dict.
    :raises PermanentError: (no retries) where the preview breaks a rule, or Zuora says no.
    :raises TransientError: (retries) where Zuora could not be reached, or ``timeout`` passed.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs, wait_for_completion=True)

    def start_job(self, context: Context) -> str:
        """Submit the preview."""
        return ZuoraHook(self.zuora_conn_id).preview_order(self._revealed())


def _seconds(name: str, value: timedelta | float) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name}: must be a number of seconds above 0, or a timedelta, not {value!r}")
    return seconds


def _parsed(order: Any) -> Any:
    """Return an order given as JSON text as an object, anything else as it is."""
    try:
        return json.loads(order) if isinstance(order, str) else order
    except ValueError:
        return order


def _described(order: object) -> str:
    return (
        "a text that is no JSON (the name of a file must end in .json)"
        if isinstance(order, str)
        else f"of type {type(order).__name__}"
    )
