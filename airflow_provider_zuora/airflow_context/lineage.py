"""Which files a task reads and writes: told to Airflow's hook lineage, and kept for OpenLineage."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_zuora.airflow_context.object_storage import find_local_path
from airflow_provider_zuora.core.receipt import Receipt
from airflow_provider_zuora.core.redaction import NO_SECRETS
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.transports.file_paths import allows_queries, is_chained

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseHook
    from airflow.providers.openlineage.extractors import OperatorLineage

log = logging.getLogger(__name__)

_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
_HOSTS = ("ftp", "sftp", "ssh")  # OpenLineage has one name for the files of another machine
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::\d+)?")


@dataclass(frozen=True, slots=True)
class FilePlace:
    """
    Where a file is; no names and passwords of users, no connection, and no signature of a web address.

    :param authority: the bucket, or the host; empty: this machine.
    """

    scheme: str
    authority: str
    path: str

    @classmethod
    def find(cls, path: Any) -> FilePlace | None:
        """Return the place of a path as users write it; None if it names no file, or is a chain."""
        if is_chained(str(path)):
            return None
        try:
            if (local := find_local_path(path)) is not None:
                return cls("file", "", os.path.abspath(local))  # noqa: PTH100 - a link keeps its name
        except (OSError, TypeError, ValueError):  # such as a NUL, or a working directory that is gone
            return None
        scheme, _, rest = str(path).partition("://")
        scheme = _ALIASES.get(scheme.lower(), scheme.lower())
        if allows_queries(scheme):
            rest = rest.partition("?")[0].partition("#")[0]
        authority, _, inside = rest.partition("/")
        if ":" in authority and "@" not in authority and "@" in inside:  # a password with a slash, or a port
            return None
        authority = authority.rpartition("@")[2]
        return cls(scheme, authority, inside) if inside and _AUTHORITY.fullmatch(authority) else None

    @property
    def uri(self) -> str:
        """Return the URI of the file's asset."""
        return f"{self.scheme}://{self.authority}{'/' * bool(self.authority)}{self.path}"

    @property
    def dataset(self) -> tuple[str, str]:
        """Return namespace and name, by OpenLineage's rules of naming; see its "Dataset naming"."""
        if not self.authority:
            return self.scheme, self.path
        if self.scheme in _HOSTS:
            return f"file://{self.authority}", f"/{self.path}"
        return f"{self.scheme}://{self.authority}", self.path


@dataclass(frozen=True, slots=True)
class FileUse:
    """A file that a task has read or written, and what is known of it."""

    path: object
    rows: int | None = None
    size: int | None = None  # bytes
    columns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TaskLineage:
    """
    What a task knows of itself; of one that has not ended, or not come so far, only the first three.

    :param kind: what it submits, in words; ``job`` if it only waits.
    :param base_url: of the vendor's API; empty if the connection was not read.
    :param query: SQL as the user has written it.
    :param secrets: what no value may hold.
    """

    vendor: str
    kind: str
    conn_id: str
    receipt: Receipt | None = None
    read: Sequence[FileUse] = ()
    written: Sequence[FileUse] = ()
    base_url: str = ""
    query: str = ""
    secrets: Secrets = NO_SECRETS


def report_file(hook: BaseHook, path: object, *, is_written: bool) -> None:
    """Tell Airflow's hook lineage that a hook has read, or written, a file; it may be nobody who listens."""
    place = FilePlace.find(path)
    if place is None:
        return
    try:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector = get_hook_lineage_collector()
        add = collector.add_output_asset if is_written else collector.add_input_asset
        add(context=hook, uri=place.uri)
    except Exception as error:  # noqa: BLE001 - a reader's own, and no reason to fail a task whose file is there
        log.debug("The file %s was not taken into the lineage: %r", place.uri, error)


class BaseLineageTask(BaseOperator):
    """A task that OpenLineage's provider, where it is installed, asks what it did; a subclass has a hook."""

    hook_class: ClassVar[Any]
    receipt_kind: ClassVar[str] = ""  # what it submits; empty: what the jobs say
    _lineage: TaskLineage | None = None  # since it has ended

    @property
    def conn_id(self) -> str:
        """Return the Airflow connection, whatever the option is called."""
        return str(getattr(self, self.hook_class.conn_name_attr))

    @property
    def lineage_query(self) -> str:
        """Return the SQL that the task runs at the vendor, empty if it runs none."""
        return ""

    @property
    def _job(self) -> tuple[str, str, str]:
        return str(self.hook_class.vendor.name), self.receipt_kind or "job", self.conn_id

    def keep_lineage(
        self, receipt: Receipt, read: Sequence[FileUse], written: Sequence[FileUse], settings: Any
    ) -> None:
        """Keep what the task came to; settings: those of its connection, None if it was not read."""
        self._lineage = TaskLineage(
            *self._job,
            receipt,
            read,
            written,
            settings.credentials.base_url if settings else "",
            self.lineage_query,
            settings.client.secrets if settings else NO_SECRETS,
        )

    def get_openlineage_facets_on_start(self) -> OperatorLineage:
        """Return what the task does, and what it came to if it has ended."""
        from airflow_provider_zuora.airflow_context.openlineage import describe

        return describe(self._lineage or TaskLineage(*self._job))

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage:
        """Return the same; of a task that waited deferred, its last process is asked."""
        return self.get_openlineage_facets_on_start()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage:
        """Return the same; the vendor's words are not in it, its codes are."""
        return self.get_openlineage_facets_on_complete(task_instance)
