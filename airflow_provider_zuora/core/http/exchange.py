"""One request until its answer is final: headers, redirects and the retry policy, each written once."""

from __future__ import annotations

import gzip
import logging
import random
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeAlias
from urllib.parse import quote_plus, urljoin, urlsplit

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    NotFound,
    RateLimited,
    Refused,
    ResponseInfo,
    SignInRefused,
    Unreachable,
    Unreadable,
)
from airflow_provider_zuora.core.flow import Flow, RetryBudget, RunInThread, Sleep, Token
from airflow_provider_zuora.core.http.content import is_content, read_content
from airflow_provider_zuora.core.http.rate_limiter import retry_after
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.redaction import (
    MESSAGE_LENGTH,
    WORD_LENGTH,
    Secrets,
    hiding,
    redact_messages,
    redact_words,
    spellings,
)
from airflow_provider_zuora.core.validation import header_violation, path_violation
from airflow_provider_zuora.core.vendors.base import Vendor

log = logging.getLogger(__name__)

ResponseKinds: TypeAlias = frozenset[ResponseKind]
Headers: TypeAlias = Mapping[str, str]

TRANSIENT: ResponseKinds = frozenset(kind for kind in ResponseKind if kind.transient)
# A POST is repeated only where it was not processed, or where nobody knows and the Idempotency-Key covers it.
NOT_PROCESSED: ResponseKinds = frozenset({ResponseKind.LIMITED, ResponseKind.HELD})
UNKNOWN: ResponseKinds = NOT_PROCESSED | {
    ResponseKind.SILENCE,
    ResponseKind.GATEWAY,
    ResponseKind.IN_PROGRESS,
}

_BACKOFF_BASE, _BACKOFF_CAP = 1.0, 30.0  # seconds; full jitter, as in Zuora's own sample
_GZIP_ABOVE = 64 * 1024  # bytes
_REDIRECTS, _REDIRECTED = 3, (301, 302, 303, 307, 308)
# Of what `ResponseInfo` lets in, this much is kept: what it has cut a secret in two at is left behind.
_MESSAGE_LENGTH, _CODE_LENGTH = 1000, 64
_TOKENS = 4  # that are known at once: none, the one in use, and one that was refused
_TAKEN = range(200, 300)
_BEGINNING = 64  # bytes of a body
_PATH_LENGTH = 80  # characters of a message
_SECRET_LENGTH = 8  # characters; a shorter secret is no reason to change what an answer holds
_SENT_IDS = 256  # Track-Ids that are known again; an answer that comes late is to one of the latest
_TRACK_ID_LENGTH, _TRACK_ID_WITHOUT = 64, ":;\"'"
_ERRORS: Mapping[ResponseKind, type[ApiError]] = {
    ResponseKind.HELD: RateLimited,
    ResponseKind.SILENCE: Unreachable,
    ResponseKind.GATEWAY: Unreadable,
    ResponseKind.TOO_LARGE: Unreadable,
    ResponseKind.TOKEN: SignInRefused,
    ResponseKind.NOT_FOUND: NotFound,
}
_NO_SIGN_IN = "the sign-in is refused"
_SIGN_IN_ADVICE = "Check client id, secret and environment: a wrong data centre refuses them too."


WRITE = RetryBudget(6, 600)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    How one request is to be sent.

    :param again: the meanings after which it is sent again.
    :param signed: False for the sign-in itself: no token, none of the account's headers.
    :param json_object: True where a 2xx without a JSON object is no answer of the vendor's own; False where
        any whole 2xx is one, whatever it holds.
    :param answered: True if a 2xx ends it even if it says no, or is cut off: the request was taken.
    """

    budget: RetryBudget
    again: ResponseKinds
    signed: bool = True
    json_object: bool = True
    answered: bool = False


class Sent:
    """The last requests of an account by their Track-Ids: the answer to one may come to another."""

    def __init__(self) -> None:
        self._requests: deque[tuple[str, tuple[str, str, str]]] = deque(maxlen=_SENT_IDS)

    def add(self, track_id: str, request: Request) -> None:
        """Keep a request."""
        self._requests.append((track_id, _thing(request)))

    def is_of_another(self, track_id: str, request: Request) -> bool:
        """
        Return whether a Track-Id is that of a request for another thing.

        The page of the same path is no more than old. What is stored under a key may give back the Track-Id
        of another request with this key, and of no other.
        """
        known = [thing for sent, thing in list(self._requests) if sent == track_id]
        return bool(known) and _thing(request) not in known


class Exchange:
    """
    Sends the requests of one account, patiently.

    :param headers: sent with every request but the sign-in, for example the entity.
    :param clock: returns seconds.
    :param rng: for jitter and Track-Ids.
    :param hidden: values of an order that no answer's words may hold.
    :param ticks: returns seconds that budgets are measured by, and nobody sets it; None: ``clock``.
    :param sent: the last requests of the account; None: of these flows alone.
    """

    def __init__(
        self,
        vendor: Vendor,
        credentials: Credentials,
        headers: Mapping[str, str],
        *,
        clock: Callable[[], float],
        rng: random.Random,
        hidden: Sequence[str] = (),
        ticks: Callable[[], float] | None = None,
        sent: Sent | None = None,
    ):
        self.vendor = vendor
        self.credentials = credentials
        self.headers = headers
        self.clock = clock
        self.ticks = ticks or clock
        self.rng = rng
        own = tuple(each for secret in _secrets_of(credentials) for each in spellings(secret))
        self._beside = lru_cache(_TOKENS)(lambda token: Secrets((*own, *spellings(token)), hidden))
        self._searched = lru_cache(_TOKENS)(
            lambda token: [w.encode() for w in (*own, *spellings(token)) if len(w) >= _SECRET_LENGTH]
        )
        self._track_header = next(iter(vendor.tracking("af-")), "").lower()
        self._recent = Sent() if sent is None else sent
        self._unsigned = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        self._signed = {**self._unsigned, **headers}

    def __call__(self, request: Request, policy: RetryPolicy, track_id: str = "") -> Flow[ParsedResponse]:
        """
        Send a request until its answer is final and return the reading of a good one.

        :raises ApiError: of the kind and transience that the last answer means.
        """
        request, headers, track_id = self._dressed(request, track_id, policy.signed)
        started, attempt = self.ticks(), 0
        renewals = 1 if policy.signed else 0  # one new sign-in, never a loop
        while True:
            attempt += 1
            parsed, renewed = yield from self._sent(request, headers, track_id, policy, renewals)
            renewals -= renewed
            if parsed.kind is ResponseKind.OK:
                return parsed
            error = self.error(parsed, signed=policy.signed, attempts=attempt)
            pause = self.pause(parsed, attempt)
            late = self.ticks() - started + pause > policy.budget.seconds
            taken = policy.answered and parsed.info.status in _TAKEN
            if taken or parsed.kind not in policy.again or attempt >= policy.budget.attempts or late:
                raise error
            log.warning("Attempt %d of %d, next in %.1f s: %s", attempt, policy.budget.attempts, pause, error)
            yield Sleep(pause)

    def once(self, request: Request, track_id: str = "") -> Flow[ParsedResponse]:
        """
        Send a signed request once and return what is answered, good or bad.

        Where the token is refused it is sent once more with a new one.
        """
        request, headers, track_id = self._dressed(request, track_id, signed=True)
        parsed, _ = yield from self._sent(request, headers, track_id, RetryPolicy(WRITE, frozenset()), 1)
        return parsed

    def pause(self, parsed: ParsedResponse, attempt: int) -> float:
        """Return the seconds to wait before a request is sent again: what was asked for, or a backoff."""
        backoff = self.rng.uniform(0, min(_BACKOFF_CAP, _BACKOFF_BASE * 2.0 ** (attempt - 1)))
        return max(parsed.info.retry_after or 0.0, backoff)

    def new_track_id(self) -> str:
        """Return a Track-Id that nobody has used."""
        return f"af-{self.rng.getrandbits(128):032x}"

    def _sent(
        self, request: Request, headers: Headers, track_id: str, policy: RetryPolicy, renewals: int
    ) -> Flow[tuple[ParsedResponse, int]]:
        """Send a request, and again after a new sign-in where its token is refused; say how many of these."""
        token = (yield Token(budget=policy.budget)) if policy.signed else ""
        parsed = yield from self._once(request, headers, token, track_id, policy.json_object)
        if parsed.kind is not ResponseKind.TOKEN or not renewals:
            return parsed, 0
        token = yield Token(refused=token, budget=policy.budget)
        return (yield from self._once(request, headers, token, track_id, policy.json_object)), 1

    def _dressed(self, request: Request, track_id: str, signed: bool) -> tuple[Request, Headers, str]:
        """Return the request, gzipped where it is long, all headers but the token's, and the Track-Id."""
        given, track_id = track_id, track_id or self.new_track_id()
        tracking = self.vendor.tracking(track_id)
        if given and (wrong := self._track_id_violation(given, tracking)):
            raise InvalidInput("Nothing was sent.", (f"track_id: {wrong}",))
        headers = {**request.headers, **(self._signed if signed else self._unsigned), **tracking}
        if self.vendor.zips and len(request.body) > _GZIP_ABOVE:
            headers["Content-Encoding"] = "gzip"
            request = replace(request, body=gzip.compress(request.body, mtime=0))
        return request, headers, track_id if tracking else ""

    def _track_id_violation(self, track_id: str, tracking: Mapping[str, str]) -> str:
        if not tracking:
            return f"{self.vendor.title} knows none"
        return header_violation(track_id, _TRACK_ID_LENGTH, _TRACK_ID_WITHOUT)

    def _once(
        self, request: Request, headers: Headers, token: str, track_id: str, json_object: bool
    ) -> Flow[ParsedResponse]:
        """Send a request once, follow the redirects that may be followed, and read the answer."""
        asked = str(request)
        level = logging.DEBUG if request.method == "GET" else logging.INFO
        log.log(level, "%s%s", asked, f", Track-Id {track_id}" if track_id else "")
        if token:
            headers = {**headers, "Authorization": f"Bearer {token}"}
        try:
            is_elsewhere = False
            sent = Request(request.method, request.path, request.params, headers, request.body)
            self._recent.add(track_id, sent)
            response = yield sent
            if response.status in _REDIRECTED:
                response = yield from self._redirected(sent, response)
                is_elsewhere = True
            self._refuse_anothers(sent, response, track_id)
        except Unreachable as error:
            with hiding(self._beside(token)):
                silence = ResponseInfo(asked, track_id, messages=(str(error),))
            return ParsedResponse(ResponseKind.SILENCE, self.redacted(silence, token))
        except RateLimited as held:
            return ParsedResponse(
                ResponseKind.HELD, replace(held.info or ResponseInfo(asked), track_id=track_id)
            )
        info = ResponseInfo(asked, track_id, response.status, retry_after=retry_after(response))
        if 300 <= response.status < 400:
            # As a whole first: a secret may hold a slash, where the host ends.
            location = redact_words(response.header("Location"), MESSAGE_LENGTH, self._beside(token))
            host = redact_words(_host(location), WORD_LENGTH, self._beside(token))
            refused = replace(info, messages=(f"a redirect to {host} is not followed",))
            return ParsedResponse(ResponseKind.DENIED, self.redacted(refused, token))
        is_any_content = not json_object and response.status in _TAKEN and is_content(response)
        read = self._content if is_any_content else self._read
        if response.is_large:
            parsed: ParsedResponse = yield RunInThread(partial(read, request, response, info, token))
        else:
            parsed = read(request, response, info, token)
        is_of_another_page = is_elsewhere and parsed.kind is ResponseKind.NOT_FOUND
        is_no_object = json_object and parsed.kind is ResponseKind.OK and not isinstance(parsed.body, dict)
        if is_of_another_page or is_no_object:
            return replace(parsed, kind=ResponseKind.GATEWAY)
        if not json_object and parsed.kind is ResponseKind.GATEWAY and response.status in _TAKEN:
            any_content = partial(self._any, parsed, response, token)
            return (yield RunInThread(any_content)) if response.is_large else any_content()
        return parsed

    def _refuse_anothers(self, request: Request, response: Response, track_id: str) -> None:
        """
        Take the answer to another request of ours for none: one that came late, by a connection of ours.

        :raises Unreachable: where the vendor gives back the Track-Id of a request for another thing.
        """
        given_back = response.headers.get(self._track_header, track_id)
        if given_back != track_id and self._recent.is_of_another(given_back, request):
            raise Unreachable(f"what came is the answer to another request, Track-Id {given_back}")

    def _read(self, request: Request, response: Response, info: ResponseInfo, token: str) -> ParsedResponse:
        """Return what a response means, without our secrets; it blocks as long as its body is large."""
        with hiding(self._beside(token)):
            parsed = self.vendor.read(request, self._bare(response, token), info)
        if response.is_too_large and request.method == "GET" and response.status in _TAKEN:
            parsed = replace(parsed, kind=ResponseKind.TOO_LARGE)  # of a POST the outcome is unknown
        redacted = self.redacted(parsed.info, token)
        if redacted is parsed.info and not response.is_large:
            return parsed
        return replace(parsed, info=redacted, is_large=response.is_large)

    def _content(
        self, request: Request, response: Response, info: ResponseInfo, token: str
    ) -> ParsedResponse:
        """Return the reading of a whole 2xx that is no JSON by its Content-Type: good, but if it refuses."""
        if response.body[:_BEGINNING].lstrip().startswith(b"{"):
            parsed = self._read(request, response, info, token)
            if parsed.kind is not ResponseKind.OK and any(parsed.info.codes):
                return parsed
        body = read_content(self._bare(response, token)) if response.body else None
        return ParsedResponse(ResponseKind.OK, info, body, arrived=True)

    def _any(self, parsed: ParsedResponse, response: Response, token: str) -> ParsedResponse:
        """Return the reading of a 2xx that is not JSON: it is as good as any, if it came whole."""
        if response.damage:
            return parsed
        info = replace(parsed.info, messages=())
        return replace(
            parsed, kind=ResponseKind.OK, info=info, body=read_content(self._bare(response, token))
        )

    def _redirected(self, request: Request, response: Response) -> Flow[Response]:
        """Follow the redirects of a request; a POST follows none, a GET none away from the base URL."""
        for _ in range(_REDIRECTS):
            if request.method != "GET" or response.status not in _REDIRECTED:
                break
            path = _path_below(self.credentials.base_url, request.path, response.header("Location"))
            if not path:
                break
            request = replace(request, path=path, params=())
            response = yield request
        return response

    def error(self, parsed: ParsedResponse, *, signed: bool = True, attempts: int = 1) -> ApiError:
        """Return the error that a reading amounts to."""
        kind = parsed.kind
        error_type = _ERRORS.get(kind, Refused)
        if error_type in (Refused, NotFound) and not signed and not kind.transient:
            error_type = SignInRefused
        advice = _SIGN_IN_ADVICE if error_type is SignInRefused else self.vendor.advice(parsed)
        if not signed and (error_type is SignInRefused or kind is ResponseKind.GATEWAY):
            advice = f"{advice} {self._path_advice()}".strip()
        words = kind.words
        if not signed:
            words = f"could not sign in, nothing else was sent ({words})" if kind.transient else _NO_SIGN_IN
        message = f"{self.vendor.title}: {words}.{advice and ' ' + advice}"
        return error_type(message, info=parsed.info, transient=kind.transient, attempts=attempts)

    def _path_advice(self) -> str:
        """Return what to think of where a sign-in fails: a page's address, pasted, may answer anything."""
        path = urlsplit(self.credentials.base_url).path
        return (
            f"The base URL (host) has a path, {path[:_PATH_LENGTH]}; mostly it must have none."
            if path
            else ""
        )

    def _bare(self, response: Response, token: str) -> Response:
        """Return the response without our secrets in its body; a short one is no reason to change it."""
        body = response.body
        for word in self._searched(token):
            if word in body:
                body = body.replace(word, b"***")
        return response if body is response.body else replace(response, body=body)

    def redacted(self, info: ResponseInfo, token: str = "") -> ResponseInfo:
        """Return the answer without our secrets and what an order hides, the very same if it holds none."""
        secrets = self._beside(token)
        if not (info.codes or info.messages):
            ids = f"{info.request_id} {info.process_id}"
            if secrets.redact(ids) == ids:
                return info
        return replace(
            info,
            codes=tuple(redact_words(code, _CODE_LENGTH, secrets) for code in info.codes),
            messages=tuple(redact_words(message, _MESSAGE_LENGTH, secrets) for message in info.messages),
            request_id=redact_words(info.request_id, WORD_LENGTH, secrets),
            process_id=redact_words(info.process_id, WORD_LENGTH, secrets),
        )

    def job(self, job_id: str, parsed: ParsedResponse) -> Job:
        """
        Return the job that an answer describes, as `redacted_job` does; it blocks as long as it is large.

        :raises Unreadable: if it describes none.
        """
        with hiding(self._beside("")):
            job = self.vendor.read_job(job_id, parsed.body, parsed.info)
        if job.info is parsed.info and job.result is None:
            return job  # all its words have come in just now
        return self.redacted_job(job)

    def redacted_job(self, job: Job) -> Job:
        """Return a job whose words are redacted as those of an answer are; so are those in its result."""
        secrets, info, result = self._beside(""), job.info and self.redacted(job.info), job.result
        result = redact_messages(result, secrets)
        status = secrets.redact(job.status)
        if status == job.status and info is job.info and result is job.result:
            return job
        return replace(job, status=status, info=info, result=result)


def _thing(request: Request) -> tuple[str, str, str]:
    """Return what a request is about; its headers are ours, so the name of the key is spelt in one way."""
    return request.method, request.path, request.headers.get("Idempotency-Key", "")


def _secrets_of(credentials: Credentials) -> Iterator[str]:
    """Yield the client secret, and as HTTP's Basic writes it beside the client id, plain or as in a form."""
    yield credentials.client_secret
    pair = (credentials.client_id, credentials.client_secret)
    for words in {":".join(pair), ":".join(map(quote_plus, pair))}:
        basic = b64encode(words.encode("utf-8", "surrogatepass")).decode().rstrip("=")
        yield from {basic, basic.translate({ord("+"): "-", ord("/"): "_"})}


def _host(location: str) -> str:
    """Return the host that a Location names, in words for a message."""
    try:
        return urlsplit(location).netloc.rpartition("@")[2] or "nowhere"
    except ValueError:
        return "nowhere"


def _path_below(base: str, path: str, location: str) -> str:
    """Return the path below the base URL that a Location names, an empty text where it names none."""
    try:
        below = urljoin(base + path, location).removeprefix(base) if location else ""
    except ValueError:
        return ""
    return "" if path_violation(below) else below
