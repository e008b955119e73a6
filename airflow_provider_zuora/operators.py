"""Submit orders; what a DAG author sees of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, mask_secret

from airflow_provider_zuora.core.masking import Hidden, hide, reveal
from airflow_provider_zuora.hooks import PermanentError, ZuoraHook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ZuoraCreateOrderOperator(BaseOperator):
    """
    Submit an order to Zuora's "Create an order asynchronously" and return the id of its job.

    Zuora has the order when the job has completed: wait for that with ``ZuoraJobSensor``.

    A retry of the task sends the same Idempotency-Key, so that Zuora answers with the job that an earlier try
    started. The key is made of the order's content, dag, run, task and ``orderNumber`` (or map index).

    :param order: the body of the call, as a dict, as JSON text, or as the path of a ``.json`` file that
        Airflow finds as a template; checked against Zuora's documented rules before it is sent. Values that
        are secrets (card, security code, bank account) are hidden from the rendered-template page and the
        logs; do not write them into the DAG file, Airflow shows that as it is.
    :param zuora_conn_id: the Airflow connection.
    :param return_ids: True: the job's result carries ids instead of numbers.
    :param idempotency_key: stands for dag, run, task and map index in the key; the content stays part of it.
    :param raw_idempotency_key: sent as the key, as it is: 1 to 254 printable ASCII characters.
    :return: the job id, as XCom ``return_value``.
    :raises PermanentError: (no retries) where the order breaks a rule, one line each, or Zuora says no.
    :raises TransientError: (retries) where Zuora could not be reached, or its answer leaves the outcome open.
    """

    template_fields: Sequence[str] = ("order", "zuora_conn_id", "idempotency_key", "raw_idempotency_key")
    template_ext: Sequence[str] = (".json",)
    template_fields_renderers = {"order": "json"}  # noqa: RUF012 - Airflow's own form
    ui_color = "#d5ecd4"

    def __init__(
        self,
        *,
        order: Mapping[str, Any] | str,
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        return_ids: bool = False,
        idempotency_key: str | None = None,
        raw_idempotency_key: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.order: Any = order
        self.zuora_conn_id = zuora_conn_id
        self.return_ids = return_ids
        self.idempotency_key = idempotency_key
        self.raw_idempotency_key = raw_idempotency_key

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

    def execute(self, context: Context) -> str:
        """Submit the order."""
        order = reveal(_parsed(self.order))
        if not isinstance(order, Mapping):
            raise PermanentError(f"order: must be an object or its JSON text, not {_described(order)}")
        job_id = ZuoraHook(self.zuora_conn_id).create_order(
            order,
            idempotency_key=self.idempotency_key,
            raw_idempotency_key=self.raw_idempotency_key,
            return_ids=self.return_ids,
            context=context,
        )
        self.log.info("Zuora accepted the order as job %s; it is carried out when the job completes", job_id)
        return job_id

    def on_kill(self) -> None:
        """Say that Zuora cannot be stopped."""
        self.log.warning(
            "Zuora has no cancel: an order that was sent before the task was killed goes on there"
        )


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
