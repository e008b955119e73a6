"""What makes a submission the same one again."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.submission import Submitter, digest_of, submit_order
from tests.core.carriers import Script, answer

ORDER = {
    "orderDate": "2024-07-01",
    "existingAccountNumber": "A00000097",
    "subscriptions": [{"orderActions": [{"type": "RenewSubscription"}]}],
}
TASK = ("dag", "run", "task")
BY = Submitter("", TASK, -1)
ACCEPTED = answer(200, {"jobId": "j-1", "success": True})
SCOPE = {"Zuora-Entity-Ids": "e1", "Zuora-Org-Ids": "o1"}


def sent(order=ORDER, by=BY, scope=SCOPE, **options):
    """Return the one request of a submission."""
    script = Script([ACCEPTED])
    assert script.run(submit_order(script.client(**scope), order, by, **options)) == "j-1"
    (request,) = script.sent
    return request


def key(*arguments, **options):
    return sent(*arguments, **options).header("Idempotency-Key")


def test_an_order_is_sent_with_a_key_of_67_characters_that_tells_nothing():
    request = sent()
    assert str(request) == "POST /v1/async/orders"
    assert json.loads(request.body) == ORDER
    assert re.fullmatch(r"af-[0-9a-f]{64}", request.header("Idempotency-Key"))


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_key_stays_what_it_is_from_release_to_release():
    """A task that is retried after an upgrade must send the key that it sent before."""
    scope = '{"Zuora-Entity-Ids":"e1","Zuora-Org-Ids":"o1"}'
    order = json.dumps(ORDER, sort_keys=True, separators=(",", ":"))
    digest = sha256(f'["POST","/v1/async/orders",[["returnIds","true"]],{scope},{order}]')
    assert key(return_ids=True) == "af-" + sha256(f'["",["dag","run","task",-1],"{digest}",0]')
    assert BY.key("d", "Ö", 3) == "af-" + sha256('["",["dag","run","task","Ö"],"d",3]')
    assert Submitter("n", ("my key",)).key("d", "Ö") == "af-" + sha256('["n",["my key"],"d",0]')


SAME = {
    "the same": {},
    "another order of keys": {"order": dict(reversed(ORDER.items()))},
    "other headers": {"scope": SCOPE | {"Zuora-Version": "341.0"}},
}
OTHER = {
    "another value": {"order": ORDER | {"orderDate": "2024-07-02"}},
    "another order of a list": {
        "order": ORDER | {"subscriptions": [*ORDER["subscriptions"], {"orderActions": []}]}
    },
    "an order number": {"order": ORDER | {"orderNumber": "O-1"}},
    "a null": {"order": ORDER | {"description": None}},
    "another namespace": {"by": Submitter("other", TASK, -1)},
    "another dag": {"by": Submitter("", ("dag2", "run", "task"), -1)},
    "another run": {"by": Submitter("", ("dag", "run2", "task"), -1)},
    "another task": {"by": Submitter("", ("dag", "run", "task2"), -1)},
    "the same text, cut elsewhere": {"by": Submitter("", ("dagrun", "", "task"), -1)},
    "another map index": {"by": Submitter("", TASK, 0)},
    "a user's key": {"by": Submitter("", ("my key",))},
    "ids": {"return_ids": True},
    "another entity": {"scope": SCOPE | {"Zuora-Entity-Ids": "e2"}},
    "other orgs": {"scope": SCOPE | {"Zuora-Org-Ids": "o1,o2"}},
    "no scope": {"scope": {}},
    "a scope that has changed places": {"scope": {"Zuora-Entity-Ids": "o1", "Zuora-Org-Ids": "e1"}},
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_the_same_submission_has_the_same_key(change):
    assert key(**change) == key()


def test_each_difference_makes_a_key_of_its_own():
    keys = {name: key(**change) for name, change in OTHER.items()} | {"": key()}
    assert len(set(keys.values())) == len(keys)


def test_a_generation_has_a_key_of_its_own():
    assert len({BY.key("digest", None, generation) for generation in range(5)}) == 5


def test_the_map_index_plays_no_part_where_the_order_has_a_number():
    numbered = ORDER | {"orderNumber": "O-1"}
    assert key(numbered, Submitter("", TASK, 0)) == key(numbered, Submitter("", TASK, 7))
    assert key(ORDER, Submitter("", TASK, 0)) != key(ORDER, Submitter("", TASK, 7))
    assert key(ORDER | {"orderNumber": None}, Submitter("", TASK, 0)) != key(
        ORDER | {"orderNumber": None}, Submitter("", TASK, 7)
    )


def test_a_number_is_no_map_index():
    assert BY.key("digest", "7") != Submitter("", TASK, 7).key("digest", None)


def test_one_key_of_a_user_over_many_orders_means_many_orders():
    mine = Submitter("", ("my key",))
    assert len({key(ORDER | {"description": str(number)}, mine) for number in range(10)}) == 10
    assert key(by=mine) == key(by=mine)


@given(st.text(), st.text(), st.text())
def test_what_stands_together_cannot_be_cut_otherwise(namespace, first, second):
    together = Submitter(namespace, (first, second), 0).key("d", None)
    assert together != Submitter(namespace + first, (second,), 0).key("d", None)
    assert together != Submitter(namespace, (first + second,), 0).key("d", None)


def test_a_raw_key_is_sent_as_it_is():
    assert key(raw_key="My key: 7/9") == "My key: 7/9"
    assert key(by=Submitter("", ("my key",)), raw_key="x" * 254) == "x" * 254


PRINTABLE = "must be printable ASCII without white space at its ends"


@pytest.mark.parametrize(
    ("by", "raw_key", "lines"),
    [
        (BY, "", ("raw_idempotency_key: must have 1 to 254 characters, this has 0",)),
        (BY, "x" * 255, ("raw_idempotency_key: must have 1 to 254 characters, this has 255",)),
        (BY, "a\nb", (f"raw_idempotency_key: {PRINTABLE}",)),
        (BY, 7, ("raw_idempotency_key: must be a text, not of type int",)),
        (Submitter("", ("",)), None, ("idempotency_key: must have 1 to 254 characters, this has 0",)),
        (Submitter("", (7,)), None, ("idempotency_key: must be a text, not of type int",)),
        (
            Submitter("", ("ü",)),
            "ü",
            (f"idempotency_key: {PRINTABLE}", f"raw_idempotency_key: {PRINTABLE}"),
        ),
    ],
    ids=str,
)
def test_a_key_that_cannot_be_sent_is_refused_before_all_else(by, raw_key, lines):
    script = Script([])
    with pytest.raises(InvalidInput, match=r"^Nothing was sent\.\n") as caught:
        script.run(submit_order(script.client(), "no order", by, raw_key=raw_key))
    assert caught.value.violations == lines


def test_the_identity_of_a_task_is_no_header_and_may_hold_anything():
    assert key(by=Submitter("ü", ("dag ü", "manual__2024-07-01T00:00:00+00:00", "x" * 300), 3))


def test_an_order_with_ten_violations_is_one_error_with_ten_lines_and_no_request():
    order = {f"a\U0001f600{number}": 1 for number in range(8)}
    script = Script([])
    with pytest.raises(InvalidInput, match="10 rules are broken, nothing was sent") as caught:
        script.run(submit_order(script.client(), order, BY))
    assert len(caught.value.violations) == 10
    assert script.asked == []


def test_the_digest_is_of_what_is_sent_and_where_to():
    script = Script([])
    client = script.client(**SCOPE)
    request = client.vendor.submission("order", ORDER, {})
    digest = digest_of(client, request, ORDER)
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    preview = client.vendor.submission("preview", ORDER, {})
    assert digest != digest_of(client, preview, ORDER)
    assert digest != digest_of(script.client(), request, ORDER)
    assert digest == digest_of(client, request.with_headers({"X": "y"}), dict(reversed(ORDER.items())))
