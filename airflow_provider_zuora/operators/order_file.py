"""Files of orders, on this machine or in a store that Airflow's ``ObjectStoragePath`` knows."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_text import MAX_BYTES
from airflow_provider_zuora.transports.paths import NOT_THERE, expanded, real, reason, shown, trouble

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

_LOCAL = ("", "file", "local")
_LOCAL_URL = re.compile(r"(?:file|local):(?://localhost(?=/)|//)?", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfss": "abfs", "adl": "abfs", "https": "http"}
# Of paths, of stores and their packages; a store that is only read from has not implemented writing.
_ERRORS = (AttributeError, ImportError, NotImplementedError, OSError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class OrderFile:
    """
    A file that an option names.

    A local one is opened without ``ObjectStoragePath``: on Airflow 2.11 that takes ``orders.jsonl`` for
    ``/orders.jsonl``, and before 3.1.2 nobody can iterate over what it opens.

    :param option: the option's name, for errors.
    :param given: a path, a URL, or a path object.
    """

    option: str
    given: str | PathLike[str]

    def __str__(self) -> str:
        """Return the path as it was given, as far as an error may quote it."""
        return shown(str(self.given))

    @property
    def local(self) -> Path | None:
        """Return the path on this machine, None where it is in a store."""
        if isinstance(self.given, PathLike) or hasattr(self.given, "protocol"):
            store: Any = self.given
            if getattr(store, "protocol", "") not in _LOCAL:
                return None
            return Path(expanded(store.path if hasattr(store, "protocol") else os.fsdecode(store)))
        if here := _LOCAL_URL.match(self.given):
            return Path(expanded(self.given[here.end() :]))
        return None if _URL.match(self.given) else Path(expanded(self.given))

    def read(self) -> bytes:
        """
        Return what the file holds, at most a byte more than may be.

        :raises InvalidInput: where there is none, or nothing here knows its store.
        """
        path = self.local
        if path is not None and not os.path.isfile(path):  # noqa: PTH113 - that of Path may raise
            why = trouble(path)  # empty for what is there and no file: a pipe would be waited for
            raise self._wrong(f"there is no file {self}" if why in ("", NOT_THERE) else f"{self} {why}")
        try:
            with self._store.open(self._stored.path, "rb") if path is None else path.open("rb") as file:
                content: bytes = file.read(MAX_BYTES + 1)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise self._wrong(f"there is no file {self}") from error
        except PermissionError as error:
            raise self._wrong(f"the file {self} may not be read") from error
        except OSError as error:
            raise self._wrong(f"the file {self} could not be read ({reason(error)})") from error
        except (ImportError, TypeError, ValueError) as error:  # no provider knows its scheme
            raise self._wrong(shown(str(error))) from error
        return content

    def is_same_as(self, other: OrderFile) -> bool:
        """
        Return whether two names are of one file: links, ``./``, URLs, another connection, encoded letters.

        In a store letters of either case count as one, and each connection as the same store: better to
        refuse a name too many than to write over the orders.
        """
        one, two = self.local, other.local
        if one is None or two is None:
            return one is two and self._place == other._place
        try:
            return one.samefile(two)
        except (OSError, ValueError):  # one is not there, or cannot be
            return real(one) == real(two)

    def prepare(self) -> None:
        """
        Refuse a place that nothing can be written to; what stands there stays.

        :raises InvalidInput: where it cannot be written to.
        """
        try:
            if str(self.given).endswith(("/", os.sep)):
                raise IsADirectoryError(str(self))
            path = self.local
            if path is None:
                store, place = self._store, self._stored.path
                if store.isdir(place):
                    raise IsADirectoryError(str(self))
                if not store.exists(place):
                    store.pipe_file(place, b"")
            elif not trouble(path) and not os.path.isfile(path):  # noqa: PTH113 - that of Path may raise
                raise IsADirectoryError(str(self))
            else:
                _open_for_owner(path, os.O_APPEND)
        except _ERRORS as error:
            raise self._wrong(f"cannot be written to ({reason(error)})") from error

    def write(self, content: bytes) -> str:
        """Write the file anew and return an empty text, or why it could not be written."""
        try:
            path = self.local
            if path is None:
                self._store.pipe_file(self._stored.path, content)
            else:
                _open_for_owner(path, os.O_TRUNC, content)
        except _ERRORS as error:
            return f"{self.option}: {self} could not be written ({reason(error)})"
        return ""

    @property
    def _stored(self) -> ObjectStoragePath:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        stored: ObjectStoragePath = (
            self.given if hasattr(self.given, "protocol") else ObjectStoragePath(str(self.given))  # type: ignore[assignment]
        )
        return stored

    @property
    def _store(self) -> Any:
        """Return the file system: Airflow's, or fsspec's own for what no provider registers."""
        try:
            return self._stored.fs
        except ValueError:
            from fsspec.core import url_to_fs

            return url_to_fs(str(self._stored))[0]

    @property
    def _place(self) -> tuple[str, str]:
        protocol, path = str(self._stored.protocol), unquote(str(self._stored.path)).casefold()
        bare = posixpath.normpath(path.partition("://")[2] or path).strip("/")
        return _ALIASES.get(protocol, protocol), bare

    def _wrong(self, rule: str) -> InvalidInput:
        return InvalidInput("Nothing was sent.", (f"{self.option}: {rule}",))


def _open_for_owner(path: Path, how: int, content: bytes = b"") -> None:
    """Open a file for its owner alone, made where it is missing, and write to it: orders hold secrets."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)
