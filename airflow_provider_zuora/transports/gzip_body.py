"""Undo the one encoding that is asked for, gzip once, in bounded memory; any other is damage."""

from __future__ import annotations

import zlib

MAX_BODY = 32 * 1024 * 1024  # bytes, decoded
TOO_LARGE = f"the answer is larger than {MAX_BODY} bytes"
"""The damage of a body that is larger."""
_MAX_MEMBERS = 1000  # of one gzip; each costs the time of some thousand bytes
_PIECE = 64 * 1024  # bytes that are read again if a member ends amid them
_GZIP = 16 + zlib.MAX_WBITS


def unpack(content: bytes, encoding: str) -> tuple[bytes, str]:
    """
    Return a body, and why it is not whole, empty if it is; several encodings are joined by commas.

    A kilobyte can hold a megabyte, and a second layer a gigabyte: nothing is decoded beyond `MAX_BODY`.
    """
    name = encoding.strip().lower()
    if not content or name in ("", "identity"):
        return content, ""
    if name not in ("gzip", "x-gzip"):
        return b"", f"the answer came in an encoding that was not asked for: {encoding[:40]!a}"
    return _gunzip(content)


def _gunzip(content: bytes) -> tuple[bytes, str]:
    """Return what one or more members of gzip hold (RFC 1952, 2.2), and why that is not whole."""
    body, rest, members = bytearray(), memoryview(content), 0
    while rest:
        members += 1
        if members > _MAX_MEMBERS:
            return b"", f"the answer is gzip of more than {_MAX_MEMBERS} members"
        unpacker = zlib.decompressobj(_GZIP)
        try:
            while rest and not unpacker.eof:
                piece = rest[:_PIECE]
                body += unpacker.decompress(piece, MAX_BODY + 1 - len(body))
                if len(body) > MAX_BODY:
                    return b"", TOO_LARGE
                rest = rest[len(piece) - len(unpacker.unused_data) :]
        except zlib.error:
            is_first = members == 1
            return (
                b"",
                f"the answer {'is not the gzip that it says' if is_first else 'goes on after its gzip'}",
            )
        if not unpacker.eof:
            return bytes(body), "the answer was cut off: its gzip does not end"
    return bytes(body), ""
