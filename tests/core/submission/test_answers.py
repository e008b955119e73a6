"""What an answer to a POST decides, and what proves that the vendor stores it under the key."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import OutcomeUnknown, RateLimited, Refused, Unreachable
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.post import (
    _EVENTS,
    PROOF_SECONDS,
    UNSETTLED,
    Repetition,
    classify_answer,
    read_request_id,
)
from airflow_provider_zuora.core.submission.protocol import Event
from tests.core.runners import Memory, Script, answer
from tests.core.tries import NUMBERED, ORDER, POST, Zuora, body, submit
from zuora_sandbox import Fault

FIRST, RETRY = TaskAttempt(1, 2), TaskAttempt(2, 2)
ONE_ID = "c4a1f0de-93b7-4d25-8a6e-0f9b1c2d3e4f"
OTHER_ID = "0d9b7a52-1c3e-4f68-9a0b-2e4d6c8f7a91"


def read(given):
    """Return what a client reads in an answer to the POST of an order; a new token does not help."""
    script = Script([given, given])
    client = script.client()
    parsed = script.run(client.send_once(client.vendor.build_submit_request("order", ORDER, {}), "t-1"))
    named = client.vendor.find_kind("").read_id(parsed.body) if isinstance(parsed.body, dict) else ""
    return parsed, named


def decide(given):
    return classify_answer(*read(given))


def reasons(code, status=400, **more):
    return answer(status, {"success": False, "reasons": [{"code": code, "message": "Told so."}], **more})


def page(status):
    return Response(status, {"Content-Type": "text/html"}, b"<html><h1>Told so</h1></html>")


def cut_off(given):
    return replace(given, body=given.body[: len(given.body) // 2], damage="cut off")


ACCEPTED = answer(200, {"success": True, "jobId": "j-1"})
ANSWERS = {
    Event.ACCEPTED: {
        "200": ACCEPTED,
        "202": answer(202, {"success": True, "jobId": "j-1"}),
        "an older one": answer(409, {"success": True, "jobId": "j-1"}),
    },
    Event.REFUSED: {
        **{f"category {each}": reasons(53200000 + each) for each in (10, 20, 21, 22, 23, 27, 30, 40, 45, 90)},
        "404 with a code": reasons(58560040, 404),
        "403 with a code": reasons(90000010, 403),
        "200 with a code": reasons(53200030, 200),
        "an unknown category": reasons(53200077),
        "a code among words": answer(
            400, {"success": False, "reasons": [{"code": 53200020, "message": "a"}, {"message": "b"}]}
        ),
    },
    Event.LOCKED: {
        "409": reasons(53200050, 409),
        "200": reasons(53200050, 200),
    },
    Event.SIGN_IN_REFUSED: {
        "401": answer(401, {"message": "Authentication error"}),
        "401 with a code": reasons(90000020, 401),
        "category 11": reasons(90000011),
        "two digits": reasons(11),
    },
    Event.LIMITED: {
        "429": answer(429, {"message": "request exceeded limit"}),
        "429 without a body": answer(429),
        "429 as a page": page(429),
        "category 70": reasons(50000070, 200),
        "not sent": RateLimited("It is in a cool-down.", transient=True),
    },
    Event.TURNED_AWAY: {
        "403": answer(403, {"code": 403, "message": "Forbidden"}),
        "404": answer(404, {"message": "no Route matched with those values"}),
        "404 without a body": answer(404),
        "400 without a code": answer(400, {"success": False}),
        "400 with a code of two digits": reasons(20),
        "400 with a word for a code": reasons("INVALID_VALUE"),
        "400 with nine digits": reasons(532000200),
        "a lock of two digits": reasons(50, 409),
        "413": answer(413, {"message": "too large"}),
        "a redirect": answer(302, Location="https://example.com/"),
        "307": answer(307, Location="/v1/orders"),
        "a refusal that was cut off": cut_off(reasons(53200020)),
        "a lock that was cut off": cut_off(reasons(53200050, 400)),
        "400 that is no JSON": Response(400, {}, b"Bad Request"),
    },
    Event.IN_PROGRESS: {
        "409": answer(409, {"message": "A request with this key is in progress."}),
        "409 without a body": answer(409),
        "409 about the key": reasons(53200020, 409, message="The idempotency key is in use."),
    },
    Event.KEY_IN_USE: {
        "422 with a code": reasons(53200020, 422),
        "422": answer(422, {"message": "The key belongs to another request."}),
        "422 without a body": answer(422),
    },
    Event.NO_ANSWER: {
        "none": Unreachable("reset"),
        "a part": cut_off(ACCEPTED),
        "500": answer(500),
        "500 with a code": reasons(53200020, 500),
        "502": page(502),
        "503": answer(503, {"message": "busy"}),
        "504 with a code": reasons(53200020, 504),
        "408": answer(408),
        "403 as a page": page(403),
        "404 as a page": page(404),
        "200 as a page": page(200),
        "200 without a body": answer(200),
        "200 without a job": answer(200, {"success": True}),
        "a job without an id": answer(200, {"success": True, "jobId": ""}),
        "a job whose id is none": answer(200, {"success": True, "jobId": {"a": 1}}),
        "a list": answer(200, [{"jobId": "j-1"}]),
        "no reason": answer(200, {"success": False}),
        "200 with a word": reasons("SystemError", 200),
        **{f"category {each}": reasons(53200000 + each) for each in (60, 61, 99)},
        **{
            f"a refusal beside category {each}": answer(
                status, {"success": False, "reasons": [{"code": 53200020}, {"code": 53200000 + each}]}
            )
            for each, status in ((60, 400), (61, 200), (99, 403))
        },
    },
}


@pytest.mark.parametrize(
    ("event", "given"),
    [
        pytest.param(event, given, id=f"{event.name}: {name}")
        for event in ANSWERS
        for name, given in ANSWERS[event].items()
    ],
)
def test_what_an_answer_decides(event, given):
    assert decide(given) is event


def test_every_answer_has_its_row():
    assert set(ANSWERS) == {*_EVENTS.values(), Event.ACCEPTED, Event.KEY_IN_USE, Event.NO_ANSWER}


def test_a_post_is_settled_unless_it_or_another_may_have_made_the_order():
    assert {*UNSETTLED} == {Event.ACCEPTED, Event.NO_ANSWER, Event.IN_PROGRESS}


# Request ids.


@pytest.mark.parametrize("given", [ONE_ID, ONE_ID.upper()])
def test_a_uuid_is_a_request_id(given):
    assert read_request_id(read(answer(400, Zuora_Request_Id=given))[0]) == ONE_ID
    assert read_request_id(read(answer(400, {"requestId": given}))[0]) == ONE_ID


NO_ID = {
    "none": "",
    "nil": "00000000-0000-0000-0000-000000000000",
    "nearly nil": "00000000-0000-4000-8000-000000000000",
    "all ones": "11111111-1111-4111-8111-111111111111",
    "max": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "no dashes": ONE_ID.replace("-", ""),
    "too short": ONE_ID[:-1],
    "too long": ONE_ID + "0",
    "a line more": ONE_ID + "\n",
    "braces": f"{{{ONE_ID}}}",
    "no hex": ONE_ID.replace("c", "g"),
    "version 0": "c4a1f0de-93b7-0d25-8a6e-0f9b1c2d3e4f",
    "another variant": "c4a1f0de-93b7-4d25-0a6e-0f9b1c2d3e4f",
    "a word": "constant",
    "digits": "7",
}


@pytest.mark.parametrize("given", NO_ID.values(), ids=NO_ID)
def test_what_is_no_uuid_is_no_request_id(given):
    assert read_request_id(read(answer(400, {"requestId": given}))[0]) == ""


def test_an_answer_that_was_cut_off_has_no_request_id():
    whole = replace(ACCEPTED, headers={"Zuora-Request-Id": ONE_ID})

    assert read_request_id(read(whole)[0]) == ONE_ID
    assert read_request_id(read(cut_off(whole))[0]) == ""


def test_a_whole_page_has_its_request_id():
    given = Response(200, {"Zuora-Request-Id": ONE_ID}, b"<p>OK</p>")

    assert read_request_id(read(given)[0]) == ONE_ID


def test_almost_every_random_uuid_is_a_request_id():
    dice = random.Random(1)
    ids = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(500)]

    assert all(read_request_id(read(answer(400, {"requestId": each}))[0]) == each for each in ids)


# The proof.


def repeated(given=ONE_ID):
    return read(answer(400, {"requestId": given}))[0]


@pytest.mark.parametrize(
    ("known", "now", "given", "proven"),
    [
        (Repetition(ONE_ID, 0.0, OTHER_ID), PROOF_SECONDS, ONE_ID, True),
        (Repetition(ONE_ID, 0.0, OTHER_ID), PROOF_SECONDS - 0.1, ONE_ID, False),
        (Repetition(ONE_ID, 0.0, OTHER_ID), PROOF_SECONDS, OTHER_ID, False),
        (Repetition(ONE_ID, 0.0, ONE_ID), PROOF_SECONDS, ONE_ID, False),
        (Repetition(ONE_ID, 0.0), PROOF_SECONDS, ONE_ID, False),
        (Repetition(), PROOF_SECONDS, ONE_ID, False),
        (Repetition("", 0.0, OTHER_ID), PROOF_SECONDS, "", False),
    ],
    ids=["proven", "too soon", "another answer", "a constant id", "no control", "nothing", "no ids"],
)
def test_what_proves_that_an_answer_is_the_stored_one(known, now, given, proven):
    assert known.proves(repeated(given), now) is proven


# In a submission: an earlier POST may have made the order, and the others are refused.

LOST = "no answer, not made"


def tell(zuora):
    """Return how often the order was sent, and how often something else."""
    keys = [key for _, key in zuora.keys]
    controls = sum(key.startswith("control-") for key in keys)
    return len(keys) - controls, controls


@pytest.mark.parametrize("order", [NUMBERED, ORDER], ids=["numbered", "not numbered"])
def test_a_stored_refusal_is_proven_by_three_equal_answers_half_a_minute_apart(order):
    zuora = Zuora(LOST, "category 20")
    began = zuora.clock()
    end = submit(zuora, Memory(), FIRST, order).run().end

    assert isinstance(end, Refused)
    assert tell(zuora) == (4, 1)
    assert zuora.clock() - began >= PROOF_SECONDS
    control = next(at for at, (_, key) in enumerate(zuora.keys) if key.startswith("control-"))
    assert 1 < control < len(zuora.keys) - 1, "between two answers that are equal"
    assert len({key for _, key in zuora.keys if not key.startswith("control-")}) == 1


def test_the_posts_that_prove_it_have_track_ids_of_their_own():
    zuora = Zuora(LOST, "category 20")
    submit(zuora, Memory(), FIRST).run()
    tracks = [row["trackId"] for row in zuora.ledger["recent"] if row["path"] == POST]

    assert len(tracks) == len(set(tracks)) == 5


def test_a_control_that_is_not_answered_is_sent_once():
    zuora = Zuora("category 61", "accepted", "no answer, not made")
    submit(zuora, Memory(), FIRST).run()

    assert sum(key.startswith("control-") for _, key in zuora.keys) == 1
    assert len(zuora.keys) > 4, "the key itself is sent again, and proves nothing"


def test_the_control_is_an_order_that_cannot_be_made():
    zuora = Zuora(LOST, "category 20")
    actor, controls = submit(zuora, Memory(), FIRST), []
    while actor.running:
        step = actor.step
        if isinstance(step, Request) and step.headers.get("Idempotency-Key", "").startswith("control-"):
            controls.append(step)
        actor.act()

    [control] = controls
    assert (str(control), control.body) == (f"POST {POST}", b"{}")
    assert zuora.ledger["jobs"] == []


UNPROVEN = {
    "every answer has one id": {"request_id": ONE_ID},
    "no answer has an id": {"request_id": "none"},
    "ids are no UUIDs": {"request_id": "gateway-7"},
    "the id is nil": {"request_id": NO_ID["nil"]},
    "a stored answer has a new id each time": {"replay_request_id": "new"},
    "a stored answer has no id": {"replay_request_id": "none"},
}


@pytest.mark.parametrize("settings", UNPROVEN.values(), ids=UNPROVEN)
def test_without_the_proof_a_person_is_asked(settings):
    zuora = Zuora(LOST, "category 20", **settings)
    end = submit(zuora, Memory(), FIRST, ORDER).run().end

    assert isinstance(end, OutcomeUnknown)
    assert "an earlier POST under its key may have made it" in str(end)
    assert len({key for _, key in zuora.keys if not key.startswith("control-")}) == 1


@pytest.mark.parametrize("settings", UNPROVEN.values(), ids=UNPROVEN)
def test_without_the_proof_an_order_with_a_number_is_looked_up(settings):
    """Not there twice, ten minutes apart: then the refusal holds for all POSTs."""
    zuora = Zuora(LOST, "category 20", **settings)
    began = zuora.clock()
    end = submit(zuora, Memory(), FIRST).run().end

    assert isinstance(end, Refused)
    assert zuora.clock() - began >= 600
    assert zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"] == 2


@pytest.mark.parametrize("settings", UNPROVEN.values(), ids=UNPROVEN)
def test_without_the_proof_an_order_that_is_there_is_found(settings):
    zuora = Zuora("no answer, made", **settings)
    zuora.script += [refused_at_the_edge()] * 9
    end = submit(zuora, Memory(), FIRST).run().end

    assert end == "order:O-1"
    assert len(zuora.made) == 1


def refused_at_the_edge(code=90000020, **more):
    """Return a coded refusal from before the key store: it is not stored, and says nothing of others."""
    return Fault("POST", POST, when="before", status=400, body=body(code), **more)


EDGES = {
    "a new id each": {},
    "one id for all": {"request_id": ONE_ID},
    "none": {"request_id": "none"},
}


@pytest.mark.parametrize("more", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("code", [53200050, 90000020, 90000030, 50000040], ids=str)
def test_an_edge_that_refuses_for_ever_does_not_end_the_key(code, more):
    """The order of the first POST exists; every later one is refused before the key store."""
    zuora, memory = Zuora("no answer, made"), Memory()
    zuora.script += [refused_at_the_edge(code, **more)] * 50
    first = submit(zuora, memory, FIRST, ORDER).run().end
    second = submit(zuora, memory, RETRY, ORDER).run().end

    assert not isinstance(first, Refused | str), first
    assert not isinstance(second, Refused | str), second
    zuora.script = []
    last = submit(zuora, memory, TaskAttempt(3, 5, is_cleared=True), ORDER).run().end
    assert [last] == zuora.made


def test_an_answer_that_is_cut_off_twice_is_no_stored_one():
    """c02: on a cluster a task ended so whose order existed."""
    zuora = Zuora("a cut-off body, made", "a cut-off body, made")
    began = zuora.clock()
    end = submit(zuora, Memory(), FIRST, ORDER).run().end

    assert [end] == zuora.made
    assert tell(zuora) == (3, 0)
    assert zuora.clock() - began < PROOF_SECONDS, "nothing was looked up, and nothing proven"


def test_a_limit_without_a_code_of_zuoras_is_not_taken_for_a_stored_answer():
    limit = Fault("POST", POST, status=429, body=b'{"message": "limit"}', request_id=ONE_ID)
    zuora = Zuora()
    zuora.script = [limit] * 4
    end = submit(zuora, Memory(), FIRST, ORDER).run().end

    assert [end] == zuora.made
    assert tell(zuora) == (5, 0)
    assert len({key for _, key in zuora.keys}) == 1


def test_a_post_of_somebody_elses_that_is_under_way_is_not_forgotten_by_the_next_try():
    """A 409 tells of a POST that nobody has counted: a library's, a proxy's, or a try's that still lives."""
    zuora, memory = Zuora("409 without a code"), Memory()
    first = submit(zuora, memory, FIRST, ORDER)
    while not zuora.keys:
        first.act()
    first.run(1)
    first.kill()
    zuora.script = [refused_at_the_edge()] * 20
    end = submit(zuora, memory, RETRY, ORDER).run().end

    assert isinstance(end, OutcomeUnknown), "not refused: that POST may have made the order"
