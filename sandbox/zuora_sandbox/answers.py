"""The bodies and statuses that Zuora answers with; pure functions over values.

Codes have eight digits, six for the resource and two for the category. Source: Zuora's guides "Error codes"
and "Error handling", and "API upgrades" for what an error's HTTP status depends on.
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

from zuora_sandbox.messages import Request, Response

ORDERS = "532000"
TERMS = "531003"
FIRST_DATED_VERSION = "2024-05-20"
"""The first Zuora-Version with HTTP statuses for errors; later ones are dates too, earlier ones numbers."""

ANY_RESOURCE = "500000"
"""What a code names as its resource where the request had no body."""

HTTP_STATUS = {
    10: 403, 20: 400, 21: 400, 22: 400, 23: 400, 27: 400, 30: 400,
    40: 404, 45: 405, 50: 409, 60: 500, 61: 500, 70: 429, 90: 400, 99: 500,
}  # fmt: skip
"""HTTP status of an error category from Zuora-Version 2024-05-20 on."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One of the reasons why a request is refused."""

    category: int
    message: str
    resource: str = ORDERS

    @property
    def code(self) -> int:
        """Return the eight digits."""
        return int(f"{self.resource}{self.category:02d}")


def is_dated(version: str) -> bool:
    """Say whether this Zuora-Version is of the kind that errors have HTTP statuses in."""
    return "-" in version


def has_subscription_rows(version: str) -> bool:
    """Say whether job results hold ``subscriptions`` rows, from 223.0 on, or ``subscriptionNumbers``."""
    return is_dated(version) or float(version) >= 223


def make_reply(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    text = json.dumps(body, ensure_ascii=False).encode()
    return Response(status, {"Content-Type": "application/json", **(headers or {})}, text)


def make_id(rng: random.Random) -> str:
    """Return 32 hexadecimal digits, as tokens, jobs and objects have."""
    return f"{rng.getrandbits(128):032x}"


def make_request_id(rng: random.Random) -> str:
    """Return 36 characters, as a Zuora-Request-Id has."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def replace_request_id(response: Response, request_id: str) -> Response:
    """
    Return an answer with this request id, in its header, and in its body where one stands there.

    :param request_id: ``none``: it has none; its header is empty then, and is not to be sent.
    """
    shown = "" if request_id == "none" else request_id
    headers = {**response.headers, "zuora-request-id": shown}
    body = response.body
    with suppress(ValueError, TypeError):  # a gateway's page stays as it is
        body = merge_fields(body, {"requestId": shown or None}) if "requestId" in json.loads(body) else body
    return replace(response, headers=headers, body=body)


def merge_fields(body: bytes, change: Mapping[str, Any]) -> bytes:
    """
    Return a JSON object with some fields replaced, also in the objects in it; None takes a field out.

    :raises ValueError: the body is no JSON object.
    """
    if not change:
        return body
    fields = json.loads(body)
    if not isinstance(fields, dict):
        raise ValueError(f"this is no JSON object, and cannot be changed: {body[:80]!r}")  # noqa: TRY004
    return json.dumps(_merge_objects(fields, change), ensure_ascii=False).encode()


def _merge_objects(fields: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Merge as RFC 7396 does, but make no object where there is none: a job that runs has no result."""
    kept = {name: value for name, value in fields.items() if change.get(name, "") is not None}
    for name, value in change.items():
        if isinstance(value, Mapping):
            if isinstance(kept.get(name), dict):
                kept[name] = _merge_objects(kept[name], value)
        elif value is not None:
            kept[name] = value
    return kept


def make_refusal(
    violations: Iterable[Violation], version: str, rng: random.Random, status: int = 0
) -> Response:
    """
    Return Zuora's error body; its reasons are the complaints.

    :param version: the Zuora-Version in force.
    :param status: an HTTP status other than the category's own, whatever the version.
    """
    reasons = [{"code": each.code, "message": each.message} for each in violations]
    request_id = make_request_id(rng)
    body = {
        "success": False,
        "processId": f"{rng.getrandbits(64):016X}",
        "reasons": reasons,
        "requestId": request_id,
    }
    category = reasons[0]["code"] % 100  # type: ignore[operator]  # a code is an int
    own = HTTP_STATUS[category] if is_dated(version) else 200
    return make_reply(status or own, body, {"Zuora-Request-Id": request_id})


class Unreadable(ValueError):
    """A request body that is not what its headers say; the text says why."""


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def unzip_body(request: Request) -> bytes:
    """
    Return the bytes that a request carries, unzipped where Content-Encoding says gzip.

    :raises Unreadable: it is not gzip.
    """
    if request.header("Content-Encoding").lower() != "gzip":
        return request.body
    try:
        return gzip.decompress(request.body)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"the request body is no gzip: {error}") from error


def parse_json_body(request: Request) -> Any:
    """
    Return the JSON value that a request carries, unzipped where Content-Encoding says gzip.

    :raises Unreadable: it is not gzip, not UTF-8 or not JSON.
    """
    body = unzip_body(request)
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except ValueError as error:
        raise Unreadable(f"the request body is not readable JSON: {error}") from error
