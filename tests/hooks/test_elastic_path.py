"""Elastic Path's hook against a served sandbox: every status word, every row of the error table."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from airflow_provider_zuora.core.errors import (
    InvalidInput,
    JobFailed,
    NotFound,
    Refused,
    SignInRefused,
    Unreachable,
    Unreadable,
)
from airflow_provider_zuora.core.polling.wait import PollOptions, wait_until_done
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from zuora_sandbox import CLIENT_ID

FILTER = "ge(created_at,2024-07-01):lt(created_at,2024-07-02)"
ROWS = [{"id": "ep-1", "created_at": "2024-07-01T10:00:00Z"}, {"id": "ep-2", "created_at": "2024-07-02"}]
NO_RESULTS = "No results matched the supplied filter"
JOB = "/v2/jobs/"

# The table of status words, and what the sources say that they mean.
BUSY = ("pending", "started", "processing", "cancelling")
GOOD = ("success", "complete", "completed")
BAD = ("failed", "cancelled", "canceled")
CASES = (str.lower, str.upper, str.title)


def start_export(store, **settings):
    """Return the job of an export that has ended."""
    store.sandbox.set_exportable(ROWS)
    store.change(**settings)
    hook = ElasticPathHook()
    return hook.get_job(hook.export_orders(FILTER))


def read_result(job, **options):
    return ElasticPathHook().vendor.read_result(job, options)


class TestWords:
    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("word", GOOD)
    @pytest.mark.parametrize("in_list", [False, True])
    def test_a_job_that_succeeded(self, store, word, case, in_list):
        job = start_export(store, export_words=("a", "b", case(word), "c"), export_in_list=in_list)
        result = read_result(job).result

        assert (result["id"], result["status"], result["job_type"]) == (
            job.job_id,
            case(word),
            "order_export",
        )
        assert "href" not in repr(job)  # who has the link has the orders

    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("word", BAD)
    @pytest.mark.parametrize("in_list", [False, True])
    def test_a_job_that_failed(self, store, word, case, in_list):
        words = ("a", "b", "c", case(word))
        job = start_export(store, export_words=words, fail_exports="Boom", export_in_list=in_list)

        with pytest.raises(JobFailed, match=rf"Job {job.job_id} ended as {case(word)}.*Boom"):
            _ = read_result(job, empty_export="skip").result

    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("word", BUSY)
    def test_a_job_that_goes_on(self, store, word, case):
        job = start_export(store, export_seconds=60, export_words=("a", case(word), "c", "d"))

        assert (job.has_ended, job.status, job.result) == (False, case(word), None)

    @pytest.mark.parametrize("word", ["DONE", "successful", "", "failed!"])
    def test_with_an_unknown_word_a_job_goes_on(self, store, word):
        job = start_export(store, export_words=("a", "b", word, "d"))

        assert (job.has_ended, job.status, job.result) == (False, word or "without a status", None)
        assert "which nobody documents" in ElasticPathHook().vendor.describe(job)

    def test_a_wait_sees_one_job_after_the_other(self, store):
        hook = ElasticPathHook()
        store.sandbox.set_exportable(ROWS)
        store.change(export_seconds=60)
        first, second = hook.export_orders(FILTER), hook.export_orders(FILTER)

        assert [hook.get_job(each).status for each in (first, second)] == ["STARTED", "PENDING"]
        store.sandbox.advance(60)
        assert [hook.get_job(each).status for each in (first, second)] == ["SUCCESS", "STARTED"]
        store.sandbox.advance(60)
        assert hook.wait_for_job(second).result["status"] == "SUCCESS"


def test_the_triggerer_waits_over_the_same_flows(store):
    async def waited():
        hook = ElasticPathHook()
        now, session = time.time(), hook.get_conn()
        return await session.arun(wait_until_done(session.client(), job_id, PollOptions(now, now, now + 60)))

    job_id = start_export(store).job_id
    store.sandbox.revoke_tokens()

    assert asyncio.run(waited()).job.status == "SUCCESS"


class TestEmptyExports:
    @pytest.mark.parametrize("words", [("a", "b", "c", "FAILED"), ("a", "b", "c", "failed")])
    def test_an_empty_export_is_a_failure(self, store, words):
        store.sandbox.set_exportable(ROWS)
        store.change(export_words=words)
        hook = ElasticPathHook()
        waited = hook.wait_for_job(hook.export_orders("eq(id,ep-9)"))

        with pytest.raises(PermanentError, match=f"the export is empty.*{NO_RESULTS}"):
            _ = waited.result

    def test_an_empty_export_may_be_skipped(self, store):
        hook = ElasticPathHook()
        job = hook.get_job(hook.export_orders(FILTER))
        outcome = read_result(job, empty_export="skip")

        assert outcome.result is None
        assert "no order matched its filter" in outcome.skipped

    def test_a_full_export_is_not_skipped(self, store):
        assert not read_result(start_export(store), empty_export="skip").skipped

    @pytest.mark.parametrize("fails", ["", "Boom"])
    def test_another_word_is_refused(self, store, fails):
        job = start_export(store, fail_exports=fails)

        with pytest.raises(InvalidInput, match="empty_export: must be fail or skip, not 'ignore'"):
            _ = read_result(job, empty_export="ignore").result


E1 = {"errors": [{"status": 500, "title": "Internal Server Error", "detail": "D", "request_id": "r-1"}]}
E2 = {"title": "Resource Not Found", "status": 404, "detail": "The resource does not exist"}
E4 = {"errors": [{"status": 400, "source": "enabled", "title": "required", "detail": "enabled is required"}]}
EARLY = "Job has no file to download. Job status: "


def e1(status, title, **more):
    return {"errors": [{"status": status, "title": title, "request_id": "r-1", **more}]}


# Rows of the table 7.4: status, body, times sent, error, what it says.
READS = {
    "400 E1": (400, e1(400, "Bad Request"), 1, Refused, "HTTP 400: Bad Request (requestId r-1)"),
    "400 E4": (400, E4, 1, Refused, "required: enabled is required (source enabled)"),
    "401": (401, e1(401, "Unable to validate access token"), 2, SignInRefused, "Unable to validate"),
    "403": (403, e1(403, "Forbidden"), 1, Refused, "HTTP 403: Forbidden"),
    "404 E1": (404, e1(404, "Not Found"), 1, NotFound, "forgotten a week after it was created"),
    "404 E2": (404, E2, 1, NotFound, "HTTP 404: Resource Not Found: The resource does not exist"),
    "409": (409, e1(409, "Write conflict detected"), 10, Refused, "Write conflict detected"),
    "422": (422, e1("422", "Unprocessable", detail="filter"), 1, Refused, "Unprocessable: filter"),
    "422, an end": (422, e1("422", "U", detail=f"{EARLY}failed"), 1, Refused, "Job status: failed"),
    "422, unknown": (422, e1("422", "U", detail=f"{EARLY}odd"), 1, Refused, "Job status: odd"),
    "422, early": (422, e1("422", "U", detail=f"{EARLY}processing"), 10, Refused, "Job status: processing"),
    "422, EARLY": (422, e1("422", "U", detail=f"{EARLY}PENDING"), 10, Refused, "Job status: PENDING"),
    "429": (429, e1(429, "Too Many Requests"), 10, Refused, "Too Many Requests"),
    "500": (500, E1, 10, Refused, "Internal Server Error: D (requestId r-1)"),
    "500, no body": (500, b"", 10, Unreadable, "HTTP 500"),
    "503 E1": (503, e1(503, "Service Unavailable"), 10, Refused, "Service Unavailable"),
    "502, a page": (502, b"<html><title>Bad gateway</title>", 10, Unreadable, "Bad gateway"),
    "403, a page": (403, b"<html><title>Blocked</title>", 10, Unreadable, "Blocked"),
    "429, a page": (429, b"slow down", 10, Refused, "HTTP 429"),
    "405": (405, e1(405, "Method Not Allowed"), 1, Refused, "Method Not Allowed"),
    "OAuth's": (400, {"error": "invalid", "error_description": "why"}, 1, Refused, "invalid: why"),
    "a gateway's": (429, {"message": "API rate limit exceeded"}, 10, Refused, "API rate limit exceeded"),
    "no list": (400, {"errors": {"title": "odd"}}, 1, Refused, "odd"),
    "a text": (400, {"errors": ["odd"]}, 1, Refused, "odd"),
    "a list": (400, ["odd"], 1, Refused, '["odd"]'),
    "no word": (400, {"a": 1}, 1, Refused, '{"a": 1}'),
    "errors in a 200": (200, E1, 1, Refused, "for a reason that nobody documents"),
    "no JSON in a 200": (200, b"ok", 10, Unreadable, "2 bytes that are no JSON"),
}


@pytest.mark.parametrize(
    "data", [{"id": "j"}, [{"status": "success"}, {"status": "success"}], None, {"status": 5}], ids=str
)
def test_a_job_without_a_status_goes_on(store, data):
    store.fault(200, {"data": data}, path=JOB, times=None)
    job = ElasticPathHook().get_job("j")

    assert (job.has_ended, job.status) == (False, "without a status")


@pytest.mark.parametrize("row", READS)
def test_what_an_answer_to_a_read_means(store, row):
    status, body, times, kind, words = READS[row]
    store.fault(status, body, path=JOB, times=None)

    with pytest.raises((PermanentError, TransientError), match=re.escape(words)) as caught:
        ElasticPathHook().get_job("j")
    assert type(caught.value.__cause__) is kind
    assert isinstance(caught.value, TransientError) == (times == 10)
    assert len(store.asked(JOB)) == times


@pytest.mark.parametrize("row", [row for row, read in READS.items() if read[2] == 10])
def test_a_passing_error_passes(store, row):
    job = start_export(store)
    status, body, *_ = READS[row]
    store.fault(status, body, path=JOB, times=2)

    assert ElasticPathHook().get_job(job.job_id) == job
    assert [code for _, _, code in store.asked(JOB)] == [200, status, status, 200]


def test_a_refused_token_is_replaced_once(store):
    job = start_export(store)
    store.sandbox.revoke_tokens()

    assert ElasticPathHook().get_job(job.job_id) == job
    assert store.sandbox.ledger()["signIns"] == 2
    assert store.naps == []


@pytest.mark.parametrize(("stated", "least"), [({}, 3), ({"Retry-After": "7"}, 7)])
def test_a_limit_is_waited_for_a_few_seconds_where_nothing_says_how_many(store, stated, least):
    job = start_export(store)
    store.fault(429, e1(429, "Too Many Requests"), path=JOB, headers=stated)
    ElasticPathHook().get_job(job.job_id)

    assert store.naps[0] == least


@pytest.mark.parametrize("kind", ["answer", "reset", "cut"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_export_of_unknown_outcome_is_started_again(store, kind, when):
    body = E1 if (kind, when) != ("cut", "after") else b""
    store.fault(500, body, method="POST", path="/v2/jobs", kind=kind, when=when)
    hook = ElasticPathHook()
    job_id = hook.export_orders(FILTER)

    assert hook.get_job(job_id).has_ended
    assert len(store.sandbox.ledger()["exports"]) == (2 if when == "after" else 1)


def test_an_export_is_given_up_after_six_times(store):
    store.fault(0, kind="reset", method="POST", path="/v2/jobs", times=None)

    with pytest.raises(TransientError) as caught:
        ElasticPathHook().export_orders(FILTER)
    assert isinstance(caught.value.__cause__, Unreachable)
    assert len(store.asked("/v2/jobs")) == 6


def test_an_export_that_is_refused_says_why(store):
    with pytest.raises(PermanentError, match=r"HTTP 400: Bad Request: the filter .* \(source filter\)"):
        ElasticPathHook().export_orders("yesterday")


@pytest.mark.parametrize("filter_", ["", "  ", "a\nb", None, 7])
def test_what_is_no_filter_is_not_sent(store, filter_):
    with pytest.raises(PermanentError, match="filter: must be a text such as ge"):
        ElasticPathHook().export_orders(filter_)
    assert store.asked() == []


@pytest.mark.parametrize("body", [{"data": {"id": 7}}, {"data": []}, {"data": {"id": " "}}])
def test_an_export_without_a_job_is_no_success(store, body):
    store.fault(202, body, method="POST", path="/v2/jobs")

    with pytest.raises(TransientError, match="said yes but named no job"):
        ElasticPathHook().export_orders(FILTER)


@pytest.mark.parametrize(("status", "in_list"), [(201, False), (202, True)])
def test_every_shape_of_a_yes_will_do(store, status, in_list):
    store.change(export_status=status, export_in_list=in_list)

    assert ElasticPathHook().export_orders(FILTER)


def test_a_job_is_forgotten_after_a_week(store):
    job = start_export(store)
    store.sandbox.advance(7 * 86_400 - 1)
    assert ElasticPathHook().get_job(job.job_id).has_ended
    store.sandbox.advance(1)
    with pytest.raises(PermanentError, match=r"A job is forgotten a week after.*Resource Not Found"):
        ElasticPathHook().get_job(job.job_id)


@pytest.mark.parametrize("job_id", ["v4154f5b-not/hex?x=1#y", "order:O-1", "a b", "ü".encode().hex()])
def test_ids_are_opaque(store, job_id):
    with pytest.raises(PermanentError, match="Resource Not Found"):
        ElasticPathHook().get_job(job_id)
    ((_, path, _),) = store.asked(JOB)
    assert "?" not in path
    assert path.count("/") == 3


@pytest.mark.parametrize("job_id", ["", "..", ".", "a\nb"])
def test_what_is_no_id_is_not_sent(store, job_id):
    with pytest.raises(PermanentError, match="job_id: ") as caught:
        ElasticPathHook().get_job(job_id)
    assert isinstance(caught.value.__cause__, InvalidInput)
    assert store.asked() == []


class TestConnection:
    def test_good_credentials(self, store):
        good = (True, f"Signed in to {store.url} as client {CLIENT_ID}.")
        assert ElasticPathHook().test_connection() == good

    def test_bad_credentials(self, store):
        store.change(client_secret="another")
        good, words = ElasticPathHook().test_connection()

        assert not good
        assert "refuses the client id (login) or its secret" in words
        assert "The client credentials are not known" in words

    def test_a_sign_in_is_repeated_while_it_fails_for_a_passing_reason(self, store):
        store.fault(503, E1, path="/oauth", times=2)

        assert ElasticPathHook().export_orders(FILTER)
        assert [status for _, _, status in store.asked("/oauth")] == [503, 503, 200]

    def test_a_connection_of_zuora_is_refused(self, store, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ELASTIC_PATH_DEFAULT", '{"conn_type": "zuora", "host": "https://h"}')

        with pytest.raises(PermanentError, match="conn_type: must be elastic_path, generic, http or none"):
            ElasticPathHook().get_conn()

    def test_what_the_vendor_has_not_is_refused(self, store):
        hook = ElasticPathHook()
        with pytest.raises(PermanentError, match="Idempotency-Key: Elastic Path knows none"):
            hook.request("POST", "/v2/orders", idempotency_key="k")
        with pytest.raises(PermanentError, match="track_id: Elastic Path knows none"):
            hook.request("GET", "/v2/orders", track_id="t")
        assert store.asked() == []

    def test_no_header_of_another_vendor_is_sent(self, store):
        start_export(store)
        row = store.sandbox.ledger()["recent"][-1]

        assert (row["trackId"], row["idempotencyKey"]) == ("", "")
