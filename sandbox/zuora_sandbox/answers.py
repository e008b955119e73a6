"""The bodies and statuses of Zuora's answers; pure functions.

A code has eight digits: six for the resource and two for the category. Source: Zuora's guides "Error codes"
and "Error handling", and "API upgrades" for what the HTTP status of an error depends on.
"""

from __future__ import annotations

import gzip
import json
import random
import uuid
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from zuora_sandbox.messages import Request, Response

ORDERS = "532000"
TERMS = "531003"
RUNS = "587302"
FIRST_DATED_VERSION = "2024-05-20"
"""The first Zuora-Version in which errors have HTTP statuses; later ones are dates, earlier ones numbers."""

ANY_RESOURCE = "500000"
"""The resource in a code if the request had no body."""

HTTP_STATUS = {
    10: 403, 20: 400, 21: 400, 22: 400, 23: 400, 27: 400, 30: 400,
    40: 404, 45: 405, 50: 409, 60: 500, 61: 500, 70: 429, 90: 400, 99: 500,
}  # fmt: skip
"""The HTTP status of each error category from Zuora-Version 2024-05-20 on."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a request breaks, and so one reason why it is refused."""

    category: int
    message: str
    resource: str = ORDERS

    @property
    def code(self) -> int:
        """Return the code of eight digits."""
        return int(f"{self.resource}{self.category:02d}")


def is_dated(version: str) -> bool:
    """Return whether errors have HTTP statuses of their own in this Zuora-Version."""
    return "-" in version


def has_subscription_rows(version: str) -> bool:
    """Return whether job results have ``subscriptions`` (from 223.0 on) and not ``subscriptionNumbers``."""
    return is_dated(version) or float(version) >= 223


ORDER_PATHS = ("/v1/orders/", "/v1/async/orders/")
"""How the paths of an order begin; its number follows."""


def make_reply(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON body."""
    text = json.dumps(body, ensure_ascii=False).encode()
    return Response(status, {"Content-Type": "application/json", **(headers or {})}, text)


def make_id(rng: random.Random) -> str:
    """Return an id of 32 hexadecimal digits, as tokens, jobs and objects have."""
    return f"{rng.getrandbits(128):032x}"


def make_request_id(rng: random.Random) -> str:
    """Return a new value for Zuora-Request-Id: a UUID of 36 characters."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def replace_request_id(response: Response, request_id: str) -> Response:
    """
    Return the response with this request id in its header, and in its body if the body has one.

    :param request_id: the new request id, or ``none`` to remove it; then the header is empty, and whoever
        sends the response must leave it out.
    """
    shown = "" if request_id == "none" else request_id
    headers = {**response.headers, "zuora-request-id": shown}
    body = response.body
    with suppress(ValueError, TypeError):  # the page of a gateway is not changed
        body = merge_fields(body, {"requestId": shown or None}) if "requestId" in json.loads(body) else body
    return replace(response, headers=headers, body=body)


def merge_fields(body: bytes, change: Mapping[str, Any]) -> bytes:
    """
    Return a JSON object with some fields replaced, also in nested objects; None removes a field.

    :raises ValueError: if the body is not a JSON object.
    """
    if not change:
        return body
    fields = json.loads(body)
    if not isinstance(fields, dict):
        raise ValueError(f"this is no JSON object, and cannot be changed: {body[:80]!r}")  # noqa: TRY004
    return json.dumps(_merge_objects(fields, change), ensure_ascii=False).encode()


def _merge_objects(fields: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Merge as RFC 7396 does, but create no nested object: a job that still runs has no result."""
    kept = {name: value for name, value in fields.items() if change.get(name, "") is not None}
    for name, value in change.items():
        if isinstance(value, Mapping):
            if isinstance(kept.get(name), dict):
                kept[name] = _merge_objects(kept[name], value)
        elif value is not None:
            kept[name] = value
    return kept


def make_refusal(
    violations: Iterable[Violation],
    version: str,
    rng: random.Random,
    status: int = 0,
    *,
    has_text_codes: bool = False,
) -> Response:
    """
    Return an error response of Zuora's v1 API whose reasons are these violations.

    :param version: the Zuora-Version that applies.
    :param status: the HTTP status to use instead of the one of the category, or 0.
    :param has_text_codes: whether codes are texts and not numbers.
    """
    found = list(violations)
    reasons = [
        {"code": str(each.code) if has_text_codes else each.code, "message": each.message} for each in found
    ]
    request_id = make_request_id(rng)
    body = {
        "success": False,
        "processId": f"{rng.getrandbits(64):016X}",
        "reasons": reasons,
        "requestId": request_id,
    }
    own = HTTP_STATUS[found[0].category] if is_dated(version) else 200
    return make_reply(status or own, body, {"Zuora-Request-Id": request_id})


class Unreadable(ValueError):
    """A request body that is not what its headers say; the message says why."""


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def unzip_body(request: Request) -> bytes:
    """
    Return the body of a request, unzipped if Content-Encoding says gzip.

    :raises Unreadable: if it is not gzip.
    """
    if request.header("Content-Encoding").lower() != "gzip":
        return request.body
    try:
        return gzip.decompress(request.body)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"the request body is no gzip: {error}") from error


def parse_json_body(request: Request) -> Any:
    """
    Return the JSON value in the body of a request, unzipped if Content-Encoding says gzip.

    :raises Unreadable: if it is not gzip, not UTF-8 or not JSON.
    """
    body = unzip_body(request)
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except ValueError as error:
        raise Unreadable(f"the request body is not readable JSON: {error}") from error


def read_order_number(request: Request) -> str:
    """Return the order number in a request's path, or in its body, or an empty text."""
    for path in ORDER_PATHS:
        if request.path.startswith(path) and request.method != "POST":
            return unquote(request.path.removeprefix(path).partition("/")[0])
    with suppress(Unreadable):
        body = parse_json_body(request)
        if isinstance(body, dict) and isinstance(number := body.get("orderNumber"), str):
            return number
    return ""
