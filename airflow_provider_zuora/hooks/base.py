"""What all hooks have in common: a connection becomes a session, and core errors become Airflow's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from airflow.providers.common.compat.sdk import BaseHook, Connection
from typing_extensions import override

from airflow_provider_zuora.core.errors import ApiError, InvalidInput
from airflow_provider_zuora.core.flow import Flow, Store
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.generic_request import call_endpoint
from airflow_provider_zuora.core.job import Job, JobResult
from airflow_provider_zuora.core.json_types import to_json_types
from airflow_provider_zuora.core.polling.job_list import Note, wait_for_each
from airflow_provider_zuora.core.polling.wait import (
    PollOptions,
    PollSchedule,
    make_steady_clock,
    wait_until_done,
)
from airflow_provider_zuora.core.validation import find_text_violations
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.exceptions import PermanentError, convert_error, convert_errors
from airflow_provider_zuora.hooks.connection import AirflowConnection, Settings, read_settings
from airflow_provider_zuora.hooks.connection_fields import build_form, build_widgets
from airflow_provider_zuora.hooks.limits import read_limits
from airflow_provider_zuora.session.concurrency import (
    call_concurrently,
    run_on_own_loop,
)
from airflow_provider_zuora.session.session import REGISTRY, ApiSession
from airflow_provider_zuora.version_compat import aread_extra

T = TypeVar("T")

_CONCURRENCY = 20  # flows of one task or trigger; the connection's max_connections bounds all of a process


@dataclass(frozen=True)
class AirflowJobResult(JobResult):
    """The result of a job that has ended; it raises Airflow's errors."""

    @property
    @override
    def result(self) -> Any:
        if self.error is not None:
            raise convert_error(self.error, PermanentError) from self.error  # to wait again cannot help
        return super().result


class BaseJobHook(BaseHook):
    """
    A hook for one vendor, which a subclass names by its ``conn_type``.

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

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels and placeholders, for Airflow before 3.2."""
        behaviour = build_form(cls.conn_type)["ui-field-behaviour"]
        return {name.replace("-", "_"): value for name, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields, for Airflow before 3.2."""
        return build_widgets(cls.conn_type)

    @cached_property
    def session(self) -> ApiSession:
        """Return the session behind the connection, or raise a `PermanentError` that names wrong fields."""
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

        A GET is repeated while it fails for a transient reason, such as a cut-off answer. Other requests are
        repeated only if the vendor says that they were not processed; a POST with an ``idempotency_key`` also
        while its outcome is unknown. After a 2xx only a GET is ever sent again.

        :param method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
        :param path: below the base URL, starting with ``/``.
        :param json: the body; dates and Decimals are written as in an order.
        :param params: the query of the URL.
        :param idempotency_key: for a POST; sent as it is: 1 to 254 printable ASCII characters.
        :param track_id: at most 64 printable ASCII characters without ``: ; " '``; generated if left out.
        :return: of any 2xx: None if it is empty; JSON as Python's own types; text (``text/csv``, XML, HTML)
            as a str; anything else as bytes.
        :raises PermanentError: with the vendor's codes, messages and request id; for a 2xx too, if its body
            has ``success: false``.
        :raises TransientError: the same, if the request may succeed later.
        """
        return self._run(lambda client: _call(client, method, path, json, params, idempotency_key, track_id))

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
        """Do what `request` does, for a coroutine."""
        return await self._arun(
            lambda client: _call(client, method, path, json, params, idempotency_key, track_id)
        )

    def get_job(self, job_id: str) -> Job:
        """Read a job once, in up to ten attempts while they fail for a transient reason."""
        return self._run(lambda client: client.get_job(job_id))

    async def aget_job(self, job_id: str) -> Job:
        """Do what `get_job` does, for a coroutine."""
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

        :param job_id: of any kind, for example ``data-query:<id>``.
        :param poll_interval: seconds between two polls; None: Airflow's ``[zuora] poll_interval``; if that is
            blank, from 1 s, growing by half, to 60 s.
        :param timeout: seconds, or a timedelta; at most ten years.
        :return: its ``result`` raises `PermanentError` if the job failed; ``job`` is the job itself.
        :raises PermanentError: if an option is invalid; nothing was sent.
        :raises TransientError: if the job has not ended in time.
        """
        seconds, interval = read_limits(poll_interval, timeout)
        now = self._settings.client.clock()
        options = PollOptions(now, now, now + seconds, PollSchedule(interval, first=1.0))
        waited = self._run(lambda client: wait_until_done(client, job_id, options))
        if waited.job is None:
            with convert_errors():
                return waited.result  # it raises why there is none
        read = self.vendor.read_result(waited.job, {})
        return AirflowJobResult(read.job_id, read.job, read.error, read.warning, read.skipped)

    def test_connection(self) -> tuple[bool, str]:
        """
        Try the connection, whatever token there is; return whether it works, and what is wrong with it.

        It signs in, and at Zuora sends one GET. It waits for no answer longer than ten seconds, and repeats
        nothing; neither session nor token of other hooks has a part in it. Of a connection that works the
        hook keeps the token.
        """
        from airflow_provider_zuora.hooks.connection_check import check_connection

        source = AirflowConnection(self.vendor, self.conn_id)

        def keep_token(tried: ApiSession) -> None:
            self.session.take_token(tried)

        return check_connection(self.vendor, self._read_connection(), source, keep_token)

    @cached_property
    def _settings(self) -> Settings:
        """Return the settings of the connection, which is read once."""
        conn = self._read_connection()
        try:
            return self._read_settings(conn)
        except ApiError as error:
            raise convert_error(error) from error

    def _read_connection(self) -> Connection:
        conn = self.get_connection(self.conn_id)
        conn.extra_dejson  # noqa: B018 - Airflow masks the secrets of extra as it reads it
        return conn

    async def _aload_settings(self) -> Settings:
        """Return `_settings`; hooks that ask at about the same time share one lookup."""
        own = vars(self)
        if "_settings" not in own:
            settings = await REGISTRY.lookups.get((self.conn_type, self.conn_id), self._aread_settings)
            own.setdefault("_settings", settings)
        return self._settings

    async def _aread_settings(self) -> Settings:
        conn = await AirflowConnection(self.vendor, self.conn_id).aread()
        await aread_extra(conn)  # for its masks, as in `_settings`
        return await asyncio.to_thread(self._read_settings, conn)  # it opens files

    def _read_settings(self, conn: Connection) -> Settings:
        """Return the settings of the connection; warn, once in a process, of fields that have no effect."""
        settings = read_settings(self.vendor, conn, AirflowConnection(self.vendor, self.conn_id))
        for warning in settings.warnings:
            if REGISTRY.is_new((self.conn_id, warning)):
                self.log.warning("Connection %s: %s", self.conn_id, warning)
        return replace(settings, client=settings.client.for_task(self.values_to_hide))

    def _run(self, flow: Callable[[ApiClient], Flow[T]], store: Store | None = None) -> T:
        """Run a flow of this hook's client with blocking calls; ``store`` is where it keeps its state."""
        try:
            return self.session.run(flow(self._settings.client), store)
        except ApiError as error:
            raise convert_error(error) from error

    async def _arun(self, flow: Callable[[ApiClient], Flow[T]]) -> T:
        """Run a flow of this hook's client on the running event loop."""
        with convert_errors():
            settings = await self._aload_settings()
            return await settings.session.arun(flow(settings.client))

    def _run_many(self, flows: Callable[[ApiClient], Iterable[Flow[T]]]) -> list[T]:
        """Run many flows of this hook's client, 20 at a time, and return their results in their order."""
        with convert_errors():
            session, pending = self.session, flows(self._settings.client)
            return run_on_own_loop(lambda: call_concurrently(session.arun, pending, _CONCURRENCY))

    async def _wait_for_jobs(self, job_ids: Sequence[str], options: PollOptions, note: Note) -> None:
        """Wait for jobs on an event loop, and note each result and when it came."""
        settings = await self._aload_settings()
        client = settings.client
        now = make_steady_clock(client.clock, client.ticks, options.started)
        flows = wait_for_each(client, job_ids, options, now, note)
        await call_concurrently(settings.session.arun, flows, min(_CONCURRENCY, len(job_ids)))

    def _refuse(self, violations: Sequence[str]) -> None:
        """Raise one `PermanentError` with all the rules that are broken, if there are any."""
        if violations:
            error = InvalidInput("Nothing was sent.", tuple(violations))
            raise convert_error(error) from error


def _call(
    client: ApiClient, method: str, path: str, json: Any, params: Any, key: str | None, track_id: str | None
) -> Flow[Any]:
    """Send a request to any endpoint; what cannot be sent is refused first."""
    violations = find_text_violations({"track_id": track_id})
    if not isinstance(params, (Mapping, type(None))):
        violations = (*violations, "params: must be a mapping")
    if violations:
        raise InvalidInput("Nothing was sent.", violations)
    return (
        yield from call_endpoint(
            client,
            str(method).upper(),
            path,
            json_body=None if json is None else to_json_types(json),
            params=params,
            headers={} if key is None else {"Idempotency-Key": key},
            track_id=track_id or "",
        )
    )
