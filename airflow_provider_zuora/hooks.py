"""Airflow's border: from a connection to a signed-in account, and from core errors to Airflow errors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    BaseHook,
    Connection,
    get_current_context,
    mask_secret,
)
from asgiref.sync import sync_to_async

from airflow_provider_zuora.accounts import READINGS, Account, Masks, Renewal, claims_of
from airflow_provider_zuora.bulk import acarried, carried, submit_all
from airflow_provider_zuora.connection_fields import ui_field_behaviour, widgets
from airflow_provider_zuora.connections import Settings, credentials_of, settings_of
from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.ends import Ends
from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    LockContention,
    OutcomeUnknown,
    TimedOut,
)
from airflow_provider_zuora.core.exports import export_orders, file_link
from airflow_provider_zuora.core.jobs import ORDER, Credentials, Job, JobState, Outcome, Vendor
from airflow_provider_zuora.core.masking import mask_secrets
from airflow_provider_zuora.core.options import checked_seconds, flag_violations, text_violations
from airflow_provider_zuora.core.order_lines import raise_first
from airflow_provider_zuora.core.plain import plain
from airflow_provider_zuora.core.submission.api import (
    adopt_job,
    note_end,
    signed_in_notes,
    submit_order,
)
from airflow_provider_zuora.core.submission.bulk import Entry, Key, listed, option_violations, shared_job
from airflow_provider_zuora.core.submission.keys import sha256
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.result import check_result
from airflow_provider_zuora.core.submission.submission import EQUAL
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.waiting import LONGEST, Pauses, Wait, ended_job
from airflow_provider_zuora.core.wire import Flow, Memoir, Store, Token, remembering
from airflow_provider_zuora.downloads import MAX_BYTES, LocalPlace, Place, StoredPlace, check_size, download
from airflow_provider_zuora.fetching import Fence
from airflow_provider_zuora.readings import Readings
from airflow_provider_zuora.tasks import TaskStore, fingerprint_of, submitter_of, try_of

try:  # the state store of a task, Airflow 3.3 and later
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # it is loaded when asked for
except ImportError:  # pragma: no cover - covered on Airflow before 3.3
    NEVER_EXPIRE = None

try:  # what common-compat lacks: masking without blocking the event loop, Airflow 3.3.2 and later
    from airflow.sdk.log import amask_secret
except ImportError:  # pragma: no cover - covered on Airflow before 3.3.2
    amask_secret = sync_to_async(mask_secret)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

T = TypeVar("T")

_MASKS = Masks(mask_secret, amask_secret)
_AT_ONCE = 20  # flows of one task or trigger; the connection's max_connections bounds all of a process


class PermanentError(AirflowFailException):
    """The vendor's no, or input that cannot be sent: Airflow's retries cannot help and are not spent."""


class TransientError(AirflowException):
    """A passing failure: Airflow's retries may help."""


class ZuoraOutcomeUnknown(PermanentError):
    """
    An order may exist or not, and only a person can tell; it was not sent again.

    The message names the Idempotency-Key, the Track-Ids, what to look for in Zuora, and the ways on:
    ``adopt_job_id`` where the order is there, another ``idempotency_key`` where it is not.
    """


class ZuoraLockContention(TransientError):
    """An order met a lock in Zuora; the next try submits it again, a minute later at the soonest."""


def airflow_error(error: ApiError) -> AirflowException:
    """Return what a core error is to Airflow; it stays at hand as ``__cause__`` when raised from it."""
    if isinstance(error, (OutcomeUnknown, LockContention)):
        kind = ZuoraOutcomeUnknown if isinstance(error, OutcomeUnknown) else ZuoraLockContention
        return kind(str(error))
    passing = error.transient or isinstance(error, TimedOut)
    return (TransientError if passing else PermanentError)(str(error))


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Raise core errors as Airflow's."""
    try:
        yield
    except ApiError as error:
        raise airflow_error(error) from error


def task_store(context: Mapping[str, Any]) -> TaskStore | None:
    """Return what later tries of a task can read (Airflow 3.3 and later), None where there is none."""
    accessor = context.get("task_state_store")
    return None if accessor is None else TaskStore(accessor, NEVER_EXPIRE)


def _call(
    method: str,
    path: str,
    json: object,
    params: Mapping[str, object] | None,
    idempotency_key: str | None,
    track_id: str | None,
) -> Callable[[Client], Flow[Any]]:
    """Return the flow of a request; what cannot be sent is refused when it is carried."""
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}

    def flow(client: Client) -> Flow[Any]:
        body = None if json is None else plain(json)
        return client.call(
            str(method).upper(), path, json_body=body, params=params, headers=headers, track_id=track_id or ""
        )

    return flow


def _request_violations(params: object, track_id: object) -> tuple[str, ...]:
    known = isinstance(params, (Mapping, type(None)))
    return text_violations({"track_id": track_id}) + (() if known else ("params: must be a mapping",))


def _running_context() -> Mapping[str, Any]:
    """Return the context of the running task, an empty one where none runs."""
    try:
        return get_current_context()
    except (AirflowException, RuntimeError):  # Airflow 2, Airflow 3
        return {}


class JobHook(BaseHook):
    """
    What the hooks of all vendors have in common; a subclass names its vendor by its ``conn_type``.

    :param conn_id: the Airflow connection.
    """

    conn_type: ClassVar[str]
    conn_name_attr: ClassVar[str]
    hook_name: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give a hook the form's methods as its own: Airflow before 3.2 looks at no parent's."""
        super().__init_subclass__(**kwargs)
        for name in ("get_ui_field_behaviour", "get_connection_form_widgets"):
            setattr(cls, name, vars(JobHook)[name])

    def __init__(self, conn_id: str):
        super().__init__()
        self.conn_id = conn_id
        self.hidden: Sequence[str] = ()  # values of an order that nothing here may say, whoever quotes them
        self._settings: Settings | None = None
        self._own: Readings[Settings] | None = None

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels and placeholders, for Airflow before 3.2."""
        return ui_field_behaviour(cls.conn_type)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields, for Airflow before 3.2."""
        return widgets(cls.conn_type)

    @property
    def vendor(self) -> Vendor:
        """Return the plug of this hook's vendor."""
        return VENDORS[self.conn_type]

    @property
    def settings(self) -> Settings:
        """
        Return what the connection says; it is read once.

        :raises PermanentError: where it cannot be used; each line names a field and its rule.
        """
        if self._settings is None:
            conn = self.get_connection(self.conn_id)
            conn.extra_dejson  # noqa: B018 - Airflow masks the secrets of extra as it reads it
            with airflow_errors():
                self._settings = self._read(conn)
        return self._settings

    def get_conn(self) -> Account:
        """Return the account behind the connection; it signs in when the first flow asks for a token."""
        return self.settings.account

    def run(self, flow: Callable[[Client], Memoir[T]], store: Store | None = None) -> T:
        """
        Carry a flow of this hook's client with blocking calls; core errors come as Airflow's.

        :param store: what the flow remembers by; where it fails, a `TransientError` says what was sent.
        """
        settings = self.settings
        with airflow_errors():
            return settings.account.run(remembering(flow(settings.client), store))

    async def arun(self, flow: Callable[[Client], Flow[T]]) -> T:
        """Carry a flow of this hook's client on the running event loop; core errors come as Airflow's."""
        with airflow_errors():
            settings = await self._asettings()
            return await settings.account.arun(flow(settings.client))

    def run_many(self, flows: Callable[[Client], Iterable[Flow[T]]]) -> list[T]:
        """Carry many flows of this hook's client, 20 at once, and return their results in their order."""
        settings = self.settings
        with airflow_errors():
            return carried(settings.account, flows(settings.client), _AT_ONCE)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        track_id: str | None = None,
    ) -> Any:
        """
        Send a signed request to any other endpoint and return what its answer holds.

        A GET is repeated while it fails for a passing reason, a cut-off answer is one; anything else only if
        the vendor says that it was not processed, and a POST with an ``idempotency_key`` while its outcome is
        unknown too. What was answered with a 2xx was taken: unless it is a GET, it is never sent again.

        It blocks the event loop that it is called on; `arequest` does not.

        :param path: below the base URL, starting with ``/``.
        :param json: the body; dates and Decimals are written as in an order.
        :param idempotency_key: for a POST; sent as it is: 1 to 254 printable ASCII characters.
        :param track_id: at most 64 printable ASCII characters without ``: ; " '``; made up where left out.
        :return: of any 2xx: None if it is empty; JSON as Python's own types, a list, a number or a text too;
            a str if its Content-Type is one of text (``text/csv``, XML, a page) and its bytes are what the
            charset says; anything else, a PDF say, as bytes.
        :raises PermanentError, TransientError: with the vendor's codes, words and request id; for a 2xx too,
            if it says ``success: false``.
        """
        self._refuse(_request_violations(params, track_id))
        return self.run(_call(method, path, json, params, idempotency_key, track_id))

    async def arequest(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        track_id: str | None = None,
    ) -> Any:
        """Do what `request` does, for a coroutine: in your own trigger, in an ``async def`` task."""
        self._refuse(_request_violations(params, track_id))
        return await self.arun(_call(method, path, json, params, idempotency_key, track_id))

    def get_job(self, job_id: str) -> Job:
        """
        Read a job once, repeating the read up to ten times while it fails for a passing reason.

        :raises PermanentError, TransientError: where it could not be read; a failed job is returned.
        """
        return self.run(lambda client: client.job(job_id))

    async def aget_job(self, job_id: str) -> Job:
        """Do what `get_job` does, for a coroutine."""
        return await self.arun(lambda client: client.job(job_id))

    def wait_for_job(
        self,
        job_id: str,
        *,
        poke_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
    ) -> Job:
        """
        Wait for a job on this worker and return it when it has ended, well or badly.

        ``hook.outcome(job).result`` is its result, or raises `PermanentError` where the job failed. A job
        that the vendor does not know is waited for during the first ten minutes: it may be a new one.

        :param poke_interval: seconds between two looks; None: from 1 s, growing by half, to 60 s.
        :param timeout: seconds, or a timedelta; ten years at the most.
        :raises PermanentError: where a time is none; nothing is asked then.
        :raises TransientError: where the job has not ended in time.
        """
        try:
            lasts = checked_seconds("timeout", timeout, zero=True)
            pause = (
                None if poke_interval is None else checked_seconds("poke_interval", poke_interval, zero=True)
            )
        except ValueError as error:
            raise PermanentError(f"Nothing was sent.\n{error}") from None
        pauses = Pauses(pause, first=1.0)
        return self.run(
            lambda client: ended_job(client, job_id, Wait.within(client, min(lasts, LONGEST), pauses))
        )

    async def wait_for_ends(self, job_ids: Sequence[str], wait: Wait) -> Ends:
        """Wait for jobs on an event loop, for triggers; errors of the connection are raised as they are."""
        settings = await self._asettings()
        ends = Ends(job_ids)
        await acarried(settings.account, ends.flows(settings.client, wait), min(_AT_ONCE, len(job_ids)))
        return ends

    async def _asettings(self) -> Settings:
        """Return what the connection says; hooks that share an account and ask at one time share it too."""
        if self._settings is None:
            settings = await READINGS.get((self.conn_type, self.conn_id), self._aread)
            if not settings.shared:  # this hook signs in for itself, once for all coroutines that use it
                self._own = self._own or Readings(math.inf)
                settings = await self._own.get(self.conn_id, self._aread)
            self._settings = self._settings or settings
        return self._settings

    async def _aread(self) -> Settings:
        conn = await self._aconnection()
        await get_async_extra_dejson(conn)  # for its masks, as in `settings`
        return await asyncio.to_thread(self._read, conn)  # it looks at files

    async def _aconnection(self) -> Connection:
        try:
            return await get_async_connection(self.conn_id)
        except AirflowNotFoundException:
            # Inside of dag.test() Airflow 3.3 finds connections of its database by the blocking call only.
            return await sync_to_async(self.get_connection)(self.conn_id)

    def _read(self, conn: Connection) -> Settings:
        """Return what the connection says, and warn of what it says in vain."""
        again = copy(self)  # the account may outlive this hook, and must not keep what it has read
        again._settings, again._own, again.hidden = None, None, ()  # noqa: SLF001
        settings = settings_of(self.vendor, conn, _MASKS, Renewal(again._reread, again._areread))  # noqa: SLF001
        for word in settings.ignored:
            self.log.warning("Connection %s: %s", self.conn_id, word)
        return replace(settings, client=settings.client.hiding(self.hidden)) if self.hidden else settings

    def _reread(self) -> Credentials | None:
        """Return the credentials that the connection holds by now, None where it cannot be used any more."""
        try:
            return self._credentials(self.get_connection(self.conn_id))
        except AirflowNotFoundException:
            return None

    async def _areread(self) -> Credentials | None:
        try:
            return await asyncio.to_thread(self._credentials, await self._aconnection())
        except AirflowNotFoundException:
            return None

    def _credentials(self, conn: Connection) -> Credentials | None:
        try:
            return credentials_of(self.vendor, conn, _MASKS)
        except InvalidInput as error:
            self.log.warning("Connection %s cannot be used any more: %s", self.conn_id, error)
            return None

    def check(self, **options: object) -> None:
        """
        Look at options of `outcome` before there is a job; nothing is asked.

        :raises PermanentError: where one has a value that cannot be.
        """
        self._refuse(self.vendor.violations(options))

    def _refuse(self, wrong: Sequence[str]) -> None:
        """Raise one error with the rules that are broken, none for none."""
        if wrong:
            raise PermanentError(str(InvalidInput("Nothing was sent.", tuple(wrong))))

    def outcome(self, job: Job, **options: object) -> Outcome:
        """
        Return what the end of a job means to the task that waited for it.

        :raises PermanentError: where the vendor says that the job failed; waiting again cannot help.
        """
        try:
            return self.vendor.outcome(job, options)
        except ApiError as error:
            raise PermanentError(str(error)) from error

    def submitted_outcome(
        self, job: Job, context: Mapping[str, Any], expected: Mapping[str, str], **options: object
    ) -> Outcome:
        """
        Return what the end of a job means to the task that submitted it too, and can do so again.

        :param expected: what its result must repeat of what was submitted, see `check_result`.
        :raises PermanentError: if the job failed for good, or made another order.
        :raises TransientError: where it failed for a passing reason; `ZuoraLockContention` where on a lock.
        """
        job = self.settings.client.redact_job(job)  # a trigger does not know what is to be hidden
        if job.state is JobState.FAILED:
            self._note_failure(job, context)
        with airflow_errors():
            check_result(job, expected)
            return self.vendor.outcome(job, options)

    def _note_failure(self, job: Job, context: Mapping[str, Any]) -> None:
        """Note that a job failed; if that cannot be done, the next try asks the vendor again."""
        try:
            notes = claims_of(context.get("ti")).notes
            self.run(lambda client: note_end(client, try_of(context), job, notes), task_store(context))
        except TransientError as error:
            self.log.warning("That job %s failed could not be noted: %s", job.job_id, error)

    def test_connection(self) -> tuple[bool, str]:
        """Sign in afresh; return whether that worked and a sentence for the connection form."""
        try:
            settings = self.settings
            with airflow_errors():
                settings.account.sign_in()
        except AirflowException as error:
            return False, str(error)
        return (
            True,
            f"Signed in to {settings.credentials.base_url} as client {settings.credentials.client_id}.",
        )


def _shared_notes(context: Mapping[str, Any]) -> Callable[[Try], Memoir[Notes]]:
    """
    Return what signs in and reads what the tries of the running task have noted.

    Where there is a state store it is read once for all calls of a try, because they write to one entry of
    it: of two threads that each had its own notes, one would write over what the other has noted.
    """
    if task_store(context) is None:
        return signed_in_notes
    claims = claims_of(context.get("ti"))

    def read(attempt: Try) -> Memoir[Notes]:
        with claims.reading:
            if claims.notes is None:
                claims.notes = yield from signed_in_notes(attempt)
            else:
                yield Token()  # of this account
            return claims.notes

    return read


class ZuoraHook(JobHook):
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
        if context and self._is_of_another(context, job_id, plain(order)):
            raise ZuoraOutcomeUnknown(str(shared_job(job_id)))
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
    ) -> list[Entry]:
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
        with airflow_errors():
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

    def _told_apart(self, context: Mapping[str, Any], entry: Entry) -> Entry:
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
        return self.run(lambda client: client.preview_order(order))

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


class ElasticPathHook(JobHook):
    """
    Talk to Elastic Path Commerce Cloud.

    The connection (type ``elastic_path``): host = base URL, or blank and ``environment`` in extra;
    login and password = client id and secret; all else in extra is optional, see the connection form.

    :param elastic_path_conn_id: the Airflow connection.
    """

    conn_name_attr = "elastic_path_conn_id"
    default_conn_name = "elastic_path_default"
    conn_type = "elastic_path"
    hook_name = "Elastic Path"

    def __init__(self, elastic_path_conn_id: str = default_conn_name):
        super().__init__(elastic_path_conn_id)

    def export_orders(self, filter: str) -> str:  # noqa: A002 - Elastic Path's own word, and the operator's
        """
        Start an export of orders to a CSV, and return the id of its job.

        An export changes no order. Elastic Path has no idempotency keys: where the outcome of a request is
        unknown it is repeated, and at worst a job that nobody asks for stands in the queue.

        :param filter: in the grammar of Elastic Path's order list, for example
            ``ge(created_at,2024-07-01T00:00:00Z):lt(created_at,2024-07-02T00:00:00Z)``.
        :raises PermanentError, TransientError: with Elastic Path's words and request id.
        """
        return self.run(lambda client: export_orders(client, filter))

    def download(
        self, job_id: str, target: str | PathLike[str] | ObjectStoragePath, *, max_bytes: int = MAX_BYTES
    ) -> int:
        """
        Fetch the CSV of an export that succeeded, and return its size in bytes.

        It comes in chunks to a temporary file (beside a local target, else in the directory of temporary
        files), is checked, and is moved or uploaded then: under the final name is all of it, or what was
        there before. No secret of the connection goes to the file's host, which must be https and public;
        what else is allowed is told in docs/elastic-path.md.

        :param target: a local path, or what ``ObjectStoragePath`` takes, such as ``s3://conn_id@bucket/a.csv``.
        :param max_bytes: a larger file is not fetched.
        :raises PermanentError: where the job is unknown or has no file, or the link is not safe to follow.
        :raises TransientError: where the file did not come whole: the next try asks for another link.
        """
        with airflow_errors():
            check_size(max_bytes)
            place = _place(target)
        link = self.run(lambda client: file_link(client, job_id))
        settings = self.settings
        with airflow_errors():
            fence = Fence.beside(
                settings.credentials.base_url, settings.fields["download_hosts"], mask_secret
            )
            size = download(link, place, settings.line, fence, max_bytes)
        self.log.info("Downloaded the file of job %s to %s: %d bytes", job_id, target, size)
        return size


def _place(target: str | PathLike[str] | ObjectStoragePath) -> Place:
    """Return where a download goes to; a store of local files is this machine."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        if isinstance(target, str) and "://" in target:
            target = ObjectStoragePath(target)
        if not isinstance(target, ObjectStoragePath):
            return LocalPlace(Path(target))
        if target.protocol in ("file", "local", ""):
            return LocalPlace(Path(target.path))
        return StoredPlace(_file_system(target), target.path)
    except (ImportError, TypeError, ValueError) as error:  # no path, or a store that nothing here knows
        raise InvalidInput("Nothing was fetched.", (f"target: {error}",)) from error


def _file_system(target: ObjectStoragePath) -> Any:
    """Return the file system of a path: Airflow's, or fsspec's own for what no provider registers."""
    try:
        return target.fs
    except ValueError:
        from fsspec.core import url_to_fs

        return url_to_fs(str(target))[0]


HOOKS: Mapping[str, Callable[[str], JobHook]] = {
    ZuoraHook.conn_type: ZuoraHook,
    ElasticPathHook.conn_type: ElasticPathHook,
}
