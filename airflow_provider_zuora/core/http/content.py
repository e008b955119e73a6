"""Read the body of any endpoint by its Content-Type: JSON of any type, a text or bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from typing import Any

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.messages import ParsedResponse, Response, ResponseKind
from airflow_provider_zuora.core.vendors.body import read_untrusted_json

_JSON = ("/json", "+json")
_TEXT = re.compile(
    r"text/.*|.*\+xml|application/(?:csv|ecmascript|javascript|jsonl|x-csv|x-ndjson|x-www-form-urlencoded|x-yaml"
    r"|xml|yaml)"
)
# A server may name any codec of Python's: punycode takes a time that is the square of a text's length.
_CHARSETS = re.compile(
    r"utf-?8|utf-?(?:16|32)(?:-?[lb]e)?|(?:us-)?ascii|iso-?8859-\d{1,2}|latin-?1|(?:cp|windows-)125[0-8]"
)
_HEADER = 1000  # characters; several headers of one name are joined to one of any length
_BEGINNING = 64  # bytes of a body


def parse_any_content(
    parse: Callable[[Response, ResponseInfo], ParsedResponse], response: Response, info: ResponseInfo
) -> ParsedResponse:
    """
    Return what a 2xx means, whatever it holds: it is good if it came whole and does not refuse.

    A CSV may begin with a bracket, so a whole body of any type but JSON is what its type says; but many a
    server calls its JSON text/plain or text/html.

    :param parse: parses a body of the vendor's own, a JSON object.
    """
    kind, charset = _read_content_type(response.headers.get("content-type", ""))
    may_be_json = kind in ("", "text/plain", "text/html") or kind.endswith(_JSON)
    if may_be_json or response.damage:
        parsed = parse(response, info)
        if parsed.kind is not ResponseKind.GATEWAY or response.damage:
            return parsed
        info = replace(parsed.info, messages=())
        body = _read_content(response.body, kind, charset)
        return replace(parsed, kind=ResponseKind.OK, info=info, body=body)
    if response.body[:_BEGINNING].lstrip().startswith(b"{"):
        parsed = parse(response, info)
        if parsed.kind is not ResponseKind.OK and any(parsed.info.codes):
            return parsed
    body = _read_content(response.body, kind, charset) if response.body else None
    return ParsedResponse(ResponseKind.OK, info, body, arrived=True)


def _read_content(body: bytes, kind: str, charset: str) -> Any:
    """
    Return what a body holds that is not empty, and no object or list of JSON.

    It is JSON of any type if the Content-Type is JSON, or missing, and None if JSON is blank; else a str if
    the type is one of text and the bytes are in its charset (UTF-8 if it names none); else bytes. In all but
    bytes U+FFFD replaces what no database keeps.
    """
    is_json = kind.endswith(_JSON)
    if is_json and not body.strip():
        return None
    if is_json or not kind:
        try:
            return read_untrusted_json(body)
        except (ValueError, RecursionError):
            pass
    name = charset.replace("_", "-") or "utf-8"
    if not ((is_json or _TEXT.fullmatch(kind)) and _CHARSETS.fullmatch(name)):
        return body
    try:
        text = body.decode("utf-8-sig" if name in ("utf-8", "utf8") else name)
    except (LookupError, ValueError):  # Python does not know that charset, or the body is not in it
        return body
    return text.replace("\0", "\ufffd")


def _read_content_type(header: str) -> tuple[str, str]:
    """Return type and charset, in lower case, empty if they are not given."""
    if not header.strip():
        return "", ""
    message = Message()
    message["Content-Type"] = header[:_HEADER]
    return message.get_content_type(), message.get_content_charset("")
