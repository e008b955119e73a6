"""Undoes the one encoding that is asked for, gzip once, in bounded memory; any other is damage. No I/O."""

from __future__ import annotations

import zlib

MAX_BODY = 32 * 1024 * 1024  # bytes, decoded
_GZIP = 16 + zlib.MAX_WBITS


def is_packed(encoding: str) -> bool:
    """Return whether a Content-Encoding asks for work."""
    return encoding.strip().lower() not in ("", "identity")


def unpacked(content: bytes, encoding: str) -> tuple[bytes, str]:
    """
    Return a body, and why it is not whole, empty where it is.

    A kilobyte can hold a megabyte, and a second layer a gigabyte: nothing is decoded beyond `MAX_BODY`.

    :param content: as it came.
    :param encoding: what Content-Encoding says, several headers joined by commas.
    """
    if not content or not encoding or not is_packed(encoding):
        return content, ""
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        return b"", f"the answer came in an encoding that was not asked for: {encoding[:40]!a}"
    packer = zlib.decompressobj(_GZIP)
    try:
        body = packer.decompress(content, MAX_BODY + 1)
    except zlib.error:
        return b"", "the answer is not the gzip that it says"
    if len(body) > MAX_BODY:
        return b"", too_large()
    if not packer.eof:
        return body, "the answer was cut off: its gzip does not end"
    return body, "the answer goes on after its gzip" if packer.unused_data else ""


def too_large() -> str:
    """Return the damage of a body that is larger than `MAX_BODY`."""
    return f"the answer is larger than {MAX_BODY} bytes"
