"""The bytes of result files, made as they are read, so that a file of a gigabyte needs no memory.

A content has a size, and can be read from any place; reading it twice gives the same bytes.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, cast

from zuora_sandbox.messages import Content

BLOCK = 64 * 1024
"""Bytes that are made at a time."""

FIRST_DATE = (1980, 1, 1, 0, 0, 0)
"""The date in a ZIP, the same each time: a file that is read twice must be the same."""


def skip_bytes(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield what is left of the chunks after so many bytes."""
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[count:]
        count = max(0, count - len(chunk))


def take_bytes(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield the first bytes of the chunks, so many of them."""
    for chunk in chunks:
        if count <= 0:
            return
        yield chunk[:count]
        count -= len(chunk)


@dataclass(frozen=True, slots=True)
class PlainContent:
    """Bytes in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Return how many bytes there are."""
        return len(self.data)

    def iterate(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from a place on, in blocks."""
        for place in range(start, len(self.data), BLOCK):
            yield self.data[place : place + BLOCK]


@dataclass(frozen=True, slots=True)
class RowsContent:
    """
    A header and rows that all have one width, so that each row's place is known without making the others.

    :param make_row: returns the bytes of the row with this index.
    """

    header: bytes
    count: int
    make_row: Callable[[int], bytes]

    @property
    def size(self) -> int:
        """Return how many bytes there are."""
        return len(self.header) + self.count * len(self.make_row(0))

    def iterate(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from a place on, in blocks."""
        width = len(self.make_row(0))
        yield self.header[start:]
        first, within = divmod(max(0, start - len(self.header)), width)
        at_once = max(1, BLOCK // width)
        blocks = (
            b"".join(map(self.make_row, range(place, min(place + at_once, self.count))))
            for place in range(first, self.count, at_once)
        )
        yield from skip_bytes(blocks, within)


@dataclass(frozen=True)
class PackedContent:
    """
    A content that is compressed as it is read; its size is known after it has been compressed once.

    :param pack: compresses chunks.
    """

    source: Content
    pack: Callable[[Iterable[bytes]], Iterator[bytes]]

    @cached_property
    def size(self) -> int:
        """Return how many bytes there are; the first time this takes as long as reading all of them."""
        return sum(map(len, self.iterate()))

    def iterate(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from a place on."""
        yield from skip_bytes(self.pack(self.source.iterate()), start)


@dataclass(frozen=True, slots=True)
class PartContent:
    """The part of a content between two places, as an answer to ``Range`` has it."""

    source: Content
    first: int
    size: int

    def iterate(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from a place on."""
        yield from take_bytes(self.source.iterate(self.first + start), self.size - start)


def gzip_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks as a gzip."""
    packer = zlib.compressobj(wbits=31)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


class _Sink:
    """What a ZIP is written to: it cannot seek, and gives away what it got."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing; a ZIP asks for it."""

    def take(self) -> bytes:
        """Return what was written since the last time."""
        parts, self.parts = self.parts, []
        return b"".join(parts)


def zip_chunks(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the chunks as a ZIP with one file of this name."""
    sink = _Sink()
    entry = zipfile.ZipInfo(name, FIRST_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w") as archive:
        with archive.open(entry, "w") as file:
            for chunk in chunks:
                file.write(chunk)
                yield sink.take()
        yield sink.take()
    yield sink.take()
