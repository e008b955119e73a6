"""One request of an account until its answer is final: headers, token and retries. No I/O."""

from __future__ import annotations

import gzip
import logging
import math
import random
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache, partial

from airflow_provider_zuora.core.errors import InvalidInput, NotFound, ResponseInfo, Unreadable
from airflow_provider_zuora.core.flow import Flow, RetryBudget, RunInThread, Sleep, Token
from airflow_provider_zuora.core.http import response_parsing, retry
from airflow_provider_zuora.core.http.limit_headers import read_retry_after
from airflow_provider_zuora.core.http.read_only import refuse_write
from airflow_provider_zuora.core.http.response_parsing import RecentRequests
from airflow_provider_zuora.core.http.retry import RetryPolicy
from airflow_provider_zuora.core.http.sign_in import AccessToken, make_sign_in_error, read_access_token
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.metrics import (
    POLLS,
    SIGN_INS,
    THROTTLED_SECONDS,
    Emit,
    Metric,
    SubmissionCount,
    ignore,
)
from airflow_provider_zuora.core.secret_search import Secrets, make_secrets
from airflow_provider_zuora.core.validation import (
    find_header_violation,
    find_id_violation,
    find_path_violation,
)
from airflow_provider_zuora.core.vendors.base import StatusRequest, Vendor, is_known_status
from airflow_provider_zuora.core.vendors.response_body import LARGE_BODY

log = logging.getLogger(__name__)

_GZIP_ABOVE = 64 * 1024  # bytes
_TOKENS = 4  # that are known at once: none, the one in use, and one that was refused
_PLAIN_JOB_ID = re.compile(r"[0-9A-Za-z-]{1,250}")


def _cache_secrets(credentials: Credentials, values: tuple[str, ...]) -> Callable[[str], Secrets]:
    """Return what makes the secrets of an answer from the token of its request."""
    pair = (credentials.client_id, credentials.client_secret)
    return lru_cache(_TOKENS)(partial(make_secrets, pair, values))


class ApiClient:
    """
    The conversations of one account with one vendor, as flows.

    :param headers: sent with every request but the sign-in, for example the entity.
    :param clock: returns seconds; expiries, and all that outlives the process, are read against it.
    :param rng: for jitter and Track-Ids.
    :param ticks: returns seconds of a monotonic clock, for budgets and waits; None: ``clock``.
    :param recent: the last requests of the account; None: of this client alone.
    :param is_read_only: True: what might change something is refused before anything is sent.
    :param emit: takes the figures of `metrics.METRICS`.
    """

    def __init__(  # noqa: PLR0913 - clock, chance and what takes figures are passed in
        self,
        vendor: Vendor,
        credentials: Credentials,
        headers: Mapping[str, str],
        *,
        clock: Callable[[], float],
        rng: random.Random,
        ticks: Callable[[], float] | None = None,
        recent: RecentRequests | None = None,
        is_read_only: bool = False,
        emit: Emit = ignore,
    ):
        wrong = tuple(
            f"{name}: {why}" for name, value in headers.items() if (why := find_header_violation(value))
        )
        if wrong:
            raise InvalidInput("The connection cannot be used; nothing was sent.", wrong)
        self.vendor = vendor
        self.credentials = credentials
        self.headers = headers
        self.clock = clock
        self.ticks = ticks or clock
        self.rng = rng
        self.is_read_only = is_read_only
        self.longest_pause = math.inf  # seconds between two attempts of a request, or for its turn
        self._emit = emit
        self._recent = response_parsing.make_recent_requests() if recent is None else recent
        self._unsigned = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        self._signed = {**self._unsigned, **headers}
        self._track_header = vendor.track_id_header.lower()
        self.secrets_beside = _cache_secrets(credentials, ())
        self.secrets = self.secrets_beside("")
        self.unknown_words: set[str] = set()  # status words that were warned of
        self.posted: deque[str] = deque(maxlen=1)  # the Track-Id of the last request that changes something

    def with_redacted(self, values: Sequence[str]) -> ApiClient:
        """Return this client as one in whose answers and jobs these values of an order are redacted."""
        if not values:
            return self
        client = copy(self)
        client.secrets_beside = _cache_secrets(self.credentials, tuple(values))
        client.secrets = client.secrets_beside("")
        return client

    def with_longest_pause(self, seconds: float) -> ApiClient:
        """Return this client as one that raises the error of a request instead of a longer wait."""
        client = copy(self)
        client.longest_pause = seconds
        return client

    def for_task(self, values: Sequence[str]) -> ApiClient:
        """Return it `with_redacted`, for a task: it warns once of each unknown word, and notes its POST."""
        client = copy(self.with_redacted(values))
        client.unknown_words = set()
        client.posted = deque(maxlen=1)
        return client

    def check_allowed(self, request: Request) -> None:
        """Raise an `InvalidInput` if the connection is read_only and a request might change something."""
        if self.is_read_only:
            refuse_write(self.vendor, request)

    def emit(self, metric: Metric, value: float = 1, **tags: str) -> None:
        """Hand one figure to whoever collects them; a name that is a tag has no blanks."""
        self._emit(metric, value, {"vendor": self.vendor.name} | tags)

    def count_submission(self, kind: str) -> SubmissionCount:
        """Return what counts a submission of this kind by how its ``with`` block ends."""
        return SubmissionCount(self.emit, kind)

    def make_track_id(self) -> str:
        """Return a Track-Id that nobody has used."""
        return f"af-{self.rng.randbytes(16).hex()}"

    def send(self, request: Request, policy: RetryPolicy, track_id: str = "") -> Flow[ParsedResponse]:
        """Send a request until its answer is final; return a good one, raise the `ApiError` of any other."""
        request, track_id = self._prepare(request, track_id, policy)
        started, attempt = self.ticks(), 0
        renewals = 0 if policy.is_sign_in else 1  # one new sign-in, never a loop
        while True:
            attempt += 1
            parsed, renewed = yield from self._send_signed(request, track_id, policy, renewals)
            if parsed.kind is ResponseKind.OK:
                return parsed
            renewals -= renewed
            delay = retry.delay_before_retry(parsed, attempt, self.rng)
            is_long = delay > min(policy.budget.longest, self.longest_pause)
            is_late = is_long or self.ticks() - started + delay > policy.budget.seconds
            is_final = policy.is_final_at_2xx and 200 <= (parsed.info.status or 0) < 300
            if policy.is_sign_in:
                error = make_sign_in_error(self.vendor, self.credentials, parsed, attempt)
            else:
                error = response_parsing.make_error(self.vendor, parsed, attempt)
            if is_final or is_late or parsed.kind not in policy.retry_on or attempt >= policy.budget.attempts:
                raise error
            log.warning("Attempt %d of %d, next in %.1f s: %s", attempt, policy.budget.attempts, delay, error)
            yield from self.pause(parsed, delay)

    def pause(self, parsed: ParsedResponse, seconds: float, least: float = 0.0) -> Flow[None]:
        """Wait before a request is sent again, ``least`` in any case, and tell how long, as `count_pause`."""
        yield Sleep(max(seconds, least))
        self.count_pause(parsed, seconds)

    def count_pause(self, parsed: ParsedResponse, seconds: float) -> None:
        """Tell how long a pause is, if the vendor's limit is why."""
        if retry.is_throttled(parsed):
            self.emit(THROTTLED_SECONDS, seconds)

    def send_once(self, request: Request, track_id: str = "") -> Flow[ParsedResponse]:
        """Send a signed request once, twice if its token is refused; return the answer, good or bad."""
        request, track_id = self._prepare(request, track_id, retry.NEVER)
        parsed, _ = yield from self._send_signed(request, track_id, retry.NEVER, renewals=1)
        return parsed

    def sign_in(self, budget: RetryBudget = retry.READ) -> Flow[AccessToken]:
        """Ask for a token, or raise `SignInRefused`; only the session runs this, others yield `Token`."""
        policy = RetryPolicy(budget, retry.TRANSIENT, is_sign_in=True)
        parsed = yield from self.send(self.credentials.grant(self.vendor.sign_in_path), policy)
        token = read_access_token(self.vendor, self.credentials, parsed, self.clock())
        self.emit(SIGN_INS)
        return token

    def submit(self, request: Request, kind: str, retry_on: retry.ResponseKinds = retry.UNKNOWN) -> Flow[str]:
        """Start a job by a request that may be repeated; return its id, whatever 2xx names it."""
        with self.count_submission(kind):
            parsed = yield from self.send(request, RetryPolicy(retry.WRITE, retry_on))
            job_id = self.vendor.kinds[kind].read_id(parsed.body)
            if not job_id:
                why = "so whether there is one is unknown. It changes nothing, so it may be repeated."
                words = f"{self.vendor.title} said yes but named no job, {why}"
                raise Unreadable(words, info=parsed.info, transient=True)
        log.info("%s started job %s: %s", self.vendor.title, job_id, parsed.info)
        return job_id

    def job_request(self, job_id: str, about: Callable[[str], Request] | None = None) -> Request:
        """Return the request that reads a job, or another one about it; raise `InvalidInput` for no id."""
        is_plain = isinstance(job_id, str) and _PLAIN_JOB_ID.fullmatch(job_id)
        if not is_plain and (wrong := find_id_violation(job_id)):
            raise InvalidInput("Nothing was sent.", (f"job_id: {wrong}",))
        request = (about or self.vendor.build_status_request)(job_id)
        if not is_plain and (wrong := find_path_violation(request.path)):
            raise InvalidInput("Nothing was sent.", (f"job_id: {wrong}",))
        return request

    def get_job(self, job_id: str, budget: RetryBudget = retry.READ) -> Flow[Job]:
        """Read a job, again while that fails for a transient reason; raise `Refused` if it is unknown."""
        return (yield from self.poll_job(self.status_request(job_id), budget))

    def status_request(self, job_id: str) -> StatusRequest:
        """Return how a job is polled; raise `InvalidInput` for no id."""
        request = self.job_request(job_id)
        return StatusRequest(job_id, self.vendor.find_kind(job_id), request, self.vendor.name_kind(job_id))

    def poll_job(self, status: StatusRequest, budget: RetryBudget) -> Flow[Job]:
        """Read a job as `get_job` does, with what `status_request` returned."""
        self.emit(POLLS, kind=status.kind_name)
        try:
            parsed = yield from self.send(status.request, RetryPolicy(budget, retry.TRANSIENT))
        except NotFound as error:
            if (read_absence := status.kind.read_absence) is None:
                raise
            return read_absence(status.job_id, error.info)
        job = yield from response_parsing.read_job(status.kind, status.job_id, parsed, self.secrets)
        if job.state is JobState.ACTIVE and not is_known_status(job.status, status.kind.states):
            response_parsing.warn_of_status(self.vendor, job, self.unknown_words)
        return job

    def _prepare(self, request: Request, track_id: str, policy: RetryPolicy) -> tuple[Request, str]:
        """Return the request with all headers but the token's, gzipped if it is long, and its Track-Id."""
        self.check_allowed(request)  # every request passes here, before it asks for a token
        header = self.vendor.track_id_header
        track_id = (track_id or self.make_track_id()) if header else ""
        headers = {**request.headers, **(self._unsigned if policy.is_sign_in else self._signed)}
        if header:
            headers[header] = track_id
        body = request.body
        if self.vendor.accepts_gzip and len(body) > _GZIP_ABOVE:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, mtime=0)
        patience = min(request.patience, policy.budget.longest, self.longest_pause)
        return Request(request.method, request.path, request.params, headers, body, patience), track_id

    def _send_signed(
        self, request: Request, track_id: str, policy: RetryPolicy, renewals: int
    ) -> Flow[tuple[ParsedResponse, int]]:
        """Send a request, and again if its token is refused; return the answer and the sign-ins."""
        token = "" if policy.is_sign_in else (yield Token(budget=policy.budget))
        parsed = yield from self._exchange(request, track_id, token, policy)
        if parsed.kind is not ResponseKind.TOKEN or not renewals:
            return parsed, 0
        token = yield Token(refused=token, budget=policy.budget)
        return (yield from self._exchange(request, track_id, token, policy)), 1

    def _exchange(
        self, request: Request, track_id: str, token: str, policy: RetryPolicy
    ) -> Flow[ParsedResponse]:
        """Send a request once, follow the redirects that may be followed, and parse the answer."""
        method, path, headers = request.method, request.path, request.headers
        asked, is_redirected, secrets = f"{method} {path}", False, self.secrets_beside(token)
        level = logging.DEBUG if method == "GET" else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "%s%s", asked, f", Track-Id {track_id}" if track_id else "")
        if token:
            if method != "GET" and track_id:
                self.posted.append(track_id)
            request = request.with_headers({"Authorization": f"Bearer {token}"})
        self._recent.append((track_id, (method, path, headers.get("Idempotency-Key", ""))))
        try:
            response: Response = yield request
            if response.status in response_parsing.REDIRECTS:
                response = yield from response_parsing.follow_redirects(
                    self.credentials.base_url, request, response
                )
                is_redirected = True
            given_back = response.headers.get(self._track_header, track_id)
            if given_back != track_id:
                response_parsing.refuse_answer_to_another(self._recent, given_back, request)
        except response_parsing.NO_ANSWER as error:
            return response_parsing.parse_failure(error, ResponseInfo(asked, track_id), secrets)
        has_wait = response.status == 429 or "retry-after" in response.headers
        wait = read_retry_after(response) if has_wait else None
        info = ResponseInfo(asked, track_id, response.status, retry_after=wait)
        parse = partial(response_parsing.parse_answer, self.vendor, request, response, info, secrets, policy)
        if len(response.body) > LARGE_BODY:
            parsed: ParsedResponse = replace((yield RunInThread(parse)), is_large=True)
        else:
            parsed = parse()
        if is_redirected and parsed.kind is ResponseKind.NOT_FOUND:
            return replace(parsed, kind=ResponseKind.GATEWAY)
        return parsed
