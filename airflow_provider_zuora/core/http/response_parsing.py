"""What comes of a request: all that a vendor answers comes in here, is parsed, redacted, and may be an error.

Nothing that leaves this module holds our secrets, or values that an order hides, in its words. An answer that
has no words, and ids that are plainly ids, has nothing to redact and costs nothing.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.message import Message
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

from airflow_provider_zuora.core import errors
from airflow_provider_zuora.core.errors import ApiError, RateLimited, ResponseInfo, Unreachable
from airflow_provider_zuora.core.flow import Flow, RunInThread
from airflow_provider_zuora.core.http.retry import RetryPolicy
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.messages import ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.redaction import HIDDEN, WORD_LENGTH, redact_messages, redact_words
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.validation import find_path_violation
from airflow_provider_zuora.core.vendors.base import JobKind, Vendor
from airflow_provider_zuora.core.vendors.response_body import read_untrusted_json

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
NO_ANSWER = (Unreachable, RateLimited)
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


def parse_answer(
    vendor: Vendor,
    request: Request,
    response: Response,
    info: ResponseInfo,
    secrets: Secrets,
    policy: RetryPolicy,
) -> ParsedResponse:
    """Return what a response means; ``info`` is known without its body. A large body blocks for long."""
    if 300 <= response.status < 400:
        return _parse_redirect(response, info, secrets)
    for secret in secrets.in_bytes:
        if secret in response.body:
            response = replace(response, body=response.body.replace(secret, b"***"))
    is_2xx = 200 <= response.status < 300
    mark = HIDDEN.set(secrets)
    try:
        if policy.allows_any_content and is_2xx:
            parsed = _parse_any_content(partial(vendor.read_response, request), response, info)
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


def _parse_any_content(
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
    return ParsedResponse(ResponseKind.SILENCE, replace(info, messages=messages, no_answer=error.no_answer))


def read_job(kind: JobKind, job_id: str, parsed: ParsedResponse, secrets: Secrets) -> Flow[Job]:
    """Return the job that an answer describes, redacted, or raise `Unreadable`."""
    described = (kind, job_id, parsed, secrets)
    if not parsed.is_large:
        return parse_job(*described)
    job: Job = yield RunInThread(partial(parse_job, *described))
    return job


def parse_job(kind: JobKind, job_id: str, parsed: ParsedResponse, secrets: Secrets) -> Job:
    """Do what `read_job` does; this blocks as long as the answer is large."""
    mark = HIDDEN.set(secrets)
    try:
        job = kind.read_job(job_id, parsed.body, parsed.info)
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
    Raise `Unreachable` if a Track-Id that came back is that of another request, whose answer came late.

    A cached page of the same path, or what is stored under the same key, may have an older Track-Id.
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
