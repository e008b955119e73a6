"""The door by which all that a vendor answers comes in: `parse_answer` and `parse_job`.

Nothing that leaves them holds our secrets, or values that an order hides, in its words. An answer that has no
words, and ids that are plainly ids, has nothing to hide and costs nothing.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from urllib.parse import quote_plus

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.http.content import parse_any_content
from airflow_provider_zuora.core.http.retry import RetryPolicy
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.redaction import HIDDEN, WORD_LENGTH, redact_messages, redact_words
from airflow_provider_zuora.core.secret_search import Secrets, spell_secret
from airflow_provider_zuora.core.vendors.base import Vendor

# `ResponseInfo.with_reasons` keeps more than this: what it has cut a secret in two at is left behind.
KEPT_LENGTH, _CODE_LENGTH = 1000, 64  # characters of a message, and of a code
_ACCOUNTS = 16  # whose secrets are spelt once; as many sessions outlive their hooks
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
    if any(word in response.body for word in secrets.in_bytes):
        response = redact_body(response, secrets)
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


def parse_job(vendor: Vendor, job_id: str, parsed: ParsedResponse, secrets: Secrets) -> Job:
    """
    Return the job that an answer describes; this blocks as long as the answer is large.

    :raises Unreadable: if it describes none.
    """
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


def make_secrets(credentials: Credentials, hidden: Sequence[str], token: str) -> Secrets:
    """
    Return what no answer to a request may hold.

    :param hidden: values of an order.
    :param token: the bearer token of the request; empty if it carries none.
    """
    return Secrets((*_spell_credentials(credentials), *spell_secret(token)), hidden)


@lru_cache(_ACCOUNTS)
def _spell_credentials(credentials: Credentials) -> tuple[str, ...]:
    return tuple(text for secret in _secrets_of(credentials) for text in spell_secret(secret))


def _secrets_of(credentials: Credentials) -> Iterator[str]:
    """Yield the client secret, and as HTTP's Basic writes it beside the client id, plain or as in a form."""
    yield credentials.client_secret
    pair = (credentials.client_id, credentials.client_secret)
    for words in {":".join(pair), ":".join(map(quote_plus, pair))}:
        basic = b64encode(words.encode("utf-8", "surrogatepass")).decode().rstrip("=")
        yield from {basic, basic.translate({ord("+"): "-", ord("/"): "_"})}


def redact_body(response: Response, secrets: Secrets) -> Response:
    """Return the response without our secrets in its body; a short secret is no reason to change it."""
    body = response.body
    for word in secrets.in_bytes:
        body = body.replace(word, b"***")
    return replace(response, body=body)


def redact_info(info: ResponseInfo, secrets: Secrets) -> ResponseInfo:
    """Return the words of an answer without secrets, cut so that no half of one is left."""
    return replace(
        info,
        codes=tuple(redact_words(code, _CODE_LENGTH, secrets) for code in info.codes),
        messages=tuple(redact_words(message, KEPT_LENGTH, secrets) for message in info.messages),
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
