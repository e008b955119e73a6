"""Read the body of any endpoint by its Content-Type: JSON of any type, a text or bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.messages import LARGE_BODY, ParsedResponse, Response, ResponseKind
from airflow_provider_zuora.core.untrusted_json import read_foreign_json

_JSON = ("/json", "+json")
_TEXTS = frozenset(
    f"application/{name}"
    for name in (
        "csv",
        "ecmascript",
        "javascript",
        "jsonl",
        "x-csv",
        "x-ndjson",
        "x-www-form-urlencoded",
        "x-yaml",
        "xml",
        "yaml",
    )
)
# A server may name any codec of Python's: punycode takes a time that is the square of a text's length.
_CHARSETS = re.compile(
    r"utf-?8|utf-?(?:16|32)(?:-?[lb]e)?|(?:us-)?ascii|iso-?8859-\d{1,2}|latin-?1|(?:cp|windows-)125[0-8]"
)

_HEADER = 1000  # characters; several headers of one name are joined to one of any length
_PARAMETER = re.compile(r';\s*([^=;"\s]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)')  # what is quoted goes to its end


_BEGINNING = 64  # bytes of a body


def parse_any_content(
    parse: Callable[[Response, ResponseInfo], ParsedResponse], response: Response, info: ResponseInfo
) -> ParsedResponse:
    """
    Return what a 2xx means, whatever it holds: it is good if it came whole and does not refuse.

    :param parse: reads a body of the vendor's own, a JSON object.
    """
    if not is_content(response):
        parsed = parse(response, info)
        if parsed.kind is not ResponseKind.GATEWAY or response.damage:
            return parsed
        info = replace(parsed.info, messages=())
        return replace(parsed, kind=ResponseKind.OK, info=info, body=read_content(response))
    if response.body[:_BEGINNING].lstrip().startswith(b"{"):
        parsed = parse(response, info)
        if parsed.kind is not ResponseKind.OK and any(parsed.info.codes):
            return parsed
    body = read_content(response) if response.body else None
    return ParsedResponse(ResponseKind.OK, info, body, arrived=True)


def is_content(response: Response) -> bool:
    """
    Return whether a whole body is no JSON by its Content-Type, whatever it looks like.

    A CSV may begin with a bracket; but many a server calls its JSON text/plain or text/html.
    """
    kind, _ = _content_type(response.headers.get("content-type", ""))
    named = bool(kind) and kind not in ("text/plain", "text/html") and not kind.endswith(_JSON)
    return named and not response.damage


def read_content(response: Response) -> Any:
    """
    Return what a body holds that is not empty, and no object or list of JSON or `is_content`.

    A number, a text, true, false or null if the Content-Type is one of JSON, or missing, and None for the
    blanks of one that should be JSON; else a str if it is one of text and the bytes are what its charset says
    (UTF-8 if it names none, a BOM is left out), one of UTF-8, UTF-16, UTF-32, ASCII, ISO-8859 or Windows';
    else bytes. In all but bytes U+FFFD stands for what no database keeps.
    """
    kind, charset = _content_type(response.headers.get("content-type", ""))
    is_json = kind.endswith(_JSON)
    if is_json and not response.body.strip():
        return None
    if is_json or not kind:
        try:
            return read_foreign_json(response.body, patient=len(response.body) > LARGE_BODY)
        except (ValueError, RecursionError):
            pass
    is_text = is_json or kind in _TEXTS or kind.startswith("text/") or kind.endswith("+xml")
    return _text(response.body, charset) if is_text else response.body


def _text(body: bytes, charset: str) -> str | bytes:
    """Return a body as the text that it is in a charset; as it is, if it is none, or the charset is odd."""
    name = charset.replace("_", "-") or "utf-8"
    if not _CHARSETS.fullmatch(name):
        return body
    try:
        text = body.decode("utf-8-sig" if name in ("utf-8", "utf8") else name)
    except (LookupError, ValueError):  # Python does not know that one, or the body is not in it
        return body
    return text.replace("\0", "\ufffd")


def _content_type(header: str) -> tuple[str, str]:
    """Return type and charset, in lower case, empty if they are not given."""
    kind, _, parameters = header[:_HEADER].partition(";")
    kind = kind.strip().lower()
    if kind.count("/") != 1:
        kind = "text/plain" if header.strip() else ""  # RFC 2045, 5.2
    named = (found.group(1, 2) for found in _PARAMETER.finditer(f";{parameters}"))
    charset = next((value for name, value in named if name.lower() == "charset"), "")
    return kind, charset.strip('"').strip().lower()
