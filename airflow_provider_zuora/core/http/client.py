"""Every conversation with a vendor, written once as flows: sign in, submit, read, wait. No I/O."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, SignInRefused, Unreadable
from airflow_provider_zuora.core.flow import READ, Flow, RetryBudget, RunInThread
from airflow_provider_zuora.core.http.exchange import (
    NOT_PROCESSED,
    TRANSIENT,
    UNKNOWN,
    WRITE,
    Exchange,
    ResponseKinds,
    RetryPolicy,
    Sent,
)
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request
from airflow_provider_zuora.core.validation import (
    KEY_LENGTH,
    header_violation,
    id_violation,
    method_violation,
    path_violation,
)
from airflow_provider_zuora.core.vendors.base import Vendor

log = logging.getLogger(__name__)

_WORDS, _WORD_LENGTH = 20, 80  # unknown status words that are warned of, and what is kept of each
_TOKEN_MARGIN = 60.0  # seconds before its end from which a token is not used any more; of a short one, less
_SHORT_MARGIN = 4  # the part of a short life, inverse
_SHORTEST_USE = 5.0  # seconds; one sign-in for each request would reach the vendor's limit, 100 a minute
_LONGEST_LIFE = 24 * 3600.0  # seconds; Zuora's tokens last an hour


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and the time from which it is not used any more, on the client's clock."""

    token: str = field(repr=False)
    expires: float


class ApiClient:
    """
    The flows of one account of one vendor.

    :param headers: sent with every request but the sign-in, for example the entity.
    :param clock: returns seconds; expiries, and all that outlives the process, are read against it.
    :param rng: for jitter and Track-Ids.
    :param hidden: values of an order that no answer's words may hold, see `hiding`.
    :param ticks: returns seconds that budgets and waits are measured by, and nobody sets it; None: ``clock``.
    :param sent: the last requests of the account; None: of this client alone.
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
        wrong = tuple(f"{name}: {why}" for name, value in headers.items() if (why := header_violation(value)))
        if wrong:
            raise InvalidInput("The connection cannot be used; nothing was sent.", wrong)
        self.vendor = vendor
        self.credentials = credentials
        self.headers = headers
        self.clock = clock
        self.ticks = ticks or clock
        self.rng = rng
        self._sent = sent or Sent()
        self._exchange = Exchange(
            vendor, credentials, headers, clock=clock, rng=rng, hidden=hidden, ticks=ticks, sent=self._sent
        )
        self._strange: set[str] = set()

    def hiding(self, values: Sequence[str]) -> ApiClient:
        """
        Return this client as one in whose answers and jobs these values are hidden, whoever quotes them.

        :param values: of an order, see `masking.hidden_values`.
        """
        if not values:
            return self
        return ApiClient(
            self.vendor,
            self.credentials,
            self.headers,
            clock=self.clock,
            rng=self.rng,
            hidden=values,
            ticks=self.ticks,
            sent=self._sent,
        )

    def sign_in(self, budget: RetryBudget = READ) -> Flow[AccessToken]:
        """
        Ask for a token; only the account runs this, all other flows yield `Token`.

        :raises SignInRefused: where client id or secret are not accepted.
        """
        policy = RetryPolicy(budget, TRANSIENT, signed=False)
        try:
            parsed = yield from self._exchange(self.vendor.sign_in(self.credentials), policy)
        except SignInRefused as error:
            raise self._misplaced(error) or error from None
        token = parsed.body.get("access_token")
        if not isinstance(token, str) or header_violation(token, 8192):
            raise Unreadable("The answer to the sign-in holds no usable access_token.", info=parsed.info)
        lasts = _lifetime(self.vendor.token_seconds(parsed.body, self.clock()))
        log.info("Signed in to %s; the token lasts %.0f s", self.credentials.base_url, lasts)
        used = max(lasts - min(_TOKEN_MARGIN, lasts / _SHORT_MARGIN), _SHORTEST_USE)
        return AccessToken(token, self.clock() + used)

    def _misplaced(self, error: SignInRefused) -> SignInRefused | None:
        """Return what a refused sign-in means where the base URL holds a path that nobody knows."""
        path = urlsplit(self.credentials.base_url).path
        if not path or error.info is None or error.info.status not in (404, 405):
            return None
        words = f"there is no sign-in below the path {path} of the base URL (host); mostly it has no path"
        return SignInRefused(f"{self.vendor.title}: {words}.", info=error.info, attempts=error.attempts)

    def submit(self, request: Request, track_id: str = "", again: ResponseKinds = UNKNOWN) -> Flow[str]:
        """
        Start a job and return its id; any 2xx that names one will do.

        :param request: repeated while its outcome is unknown, so it carries a key or changes nothing.
        :param again: the meanings of an answer after which it is repeated.
        :raises InvalidInput: with every broken rule, before anything is sent.
        :raises Refused: where the vendor says no.
        :raises Unreachable, Unreadable: where nobody knows whether the vendor accepted it.
        """
        parsed = yield from self._exchange(request, RetryPolicy(WRITE, again), track_id)
        job_id = self.vendor.read_job_id(parsed.body)
        if not job_id:
            raise Unreadable(
                f"{self.vendor.title} said yes but named no job, so whether there is one is unknown. "
                "It changes nothing, so it may be repeated.",
                info=parsed.info,
                transient=True,
            )
        log.info("%s started job %s: %s", self.vendor.title, job_id, parsed.info)
        return job_id

    def job(self, job_id: str, budget: RetryBudget = READ) -> Flow[Job]:
        """
        Read a job, repeating the read while it fails for a passing reason.

        :raises Refused: where the vendor does not know the job, or may not show it.
        """
        return (yield from self.look(job_id, self.asking(job_id), budget))

    def asking(self, job_id: str, about: Callable[[str], Request] | None = None) -> Request:
        """
        Return the request that reads a job, checked; `look` sends it as often as one likes.

        :param about: makes another request of an id than the one that reads the job.
        :raises InvalidInput: where it is no id.
        """
        if wrong := id_violation(job_id):
            raise InvalidInput("Nothing was sent.", (f"job_id: {wrong}",))
        request = (about or self.vendor.status)(job_id)
        if wrong := path_violation(request.path):
            raise InvalidInput("Nothing was sent.", (f"job_id: {wrong}",))
        return request

    def look(self, job_id: str, request: Request, budget: RetryBudget) -> Flow[Job]:
        """Read a job as `job` does, with the request that `asking` returned."""
        parsed = yield from self.read(request, budget)
        job = yield from self.read_job(job_id, parsed)
        if not self.vendor.knows(job):
            self._warn(job)
        return job

    def read_job(self, job_id: str, parsed: ParsedResponse) -> Flow[Job]:
        """
        Return the job that an answer describes, without what this client hides.

        :raises Unreadable: if it describes none.
        """
        if parsed.is_large:
            job: Job = yield RunInThread(partial(self._exchange.job, job_id, parsed))
            return job
        return self._exchange.job(job_id, parsed)

    def redact_job(self, job: Job) -> Job:
        """Return a job in whose words nothing is left of what this client hides."""
        return self._exchange.redacted_job(job)

    def _warn(self, job: Job) -> None:
        """Say once of each unknown status word that jobs with it are waited for."""
        word = job.status[:_WORD_LENGTH]
        if word not in self._strange and len(self._strange) < _WORDS:
            self._strange.add(word)
            log.warning("Job %s is waited for: %s", job.job_id, self.vendor.described(job))

    def read(self, request: Request, budget: RetryBudget = READ) -> Flow[ParsedResponse]:
        """
        Read a page, repeating the read while it fails for a passing reason.

        :raises NotFound: where the vendor says that there is no such thing.
        """
        return (yield from self._exchange(request, RetryPolicy(budget, TRANSIENT)))

    def post(self, request: Request, track_id: str) -> Flow[ParsedResponse]:
        """Send a request once and return what is answered, good or bad."""
        return (yield from self._exchange.once(request, track_id))

    def new_track_id(self) -> str:
        """Return a Track-Id that nobody has used."""
        return self._exchange.new_track_id()

    def pause(self, parsed: ParsedResponse, attempt: int) -> float:
        """Return the seconds to wait after an answer before its request is sent for another time."""
        return self._exchange.pause(parsed, attempt)

    def error(self, parsed: ParsedResponse, attempts: int = 1) -> ApiError:
        """Return the error that an answer amounts to, one of `post`'s."""
        return self._exchange.error(parsed, attempts=attempts)

    def call(
        self,
        method: str,
        path: str,
        *,
        json_body: object = None,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        track_id: str = "",
    ) -> Flow[Any]:
        """
        Send any other request and return what a 2xx holds: see `ZuoraHook.request`.

        :param path: below the base URL, starting with ``/``; it may hold a query.
        :param headers: ``Idempotency-Key`` lets a POST be repeated while its outcome is unknown.
        :raises InvalidInput: where an argument cannot be sent as it is.
        """
        headers = headers or {}
        place = path_violation(path) if isinstance(path, str) else "must be a text"
        wrong = {"method": method_violation(method), "path": place}
        wrong |= {name: header_violation(value, KEY_LENGTH) for name, value in headers.items()}
        key = any(name.lower() == "idempotency-key" for name in headers)
        if key and not (self.vendor.keys and method == "POST"):
            wrong["Idempotency-Key"] = (
                "is for POST only" if self.vendor.keys else f"{self.vendor.title} knows none"
            )
        if lines := tuple(f"{name}: {why}" for name, why in wrong.items() if why):
            raise InvalidInput("Nothing was sent.", lines)
        request = Request(
            method,
            path,
            params=tuple(_query(params or {})),
            headers={**headers, **({} if json_body is None else {"Content-Type": "application/json"})},
            body=b"" if json_body is None else json.dumps(json_body, ensure_ascii=False).encode(),
        )
        safe = method in ("GET", "HEAD")
        again = TRANSIENT if safe else UNKNOWN if key else NOT_PROCESSED
        policy = RetryPolicy(READ if safe else WRITE, again, json_object=False, answered=not safe)
        parsed = yield from self._exchange(request, policy, track_id)
        return parsed.body


def _query(params: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield names and values; None is left out, a list gives its name several times."""
    for name, value in params.items():
        for each in value if isinstance(value, (list, tuple)) else (value,):
            if each is not None:
                yield name, str(each).lower() if isinstance(each, bool) else str(each)


def _lifetime(stated: object) -> float:
    """
    Return a token's life in seconds, a day at the most.

    :param stated: a number, perhaps as text; an hour where it is neither, or cannot be a life.
    """
    try:
        seconds = float(str(stated))
    except ValueError:
        return 3600.0
    return min(seconds, _LONGEST_LIFE) if 0 <= seconds < 1e9 else 3600.0
