"""What comes of a request: all that a vendor answers comes in here, is parsed, redacted, and may be an error.

Nothing that leaves this module holds our secrets, or values that an order hides, in its words. An answer that
has no words, and ids that are plainly ids, has nothing to redact and costs nothing.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

from airflow_provider_zuora.core import errors
from airflow_provider_zuora.core.errors import ApiError, RateLimited, ResponseInfo, Unreachable
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.content import parse_any_content
from airflow_provider_zuora.core.http.retry import RetryPolicy
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.messages import ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.redaction import HIDDEN, WORD_LENGTH, redact_messages, redact_words
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.validation import find_path_violation
from airflow_provider_zuora.core.vendors.base import Vendor

log = logging.getLogger(__name__)

RecentRequests: TypeAlias = deque[tuple[str, tuple[str, str, str]]]
"""Track-Id of each of the last requests, and what it is about: method, path and Idempotency-Key."""

ERRORS: Mapping[ResponseKind, type[ApiError]] = {
    ResponseKind.HELD: RateLimited,
    ResponseKind.SILENCE: Unreachable,
    ResponseKind.GATEWAY: errors.Unreadable,
    ResponseKind.TOO_LARGE: errors.Unreadable,
    ResponseKind.TOKEN: errors.SignInRefused,
    ResponseKind.NOT_FOUND: errors.NotFound,
}
"""The error that each kind of answer amounts to; of all others `Refused`."""
SIGN_IN_ADVICE = "Check client id, secret and environment: a wrong data centre refuses them too."
REDIRECTS = frozenset((301, 302, 303, 307, 308))
"""HTTP statuses whose Location may be followed."""

_MOST_REDIRECTS = 3  # of one request that are followed
_RECENT = 256  # requests of an account; an answer that comes late is to one of the latest
# `ResponseInfo.with_words` keeps more than this: what it has cut a secret in two at is left behind.
_MESSAGE_LENGTH, _CODE_LENGTH = 1000, 64  # characters of a message, and of a code
_UNKNOWN_WORDS, _STATUS_LENGTH = 20, 80  # status words that are warned of, and what is kept of each
# An id that is neither a word nor the number of a card or an account: a UUID, or hex with a letter in it.
_PLAIN_ID = r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{0,12}|(?=[0-9]*[a-f])[0-9a-f]{13,32})"
_PLAIN_IDS = re.compile(f"{_PLAIN_ID} {_PLAIN_ID}")


def parse_answer(
    vendor: Vendor,
    request: Request,
    response: Response,
    info: ResponseInfo,
    secrets: Secrets,
    policy: RetryPolicy,
) -> ParsedResponse:
    """
    Return what a response means; this blocks as long as its body is large.

    :param info: what is known without reading the body.
    :param secrets: what the answer may not hold.
    """
    if 300 <= response.status < 400:
        return _parse_redirect(response, info, secrets)
    for secret in secrets.in_bytes:
        if secret in response.body:
            response = replace(response, body=response.body.replace(secret, b"***"))
    is_2xx = 200 <= response.status < 300
    mark = HIDDEN.set(secrets)
    try:
        if policy.allows_any_content and is_2xx:
            parsed = parse_any_content(partial(vendor.read_response, request), response, info)
        else:
            parsed = vendor.read_response(request, response, info)
    finally:
        HIDDEN.reset(mark)
    if response.is_too_large and request.method == "GET" and is_2xx:
        parsed = replace(parsed, kind=ResponseKind.TOO_LARGE)  # of a POST the outcome is unknown
    is_good = parsed.kind is ResponseKind.OK
    if is_good and not policy.allows_any_content and not isinstance(parsed.body, dict):
        parsed = replace(parsed, kind=ResponseKind.GATEWAY)
    if not _is_plain(parsed.info, secrets):
        parsed = replace(parsed, info=redact_info(parsed.info, secrets))
    return parsed


def _parse_redirect(response: Response, info: ResponseInfo, secrets: Secrets) -> ParsedResponse:
    """Return what a redirect means that is not followed; its words name the host that it leads to."""
    # As a whole first: a secret may hold a slash, where the host ends.
    location = redact_words(response.headers.get("location", ""), secrets=secrets)
    try:
        host = urlsplit(location).netloc.rpartition("@")[2] or "nowhere"
    except ValueError:
        host = "nowhere"
    host = redact_words(host, WORD_LENGTH, secrets)
    words = redact_words(f"a redirect to {host} is not followed", _MESSAGE_LENGTH, secrets)
    return ParsedResponse(ResponseKind.DENIED, replace(info, messages=(words,)))


def parse_failure(error: Unreachable | RateLimited, info: ResponseInfo, secrets: Secrets) -> ParsedResponse:
    """Return what it means that no answer came, or that nothing was sent because of a limit."""
    if isinstance(error, RateLimited):
        held = replace(error.info, track_id=info.track_id) if error.info else info
        return ParsedResponse(ResponseKind.HELD, held)
    messages = (redact_words(str(error), _MESSAGE_LENGTH, secrets),)
    return ParsedResponse(ResponseKind.SILENCE, replace(info, messages=messages))


def parse_job(vendor: Vendor, job_id: str, parsed: ParsedResponse, secrets: Secrets) -> Job:
    """Return the job that an answer describes, or raise `Unreadable`; this blocks as long as it is large."""
    mark = HIDDEN.set(secrets)
    try:
        job = vendor.read_job(job_id, parsed.body, parsed.info)
    finally:
        HIDDEN.reset(mark)
    if job.info is not parsed.info:
        return redact_job(job, secrets)
    result = job.result if job.result is None else redact_messages(job.result, secrets)
    return job if result is job.result else replace(job, result=result)


def _is_plain(info: ResponseInfo, secrets: Secrets) -> bool:
    """Return whether an answer has no words, and its ids are plainly ids that hold no secret."""
    if secrets.has_values or info.codes or info.messages:
        return False
    if not _PLAIN_IDS.fullmatch(f"{info.request_id} {info.process_id}"):
        return False
    return not any(word in info.request_id or word in info.process_id for word in secrets.like_ids)


def redact_info(info: ResponseInfo, secrets: Secrets) -> ResponseInfo:
    """Return the words of an answer without secrets, cut so that no half of one is left."""
    return replace(
        info,
        codes=tuple(redact_words(code, _CODE_LENGTH, secrets) for code in info.codes),
        messages=tuple(redact_words(message, _MESSAGE_LENGTH, secrets) for message in info.messages),
        request_id=redact_words(info.request_id, WORD_LENGTH, secrets),
        process_id=redact_words(info.process_id, WORD_LENGTH, secrets),
    )


def redact_job(job: Job, secrets: Secrets) -> Job:
    """Return a job without secrets in its words and those of its result, the very same if it holds none."""
    info = job.info and redact_info(job.info, secrets)
    result = redact_messages(job.result, secrets)
    status = secrets.redact(job.status)
    if status == job.status and info == job.info and result is job.result:
        return job
    return replace(job, status=status, info=info, result=result)


def follow_redirects(base_url: str, request: Request, response: Response) -> Flow[Response]:
    """Return the last response: a GET follows redirects below the base URL, no other request does."""
    for _ in range(_MOST_REDIRECTS):
        if request.method != "GET" or response.status not in REDIRECTS:
            break
        location = response.headers.get("location", "")
        try:
            path = urljoin(base_url + request.path, location).removeprefix(base_url)
        except ValueError:
            break
        if not location or find_path_violation(path):
            break
        request = replace(request, path=path, params=())
        response = yield request
    return response


def make_recent_requests() -> RecentRequests:
    """Return an empty record of requests; the oldest leave it."""
    return deque(maxlen=_RECENT)


def refuse_answer_to_another(recent: RecentRequests, track_id: str, request: Request) -> None:
    """
    Raise `Unreachable`, as if no answer had come, if a Track-Id that came back is that of another request.

    It came late, by a connection of ours. An old page of the same path is let in. What is stored under a key
    may give back the Track-Id of another request with this key, and of no other.
    """
    topic = (request.method, request.path, request.headers.get("Idempotency-Key", ""))
    known = [sent for sent_id, sent in list(recent) if sent_id == track_id]
    if known and topic not in known:
        raise Unreachable(f"what came is the answer to another request, Track-Id {track_id}")


def make_error(vendor: Vendor, parsed: ParsedResponse, attempts: int) -> ApiError:
    """Return the error that an answer to a signed request amounts to."""
    error_type = ERRORS.get(parsed.kind, errors.Refused)
    advice = SIGN_IN_ADVICE if error_type is errors.SignInRefused else vendor.advise(parsed)
    message = f"{vendor.title}: {parsed.kind.words}.{advice and ' ' + advice}"
    return error_type(message, info=parsed.info, transient=parsed.kind.transient, attempts=attempts)


def warn_of_status(vendor: Vendor, job: Job, warned: set[str]) -> None:
    """Log once for each unknown status word that such jobs are polled on; add the word to those warned of."""
    word = job.status[:_STATUS_LENGTH]
    if word not in warned and len(warned) < _UNKNOWN_WORDS:
        warned.add(word)
        log.warning("Job %s is waited for: %s", job.job_id, vendor.describe(job))
