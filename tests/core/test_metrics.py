"""What is counted: submissions by what became of them, polls, sign-ins and waits."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_zuora.core.errors import ApiError, LockContention, Refused, Unreachable
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.http.retry import ONCE
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.metrics import METRICS, THROTTLED_SECONDS
from airflow_provider_zuora.core.polling.wait import PollOptions, PollSchedule, wait_until_done
from airflow_provider_zuora.core.submission.bill_run_post import post_bill_run
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.core.runners import CREDENTIALS, Clock, Dice, Script, Tenant, answer, sample
from tests.core.submission.test_bill_run_post import RUN
from tests.core.submission.test_submit_order import BY, ORDER

GET = Request("GET", "/v1/async-jobs/j")
PROCESSING, COMPLETED = sample("job-processing/200"), sample("job-completed/200")
DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


class Figures(list):
    def __call__(self, metric, value, tags):
        assert set(tags) == set(metric.tags)
        self.append((metric.name, value, tags))

    def of(self, name):
        return [(value, tags) for each, value, tags in self if each == name]


@pytest.fixture
def figures():
    return Figures()


def run(line, figures, flow):
    line.emit = figures
    return line.run(flow(line.client()))


@pytest.fixture
def client(figures):
    line = Script([])
    line.emit = figures
    return line.client()


def test_a_submission_that_comes_to_a_job_is_counted_by_its_kind(client, figures):
    with client.count_submission("bill run"):
        pass
    assert figures == [("submissions", 1, {"vendor": "zuora", "kind": "bill run"})]


@pytest.mark.parametrize(
    ("error", "category"), [(Refused("no"), "refused"), (LockContention("no"), "lock_contention")]
)
def test_one_that_does_not_is_counted_by_the_category_of_its_error(client, figures, error, category):
    with pytest.raises(type(error)), client.count_submission("order"):
        raise error
    assert figures == [("refusals", 1, {"vendor": "zuora", "kind": "order", "category": category})]


def test_one_that_is_ended_from_outside_is_counted_as_neither(client, figures):
    with pytest.raises(KeyboardInterrupt), client.count_submission("order"):
        raise KeyboardInterrupt
    assert figures == []


def test_a_wait_counts_each_poll_and_how_long_the_job_took(figures):
    line = Script([PROCESSING, PROCESSING, COMPLETED])
    start = line.clock.now
    options = PollOptions(start - 30, start, schedule=PollSchedule(10.0))
    run(line, figures, lambda client: wait_until_done(client, "j-1", options))
    tags = {"vendor": "zuora", "kind": "order"}
    assert figures.of("polls") == [(1, tags)] * 3
    [(seconds, ended)] = figures.of("job_seconds")
    assert seconds == line.clock.now - start + 30
    assert ended == tags | {"state": "succeeded"}


@pytest.mark.parametrize(
    ("job_id", "kind"),
    [
        ("j-1", "order"),
        ("order:O-1", "order by number"),
        ("bill-run:7", "bill run"),
        ("bill-run-post:7", "bill run post"),
    ],
)
def test_a_poll_is_counted_by_the_kind_that_the_id_names(figures, job_id, kind):
    with pytest.raises(ApiError):
        run(Script([answer(404)]), figures, lambda client: client.get_job(job_id, ONCE))
    assert figures == [("polls", 1, {"vendor": "zuora", "kind": kind})]


def test_a_sign_in_is_counted_when_a_token_is_issued(figures):
    run(Tenant(), figures, lambda client: client.sign_in())
    assert figures == [("sign_ins", 1, {"vendor": "zuora"})]
    stranger = Tenant(credentials=replace(CREDENTIALS, client_secret="wrong"))
    with pytest.raises(ApiError):
        run(stranger, figures, lambda client: client.sign_in())
    assert len(figures) == 1


def test_a_limiter_tells_how_long_it_held_a_request_back():
    told, clock = [], Clock()
    limiter = RateLimiter(Dice(0.0), told.append)
    list(limiter.acquire(GET, clock))
    limiter.release(answer(429, Retry_After="7"), clock.now)
    for seconds in limiter.acquire(GET, clock):
        clock.sleep(seconds)
    assert told == [7.0]


BUSY = answer(429, Retry_After="3")
THROTTLED = {
    "a 429 with a Retry-After": ([BUSY], 3.0),
    "several": ([BUSY, answer(429, Retry_After="7")], 10.0),
    "a 429 without one": ([answer(429)], None),
    "a 503 with a Retry-After": ([answer(503, Retry_After="5")], 5.0),
    "no limit": ([answer(503), answer(502), Unreachable("no answer")], 0.0),
}


class Limited(Script):
    """Answers of a list through a limiter, as a transport sends."""

    def __init__(self, answers, figures):
        super().__init__(answers)
        self.emit = figures
        tags = {"vendor": "zuora"}
        self.limiter = RateLimiter(Dice(0.0), lambda seconds: figures(THROTTLED_SECONDS, seconds, tags))

    def _send(self, request):
        for seconds in self.limiter.acquire(request, self.clock):
            self.clock.sleep(seconds)
        response = None
        try:
            response = super()._send(request)
        finally:
            self.limiter.release(response, self.clock.now)
        return response


@pytest.mark.parametrize(("answers", "seconds"), THROTTLED.values(), ids=THROTTLED)
def test_the_pause_before_a_lone_request_is_repeated_is_counted_once(figures, answers, seconds):
    line = Limited([*answers, COMPLETED], figures)
    line.run(line.client().get_job("j-1"))
    told = [value for value, _ in figures.of("throttled_seconds")]
    assert sum(told) == (sum(line.clock.naps) if seconds is None else seconds)
    assert {str(tags) for _, tags in figures.of("throttled_seconds")} <= {"{'vendor': 'zuora'}"}


def test_the_pause_before_an_order_is_repeated_is_counted_once(figures):
    line = Limited([BUSY, answer(202, {"success": True, "jobId": "j-1"})], figures)
    line.run(submit_order(line.client(), check_order(ORDER), BY))
    assert figures.of("throttled_seconds") == [(3.0, {"vendor": "zuora"})]


def test_the_pause_before_a_run_is_posted_again_is_counted_once(figures):
    completed = answer(200, {"id": RUN, "status": "Completed", "success": True})
    line = Limited([completed, BUSY, completed, completed], figures)
    line.run(post_bill_run(line.client(), f"bill-run:{RUN}"))
    assert figures.of("throttled_seconds") == [(3.0, {"vendor": "zuora"})]


def test_a_request_that_the_limiter_refuses_is_counted_when_its_flow_has_waited(figures):
    line = Limited([answer(429, Retry_After="90"), COMPLETED], figures)
    client = line.client()
    with pytest.raises(ApiError):
        line.run(client.get_job("j-1", ONCE))
    line.run(client.get_job("j-1"))
    assert figures.of("throttled_seconds") == [(90.0, {"vendor": "zuora"})]


def test_the_table_in_the_docs_is_that_of_the_code():
    rows = re.findall(r"^\| `zuora\.(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    written = {name: (kind, re.findall(r"`(\w+)`", tags), meaning) for name, kind, tags, meaning in rows}
    assert written == {each.name: (str(each.type), list(each.tags), each.meaning) for each in METRICS}


def test_the_docs_list_each_kind_as_its_tag_is_written():
    listed = re.search(r"^- `kind` is what the job is: (.*?)\.", DOCS.read_text(), re.MULTILINE | re.DOTALL)[
        1
    ]
    kinds = [kind.replace(" ", "_") for vendor in VENDORS.values() for kind in vendor.kinds]
    assert re.findall(r"`(\w+)`", listed) == kinds


def test_the_polls_of_a_preview_are_those_of_an_order(figures):
    line = Script([answer(200, {"success": True, "jobId": "j-1"}), COMPLETED])
    request = Request("POST", "/v1/async/orders/preview", body=b"{}")
    job_id = run(line, figures, lambda client: client.submit(request, "preview"))
    run(line, figures, lambda client: client.get_job(job_id))
    assert figures == [
        ("submissions", 1, {"vendor": "zuora", "kind": "preview"}),
        ("polls", 1, {"vendor": "zuora", "kind": "order"}),
    ]
