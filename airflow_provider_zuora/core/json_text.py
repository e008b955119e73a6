"""JSON as users hand it over, text or bytes, read by one set of rules; what breaks one is never quoted."""

from __future__ import annotations

import gzip
import json
import math
import re
import sys
import zlib
from collections import Counter
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Any, NoReturn

from airflow_provider_zuora.core.json_types import ROUNDED, read_decimal

MAX_BYTES = 256 * 1024**2  # of a file, unpacked; a few kilobytes of gzip can unpack to gigabytes

_GZIP = b"\x1f\x8b"
_OTHERS = (
    (b"PK\x03\x04", "is a zip archive, not JSON"),
    (b"\xff\xfe", "is UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16; save it as UTF-8"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd; only gzip is read"),
    (b"BZh", "is packed by bzip2; only gzip is read"),
    (b"\xfd7zXZ", "is packed by xz; only gzip is read"),
)
# What tools leave around a text and no editor shows: byte order mark, zero-width space, joiners, marks.
_UNSEEN = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\x00"
_SPACE = " \t\r\n\v\f\x85\xa0" + _UNSEEN
# How Python writes what JSON writes otherwise, where a parser of JSON stops.
_PYTHON = re.compile(r"['(]|[brfu]{1,2}['\"]|None\b|True\b|False\b|[A-Za-z_][\w.]{0,80}\(|nan\b|inf\b")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]{0,63}")
# A path in a text holds nothing that JSON, Python, CSV, YAML or a query needs, nor a password before an @.
_PATH = re.compile(r"(?![^/]*:/+[^/@]*:[^/]*@)[\w@%+=:.~ /#()-]*")
_ROOTED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|/|\.{1,2}/|~/")
_RELATIVE = re.compile(r"\S*\.(?:json|jsonl|ndjson|jsonlines|txt)(?:\.gz)?", re.IGNORECASE)
_LONGEST_PATH = 4096
_PIECE = 4096  # of a text that may begin with any number of blanks
_SURE = 15  # characters; a float holds each number that is no longer, where it has no exponent
_OF_A_DOUBLE = 17  # digits that tell each double from all others


class BrokenText(ValueError):
    """A text that is no JSON; its words say where and why, and hold nothing of the text."""


def looks_like_path(text: str) -> bool:
    """
    Return whether a text can only be the path of a file; whatever else it is may hold secrets.

    It begins with a scheme and ``:/``, ``/``, ``./``, ``../`` or ``~/``, or is one word that ends in
    ``.jsonl``, ``.ndjson``, ``.json`` or ``.txt``, with or without ``.gz``; it holds letters of any script,
    digits, blanks, and of all signs only ``@%+=:.~/#()_-``, and no colon with a blank after it.
    """
    if not text or len(text) > _LONGEST_PATH or text != text.strip() or ": " in text:
        return False
    return bool(_PATH.fullmatch(text) and (_ROOTED.match(text) or _RELATIVE.fullmatch(text)))


def unpacked(data: bytes) -> bytes:
    """
    Return bytes, those of one layer of gzip where they are gzip, whatever the file is called.

    :raises BrokenText: where they are damaged, packed twice or in another way, or more than 256 MB.
    """
    if data.startswith(_GZIP):
        try:
            data = gzip.GzipFile(fileobj=BytesIO(data)).read(MAX_BYTES + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BrokenText("is gzip, and damaged") from error
        if data.startswith(_GZIP):
            raise BrokenText("is gzipped twice")
    if len(data) > MAX_BYTES:
        raise BrokenText(f"is larger than {MAX_BYTES // 1024**2} MB, unpacked; split it")
    for mark, words in _OTHERS:
        if data.startswith(mark):
            raise BrokenText(words)
    if b"\0" in data[:4]:
        raise BrokenText("is UTF-16 or UTF-32, or no text; save it as UTF-8")
    return data


def decoded(data: bytes) -> str:
    """
    Return UTF-8 bytes as text.

    :raises BrokenText: where they are something else.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = error.start
    raise BrokenText(f"is not UTF-8 (byte {start + 1})")  # outside: Python's error holds all of the bytes


def bare(text: str) -> str:
    """Return a text without white space and unseen characters, a byte order mark say, at its ends."""
    return text.strip(_SPACE)


def first_sign(content: str | bytes) -> str:
    """Return the first character that is seen of a text, or of one in UTF-8; empty where there is none."""
    for at in range(0, len(content), _PIECE):
        piece = content[at : at + _PIECE]
        if text := bare(piece if isinstance(piece, str) else piece.decode(errors="ignore")):
            return text[0]
    return ""


def read_json(given: str | bytes) -> Any:
    """
    Return what a JSON document holds.

    :param given: text, or bytes in UTF-8, gzipped or not; a byte order mark is no part of it.
    :raises BrokenText: where it is no JSON: with line and column; where a field stands twice in one object,
        or a number is none of JSON's, or one that would be rounded.
    """
    whole = decoded(unpacked(given)) if isinstance(given, bytes) else given
    text = bare(whole)
    if not text:
        raise BrokenText("is empty")
    try:
        return json.loads(text, object_pairs_hook=_members, parse_float=_fraction, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        at = whole.index(text[0]) + error.pos
        why = _explained(text, error, _place(whole, at))
    except RecursionError:
        why = "is nested too deeply"
    except BrokenText as error:
        why = str(error)
    except ValueError:  # Python's own limit; its words name a number of digits
        why = "holds a number of too many digits"
    raise BrokenText(why)  # outside: Python's error holds all of the text


def _explained(text: str, error: json.JSONDecodeError, place: str) -> str:
    if _PYTHON.match(text, error.pos):
        return (
            f"is Python, not JSON ({place}): write it with | tojson in a template, or pass an upstream task's"
            " .output itself"
        )
    if text.startswith(("{{", "{%")):
        return f"is a template that was not rendered ({place})"
    return f"is no JSON: {error.msg.partition(': ')[0]} ({place})"


def _place(text: str, at: int) -> str:
    line_start = text.rfind("\n", 0, at) + 1
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - line_start + 1}"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; which of two values of one field counts is nobody's to guess."""
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = counts.most_common(1)[0][0]
        raise BrokenText(f"holds {twice if _NAME.fullmatch(twice) else 'a field'} twice in one object")
    return members


def _fraction(text: str) -> float:
    """
    Return a number; one that a float would round is refused, as a Decimal is: it may be an amount.

    One of up to 17 digits passes: as many do programs write of a double, 0.1 as 0.10000000000000001.
    """
    number = float(text)
    if len(text) <= _SURE and "e" not in text and "E" not in text:
        return number
    if math.isfinite(number):
        try:
            exact = Decimal(text)
            is_double = len(exact.as_tuple().digits) <= _OF_A_DOUBLE and abs(number) >= sys.float_info.min
            broken = "" if is_double else read_decimal(exact)[1]
        except InvalidOperation:  # an exponent beyond those of Decimal
            broken = ROUNDED
        if broken:
            raise BrokenText(f"holds a number of {broken}")
    return number


def _no_number(name: str) -> NoReturn:
    raise BrokenText(f"holds {name}, which is no number of JSON")
