"""What the body of any endpoint is to Python: JSON of any type, a text or bytes, by its Content-Type."""

from __future__ import annotations

import json
from email.message import Message
from typing import Any

from airflow_provider_zuora.core.wire import Response

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


def read_content(response: Response) -> Any:
    """
    Return what a body holds that is neither empty nor an object or a list of JSON.

    A number, a text, true, false or null if the Content-Type is one of JSON, or missing; else a str if it is
    one of text and the bytes are what its charset says (UTF-8 if it names none, a BOM is left out); else
    bytes.
    """
    kind, charset = _content_type(response.header("Content-Type"))
    is_json = kind.endswith(("/json", "+json"))
    if is_json or not kind:
        try:
            return json.loads(response.body)
        except (ValueError, RecursionError):
            pass
    if is_json or kind in _TEXTS or kind.startswith("text/") or kind.endswith("+xml"):
        try:
            return response.body.decode("utf-8-sig" if charset in ("", "utf-8", "utf8") else charset)
        except (LookupError, ValueError):  # no such charset, or not in it
            pass
    return response.body


def _content_type(header: str) -> tuple[str, str]:
    """Return type and charset, in lower case, empty if they are not given."""
    if not header.strip():
        return "", ""
    message = Message()
    message["Content-Type"] = " ".join(header.split())
    return message.get_content_type(), message.get_content_charset("")
