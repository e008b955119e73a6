"""The checks before the endpoint: headers, tokens and limits, but not the body.

None of these answers is stored under an idempotency key, so that a repeated request with a new token, or
after a 429, does not get the old 401 or 429 again. This is our reading; Zuora's guide does not say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from zuora_sandbox.answers import (
    ANY_RESOURCE,
    FIRST_DATED_VERSION,
    Violation,
    make_refusal,
    make_reply,
    make_request_id,
)
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.tenant import Tenant

SIGN_IN = "/oauth/token"
JOBS = "/v1/async-jobs/{jobId}"
PAYMENT_RUN = "/v1/payment-runs/{paymentRunKey}"
PAYMENT_RUN_SUMMARY = f"{PAYMENT_RUN}/summary"
PAYMENT_RUN_DATA = f"{PAYMENT_RUN}/data"
NO_ENTITY = {("GET", JOBS), ("GET", PAYMENT_RUN_SUMMARY), ("GET", PAYMENT_RUN_DATA), ("DELETE", PAYMENT_RUN)}
"""The operations without Zuora-Entity-Ids in the reference; whether it is refused there, no page says."""

REALMS = ", ".join(f"{scheme} realm=Zuora API" for scheme in ("Basic", "ZSession", "Bearer"))
LONGEST_KEY = 254
"""The most characters of an idempotency key; the guide says fewer than 255."""

SIGN_INS_PER_MINUTE = 2000
"""The limit of a tenant, as the header shows it; the lower limit of one IP address is what is counted."""
TOO_MANY = (
    "The total number of concurrent requests has exceeded the limit allowed by the system. "
    "Please resubmit your request later."
)
WINDOWS = "{0}, {0};w=60, 2250000;w=3600, 27000000;w=86400"


def _is_track_id(text: str) -> bool:
    return len(text) <= 64 and text.isascii() and not set(text) & set(":;\"'")


def _check_track_id(tenant: Tenant, request: Request, _: str) -> Response | None:
    if _is_track_id(request.header("Zuora-Track-Id")):
        return None
    return _refuse_header(
        tenant, "Zuora-Track-Id must have at most 64 US-ASCII characters, none of : ; \" and '."
    )


def _check_key(tenant: Tenant, request: Request, _: str) -> Response | None:
    given = request.header("Idempotency-Key")
    if given and request.method not in ("POST", "PATCH"):
        return _refuse_header(
            tenant, f"Request method '{request.method}' not supported with Idempotency-Key header"
        )
    if len(given) > LONGEST_KEY:
        return _refuse_header(tenant, f"Idempotency-Key must have at most {LONGEST_KEY} characters.")
    return None


def _check_version(tenant: Tenant, request: Request, _: str) -> Response | None:
    if re.fullmatch(r"\d+(\.\d+)?|\d{4}-\d\d-\d\d", tenant.get_version(request)):
        return None
    return _refuse_header(
        tenant, "Zuora-Version must be a number such as 341.0 or a date such as 2025-08-12."
    )


def _check_sign_in_entity(tenant: Tenant, request: Request, _: str) -> Response | None:
    given = request.header("Zuora-Entity-Ids")
    if not given or re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", given.lower()):
        return None
    return _refuse_header(tenant, "Zuora-Entity-Ids must be a UUID with hyphens, 36 characters, at sign-in.")


def _refuse_header(tenant: Tenant, text: str) -> Response:
    """Refuse a header with HTTP 400, whatever the Zuora-Version, as a gateway does that knows no versions."""
    return make_refusal([Violation(20, text, ANY_RESOURCE)], FIRST_DATED_VERSION, tenant.rng)


def _check_token(tenant: Tenant, request: Request, _: str) -> Response | None:
    scheme, _, token = request.header("Authorization").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return make_reply(400, {"message": "No bearer token"})
    if tenant.state.tokens.get(token, 0) > tenant.now:
        return None
    return make_reply(401, {"message": "Authentication error"}, {"WWW-Authenticate": REALMS})


def _check_rate(tenant: Tenant, request: Request, _: str) -> Response | None:
    if tenant.state.calls.count(tenant.now) <= tenant.settings.requests_per_minute:
        return None
    seconds = _count_seconds_left(tenant)
    text = f"API Rate limit exceeded for the minute, retry after {seconds} seconds"
    waits = {"Retry-After": str(seconds)} if tenant.settings.rate_retry_after else {}
    return make_reply(429, {"reasons": [{"code": 70, "message": text}]}, waits)


def _check_concurrency(tenant: Tenant, request: Request, _: str) -> Response | None:
    if tenant.calls_in_progress <= tenant.settings.concurrent_requests:
        return None
    full = tenant.refuse(request, Violation(70, TOO_MANY, ANY_RESOURCE), status=429)
    return replace(full, headers={**full.headers, "Retry-After": f"{tenant.settings.busy_seconds:g}"})


def _check_sign_in_rate(tenant: Tenant, request: Request, _: str) -> Response | None:
    if tenant.state.sign_ins.count(tenant.now) <= tenant.settings.sign_ins_per_minute:
        return None
    return make_reply(
        429, {"message": "request exceeded limit"}, {"Retry-After": str(_count_seconds_left(tenant))}
    )


def _check_media_type(tenant: Tenant, request: Request, _: str) -> Response | None:
    kind = request.header("Content-Type").partition(";")[0].strip().lower()
    if request.method not in ("POST", "PUT") or kind == "application/json":
        return None
    return tenant.refuse(request, Violation(45, f"Content-Type {kind!r} is not supported."), status=415)


def _check_entity(tenant: Tenant, request: Request, template: str) -> Response | None:
    known, given = tenant.settings.entity_ids, request.header("Zuora-Entity-Ids")
    if not known or (request.method, template) in NO_ENTITY or given in known:
        return None
    text = f"Zuora-Entity-Ids must name one of the token's entities; it is {given!r}."
    return tenant.refuse(request, Violation(20, text, "900000"))


def _check_orgs(tenant: Tenant, request: Request, _: str) -> Response | None:
    known = set(tenant.settings.org_ids)
    given = {each.strip() for each in request.header("Zuora-Org-Ids").split(",") if each.strip()}
    if not known or given <= known:
        return None
    return tenant.refuse(request, Violation(10, f"No access to the orgs {sorted(given - known)}.", "900000"))


Check = Callable[[Tenant, Request, str], Response | None]
CHECKS: tuple[Check, ...] = (
    _check_token,
    _check_concurrency,
    _check_rate,
    _check_track_id,
    _check_key,
    _check_version,
    _check_media_type,
    _check_entity,
    _check_orgs,
)
SIGN_IN_CHECKS: tuple[Check, ...] = (_check_sign_in_rate, _check_track_id, _check_key, _check_sign_in_entity)


def check_request(tenant: Tenant, request: Request, template: str) -> Response | None:
    """Return the refusal of a request that must not reach its endpoint, or None."""
    checks = SIGN_IN_CHECKS if template == SIGN_IN else CHECKS
    return next((answer for check in checks if (answer := check(tenant, request, template))), None)


def _count_seconds_left(tenant: Tenant) -> int:
    return 60 - int(tenant.now % 60)


def make_headers(tenant: Tenant, request: Request, template: str) -> dict[str, str]:
    """Return the headers that every answer has, with the Zuora-Track-Id of the request if it is valid."""
    track_id = request.header("Zuora-Track-Id")
    echoed = {"Zuora-Track-Id": track_id} if track_id and _is_track_id(track_id) else {}
    found = {"Zuora-Request-Id": make_request_id(tenant.rng), **echoed}
    if template == SIGN_IN:
        left = max(0, SIGN_INS_PER_MINUTE - len(tenant.state.issued))
        limits = {"Limit": SIGN_INS_PER_MINUTE, "Remaining": left}
        return found | {f"X-RateLimit-{name}-minute": str(value) for name, value in limits.items()}
    if not (is_v1 := request.path.startswith("/v1/")) and not tenant.settings.headers_beyond_v1:
        return found
    most, at_once = tenant.settings.requests_per_minute, tenant.settings.concurrent_requests
    found |= {
        "RateLimit-Limit": WINDOWS.format(most),
        "RateLimit-Remaining": str(max(0, most - tenant.state.calls.counted)),
        "RateLimit-Reset": str(_count_seconds_left(tenant)),
    }
    # The guide to rate limits: only where the path has /v1 in it.
    concurrent = {
        "Concurrency-Limit-Type": "Default",
        "Concurrency-Limit-Limit": str(at_once),
        "Concurrency-Limit-Remaining": str(max(0, at_once - max(1, tenant.calls_in_progress))),
    }
    return found | (concurrent if is_v1 else {})
