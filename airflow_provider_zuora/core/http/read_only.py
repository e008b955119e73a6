"""A connection that is read_only sends what changes nothing, and refuses all else before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.redaction import make_printable
from airflow_provider_zuora.core.vendors.base import Vendor

# Headers, and parameters, by which some servers take a request for one of another method.
_OVERRIDES = frozenset(("x-http-method", "x-http-method-override", "x-method-override", "_method"))
_SHOWN = 200  # characters of method and path
_RULE = "read_only: the connection allows sign-ins, reads, previews and queries alone"


def refuse_write(vendor: Vendor, request: Request) -> None:
    """Raise an `InvalidInput` unless a request is known to change nothing: what is unknown may."""
    path, _, query = request.path.partition("?")
    what = make_printable(f"{request.method} {path}"[:_SHOWN])
    if not vendor.is_read(request):
        raise InvalidInput("Nothing was sent.", (f"{_RULE}, and {what} is none of them",))
    names: Iterable[str] = (
        *request.headers,
        *(name for name, _ in (*request.params, *parse_qsl(query, keep_blank_values=True))),
    )
    if wrong := sorted(name for name in names if name.strip().lower() in _OVERRIDES):
        raise InvalidInput("Nothing was sent.", (f"{_RULE}, and {wrong[0]} makes another of {what}",))
