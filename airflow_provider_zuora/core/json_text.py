"""JSON and JSON Lines as users hand them over, text or bytes; what breaks a rule is never quoted."""

from __future__ import annotations

import gzip
import json
import math
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Any, NoReturn

from airflow_provider_zuora.core.errors import InvalidInput, raise_first
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
# White space, and what tools leave around a text and no editor shows: byte order mark, zero-width characters.
_SPACE = " \t\r\n\v\f\x85\xa0\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\x00"
# How Python writes what JSON writes otherwise, where a parser of JSON stops.
_PYTHON = re.compile(r"['(]|[brfu]{1,2}['\"]|None\b|True\b|False\b|[A-Za-z_][\w.]{0,80}\(|nan\b|inf\b")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]{0,63}")
# A path in a text holds nothing that JSON, Python, CSV, YAML or a query needs, nor a password before an @.
_PATH = re.compile(r"(?![^/]*:/+[^/@]*:[^/]*@)[\w@%+=:.~ /#()-]*")
_ROOTED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|/|\.{1,2}/|~/")
_RELATIVE = re.compile(r"\S*\.(?:json|jsonl|ndjson|jsonlines|txt)(?:\.gz)?", re.IGNORECASE)
_LONGEST_PATH = 4096
_PIECE = 4096  # of a text that may begin with any number of blanks
_SURE = 15  # characters; a float holds each number that is no longer and has no exponent
_OF_A_DOUBLE = 17  # digits; programs write as many of a double, 0.1 as 0.10000000000000001


class BrokenText(ValueError):
    """A text that is no JSON; its words say where and why, and hold nothing of the text."""


def is_path_text(text: str) -> bool:
    """Return whether a text can only be the path of a file; whatever else it is may hold secrets."""
    if not text or len(text) > _LONGEST_PATH or text != text.strip() or ": " in text:
        return False
    return bool(_PATH.fullmatch(text) and (_ROOTED.match(text) or _RELATIVE.fullmatch(text)))


def unpack(data: bytes, most: int = MAX_BYTES) -> bytes:
    """Undo gzip; raise `BrokenText` if bytes are damaged, packed twice or otherwise, or too large."""
    if data.startswith(_GZIP):
        try:
            data = gzip.GzipFile(fileobj=BytesIO(data)).read(most + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BrokenText("is gzip, and damaged") from error
        if data.startswith(_GZIP):
            raise BrokenText("is gzipped twice")
    if len(data) > most:
        raise BrokenText(f"is larger than {most // 1024**2} MB, unpacked; split it")
    for mark, words in _OTHERS:
        if data.startswith(mark):
            raise BrokenText(words)
    if b"\0" in data[:4]:
        raise BrokenText("is UTF-16 or UTF-32, or no text; save it as UTF-8")
    return data


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = error.start
    raise BrokenText(f"is not UTF-8 (byte {start + 1})")  # outside: Python's error holds all of the bytes


def _find_first_char(content: str | bytes) -> str:
    """Return the first visible character of a text, or of one in UTF-8; empty if there is none."""
    for at in range(0, len(content), _PIECE):
        piece = content[at : at + _PIECE]
        text = piece if isinstance(piece, str) else piece.decode(errors="ignore")
        if text := text.strip(_SPACE):
            return text[0]
    return ""


def read_json(given: str | bytes) -> Any:
    """
    Return what a JSON document holds: text, or bytes in UTF-8, gzipped or not, with a byte order mark or not.

    :raises BrokenText: if it is no JSON, a field stands twice in one object, or a number would be rounded.
    """
    whole = _decode(unpack(given)) if isinstance(given, bytes) else given
    text = whole.strip(_SPACE)
    if not text:
        raise BrokenText("is empty")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        why = _explain(text, error, whole.index(text[0]), whole)
    except RecursionError:
        why = "is nested too deeply"
    except BrokenText as error:
        why = str(error)
    except ValueError:  # Python's own limit; its words name a number of digits
        why = "holds a number of too many digits"
    raise BrokenText(why)  # outside: Python's error holds all of the text


def _explain(text: str, error: json.JSONDecodeError, offset: int, whole: str) -> str:
    at = offset + error.pos
    column = at - whole.rfind("\n", 0, at)
    place = f"line {whole.count(chr(10), 0, at) + 1}, column {column}"
    if _PYTHON.match(text, error.pos):
        return (
            f"is Python, not JSON ({place}): write it with | tojson in a template, or pass an upstream task's"
            " .output itself"
        )
    if text.startswith(("{{", "{%")):
        return f"is a template that was not rendered ({place})"
    return f"is no JSON: {error.msg.partition(': ')[0]} ({place})"


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = counts.most_common(1)[0][0]
        raise BrokenText(f"holds {twice if _NAME.fullmatch(twice) else 'a field'} twice in one object")
    return members


def _read_float(text: str) -> float:
    """Return a number; refuse one of more than 17 digits that a float would round: it may be an amount."""
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


def _refuse(name: str) -> NoReturn:
    raise BrokenText(f"holds {name}, which is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_read_object, parse_float=_read_float, parse_constant=_refuse)


def read_orders(given: str | bytes) -> tuple[Any, list[str]]:
    """
    Return the orders of a text or of a file's bytes, gzipped or not, and their labels for messages.

    The labels are ``line 1`` and so on for JSON Lines; for any other JSON there are none.
    """
    start = "["
    try:
        content = given if isinstance(given, str) else unpack(given)
        start = _find_first_char(content)
        if start == "[" or (isinstance(content, str) and start != "{"):
            return read_json(content if isinstance(content, str) else _decode(content)), []
    except BrokenText as error:
        unlike = "" if start == "[" else "; nor does it look like a path (a pathlib.Path always is one)"
        raise InvalidInput("Nothing was sent.", (f"orders: {error}{unlike}",)) from None
    return read_lines(content.split("\n") if isinstance(content, str) else content.split(b"\n"))


def read_items(items: Sequence[Any]) -> list[Any]:
    """Return a list in which each text is read as JSON: upstream tasks may push texts."""
    orders, broken = [], []
    for index, item in enumerate(items):
        try:
            orders.append(read_json(item) if isinstance(item, (str, bytes)) else item)
        except BrokenText as error:
            broken.append(f"orders[{index}]: {error}")
    raise_first("Nothing was sent.", broken)
    return orders


def read_lines(lines: Iterable[str | bytes]) -> tuple[list[Any], list[str]]:
    """Return what the lines hold that are not blank, and their labels; otherwise as `read_orders`."""
    orders, labels, broken = [], [], []
    for number, line in enumerate(lines, 1):
        label = f"line {number}"
        try:
            text = line if isinstance(line, str) else _decode(line)
            if text.strip(_SPACE):
                orders.append(read_json(text))
                labels.append(label)
        except BrokenText as error:
            broken.append(f"{label}: {str(error).replace('(line 1, ', '(')}")
    raise_first("The orders are no JSON Lines; nothing was sent:", broken)
    return orders, labels


def write_lines(orders: Iterable[Any]) -> bytes:
    """Return orders, in plain types, as `read_lines` reads them."""
    return "".join(json.dumps(order, ensure_ascii=False) + "\n" for order in orders).encode()
