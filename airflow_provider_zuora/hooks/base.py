"""What all hooks have: a connection becomes a session, and the session's errors become Airflow's."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from airflow.providers.common.compat.connection import get_async_extra_dejson
from airflow.providers.common.compat.sdk import AirflowException, BaseHook, Connection

from airflow_provider_zuora.core.errors import ApiError, InvalidInput
from airflow_provider_zuora.core.flow import Flow, Store
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import Job, JobResult
from airflow_provider_zuora.core.polling.job_list import wait_for_each
from airflow_provider_zuora.core.polling.wait import LONGEST, PollOptions, PollSchedule, wait_until_done
from airflow_provider_zuora.core.validation import check_seconds
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.exceptions import PermanentError, convert_error, convert_errors
from airflow_provider_zuora.hooks.call import build_call
from airflow_provider_zuora.hooks.connection import AirflowConnection, Settings, read_settings
from airflow_provider_zuora.hooks.connection_fields import build_ui_field_behaviour, build_widgets
from airflow_provider_zuora.session.concurrency import arun_all, run_all
from airflow_provider_zuora.session.registry import REGISTRY, SingleFlightCache
from airflow_provider_zuora.session.session import ApiSession

T = TypeVar("T")

_CONCURRENCY = 20  # flows of one task or trigger; the connection's max_connections bounds all of a process


@dataclass(frozen=True)
class AirflowJobResult(JobResult):
    """The result of a job that has ended; what it raises is Airflow's error."""

    @property
    def result(self) -> Any:
        """
        Return the job's result.

        :raises PermanentError: if the job failed; waiting again cannot help.
        """
        if self.error is not None:
            raise convert_error(self.error, PermanentError) from self.error
        return super().result


class BaseJobHook(BaseHook):
    """
    A hook for one vendor, which a subclass names by its ``conn_type``.

    What takes a flow, settings or a store is private to this package.

    :param conn_id: the Airflow connection.
    :ivar values_to_hide: values of an order that no message may quote; set before the connection is read.
    """

    conn_type: ClassVar[str]
    conn_name_attr: ClassVar[str]
    hook_name: ClassVar[str]
    vendor: ClassVar[Vendor]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give a hook its vendor, and the form's methods: Airflow before 3.2 does not search its parents."""
        super().__init_subclass__(**kwargs)
        if not hasattr(cls, "vendor"):
            cls.vendor = VENDORS[cls.conn_type]
        for name in ("get_ui_field_behaviour", "get_connection_form_widgets"):
            setattr(cls, name, vars(BaseJobHook)[name])

    def __init__(self, conn_id: str):
        super().__init__()
        self.conn_id = conn_id
        self.values_to_hide: Sequence[str] = ()
        self._own_lookups: SingleFlightCache[Settings] | None = None

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels and placeholders, for Airflow before 3.2."""
        return build_ui_field_behaviour(cls.conn_type)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields, for Airflow before 3.2."""
        return build_widgets(cls.conn_type)

    @cached_property
    def session(self) -> ApiSession:
        """
        Return the session behind the connection; it signs in when the first flow asks for a token.

        :raises PermanentError: if the connection cannot be used; each line names a field and its rule.
        """
        return self._settings.session

    def get_conn(self) -> ApiSession:
        """Return `session`."""
        return self.session

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
        Send a signed request to any other endpoint and return the body of the answer.

        A GET is repeated while it fails for a transient reason, such as a cut-off answer. Anything else is
        repeated only if the vendor says that it was not processed; a POST with an ``idempotency_key`` also
        while its outcome is unknown. After a 2xx only a GET is ever sent again.

        :param path: below the base URL, starting with ``/``.
        :param json: the body; dates and Decimals are written as in an order.
        :param idempotency_key: for a POST; sent as it is: 1 to 254 printable ASCII characters.
        :param track_id: at most 64 printable ASCII characters without ``: ; " '``; generated if left out.
        :return: of any 2xx: None if it is empty; JSON as Python's own types; a str if its Content-Type is one
            of text (``text/csv``, XML, a page) and its charset fits; anything else as bytes.
        :raises PermanentError, TransientError: with the vendor's codes, words and request id; for a 2xx too,
            if it says ``success: false``.
        """
        return self._run(build_call(method, path, json, params, idempotency_key, track_id))

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
        """Do what `request` does for a coroutine, without blocking its event loop."""
        return await self._arun(build_call(method, path, json, params, idempotency_key, track_id))

    def get_job(self, job_id: str) -> Job:
        """
        Read a job once, repeating the read up to ten times while it fails for a transient reason.

        :raises PermanentError, TransientError: if it could not be read; a failed job is returned.
        """
        return self._run(lambda client: client.get_job(job_id))

    async def aget_job(self, job_id: str) -> Job:
        """Do what `get_job` does for a coroutine."""
        return await self._arun(lambda client: client.get_job(job_id))

    def wait_for_job(
        self,
        job_id: str,
        *,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
    ) -> JobResult:
        """
        Wait for a job on this worker, and return its result when it has ended, well or badly.

        A job that the vendor does not know is waited for during the first ten minutes: it may be a new one.

        :param poll_interval: seconds between two polls; None: from 1 s, growing by half, to 60 s.
        :param timeout: seconds, or a timedelta; at most ten years.
        :return: ``result`` is what the job returned, or raises `PermanentError` if it failed; ``job`` is the
            job itself.
        :raises PermanentError: if an option is no time; nothing was sent.
        :raises TransientError: if the job has not ended in time.
        """
        try:
            seconds = min(check_seconds("timeout", timeout, zero=True), LONGEST)
            interval = (
                None if poll_interval is None else check_seconds("poll_interval", poll_interval, zero=True)
            )
        except ValueError as error:
            raise PermanentError(f"Nothing was sent.\n{error}") from None
        schedule = PollSchedule(interval, first=1.0)
        waited = self._run(
            lambda client: wait_until_done(client, job_id, PollOptions.within(client, seconds, schedule))
        )
        if waited.job is None:
            with convert_errors():
                return waited.result  # it raises why there is none
        read = self.vendor.read_result(waited.job, {})
        return AirflowJobResult(read.job_id, read.job, read.error, read.warning, read.skipped)

    def test_connection(self) -> tuple[bool, str]:
        """Sign in, whatever token is at hand; return whether that worked and a sentence for the form."""
        try:
            with convert_errors():
                self.session.sign_in()
        except AirflowException as error:
            return False, str(error)
        credentials = self._settings.credentials
        return True, f"Signed in to {credentials.base_url} as client {credentials.client_id}."

    @cached_property
    def _settings(self) -> Settings:
        """
        Return what the connection says; it is read once.

        :raises PermanentError: if it cannot be used; each line names a field and its rule.
        """
        conn = self.get_connection(self.conn_id)
        conn.extra_dejson  # noqa: B018 - Airflow masks the secrets of extra as it reads it
        with convert_errors():
            return self._read_settings(conn)

    async def _aload_settings(self) -> Settings:
        """Return `_settings`; hooks that share a session and ask at about one time share its lookup too."""
        own = vars(self)
        if "_settings" not in own:
            settings = await REGISTRY.lookups.get((self.conn_type, self.conn_id), self._aread_settings)
            if not settings.is_shared:  # this hook signs in for itself, once for all coroutines that use it
                self._own_lookups = self._own_lookups or SingleFlightCache(math.inf)
                settings = await self._own_lookups.get(self.conn_id, self._aread_settings)
            own.setdefault("_settings", settings)
        return self._settings

    async def _aread_settings(self) -> Settings:
        conn = await AirflowConnection(self.vendor, self.conn_id).aread()
        await get_async_extra_dejson(conn)  # for its masks, as in `_settings`
        return await asyncio.to_thread(self._read_settings, conn)  # it opens files

    def _read_settings(self, conn: Connection) -> Settings:
        """Return what the connection says, and warn of what it says in vain."""
        settings = read_settings(self.vendor, conn, AirflowConnection(self.vendor, self.conn_id))
        for warning in settings.warnings:
            self.log.warning("Connection %s: %s", self.conn_id, warning)
        # A client of its own: it warns of each unknown word once, and each task has a log of its own.
        client = settings.session.client(settings.client.headers)
        return replace(settings, client=client.with_redacted(self.values_to_hide))

    def _run(self, flow: Callable[[ApiClient], Flow[T]], store: Store | None = None) -> T:
        """
        Run a flow of this hook's client with blocking calls; core errors become Airflow's.

        :param store: where the flow loads and saves its state; if it fails, a `TransientError` says whether
            the order was sent.
        """
        client = self._settings.client
        try:
            return self.session.run(flow(client), store)
        except ApiError as error:
            raise convert_error(error) from error

    async def _arun(self, flow: Callable[[ApiClient], Flow[T]]) -> T:
        """Run a flow of this hook's client on the running event loop; core errors become Airflow's."""
        with convert_errors():
            settings = await self._aload_settings()
            return await settings.session.arun(flow(settings.client))

    def _run_many(self, flows: Callable[[ApiClient], Iterable[Flow[T]]]) -> list[T]:
        """Run many flows of this hook's client, 20 at a time, and return their results in their order."""
        with convert_errors():
            return run_all(self.session, flows(self._settings.client), _CONCURRENCY)

    async def _wait_for_jobs(
        self, job_ids: Sequence[str], options: PollOptions, note: Callable[[JobResult, float], None]
    ) -> None:
        """
        Wait for jobs on an event loop, for triggers; errors of the connection are raised as they are.

        :param note: is called with each result, and when it came, in seconds since 1970.
        """
        settings = await self._aload_settings()
        client = settings.client
        flows = wait_for_each(client, job_ids, options, lambda result: note(result, client.clock()))
        await arun_all(settings.session, flows, min(_CONCURRENCY, len(job_ids)))

    def _refuse(self, violations: Sequence[str]) -> None:
        """Raise one `PermanentError` with all the rules that are broken, if there are any."""
        if violations:
            error = InvalidInput("Nothing was sent.", tuple(violations))
            raise convert_error(error) from error
