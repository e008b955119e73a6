"""Orders as users give them: objects, JSON texts, and files on this machine or in a store."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import unquote

from airflow_provider_zuora.airflow_context.object_storage import find_local_path, get_file_system
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_text import (
    MAX_BYTES,
    BrokenText,
    is_path_text,
    read_items,
    read_json,
    read_orders,
)
from airflow_provider_zuora.transports.file_paths import (
    IS_MISSING,
    describe_os_error,
    find_path_problem,
    quote_path,
    resolve_path,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfss": "abfs", "adl": "abfs", "https": "http"}
# Of paths, of stores and their packages; a store that is only read from has not implemented writing.
_ERRORS = (AttributeError, ImportError, NotImplementedError, OSError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class OrderFile:
    """
    A file that an option names.

    A local one is opened without ``ObjectStoragePath``: on Airflow 2.11 that takes ``orders.jsonl`` for
    ``/orders.jsonl``, and before 3.1.2 nobody can iterate over what it opens.
    """

    option: str
    path: str | PathLike[str]

    def __str__(self) -> str:
        """Return the path as an error may quote it."""
        return quote_path(str(self.path))

    @property
    def local_path(self) -> Path | None:
        """Return the path on this machine, None if it is in a store."""
        return find_local_path(self.path)

    def read(self) -> bytes:
        """Return the content, at most one byte more than `MAX_BYTES`; else raise `InvalidInput`."""
        path = self.local_path
        if path is not None and not os.path.isfile(path):  # noqa: PTH113 - that of Path may raise
            why = find_path_problem(path)  # empty for what is there and no file: a pipe would be waited for
            raise self._make_violation(
                f"there is no file {self}" if why in ("", IS_MISSING) else f"{self} {why}"
            )
        try:
            with path.open("rb") if path else self._file_system.open(self._storage_path.path, "rb") as file:
                return bytes(file.read(MAX_BYTES + 1))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise self._make_violation(f"there is no file {self}") from error
        except PermissionError as error:
            raise self._make_violation(f"the file {self} may not be read") from error
        except OSError as error:
            why = describe_os_error(error)
            raise self._make_violation(f"the file {self} could not be read ({why})") from error
        except (ImportError, TypeError, ValueError) as error:  # no provider knows its scheme
            raise self._make_violation(quote_path(str(error))) from error

    def is_same_as(self, other: OrderFile) -> bool:
        """Return whether two names may be of one file: links, ``./``, URLs, encoded letters."""
        # In a store neither case nor connection counts: refuse too much rather than overwrite the orders.
        one, two = self.local_path, other.local_path
        if one is None or two is None:
            return one is two and self._store_key == other._store_key
        try:
            return one.samefile(two)
        except (OSError, ValueError):  # one is not there, or cannot be
            return resolve_path(one) == resolve_path(two)

    def check_writable(self) -> None:
        """Raise `InvalidInput` if the file cannot be written to; its content stays as it is."""
        try:
            if str(self.path).endswith(("/", os.sep)):
                raise IsADirectoryError(str(self))
            path = self.local_path
            if path is None:
                store, stored_path = self._file_system, self._storage_path.path
                if store.isdir(stored_path):
                    raise IsADirectoryError(str(self))
                if not store.exists(stored_path):
                    store.pipe_file(stored_path, b"")
            elif not find_path_problem(path) and not os.path.isfile(path):  # noqa: PTH113 - that of Path may raise
                raise IsADirectoryError(str(self))
            else:
                _write_for_owner(path, os.O_APPEND)
        except _ERRORS as error:
            raise self._make_violation(f"cannot be written to ({describe_os_error(error)})") from error

    def write(self, content: bytes) -> str:
        """Replace the content of the file; return an empty text, or why that failed."""
        try:
            path = self.local_path
            if path is None:
                self._file_system.pipe_file(self._storage_path.path, content)
            else:
                _write_for_owner(path, os.O_TRUNC, content)
        except _ERRORS as error:
            return f"{self.option}: {self} could not be written ({describe_os_error(error)})"
        return ""

    @property
    def _file_system(self) -> Any:
        return get_file_system(self._storage_path)

    @property
    def _storage_path(self) -> ObjectStoragePath:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        path: Any = self.path
        return path if hasattr(path, "protocol") else ObjectStoragePath(str(path))

    @property
    def _store_key(self) -> tuple[str, str]:
        """Return protocol and normalised path."""
        protocol, path = str(self._storage_path.protocol), unquote(str(self._storage_path.path)).casefold()
        path = posixpath.normpath(path.partition("://")[2] or path).strip("/")
        return _ALIASES.get(protocol, protocol), path

    def _make_violation(self, rule: str) -> InvalidInput:
        return _make_violation(f"{self.option}: {rule}")


def is_path(value: object) -> TypeGuard[str | PathLike[str]]:
    """Return whether an input is the path of a file; a path object always is one."""
    if isinstance(value, str):
        return is_path_text(value)
    return isinstance(value, PathLike) or (hasattr(value, "protocol") and hasattr(value, "read_bytes"))


def read_order(value: object) -> Mapping[str, Any]:
    """Return the one order that an input holds; an error does not quote the input."""
    content = OrderFile("order", value).read() if is_path(value) else value
    try:
        order = read_json(content) if isinstance(content, (str, bytes)) else content
    except BrokenText as error:
        is_bare_word = isinstance(content, str) and "{" not in content
        hint = "; nor does it look like a path (a pathlib.Path always is one)" if is_bare_word else ""
        raise _make_violation(f"order: {error}{hint}") from None
    if not isinstance(order, Mapping):
        raise _make_violation(
            f"order: must be an object or its JSON text, not of type {type(order).__name__}"
        )
    return order


def read_order_list(value: Any) -> tuple[Any, list[str]]:
    """Return the orders of an input, and what messages call them if they are lines of a text."""
    content = OrderFile("orders", value).read() if is_path(value) else value
    if isinstance(content, (str, bytes)):
        return read_orders(content)
    return (read_items(content) if isinstance(content, (list, tuple)) else content), []


def check_refused_path(path: object, orders: object) -> OrderFile | None:
    """Return the file for refused orders, None if none is wanted; it must not be the file of the orders."""
    if path is None or path == "":
        return None
    if isinstance(path, str) and path != path.strip():
        raise _make_violation("refused_path: must be a path without white space at its ends")
    if not isinstance(path, str) and not is_path(path):
        raise _make_violation(f"refused_path: must be a path, not of type {type(path).__name__}")
    file = OrderFile("refused_path", path)
    if is_path(orders) and file.is_same_as(OrderFile("orders", orders)):
        raise _make_violation("refused_path: must not be the file of the orders")
    return file


def _make_violation(rule: str) -> InvalidInput:
    return InvalidInput("Nothing was sent.", (rule,))


def _write_for_owner(path: Path, flag: int, content: bytes = b"") -> None:
    """Write to a file that only its owner may open, and create it if it is missing: orders hold secrets."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)
