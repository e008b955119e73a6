"""Jobs, credentials, and what answers mean."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import InvalidInput, JobFailed, LockContention, ResponseInfo
from airflow_provider_zuora.core.job import NO_STATUS, Job, JobResult, JobState, clean_job_id
from airflow_provider_zuora.core.messages import Credentials, ResponseKind
from airflow_provider_zuora.core.polling.events import read_job, write_job
from airflow_provider_zuora.core.vendors.base import read_status
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora

STATES = Zuora.kinds["order"].states
ANSWER = ResponseInfo("GET /v1/async-jobs/j", "af-1", 200, ("40000050",), ("locked",), "r", "p", 1.5)
ACTIVE = Job("j", JobState.ACTIVE, "Processing", info=ANSWER)
SUCCEEDED = Job("j", JobState.SUCCEEDED, "Completed", {"orderNumber": "O-1", "ids": [1, 2.5, None]})
FAILED = Job("j", JobState.FAILED, "Failed", info=ANSWER)
TRANSIENT = replace(FAILED, transient=True)
LOCKED = replace(TRANSIENT, locked=True)


@pytest.mark.parametrize(("job", "ended"), [(ACTIVE, False), (SUCCEEDED, True), (FAILED, True)])
def test_a_job_has_ended_well_or_badly_or_not_at_all(job, ended):
    assert job.has_ended is ended


MAY_PASS = (
    "Job j ended as Failed; by the vendor's codes this is a transient failure: "
    "submit again (a retry of a task that submits and waits does; else clear the submitting task)."
)


def test_a_job_that_succeeded_gives_its_result():
    assert JobResult.of_job(SUCCEEDED).result == {"orderNumber": "O-1", "ids": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("job", "kind", "words"),
    [
        (FAILED, JobFailed, "Job j ended as Failed; by the vendor's codes this is a permanent failure."),
        (TRANSIENT, JobFailed, MAY_PASS),
        (LOCKED, LockContention, MAY_PASS),
    ],
)
def test_a_job_that_failed_says_so_with_the_vendors_words(job, kind, words):
    with pytest.raises(kind) as caught:
        _ = JobResult.of_job(job).result
    assert type(caught.value) is type(job.build_error()) is kind
    assert str(caught.value) == str(job.build_error())
    assert str(caught.value) == f"{words} | {ANSWER}"
    assert "[40000050] locked" in str(caught.value)
    assert caught.value.transient is job.transient
    assert caught.value.info == ANSWER


def test_a_job_that_has_not_ended_has_no_result():
    with pytest.raises(ValueError, match=r"^job j has not ended: it is Processing$"):
        JobResult.of_job(ACTIVE)


@pytest.mark.parametrize("job", [ACTIVE, SUCCEEDED, FAILED, TRANSIENT, LOCKED])
def test_a_job_travels_as_plain_json(job):
    values = write_job(job)
    assert json.loads(json.dumps(values)) == values
    assert read_job(json.loads(json.dumps(values))) == job


def test_the_fields_of_a_travelling_job():
    assert write_job(FAILED) == {
        "job_id": "j",
        "state": "failed",
        "status": "Failed",
        "result": None,
        "transient": False,
        "info": {
            "asked": "GET /v1/async-jobs/j",
            "track_id": "af-1",
            "status": 200,
            "codes": ["40000050"],
            "messages": ["locked"],
            "request_id": "r",
            "process_id": "p",
            "retry_after": 1.5,
        },
        "locked": False,
    }


def test_a_job_that_an_older_release_described_met_no_lock_that_it_knew_of():
    values = write_job(TRANSIENT)
    del values["locked"]
    assert read_job(values) == TRANSIENT


def test_a_result_travels_however_deep_it_is():
    deep = json.loads("[" * 700 + "]" * 700)
    assert write_job(replace(SUCCEEDED, result=deep))["result"] == deep


@pytest.mark.parametrize(
    "change",
    [
        {"state": "paused"},
        {"state": None},
        {"info": {"asked": "GET /"}},
        {"info": {**write_job(FAILED)["info"], "codes": None}},
        {"info": {**write_job(FAILED)["info"], "new": 1}},
        {"info": "text"},
        {"new": 1},
    ],
    ids=str,
)
def test_what_does_not_describe_a_job_is_refused(change):
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_job(write_job(FAILED) | change)


@pytest.mark.parametrize("name", ["job_id", "state", "status", "info"])
def test_a_description_that_lacks_a_field_is_refused(name):
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_job({key: value for key, value in write_job(FAILED).items() if key != name})


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        (("", "id", "secret"), ("host: must be a URL such as https://api.example.com",)),
        (
            ("http://rest.zuora.com", "id", "secret"),
            ("host: http is refused except on loopback, use https",),
        ),
        (("https://h", "", "secret"), ("login: the OAuth client id is missing",)),
        (("https://h", "id", ""), ("password: the OAuth client secret is missing",)),
        (
            ("https://h?", "", ""),
            (
                "host: must not hold a query or a fragment",
                "login: the OAuth client id is missing",
                "password: the OAuth client secret is missing",
            ),
        ),
    ],
)
def test_credentials_that_cannot_work_are_refused_at_once(fields, lines):
    with pytest.raises(InvalidInput, match=r"^The connection cannot be used; nothing was sent\.\n") as caught:
        Credentials(*fields)
    assert caught.value.violations == lines


def test_credentials_show_who_signs_in_and_no_secret():
    shown = repr(Credentials("https://rest.zuora.com", "client-1", "s3cret"))
    assert shown == "Credentials(base_url='https://rest.zuora.com', client_id='client-1')"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Processing", JobState.ACTIVE),
        ("processing", JobState.ACTIVE),
        ("COMPLETED", JobState.SUCCEEDED),
        ("Failed", JobState.FAILED),
        (" Completed", JobState.SUCCEEDED),
    ],
)
def test_a_status_word_means_one_state_whatever_its_case(word, state):
    assert read_status(word, STATES)[0] is state


@pytest.mark.parametrize(
    "word",
    ["", "Complete", "Error", "Cancelled", "Pending", "有効", None, 200, True, ["Completed"]],
    ids=repr,
)
def test_with_an_unknown_status_word_or_none_a_job_goes_on(word):
    assert read_status(word, STATES)[0] is JobState.ACTIVE


@pytest.mark.parametrize(
    ("word", "status"),
    [("Queued", "Queued"), ("", NO_STATUS), ("x" * 201, "x" * 197 + "..."), ("a\n\x1b\0", "a\\n\\x1b\ufffd")],
    ids=ascii,
)
def test_a_status_word_is_one_printable_line(word, status):
    assert read_status(word, STATES)[1] == status


@pytest.mark.parametrize(
    ("value", "job_id"),
    [
        (" j\n", "j"),
        ("x" * 2048, "x" * 2048),
        ("x" * 2049, ""),
        ("a\0b", ""),
        ("\ud800", ""),
        ("", ""),
        (5, ""),
    ],
    ids=ascii,
)
def test_a_job_id_is_one_that_can_be_kept_and_asked_for(value, job_id):
    assert clean_job_id(value) == job_id


@pytest.mark.parametrize(
    ("job_id", "word", "words"),
    [
        ("j", "Processing", "it is Processing"),
        ("j", " processing", "it is  processing"),
        ("order:O-1", "Executing", "it is Executing"),
        ("j", "Queued", "its status is 'Queued', which nobody documents; known are processing, comp"),
        ("j", "", "it has no status, which nobody documents; known are processing, completed, failed"),
    ],
)
def test_how_far_a_job_is_stands_in_words(job_id, word, words):
    assert Zuora().describe(Job(job_id, JobState.ACTIVE, word or NO_STATUS)).startswith(words)


def test_the_states_are_spelt_alike_in_every_release():
    """They stand in the events of triggers, which another release may have fired."""
    assert {state.value for state in JobState} == {"active", "succeeded", "failed"}


def test_which_meanings_pass():
    assert {meaning.name: meaning.transient for meaning in ResponseKind} == {
        "OK": False,
        "REFUSED": False,
        "DENIED": False,
        "NOT_FOUND": False,
        "UNCLEAR": False,
        "TOKEN": False,
        "LIMITED": True,
        "HELD": True,
        "IN_PROGRESS": True,
        "LOCKED": True,
        "TEMPORARY": True,
        "GATEWAY": True,
        "SILENCE": True,
        "TOO_LARGE": False,
    }
    assert len({meaning.words for meaning in ResponseKind}) == len(ResponseKind)
