"""The error bodies of Zuora's families of paths, which differ; pure functions.

Source: the answers 4XX and 5XX of the operations in Zuora's v1 API reference.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from zuora_sandbox.answers import HTTP_STATUS, Violation, make_refusal, make_reply, make_request_id
from zuora_sandbox.messages import Response

TEXT_CODES = ("/v1/bill-runs", "/v1/payment-runs")
"""Where the samples have codes that are texts."""

UNSUPPORTED = "HTTP 415 Unsupported Media Type"


def make_family_refusal(
    path: str, found: Iterable[Violation], version: str, rng: random.Random, status: int = 0
) -> Response:
    """
    Return the error response with these violations in the envelope of a path's family.

    :param version: the Zuora-Version that applies; it means nothing outside of ``/v1``.
    :param status: the HTTP status to use instead of the one of the category, or 0.
    """
    if path.startswith("/query/"):
        return _make_query_refusal(list(found), status)
    if path.startswith("/object-query/"):
        return _make_object_refusal(list(found), rng, status)
    return make_refusal(found, version, rng, status, has_text_codes=path.startswith(TEXT_CODES))


def _make_query_refusal(found: list[Violation], status: int) -> Response:
    """Return the envelope of Data Query, in which the code is the HTTP status."""
    code = status or HTTP_STATUS[found[0].category]
    text = UNSUPPORTED if code == 415 else " ".join(each.message for each in found)
    return make_reply(code, {"code": code, "message": text})


def _make_object_refusal(found: list[Violation], rng: random.Random, status: int) -> Response:
    """Return the envelope of Object Query, which has no ``success``."""
    reasons = [{"code": each.code, "message": each.message} for each in found]
    request_id = make_request_id(rng)
    body = {"reasons": reasons, "requestId": request_id}
    return make_reply(status or HTTP_STATUS[found[0].category], body, {"Zuora-Request-Id": request_id})
