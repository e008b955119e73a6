"""What makes a submission the same one again, and what tells how a document has changed."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_zuora.core.json_types import format_path
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.submission.idempotency_keys import (
    IdempotencyScope,
    compute_account,
    compute_digest,
    find_changed_paths,
    hash_paths,
    propose_key,
    sha256,
)
from airflow_provider_zuora.core.vendors.zuora.order_rules import CheckedOrder
from tests.core.runners import BASE, CREDENTIALS, Script

ORDER = {
    "orderDate": "2024-07-01",
    "existingAccountNumber": "A00000097",
    "subscriptions": [{"orderActions": [{"type": "RenewSubscription"}]}],
}
TASK = ("dag", "run", "task")
BY = IdempotencyScope("", TASK, -1)
SCOPE = {"Zuora-Entity-Ids": "e1", "Zuora-Org-Ids": "o1"}


def client_of(credentials=CREDENTIALS, **scope):
    return Script([], credentials=credentials).client(**scope)


PATHS = {"order": "/v1/async/orders", "preview": "/v1/async/orders/preview"}


def checked_of(order, return_ids=False, kind="order", **headers):
    """Return a document as an order, whatever rules it breaks."""
    text = json.dumps(order, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    params = (("returnIds", "true"),) if return_ids else ()
    request = Request("POST", PATHS[kind], params, headers, text)
    return CheckedOrder(order, request, text, "", (), order.get("orderNumber"), is_special=False)


def digest(order=ORDER, scope=SCOPE, **options):
    return compute_digest(client_of(**scope), checked_of(order, **options))


def key(order=ORDER, by=BY, generation=0, **where):
    return by.key(digest(order, **where), order.get("orderNumber"), generation)


def hash_paths_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_key_has_67_characters_and_tells_nothing():
    assert re.fullmatch(r"af-[0-9a-f]{64}", key())


def test_the_key_stays_what_it_is_from_release_to_release():
    """A task that is retried after an upgrade must send the key that it sent before."""
    scope = '{"Zuora-Entity-Ids":"e1","Zuora-Org-Ids":"o1"}'
    order = json.dumps(ORDER, sort_keys=True, separators=(",", ":"))
    of_it = hash_paths_of(f'["POST","/v1/async/orders",[["returnIds","true"]],{scope},{order}]')
    assert digest(return_ids=True) == of_it
    assert key(return_ids=True) == "af-" + hash_paths_of(f'["",["dag","run","task",-1],"{of_it}",0]')
    assert BY.key("d", "Ö", 3) == "af-" + hash_paths_of('["",["dag","run","task","Ö"],"d",3]')
    assert IdempotencyScope("n", ("my key",)).key("d", "Ö") == "af-" + hash_paths_of('["n",["my key"],"d",0]')


SAME = {
    "the same": {},
    "another order of keys": {"order": dict(reversed(ORDER.items()))},
    "other headers": {"scope": SCOPE | {"Zuora-Version": "341.0"}},
    "another order of headers": {"scope": dict(reversed(SCOPE.items()))},
}
OTHER = {
    "another value": {"order": ORDER | {"orderDate": "2024-07-02"}},
    "another order of a list": {
        "order": ORDER | {"subscriptions": [*ORDER["subscriptions"], {"orderActions": []}]}
    },
    "an order number": {"order": ORDER | {"orderNumber": "O-1"}},
    "a null": {"order": ORDER | {"description": None}},
    "another namespace": {"by": IdempotencyScope("other", TASK, -1)},
    "another dag": {"by": IdempotencyScope("", ("dag2", "run", "task"), -1)},
    "another run": {"by": IdempotencyScope("", ("dag", "run2", "task"), -1)},
    "another task": {"by": IdempotencyScope("", ("dag", "run", "task2"), -1)},
    "the same text, cut elsewhere": {"by": IdempotencyScope("", ("dagrun", "", "task"), -1)},
    "another map index": {"by": IdempotencyScope("", TASK, 0)},
    "a user's key": {"by": IdempotencyScope("", ("my key",))},
    "ids": {"return_ids": True},
    "another entity": {"scope": SCOPE | {"Zuora-Entity-Ids": "e2"}},
    "other orgs": {"scope": SCOPE | {"Zuora-Org-Ids": "o1,o2"}},
    "no scope": {"scope": {}},
    "another generation": {"generation": 1},
    "another call": {"kind": "preview"},
    "a number that is spelt otherwise": {"order": ORDER | {"orderDate": 1}},
    "a number and a truth": {"order": ORDER | {"orderDate": True}},
    "a number and a fraction": {"order": ORDER | {"orderDate": 1.0}},
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


def test_the_map_index_plays_no_part_if_the_order_has_a_number():
    numbered = ORDER | {"orderNumber": "O-1"}
    assert key(numbered, IdempotencyScope("", TASK, 0)) == key(numbered, IdempotencyScope("", TASK, 7))
    assert key(ORDER, IdempotencyScope("", TASK, 0)) != key(ORDER, IdempotencyScope("", TASK, 7))
    assert key(ORDER | {"orderNumber": None}, IdempotencyScope("", TASK, 0)) != key(
        ORDER | {"orderNumber": None}, IdempotencyScope("", TASK, 7)
    )


def test_a_number_is_no_map_index():
    assert BY.key("digest", "7") != IdempotencyScope("", TASK, 7).key("digest", None)


def test_one_key_of_a_user_over_many_orders_means_many_orders():
    mine = IdempotencyScope("", ("my key",))
    assert len({key(ORDER | {"description": str(number)}, mine) for number in range(10)}) == 10
    assert key(by=mine) == key(by=mine)


@given(st.text(), st.text(), st.text())
def test_what_stands_together_cannot_be_cut_otherwise(namespace, first, second):
    together = IdempotencyScope(namespace, (first, second), 0).key("d", None)
    assert together != IdempotencyScope(namespace + first, (second,), 0).key("d", None)
    assert together != IdempotencyScope(namespace, (first + second,), 0).key("d", None)


def test_the_digest_is_of_what_is_sent_and_where_to():
    client = client_of(**SCOPE)
    assert re.fullmatch(r"[0-9a-f]{64}", digest())
    assert digest() != digest(kind="preview")
    assert digest() != digest(scope={})
    assert digest() == compute_digest(client, checked_of(dict(reversed(ORDER.items())), X="y"))


def test_what_is_no_json_has_no_digest():
    with pytest.raises(ValueError, match="Out of range float"):
        sha256({"a": float("nan")})


# Who submits, and to which account: what a later try compares.


def test_the_fingerprint_of_who_submits_stays_what_it_is_from_release_to_release():
    assert BY.fingerprint(None) == hash_paths_of('["",["dag","run","task",-1],null]')
    assert BY.fingerprint("Ö") == hash_paths_of('["",["dag","run","task","Ö"],"Ö"]')
    assert IdempotencyScope("n", ("my key",)).fingerprint("Ö") == hash_paths_of('["n",["my key"],"Ö"]')


def test_each_submitter_and_each_order_number_has_a_fingerprint_of_its_own():
    submitters = [
        BY,
        IdempotencyScope("other", TASK, -1),
        IdempotencyScope("", ("dag2", "run", "task"), -1),
        IdempotencyScope("", ("my key",)),
        IdempotencyScope("other", ("my key",)),
    ]
    prints = {by.fingerprint(number) for by in submitters for number in (None, "O-1", "O-2")}
    assert len(prints) == 15
    assert replace(BY, position=3).fingerprint(None) not in prints
    assert replace(BY, position=3).fingerprint("O-1") == BY.fingerprint("O-1")


def test_the_fingerprint_of_an_account_stays_what_it_is_from_release_to_release():
    client = client_of(replace(CREDENTIALS, client_id="id"), **SCOPE)
    assert compute_account(client) == hash_paths_of(
        f'["{BASE}","id",{{"Zuora-Entity-Ids":"e1","Zuora-Org-Ids":"o1"}}]'
    )


OTHER_ACCOUNTS = {
    "another URL": (replace(CREDENTIALS, base_url="https://rest.zuora.com"), SCOPE),
    "another client id": (replace(CREDENTIALS, client_id="id"), SCOPE),
    "another entity": (CREDENTIALS, SCOPE | {"Zuora-Entity-Ids": "e2"}),
    "other orgs": (CREDENTIALS, SCOPE | {"Zuora-Org-Ids": "o2"}),
    "no scope": (CREDENTIALS, {}),
}


def test_each_account_has_a_fingerprint_of_its_own():
    prints = {compute_account(client_of(who, **scope)) for who, scope in OTHER_ACCOUNTS.values()}
    assert len(prints | {compute_account(client_of(**SCOPE))}) == 6


def test_a_new_secret_and_a_new_version_make_no_other_account():
    other = replace(CREDENTIALS, client_secret="new")
    assert compute_account(client_of(other, Zuora_Version="341.0")) == compute_account(client_of())


# What has changed in a document, found without keeping it.

SECRET = CREDENTIALS.client_secret.encode()


def keyed(text, secret=SECRET):
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:16]


def test_each_value_of_a_document_has_a_hash_under_its_path():
    document = {
        "text": "Ö",
        "number": 1.5,
        "nothing": None,
        "odd name": {"a": {}, "b": [], "c": [True, {"d": ""}]},
    }
    assert hash_paths(client_of(), document) == {
        "$.text": keyed('"Ö"'),
        "$.number": keyed("1.5"),
        "$.nothing": keyed("null"),
        '$["odd name"].a': keyed("{}"),
        '$["odd name"].b': keyed("[]"),
        '$["odd name"].c[0]': keyed("true"),
        '$["odd name"].c[1].d': keyed('""'),
    }


def test_the_hashes_are_keyed_by_the_secret():
    """A security code of three digits could be found by trying a thousand."""
    document = {"creditCard": {"securityCode": "737"}}
    ours = hash_paths(client_of(), document)
    theirs = hash_paths(client_of(replace(CREDENTIALS, client_secret="another")), document)
    assert ours.keys() == theirs.keys() == {"$.creditCard.securityCode"}
    assert ours != theirs
    assert hash_paths_of('"737"')[:16] not in ours.values()


@pytest.mark.parametrize(
    ("document", "text"), [({}, "{}"), ([], "[]"), (None, "null"), ("a", '"a"'), (7, "7")], ids=repr
)
def test_a_document_without_parts_has_one_hash(document, text):
    assert hash_paths(client_of(), document) == {"$": keyed(text)}


def test_a_document_of_more_than_250_values_is_hashed_by_parts():
    row = {"a": 1, "b": 2}
    assert len(hash_paths(client_of(), {"rows": [row] * 125})) == 250
    by_row = hash_paths(client_of(), {"rows": [row] * 126})
    assert len(by_row) == 126
    assert by_row["$.rows[125]"] == keyed('{"a":1,"b":2}')
    assert len(hash_paths(client_of(), {"rows": [row] * 250})) == 250
    assert list(hash_paths(client_of(), {"rows": [row] * 251})) == ["$.rows"]
    assert list(hash_paths(client_of(), {str(number): 0 for number in range(251)})) == ["$"]


def test_a_document_of_the_most_levels_has_a_path_of_as_many_steps():
    deep = json.loads("[" * 64 + "]" * 64)
    assert hash_paths(client_of(), deep) == {"$" + "[0]" * 63: keyed("[]")}


SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=8),
    max_leaves=40,
)


def nodes(value, path=()):
    """Return every part of a document by its path, and how many values stand in it."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = {at: part for step, member in steps for at, part in nodes(member, (*path, step)).items()}
    leaves = sum(count for (*above, _), (_, count) in below.items() if tuple(above) == path)
    return {path: (value, leaves or 1)} | below


@given(DOCUMENTS)
@example({"rows": [[number, [number]] for number in range(100)]})
@example([[[0] * 7] * 7] * 7)
@example({str(row): dict.fromkeys("abc", row) for row in range(100)})
def test_no_document_has_more_than_250_hashes_and_the_parts_are_all_of_it(document):
    parts = {format_path(path): part for path, part in nodes(document).items()}
    hashes = hash_paths(client_of(), document)
    assert 1 <= len(hashes) <= 250
    assert hashes == {path: keyed(canonical(parts[path][0])) for path in hashes}
    assert sum(parts[path][1] for path in hashes) == parts["$"][1]


def canonical(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@given(DOCUMENTS, DOCUMENTS)
def test_documents_that_differ_have_paths_that_differ_and_equal_ones_none(before, after):
    client = client_of()
    first, second = hash_paths(client, before), hash_paths(client, after)
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (find_changed_paths(first, second) == []) is same
    assert find_changed_paths(first, hash_paths(client, json.loads(json.dumps(before)))) == []


def test_the_paths_that_have_changed_are_those_that_one_side_has_too():
    before = {"$.a": "1", "$.b": "2", "$.c": "3"}
    after = {"$.d": "4", "$.b": "2", "$.c": "9"}
    assert find_changed_paths(before, after) == ["$.a", "$.c", "$.d"]
    assert find_changed_paths({}, {}) == []


def test_what_has_changed_in_an_order():
    client = client_of()
    after = {name: value for name, value in ORDER.items() if name != "orderDate"} | {
        "description": "new",
        "subscriptions": [{"orderActions": [{"type": "OwnerTransfer"}]}],
    }
    assert find_changed_paths(hash_paths(client, ORDER), hash_paths(client, after)) == [
        "$.description",
        "$.orderDate",
        "$.subscriptions[0].orderActions[0].type",
    ]


# When a user's own key was issued, if it says so.


@pytest.mark.parametrize(
    ("key", "moment"),
    [
        ("again-1970-01-02T00:01Z", 86_460.0),
        (propose_key("k", 86_460.0), 86_460.0),
        ("2026-03-01T12:30Z", 1_772_368_200.0),
        ("again-2026-03-01T12:30Z-2", None),
        ("again-2026-03-01", None),
        ("again", None),
        ("", None),
        ("again-2026-13-01T12:30Z", None),
        ("again-2026-02-30T12:30Z", None),
        ("again-2026-03-01T24:30Z", None),
        ("again-2026-03-01T12:30Z\n", None),
        ("again-٢٠٢٦-03-01T12:30Z", None),
    ],
)
def test_the_time_in_which_a_users_own_key_ends(key, moment):
    assert IdempotencyScope("", (key,)).issued_at == moment


def test_a_key_of_a_list_ends_in_its_time_with_a_count_behind_it():
    assert IdempotencyScope("", ("2026-03-01T12:30Z", "1")).issued_at == 1_772_368_200.0


def test_the_identity_of_a_task_is_no_key_with_a_time():
    assert IdempotencyScope("", ("2026-03-01T12:30Z", "run", "task"), -1).issued_at is None
