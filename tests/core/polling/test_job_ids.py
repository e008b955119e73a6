"""Which ids are accepted, and how many travel in little room."""

from __future__ import annotations

import random
import uuid
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.job import check_job_ids, name_jobs
from airflow_provider_zuora.core.polling.events import pack_ids, unpack_ids
from airflow_provider_zuora.core.validation import find_id_violation

CHANCE = random.Random(1)
KINDS = {
    "32 digits": lambda _: f"{CHANCE.getrandbits(128):032x}",
    "UUID": lambda _: str(uuid.UUID(int=CHANCE.getrandbits(128), version=4)),
    "order number": lambda number: f"order:O-20240701-{number:06d}",
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_2000_ids_leave_room_among_40_kb_of_arguments(kind):
    job_ids = tuple(KINDS[kind](number) for number in range(2000))

    assert len(pack_ids(job_ids)) <= 40 * 1024 - 500
    assert unpack_ids(pack_ids(job_ids)) == job_ids


def test_packed_ids_are_written_in_json_as_they_are():
    job_ids = [KINDS["32 digits"](0) for _ in range(500)]

    assert set(pack_ids(job_ids)).isdisjoint('"\\')


ID = st.text(min_size=1, max_size=80).filter(lambda text: not find_id_violation(text))
DIGITS = st.text("0123456789abcdef", min_size=1, max_size=300)


@given(st.lists(ID | DIGITS | st.builds("{}-{}".format, DIGITS, ID), min_size=1, max_size=9))
def test_ids_come_back_as_they_were(job_ids):
    assert unpack_ids(pack_ids(job_ids)) == tuple(job_ids)


@pytest.mark.parametrize("text", ["", "nonsense", '"', "8ad081dd9096ef9501909b40bb4e74a4"])
def test_a_text_that_holds_no_ids_is_an_error(text):
    with pytest.raises(ValueError, match=r".+"):
        unpack_ids(text)


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ("j", ("j",)),
        ([], ()),
        (["b", "a", "b"], ("b", "a", "b")),
        (("order:O-1",), ("order:O-1",)),
        ("order:Größe 1", ("order:Größe 1",)),
        (deque(["a", "b"]), ("a", "b")),  # what a mapped task has pushed is a sequence of Airflow's own
        ('["a", "b"]', ('["a", "b"]',)),  # a text is an id, and never read
    ],
)
def test_what_is_taken(given, ids):
    assert check_job_ids(given) == ids


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (None, "job_id: must be an id or a list of ids, not of type NoneType"),
        (7, "not of type int"),
        ({"job_id": "a"}, "not of type dict"),
        ({"a", "b"}, "not of type set"),
        (b"a", "not of type bytes"),
        ("", "job_id: must have 1 to"),
        (["a", ""], r"job_id\[1\]: must have 1 to"),
        (["a", None], r"job_id\[1\]: must be a text, not of type NoneType"),
        ([["a"]], r"job_id\[0\]: must be a text, not of type list"),
        (["a\nb"], r"job_id\[0\]: must be printable without"),
    ],
)
def test_what_is_refused(given, rule):
    with pytest.raises(InvalidInput, match=rule):
        check_job_ids(given)


def test_how_jobs_are_called():
    assert [name_jobs(ids) for ids in (["a"], ["a", "b"], [])] == ["job a", "2 jobs (a and so on)", "0 jobs"]
