"""Talk to Zuora."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_zuora.airflow_context.task import fingerprint_of, submitter_of, try_of
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.flow import StatefulFlow, Store, Token
from airflow_provider_zuora.core.job import ORDER
from airflow_provider_zuora.core.json_lines import raise_first
from airflow_provider_zuora.core.json_types import to_json_types
from airflow_provider_zuora.core.options import flag_violations, text_violations
from airflow_provider_zuora.core.submission.api import adopt_job, preview_order, signed_in_notes, submit_order
from airflow_provider_zuora.core.submission.attempt import TaskAttempt
from airflow_provider_zuora.core.submission.bulk import BulkResult, Key, listed, option_violations, shared_job
from airflow_provider_zuora.core.submission.keys import sha256
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.submission import EQUAL
from airflow_provider_zuora.core.vendors.zuora.order_secrets import mask_secrets
from airflow_provider_zuora.exceptions import OrderOutcomeUnknownError, convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook, _running_context, task_store
from airflow_provider_zuora.session.concurrency import submit_all
from airflow_provider_zuora.session.session import claims_of


def _shared_notes(context: Mapping[str, Any]) -> Callable[[TaskAttempt], StatefulFlow[Notes]]:
    """
    Return what signs in and reads what the tries of the running task have noted.

    Where there is a state store it is read once for all calls of a try, because they write to one entry of
    it: of two threads that each had its own notes, one would write over what the other has noted.
    """
    if task_store(context) is None:
        return signed_in_notes
    claims = claims_of(context.get("ti"))

    def read(attempt: TaskAttempt) -> StatefulFlow[Notes]:
        with claims.reading:
            if claims.notes is None:
                claims.notes = yield from signed_in_notes(attempt)
            else:
                yield Token()  # of this account
            return claims.notes

    return read


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
        store: Store | None = None,
    ) -> str:
        """
        Check an order, submit it once, and return the id of the job that will create it.

        The Idempotency-Key is made of the order's content and of who submits it: dag, run, task, and the
        order's ``orderNumber``, or the map index where it has none. So a retry repeats nothing, for the 24
        hours that Zuora remembers a key, and beyond where Airflow keeps notes (3.3 and later). Outside of a
        task every call is a new submission. A task may submit several orders; a second call with an equal one
        that has no ``orderNumber`` is refused: pass an ``idempotency_key`` for each. The id may be
        ``order:<orderNumber>``, for an order that was found by its number.

        :param order: the body of Zuora's "Create an order asynchronously"; checked before it is sent.
        :param idempotency_key: stands for dag, run, task and map index in the key.
        :param raw_idempotency_key: sent as the key, as it is.
        :param adopt_job_id: a job, or ``order:<orderNumber>``, that stands for the order: nothing is sent.
        :param return_ids: True: the job's result carries ids instead of numbers.
        :param context: the task's context; None: that of the running task.
        :param store: what the task's next try can read; None: Airflow's own, see `task_store`.
        :raises PermanentError: where a rule is broken (one line each, nothing was sent), or Zuora says no.
        :raises ZuoraOutcomeUnknown: where only a person can tell whether the order exists.
        :raises ZuoraLockContention: where the order met a lock in Zuora.
        :raises TransientError: where nobody knows whether Zuora accepted it: a retry sends the same key.
        """
        return self._create_order(
            order,
            idempotency_key=idempotency_key,
            raw_idempotency_key=raw_idempotency_key,
            adopt_job_id=adopt_job_id,
            return_ids=return_ids,
            context=context,
            store=store,
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
        store: Store | None = None,
        sole: bool = False,
    ) -> str:
        """
        Do what `create_order` does.

        :param sole: True if the task submits this order and no other: then it is the same one in each try,
            even if a template has changed it.
        """
        texts = {"adopt_job_id": adopt_job_id, "idempotency_key": idempotency_key}
        self._refuse((*text_violations(texts), *flag_violations({"return_ids": return_ids})))
        self._look_at([order])
        context = context or _running_context()
        is_own, store = store is None, store or task_store(context)
        by = submitter_of(context, self.settings.fields["idempotency_namespace"], idempotency_key)
        attempt = try_of(context, remembers=store is not None)
        if adopted := (adopt_job_id or "").strip():
            return self.run(
                lambda client: adopt_job(
                    client,
                    adopted,
                    order,
                    by,
                    attempt,
                    raw_key=raw_idempotency_key,
                    notes=claims_of(context.get("ti")).notes if is_own and context else None,
                ),
                store,
            )
        own = idempotency_key is not None or raw_idempotency_key is not None
        once = "" if own or not context else fingerprint_of(by, attempt.number, order)
        with self._claimed(context, [once]) as taken:
            self._refuse((EQUAL,) if taken else ())
            job_id = self.run(
                lambda client: submit_order(
                    client,
                    order,
                    by,
                    attempt,
                    raw_key=raw_idempotency_key,
                    return_ids=return_ids,
                    sole=sole,
                    read_notes=_shared_notes(context) if is_own else None,
                ),
                store,
            )
        if context and self._is_of_another(context, job_id, to_json_types(order)):
            raise OrderOutcomeUnknownError(str(shared_job(job_id)))
        return job_id

    def create_orders(
        self,
        orders: Sequence[Mapping[str, Any]],
        *,
        idempotency_key: Key = None,
        return_ids: bool = False,
        on_existing: Literal["fail", "adopt"] = "fail",
        concurrency: int = 20,
        places: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
    ) -> list[BulkResult]:
        """
        Check all orders, submit each once, many at the same time, and return what became of each, in order.

        An order that is refused does not stop the others; its entry holds the error. Each key is made as in
        `create_order`; equal orders without an ``orderNumber`` are told apart by their count, so the list may
        be reordered. Where Airflow keeps notes (3.3 and later) the list's are kept, a hundred orders at a
        time, before the first of them is sent.

        :param idempotency_key: stands for dag, run and task in the keys: a text, or what a function returns
            for an order.
        :param on_existing: ``adopt``: each order with an ``orderNumber`` is looked up before it is sent. One
            that is there already, by whichever run, stands for the job (``order:<orderNumber>``), and nothing
            is sent; one with another account, date or content is refused. ``fail``: nothing is looked up.
        :param concurrency: orders at the same time; the connection's ``max_connections`` bounds it too.
        :param places: how messages call the orders; ``orders[0]`` and so on where it is empty.
        :raises PermanentError: where a rule is broken (a line each), or signing in fails: nothing was sent.
        """
        wrong = option_violations(on_existing, concurrency) + flag_violations({"return_ids": return_ids})
        self._refuse(
            wrong + (("places: must be as many as orders",) if places and len(places) != len(orders) else ())
        )
        self._look_at(orders, places or None)
        context = context or _running_context()
        settings = self.settings
        # With keys of the user's own it plays no part who submits.
        by = submitter_of(
            context, settings.fields["idempotency_namespace"], None if idempotency_key is None else ""
        )
        with convert_errors():
            checked = listed(orders, by, idempotency_key, places)
            attempt = try_of(context)
            prints = [order.print_in(attempt.number) if context else "" for order in checked]
            with self._claimed(context, prints) as taken:
                twice = [order.place for order, each in zip(checked, prints, strict=True) if each in taken]
                raise_first("Nothing was sent.", [f"{place}: {EQUAL}" for place in twice])
                entries = submit_all(
                    settings.account,
                    settings.client,
                    checked,
                    self.run(lambda _: _shared_notes(context)(attempt), task_store(context))
                    if checked
                    else Notes(attempt),
                    concurrency=concurrency,
                    store=task_store(context),
                    return_ids=return_ids,
                    adopt=on_existing == "adopt",
                )
            failed = (each for each, entry in zip(prints, entries, strict=True) if entry.job_id is None)
            claims_of(context.get("ti")).discard(self._of_this_account(failed))
        return [self._told_apart(context, entry) for entry in entries]

    def _told_apart(self, context: Mapping[str, Any], entry: BulkResult) -> BulkResult:
        """Return the entry of an order, without a job that this try has been given for another one."""
        order, job_id = entry.order, entry.job_id
        own = order.document if order.number else [order.document, order.by.identity, str(order.by.position)]
        if job_id is None or not self._is_of_another(context, job_id, own):
            return entry
        return replace(entry, job_id=None, error=shared_job(job_id))

    @contextmanager
    def _claimed(self, context: Mapping[str, Any], prints: Sequence[str]) -> Iterator[Collection[str]]:
        """
        Claim orders without a number for one call, and yield those that this try has submitted already.

        Whichever hook it was: nothing else tells two equal ones apart. Another account has its own. What
        raises an error has submitted nothing.

        :param prints: what tells each order from others; empty: it may be submitted again.
        """
        own, claims = self._of_this_account(prints), claims_of(context.get("ti"))
        taken = claims.add(own)
        try:
            yield {each for *_, each in taken}
        except BaseException:
            claims.discard(() if taken else own)
            raise

    def _of_this_account(self, prints: Iterable[str]) -> list[tuple[str, str, str]]:
        credentials = self.settings.credentials
        return [(credentials.base_url, credentials.client_id, each) for each in prints if each]

    def _is_of_another(self, context: Mapping[str, Any], job_id: str, order: object) -> bool:
        """
        Return whether this try has been given a job for another order, whichever hook it was.

        Two accounts may be of one tenant, where one key is one order; a number is one order in a tenant only.
        """
        [(base_url, client_id, _)] = self._of_this_account([job_id])
        is_numbered = isinstance(order, Mapping) and order.get("orderNumber")
        job = (base_url, client_id, job_id) if job_id.startswith(ORDER) else job_id
        content = sha256(order) if is_numbered else sha256([order, base_url, client_id])
        return claims_of(context.get("ti") or self).is_of_another(job, content)

    def preview_order(self, order: Mapping[str, Any]) -> str:
        """Check a preview, submit it, and return the id of its job; a preview changes nothing at Zuora."""
        self._look_at([order])
        return self.run(lambda client: preview_order(client, order))

    def _look_at(self, orders: Sequence[object], places: Sequence[str] | None = ("",)) -> None:
        """
        Let Airflow mask the secrets of orders in its logs, and compare their sizes with Zuora's limits.

        :param places: how messages call the orders.
        :raises PermanentError: where one is larger than the connection allows.
        """
        given = orders if isinstance(orders, (list, tuple)) else ()
        if left := mask_secrets(given, mask_secret):
            self.log.warning("Airflow is not told of %d more secrets to mask: it would take too long", left)
        names = places or [f"orders[{index}]" for index in range(len(given))]
        over: list[str] = []
        for place, order in zip(names, given, strict=True):
            before = f"{place}: " if place else ""
            try:
                for warning in self.settings.fields["order_limits"].check(order):
                    self.log.warning("%s%s", before, warning)
            except InvalidInput as error:
                over += [f"{before}{violation}" for violation in error.violations]
        self._refuse(over)
