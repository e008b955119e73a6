"""Airflow's border: from a connection to a signed-in account, and from core errors to Airflow errors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from airflow.providers.common.compat.connection import get_async_extra_dejson
from airflow.providers.common.compat.sdk import (
    AirflowException,
    BaseHook,
    Connection,
    get_current_context,
)

from airflow_provider_zuora.airflow_context.task import get_claims, open_store, read_attempt
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.flow import Flow, Store
from airflow_provider_zuora.core.http.call import call_endpoint
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.json_types import to_json_types
from airflow_provider_zuora.core.options import checked_seconds, text_violations
from airflow_provider_zuora.core.polling.job_list import wait_for_each
from airflow_provider_zuora.core.polling.wait import LONGEST, PollOptions, PollSchedule, wait_until_done
from airflow_provider_zuora.core.submission.adoption import record_failure
from airflow_provider_zuora.core.submission.result import check_result
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_errors
from airflow_provider_zuora.hooks.connection import AirflowConnection, Settings, settings_of
from airflow_provider_zuora.hooks.connection_fields import ui_field_behaviour, widgets
from airflow_provider_zuora.session.concurrency import arun_all, run_all
from airflow_provider_zuora.session.registry import REGISTRY, SingleFlightCache
from airflow_provider_zuora.session.session import ApiSession
from airflow_provider_zuora.version_compat import NEVER_EXPIRE

T = TypeVar("T")

_AT_ONCE = 20  # flows of one task or trigger; the connection's max_connections bounds all of a process


def _call(
    method: str,
    path: str,
    json: object,
    params: Mapping[str, object] | None,
    idempotency_key: str | None,
    track_id: str | None,
) -> Callable[[ApiClient], Flow[Any]]:
    """Return the flow of a request; what cannot be sent is refused when it is carried."""
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}

    def flow(client: ApiClient) -> Flow[Any]:
        body = None if json is None else to_json_types(json)
        return call_endpoint(
            client,
            str(method).upper(),
            path,
            json_body=body,
            params=params,
            headers=headers,
            track_id=track_id or "",
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


class BaseJobHook(BaseHook):
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
            setattr(cls, name, vars(BaseJobHook)[name])

    def __init__(self, conn_id: str):
        super().__init__()
        self.conn_id = conn_id
        self.hidden: Sequence[str] = ()  # values of an order that nothing here may say, whoever quotes them
        self._settings: Settings | None = None
        self._own: SingleFlightCache[Settings] | None = None

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
            with convert_errors():
                self._settings = self._read(conn)
        return self._settings

    def get_conn(self) -> ApiSession:
        """Return the account behind the connection; it signs in when the first flow asks for a token."""
        return self.settings.account

    def run(self, flow: Callable[[ApiClient], Flow[T]], store: Store | None = None) -> T:
        """
        Carry a flow of this hook's client with blocking calls; core errors come as Airflow's.

        :param store: what the flow remembers by; where it fails, a `TransientError` says what was sent.
        """
        settings = self.settings
        with convert_errors():
            return settings.account.run(flow(settings.client), store)

    async def arun(self, flow: Callable[[ApiClient], Flow[T]]) -> T:
        """Carry a flow of this hook's client on the running event loop; core errors come as Airflow's."""
        with convert_errors():
            settings = await self._asettings()
            return await settings.account.arun(flow(settings.client))

    def run_many(self, flows: Callable[[ApiClient], Iterable[Flow[T]]]) -> list[T]:
        """Carry many flows of this hook's client, 20 at once, and return their results in their order."""
        settings = self.settings
        with convert_errors():
            return run_all(settings.account, flows(settings.client), _AT_ONCE)

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
        return self.run(lambda client: client.get_job(job_id))

    async def aget_job(self, job_id: str) -> Job:
        """Do what `get_job` does, for a coroutine."""
        return await self.arun(lambda client: client.get_job(job_id))

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
        schedule = PollSchedule(pause, first=1.0)

        def wait(client: ApiClient) -> Flow[JobResult]:
            return wait_until_done(client, job_id, PollOptions.within(client, min(lasts, LONGEST), schedule))

        result = self.run(wait)
        if result.job is None:
            with convert_errors():
                return result.result  # raises
        return result.job

    async def wait_for_jobs(
        self, job_ids: Sequence[str], options: PollOptions, note: Callable[[JobResult, float], None]
    ) -> None:
        """
        Wait for jobs on an event loop, for triggers; errors of the connection are raised as they are.

        :param note: is told of each result, and when it came, in seconds since 1970.
        """
        settings = await self._asettings()
        client = settings.client
        flows = wait_for_each(client, job_ids, options, lambda result: note(result, client.clock()))
        await arun_all(settings.account, flows, min(_AT_ONCE, len(job_ids)))

    async def _asettings(self) -> Settings:
        """Return what the connection says; hooks that share an account and ask at one time share it too."""
        if self._settings is None:
            settings = await REGISTRY.lookups.get((self.conn_type, self.conn_id), self._aread)
            if not settings.shared:  # this hook signs in for itself, once for all coroutines that use it
                self._own = self._own or SingleFlightCache(math.inf)
                settings = await self._own.get(self.conn_id, self._aread)
            self._settings = self._settings or settings
        return self._settings

    async def _aread(self) -> Settings:
        conn = await self._source.aread()
        await get_async_extra_dejson(conn)  # for its masks, as in `settings`
        return await asyncio.to_thread(self._read, conn)  # it looks at files

    @property
    def _source(self) -> AirflowConnection:
        return AirflowConnection(self.vendor, self.conn_id)

    def _read(self, conn: Connection) -> Settings:
        """Return what the connection says, and warn of what it says in vain."""
        settings = settings_of(self.vendor, conn, self._source)
        for word in settings.ignored:
            self.log.warning("Connection %s: %s", self.conn_id, word)
        # A client of its own: it warns of each unknown word once, and each task has a log of its own.
        client = settings.account.client(settings.client.headers)
        return replace(settings, client=client.hide(self.hidden))

    def check(self, **options: object) -> None:
        """
        Look at options of `Vendor.read_result` before there is a job; nothing is asked.

        :raises PermanentError: where one has a value that cannot be.
        """
        self._refuse(self.vendor.list_violations(options))

    def _refuse(self, wrong: Sequence[str]) -> None:
        """Raise one error with the rules that are broken, none for none."""
        if wrong:
            raise PermanentError(str(InvalidInput("Nothing was sent.", tuple(wrong))))

    def outcome(self, job: Job, **options: object) -> JobResult:
        """
        Return what the end of a job means to the task that waited for it.

        :raises PermanentError: where the vendor says that the job failed; waiting again cannot help.
        """
        result = self.vendor.read_result(job, options)
        if result.error:
            raise PermanentError(str(result.error)) from result.error
        return result

    def submitted_outcome(
        self, job: Job, context: Mapping[str, Any], expected: Mapping[str, str], **options: object
    ) -> JobResult:
        """
        Return what the end of a job means to the task that submitted it too, and can do so again.

        :param expected: what its result must repeat of what was submitted, see `check_result`.
        :raises PermanentError: if the job failed for good, or made another order.
        :raises TransientError: where it failed for a passing reason; `LockContentionError` where on a lock.
        """
        job = self.settings.client.redact_job(job)  # a trigger does not know what is to be hidden
        if job.state is JobState.FAILED:
            self._note_failure(job, context)
        with convert_errors():
            check_result(job, expected)
            result = self.vendor.read_result(job, options)
            if result.error:
                raise result.error
        return result

    def _note_failure(self, job: Job, context: Mapping[str, Any]) -> None:
        """Note that a job failed; if that cannot be done, the next try asks the vendor again."""
        try:
            shared = get_claims(context.get("ti")).shared
            self.run(
                lambda client: record_failure(client, read_attempt(context), job, shared),
                open_store(context, NEVER_EXPIRE),
            )
        except TransientError as error:
            self.log.warning("That job %s failed could not be noted: %s", job.job_id, error)

    def test_connection(self) -> tuple[bool, str]:
        """Sign in afresh; return whether that worked and a sentence for the connection form."""
        try:
            settings = self.settings
            with convert_errors():
                settings.account.sign_in()
        except AirflowException as error:
            return False, str(error)
        return (
            True,
            f"Signed in to {settings.credentials.base_url} as client {settings.credentials.client_id}.",
        )
