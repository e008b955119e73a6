"""The file of a data query: whether it is what was asked for, its columns, and its rows as Python values."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import IO, Any

from airflow_provider_zuora.core.errors import Unreadable
from airflow_provider_zuora.core.redaction import WORD_LENGTH, read_page_title, redact_words
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.vendors.response_body import RepeatedName, read_untrusted_json
from airflow_provider_zuora.transports.download import unpack
from airflow_provider_zuora.transports.download_stream import CHUNK

log = logging.getLogger(__name__)

_FIRST_BYTES = {"GZIP": b"\x1f\x8b", "ZIP": b"PK"}
_DELIMITERS = {"CSV": ",", "TSV": "\t"}
_LINE = 1024 * 1024  # characters; the names of all columns
_BEGINNING = 1024  # bytes
_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError)  # the last two: an unknown method, encrypted
_BROKEN = (OSError, EOFError, UnicodeError, ValueError, csv.Error, zlib.error, RecursionError, *_ZIP)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(slots=True)
class LineCount:
    """
    Counts the line ends of a file, a part at a time, and remembers its last byte and its last visible one.

    Of an empty file these are a line end and nothing.
    """

    lines: int = 0
    last: bytes = b"\n"
    last_visible: bytes = b""

    def add(self, chunk: bytes) -> None:
        """Take the next part, not empty."""
        self.lines += chunk.count(b"\n")
        self.last = chunk[-1:]
        self.last_visible = chunk.rstrip()[-1:] or self.last_visible


@dataclass(frozen=True, slots=True)
class QueryFile:
    """What the file of a query is to be; the values are those of the query's own body."""

    output_format: str = "CSV"
    compression: str = "NONE"
    column_separator: str = ","

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> QueryFile:
        """Return the file that a query asks for."""
        kind = document["outputFormat"]
        separator = document.get("columnSeparator") or _DELIMITERS.get(kind, ",")
        return cls(kind, document["compression"], separator)

    def check(self, file: Path, secrets: Secrets, max_bytes: int) -> Path:
        """
        Return the file that came, unpacked if a store has packed it without being asked.

        :raises Unreadable: if another kind of file came, such as a page of the store.
        """
        if self.compression == "NONE":
            file = unpack(file, max_bytes)
        with file.open("rb") as opened:
            start = opened.read(_BEGINNING)
        if start and not start.startswith(_FIRST_BYTES.get(self.compression, b"")):
            raise self._make_other(start, secrets)
        try:
            with self._open(file) as opened:
                start = opened.read(_BEGINNING).removeprefix(_BYTE_ORDER_MARK).lstrip()
        except _BROKEN as error:
            raise _make_damaged(error) from error
        is_json = start.startswith(b"{")
        if start.startswith(b"<") or (start and is_json != (self.output_format == "JSON")):
            raise self._make_other(start, secrets)
        return file

    def _make_other(self, start: bytes, secrets: Secrets) -> Unreadable:
        word = read_page_title(start, secrets)
        kind = f"{self.output_format} ({self.compression})"
        return Unreadable(f"What came is no {kind} file of the query{word and ': ' + word}.", transient=True)

    def read_columns(self, file: Path) -> list[str]:
        """
        Return the names of the columns, of the header or of the first row of JSON.

        There are none if the file is empty, or if they are longer than is read for them.
        """
        try:
            with self._open(file) as opened, TextIOWrapper(opened, "utf-8-sig", newline="") as text:
                lines = iter(partial(text.readline, _LINE), "")
                if self.output_format != "JSON":
                    return next(csv.reader(lines, delimiter=self.column_separator), [])
                line = next(filter(str.strip, lines), "")
                return list(json.loads(line)) if line and len(line) < _LINE else []
        except csv.Error as error:
            log.warning("The columns of the query's file are not read: %s", error)
            return []
        except _BROKEN as error:
            raise _make_damaged(error) from error

    def count_lines(self, file: Path) -> LineCount:
        """Read a whole file for its lines."""
        count = LineCount()
        try:
            with self._open(file) as opened:
                while chunk := opened.read(CHUNK):
                    count.add(chunk)
        except _BROKEN as error:
            raise _make_damaged(error) from error
        return count

    def check_rows(self, count: LineCount, rows: int | None) -> None:
        """
        Raise `Unreadable` if a part of a file is missing: it has fewer lines than the query has rows.

        A value may hold line breaks, so there may be more lines. JSON Lines also end with an object's end.
        """
        lines = count.lines + (count.last != b"\n")
        found = max(0, lines - (self.output_format != "JSON"))
        if rows is not None and found < rows:
            words = f"The file of the query was cut off: it has at most {found} of {rows} rows."
            raise Unreadable(words, transient=True)
        if self.output_format == "JSON" and count.last_visible not in (b"", b"}"):
            raise Unreadable("The file of the query was cut off within its last row.", transient=True)

    @contextmanager
    def _open(self, file: Path) -> Iterator[IO[bytes]]:
        """Open what was packed into the file, or the file itself."""
        if not file.stat().st_size or self.compression == "NONE":
            with file.open("rb") as opened:
                yield opened
        elif self.compression == "GZIP":
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]  # all of a binary file that is read here
        else:
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
                with archive.open(names[0]) if names else BytesIO() as member:
                    yield member


def _make_damaged(error: Exception) -> Unreadable:
    """Return the error of a damaged file; the words of a decoder's quote what customers have in it."""
    words = type(error).__name__ if isinstance(error, ValueError) else redact_words(error, WORD_LENGTH)
    return Unreadable(f"The file of the query is damaged: {words}", transient=True)


def read_rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the rows of JSON Lines; raise `Unreadable` for a line that is no object."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = read_untrusted_json(line, is_row=True)
        except RepeatedName as error:
            words = (
                f"Line {number} of the query's file has two values of one name. Give each column an alias."
            )
            raise Unreadable(words) from error
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise Unreadable(f"Line {number} of the query's file is no object of JSON.", transient=True)
        yield row
