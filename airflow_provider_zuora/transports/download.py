"""Download a file that a vendor links to: it appears in its place whole, or not at all."""

from __future__ import annotations

import gzip
import inspect
import math
import os
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from airflow_provider_zuora.core.errors import InvalidInput, Unreachable, Unreadable
from airflow_provider_zuora.core.redaction import WORD_LENGTH, read_page_title, redact_words
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.transports.config import MAX_BYTES, TransportConfig
from airflow_provider_zuora.transports.download_stream import CHUNK, DownloadPolicy, Fetch
from airflow_provider_zuora.transports.file_paths import (
    IS_MISSING,
    describe_os_error,
    find_path_problem,
    quote_path,
)

_GZIP = b"\x1f\x8b"
_MAX_LAYERS = 2  # a store may keep a gzipped file, and send that gzipped
_NOT_CSV = (
    *(_GZIP, b"\x1f\x9d", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"),
    *(b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"x\x01", b"x\x9c", b"x\xda"),  # zstd, lz4, zlib
    *(b"%PDF-", b"\xd0\xcf\x11\xe0", b"\x89PNG"),  # the second one is of Excel
    *(b"\xff\xfe", b"\xfe\xff"),  # UTF-16
)
# What no editor shows: white space, byte order marks, no-break spaces, zero-width spaces, joiners, marks.
_INVISIBLE = re.compile(rb"(?:[ \t\r\n\v\f]|\xef\xbb\xbf|\xc2[\x85\xa0]|\xe2\x80[\x8b-\x8f]|\xe2\x81\xa0)*+")
_START_LENGTH = 1024  # bytes
# s3fs would have ten of 50 MiB in memory. S3 takes 10,000, of 5 MiB or more; Google multiples of 256 KiB.
_MIB = 1024**2
_WRITE_BACK = 8 * _MIB
_PART, _MOST_PARTS, _PARTS_AT_ONCE = 5 * _MIB, 10_000, 2
_STORE_ERRORS = (AttributeError, ImportError, NotImplementedError, OSError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class LocalTarget:
    """A path on this machine."""

    path: Path

    def __post_init__(self) -> None:
        """Refuse a path that no file can be put to, before anything is asked."""
        path = quote_path(str(self.path))
        try:
            folder = self.folder
        except OSError as error:
            rule = f"there is no working directory that {path} could be below ({describe_os_error(error)})"
            raise _make_invalid(rule) from error
        why = find_path_problem(folder)
        if why not in ("", IS_MISSING):
            raise _make_invalid(f"{quote_path(str(folder))} {why}")
        if why or not os.path.isdir(folder):  # noqa: PTH112 - that of Path may raise
            raise _make_invalid(f"there is no directory {quote_path(str(folder))}")
        why = find_path_problem(self.path)
        if why not in ("", IS_MISSING):
            raise _make_invalid(f"{path} {why}")
        if not why and not os.path.isfile(self.path):  # noqa: PTH113 - that of Path may raise
            raise _make_invalid(f"{path} is there, and no file")

    @property
    def folder(self) -> Path:
        """Return where the file is put together: from the path's own directory it is moved in one step."""
        return self.path.absolute().parent

    def put(self, file: Path) -> None:
        """Move a whole file to its place, once the disk has it."""
        with file.open("rb") as written:
            os.fsync(written.fileno())
        file.replace(self.path)


@dataclass(frozen=True, slots=True)
class StoredTarget:
    """A path in a store that fsspec knows; ``fs`` is the file system of ``path``."""

    fs: Any
    path: str

    def __post_init__(self) -> None:
        """Refuse to upload from a machine that has no place for the file, before anything is asked."""
        try:
            tempfile.gettempdir()
        except OSError as error:
            rule = "a store needs a directory for temporary files here, see TMPDIR"
            raise _make_invalid(f"{rule} ({describe_os_error(error)})") from error

    @property
    def folder(self) -> Path:
        """Return where the file is put together."""
        return Path(tempfile.gettempdir())

    def put(self, file: Path) -> None:
        """Upload a whole file; a store's own upload commits at its end, fsspec's as its transaction ends."""
        from fsspec import AbstractFileSystem

        has_own = type(self.fs).put_file is not AbstractFileSystem.put_file
        try:
            with nullcontext() if has_own else self.fs.transaction:
                self.fs.put_file(str(file), self.path, **self._bound_parts(file.stat().st_size))
        except _STORE_ERRORS as error:
            words = redact_words(error, WORD_LENGTH)
            raise Unreachable(f"The store did not take the file: {words}", transient=True) from error

    def _bound_parts(self, size: int) -> dict[str, int]:
        """Return the options, of those that the store's upload has, that keep what it has in memory small."""
        part = max(_PART, math.ceil(size / _MOST_PARTS / _MIB) * _MIB)
        known = inspect.signature(self.fs.put_file).parameters
        options = {"chunksize": part, "max_concurrency": _PARTS_AT_ONCE}
        return {name: value for name, value in options.items() if name in known}


DownloadTarget: TypeAlias = LocalTarget | StoredTarget


def _make_invalid(rule: str, name: str = "target") -> InvalidInput:
    return InvalidInput("Nothing was fetched.", (f"{name}: {rule}",))


def check_size(max_bytes: object) -> None:
    """Refuse a ``max_bytes`` that is no size."""
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
        raise _make_invalid("must be a whole number of bytes, 1 or more", "max_bytes")


def download(
    link: str,
    target: DownloadTarget,
    config: TransportConfig,
    policy: DownloadPolicy,
    max_bytes: int = MAX_BYTES,
) -> int:
    """Fetch a CSV, check it, put it to its place, and return its size in bytes; a gzipped one is unpacked."""

    def check(file: Path, secrets: Secrets) -> Path:
        file = unpack(file, max_bytes)
        _check_csv(file, secrets)
        return file

    return download_file(link, target, config, policy, check, max_bytes)


def download_file(
    link: str,
    target: DownloadTarget,
    config: TransportConfig,
    policy: DownloadPolicy,
    check: Callable[[Path, Secrets], Path],
    max_bytes: int = MAX_BYTES,
    on_chunk: Callable[[bytes], object] = len,
) -> int:
    """
    Fetch a file, check it, put it to its place, and return its size in bytes.

    :param config: timeouts, certificates and proxies; its base URL is not used.
    :param check: returns the file that is to be put, for the one that came; or raises an error.
    :param on_chunk: called with each part of the file as it comes, before it is checked.
    :raises InvalidInput: if ``max_bytes`` is no size, or the target's directory cannot be written to.
    :raises UnsafeLink: if the link, or a redirect, leads to a place that the policy forbids.
    :raises Refused, Unreachable, Unreadable: if no file comes, or ``check`` refuses it; nothing was put.
    """
    check_size(max_bytes)
    with _make_work_folder(target) as folder:
        file = Path(folder) / "file"
        with closing(Fetch(link, config, policy)) as fetch, file.open("xb") as out:
            _copy_chunks(fetch.read(max_bytes), out, max_bytes, on_chunk)
        file = check(file, fetch.secrets)
        size = file.stat().st_size
        target.put(file)
        return size


def check_target(target: DownloadTarget) -> None:
    """Raise `InvalidInput` if a file cannot be put together for a target here."""
    with _make_work_folder(target):
        pass


def put_empty(target: DownloadTarget) -> int:
    """Put an empty file to its place, and return its size, 0."""
    with _make_work_folder(target) as folder:
        file = Path(folder) / "file"
        file.touch()
        target.put(file)
    return 0


def _make_work_folder(target: DownloadTarget) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix=".download-", dir=target.folder)
    except OSError as error:
        rule = f"nothing can be written to {quote_path(str(target.folder))} ({describe_os_error(error)})"
        raise _make_invalid(rule) from error


def _copy_chunks(
    chunks: Iterator[bytes], out: IO[bytes], max_bytes: int, on_chunk: Callable[[bytes], object] = len
) -> None:
    """Write chunks to a file, no more than is allowed, and have the disk begin with them as they come."""
    size = begun = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise Unreadable(f"The file is longer than max_bytes={max_bytes}.")
        on_chunk(chunk)
        out.write(chunk)
        if size - begun >= _WRITE_BACK and hasattr(os, "posix_fadvise"):  # macOS has none
            # Linux begins to write what it is told to forget; else the sync at the end waits for all of it.
            with suppress(OSError):  # a file system that takes no advice writes all the same
                os.posix_fadvise(out.fileno(), begun, size - begun, os.POSIX_FADV_DONTNEED)
            begun = size


def unpack(file: Path, max_bytes: int) -> Path:
    """Return the file that one holds that is gzipped, once or twice, or the file itself."""
    for _ in range(_MAX_LAYERS):
        file = _unpack_layer(file, max_bytes)
    return file


def _unpack_layer(file: Path, max_bytes: int) -> Path:
    """Return the file that a gzipped one holds, or the file itself; a disk may not hold three of them."""
    with file.open("rb") as packed:
        if packed.read(len(_GZIP)) != _GZIP:
            return file
    unpacked = file.with_name(f"{file.name}.unpacked")
    try:
        with gzip.open(file) as source, unpacked.open("xb") as out:
            _copy_chunks(iter(lambda: source.read(CHUNK), b""), out, max_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        words = redact_words(error, WORD_LENGTH)
        raise Unreadable(f"The file is gzip, and damaged: {words}.", transient=True) from error
    file.unlink()
    return unpacked


def _check_csv(file: Path, secrets: Secrets) -> None:
    """Refuse what is no CSV, such as a page of the store that came instead."""
    start = _read_visible_start(file)
    if not start:
        raise Unreadable("The file is empty: it lacks even the names of its columns.")
    if start.startswith((b"<", b"{", b"[")):
        word = read_page_title(start, secrets)
        raise Unreadable(f"What came is no CSV but a page{word and ': ' + word}.", transient=True)
    if start.startswith(_NOT_CSV) or b"\0" in start[:4]:
        raise Unreadable("What came is no CSV but a file of another kind (by its first bytes).")


def _read_visible_start(file: Path) -> bytes:
    """Return the beginning of what is visible of a file, however much there is before it that is not."""
    start = b""
    with file.open("rb") as whole:
        while len(start) < _START_LENGTH and (chunk := whole.read(CHUNK)):
            start = _INVISIBLE.sub(b"", (start + chunk).lstrip(), count=1)
    return start
