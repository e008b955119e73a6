"""One request until its answer is final: what is sent, what is sent again and when, and what never leaves."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import random
import re
import string
from base64 import b64encode
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from airflow_provider_zuora.core.flow import RunInThread, Runner, Sleep, Token, run
from airflow_provider_zuora.core.http.generic_request import call_endpoint as call
from airflow_provider_zuora.core.http.response_parsing import make_error
from airflow_provider_zuora.core.http.retry import (
    NOT_PROCESSED,
    ONCE,
    READ,
    TRANSIENT,
    UNKNOWN,
    WRITE,
    delay_before_retry,
)
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.vendors.elastic_path import ElasticPath
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora
from tests.core.runners import BASE, SCOPE, Dice, Script, answer, arrive, sample

FOREVER = itertools.repeat
OK = answer(200, {"jobId": "j", "success": True})
ENTITY = SCOPE["Zuora-Entity-Ids"]

BUSY = ResponseInfo("GET /v1/a", messages=("the account is in a cool-down",), retry_after=5.0)

# An answer of each meaning.
ANSWERS = {
    "refused": sample("business-rule/400"),
    "limited": sample("rate/429"),
    "held": RateLimited("The limit is reached.", info=BUSY, transient=True),
    "in progress": sample("message-only/409"),
    "locked": sample("lock/409"),
    "temporary": sample("temporary/500"),
    "gateway": sample("edge-page/503"),
    "silence": Unreachable("connection reset"),
}
# What each kind of request is repeated after; all else leaves the flow at once.
RETRIED = {"limited", "held", "in progress", "locked", "temporary", "gateway", "silence"}
COVERED = {"limited", "held", "in progress", "gateway", "silence"}
KEY = {"Idempotency-Key": "k-1"}
REPEATED = {
    "GET": (RETRIED, 10, lambda client: call(client, "GET", "/v1/a")),
    "HEAD": (RETRIED, 10, lambda client: call(client, "HEAD", "/v1/a")),
    "sign-in": (RETRIED, 10, lambda client: client.sign_in()),
    "POST with a key": (
        COVERED,
        6,
        lambda client: call(client, "POST", "/v1/a", json_body={}, headers=KEY),
    ),
    "POST without a key": (
        {"limited", "held"},
        6,
        lambda client: call(client, "POST", "/v1/a", json_body={}),
    ),
    "PUT": ({"limited", "held"}, 6, lambda client: call(client, "PUT", "/v1/a", json_body={})),
    "PATCH": ({"limited", "held"}, 6, lambda client: call(client, "PATCH", "/v1/a", json_body={})),
    "DELETE": ({"limited", "held"}, 6, lambda client: call(client, "DELETE", "/v1/a")),
}


@pytest.mark.parametrize("meaning", ANSWERS)
@pytest.mark.parametrize("kind", REPEATED)
def test_what_is_sent_again(kind, meaning):
    again, attempts, flow = REPEATED[kind]
    script = Script(FOREVER(ANSWERS[meaning]))
    with pytest.raises((Refused, RateLimited, Unreadable, Unreachable)) as caught:
        script.run(flow(script.client()))
    assert len(script.sent) == (attempts if meaning in again else 1)
    assert script.sent == [script.sent[0]] * len(script.sent)
    assert len(script.clock.naps) == len(script.sent) - 1
    assert caught.value.attempts == len(script.sent)
    assert caught.value.transient is (meaning in RETRIED)


@pytest.mark.parametrize("meaning", ANSWERS)
@pytest.mark.parametrize("kind", REPEATED)
def test_a_good_answer_ends_the_repeating(kind, meaning):
    again, _, flow = REPEATED[kind]
    good = answer(200, {"access_token": "abc"})
    script = Script([ANSWERS[meaning], good])
    if meaning in again:
        script.run(flow(script.client()))
        assert len(script.sent) == 2
    else:
        with pytest.raises((Refused, RateLimited, Unreadable, Unreachable)):
            script.run(flow(script.client()))
        assert next(script.answers) is good


def test_the_sets_behind_the_policy():
    assert {"LIMITED", "HELD"} == {meaning.name for meaning in NOT_PROCESSED}
    assert {"LIMITED", "HELD", "SILENCE", "GATEWAY", "IN_PROGRESS"} == {meaning.name for meaning in UNKNOWN}
    permanent = {
        ResponseKind.OK,
        ResponseKind.REFUSED,
        ResponseKind.DENIED,
        ResponseKind.NOT_FOUND,
        ResponseKind.UNCLEAR,
        ResponseKind.TOKEN,
    }
    permanent.add(ResponseKind.TOO_LARGE)
    assert set(ResponseKind) - permanent == TRANSIENT


@pytest.mark.parametrize("key", ["Idempotency-Key", "idempotency-key"])
def test_the_key_is_the_same_each_time_and_so_are_body_and_track_id(key):
    script = Script([Unreachable("a"), sample("edge-page/503"), sample("rate/429"), answer(409), OK])
    script.run(call(script.client(), "POST", "/v1/a", json_body={"a": 1}, headers={key: "k-1"}))
    assert script.headers("Idempotency-Key") == ["k-1"] * 5
    assert len(set(script.headers("Zuora-Track-Id"))) == 1
    assert {request.body for request in script.sent} == {b'{"a": 1}'}


# When a request is sent again: pauses, what the vendor asks for, and budgets.

NOW = "Sun, 06 Nov 1994 08:49:37 GMT"
TOO_MUCH = "9" * 30
SAID = [
    ("seconds", 503, {"Retry-After": "7"}, 7.0),
    ("seconds whatever the case", 503, {"retry-AFTER": "7"}, 7.0),
    ("with a fraction", 503, {"Retry-After": "0.5"}, 0.5),
    ("less than none", 503, {"Retry-After": "-5"}, 0.0),
    ("a date", 503, {"Retry-After": "Sun, 06 Nov 1994 08:51:37 GMT", "Date": NOW}, 120.0),
    ("a date of another zone", 503, {"Retry-After": "Sun, 06 Nov 1994 09:50:37 +0100", "Date": NOW}, 60.0),
    ("a date of no zone", 503, {"Retry-After": "Sun, 06 Nov 1994 08:50:37 -0000", "Date": NOW}, 60.0),
    ("a date that has passed", 503, {"Retry-After": "Sun, 06 Nov 1994 08:00:00 GMT", "Date": NOW}, 0.0),
    ("a date beside none", 503, {"Retry-After": "Sun, 06 Nov 1994 08:51:37 GMT"}, 0.0),
    ("a date beside nonsense", 503, {"Retry-After": NOW, "Date": "today"}, 0.0),
    ("nonsense", 503, {"Retry-After": "soon", "Date": NOW}, None),
    ("nothing", 503, {"Retry-After": "", "Date": NOW}, None),
    ("not a number", 503, {"Retry-After": "nan"}, None),
    ("for ever", 503, {"Retry-After": "inf"}, None),
    ("an epoch", 503, {"Retry-After": "1700000000"}, None),
    ("a year too large", 503, {"Retry-After": f"Sun, 06 Nov {TOO_MUCH} 08:00:00 GMT", "Date": NOW}, None),
    ("a day too large", 503, {"Retry-After": f"{TOO_MUCH} Nov 1994 08:00:00", "Date": NOW}, None),
    ("a zone too large", 503, {"Retry-After": f"06 Nov 1994 08:00:00 +{TOO_MUCH}", "Date": NOW}, None),
    ("a reset", 429, {"RateLimit-Reset": "9"}, 9.0),
    ("a reset beside a Retry-After", 429, {"RateLimit-Reset": "9", "Retry-After": "3"}, 9.0),
    ("a reset beside nonsense", 429, {"RateLimit-Reset": "9", "Retry-After": "soon"}, 9.0),
    ("a reset that is a date", 429, {"RateLimit-Reset": NOW, "Date": NOW}, None),
    ("a reset that is no 429", 503, {"RateLimit-Reset": "9"}, None),
    ("neither", 429, {}, None),
]


@pytest.mark.parametrize(
    ("status", "headers", "seconds"), [row[1:] for row in SAID], ids=[row[0] for row in SAID]
)
def test_the_wait_that_an_answer_asks_for(status, headers, seconds):
    flow = call(Script([], rng=Dice(0)).client(), "GET", "/v1/a")
    assert next(flow) == Token()
    flow.send("token")
    assert flow.send(arrive(Response(status, headers))) == Sleep(seconds or 0.0)
    script = Script([Response(status, headers)] * 10, rng=Dice(0))
    with pytest.raises((Refused, Unreadable)) as caught:
        script.run(call(script.client(), "GET", "/v1/a"))
    assert caught.value.info.retry_after == seconds
    assert caught.value.retry_after == (seconds or 0.0)


@given(st.text(string.printable), st.text(string.printable), st.sampled_from([200, 429, 503]))
def test_any_header_asks_for_a_sane_wait_or_for_none(retry, date, status):
    script = Script(
        FOREVER(answer(status, {"error": "x"}, Retry_After=retry, Date=date, RateLimit_Reset=retry))
    )
    with pytest.raises((Refused, Unreadable)) as caught:
        script.run(call(script.client(), "GET", "/v1/a"))
    assert 0.0 <= caught.value.retry_after < 1e9


CAPS = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


def pauses(rng, error=answer(503)):  # noqa: B008 - a value
    script = Script(FOREVER(error), rng=rng)
    with pytest.raises((Unreadable, Refused)):
        script.run(call(script.client(), "GET", "/v1/a"))
    return script.clock.naps


def test_pauses_have_full_jitter_below_a_cap_that_doubles_up_to_30_s():
    assert pauses(Dice(0)) == [0.0] * 9
    assert pauses(Dice(1)) == CAPS
    assert pauses(Dice(0.5)) == [cap / 2 for cap in CAPS]


@given(st.randoms(use_true_random=False))
def test_no_chance_leads_beyond_the_caps(rng):
    assert all(0 <= pause <= cap for pause, cap in zip(pauses(rng), CAPS, strict=True))


def test_the_longer_one_counts_of_the_vendors_wait_and_ours():
    assert pauses(Dice(1), answer(503, Retry_After="5")) == [5.0, 5.0, 5.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize(("budget", "attempts", "seconds"), [(READ, 10, 180), (WRITE, 6, 600), (ONCE, 1, 0)])
def test_the_budgets(budget, attempts, seconds):
    assert (budget.attempts, budget.seconds) == (attempts, seconds)


@pytest.mark.parametrize(
    ("flow", "seconds"),
    [
        (lambda client: call(client, "GET", "/v1/a"), 180),
        (lambda client: client.sign_in(), 180),
        (lambda client: client.get_job("j"), 180),
        (lambda client: call(client, "POST", "/v1/a"), 600),
        (lambda client: client.submit(Request("POST", "/v1/a"), "order"), 600),
    ],
    ids=["GET", "sign-in", "job", "POST", "submit"],
)
def test_no_pause_is_begun_that_would_end_after_the_budget(flow, seconds):
    script = Script(FOREVER(answer(429, Retry_After=str(seconds))), rng=Dice(0))
    with pytest.raises(Refused):
        script.run(flow(script.client()))
    assert script.clock.naps == [float(seconds)]
    script = Script(FOREVER(answer(429, Retry_After=str(seconds + 1))), rng=Dice(0))
    with pytest.raises(Refused) as caught:
        script.run(flow(script.client()))
    assert script.clock.naps == []
    assert caught.value.retry_after == seconds + 1


def test_slow_answers_use_up_the_budget_too():
    script = Script(FOREVER(Unreachable("timeout")), lasts=100, rng=Dice(0))
    with pytest.raises(Unreachable):
        script.run(call(script.client(), "GET", "/v1/a"))
    assert len(script.sent) == 2


@pytest.mark.parametrize("hidden", [(), ("0012345678",)], ids=["plain", "hiding"])
@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_leaves_a_budget_as_long_as_it_is(hours, hidden):
    def answers():
        yield answer(429, Retry_After="60")
        script.clock.ahead = hours * 3600.0
        yield from FOREVER(answer(429, Retry_After="60"))

    script = Script(answers(), rng=Dice(0))
    with pytest.raises(Refused):
        script.run(call(script.client().with_redacted(hidden), "GET", "/v1/a"))
    assert script.clock.naps == [60.0] * 3


# A request that is sent once, whatever is answered.

POST = Request("POST", "/v1/a", (("returnIds", "true"),), KEY, b"{}")
ONE_EACH = {
    ResponseKind.OK: OK,
    ResponseKind.REFUSED: sample("business-rule/400"),
    ResponseKind.DENIED: sample("permission/403"),
    ResponseKind.NOT_FOUND: sample("not-found/404"),
    ResponseKind.UNCLEAR: answer(200, {"success": False}),
    ResponseKind.LIMITED: sample("rate/429"),
    ResponseKind.HELD: ANSWERS["held"],
    ResponseKind.IN_PROGRESS: sample("message-only/409"),
    ResponseKind.LOCKED: sample("lock/409"),
    ResponseKind.TEMPORARY: sample("temporary/500"),
    ResponseKind.GATEWAY: sample("edge-page/503"),
    ResponseKind.SILENCE: Unreachable("connection reset"),
}


def test_any_other_request_may_be_answered_with_what_is_no_json():
    """It is as good as any, if it came whole: a file that is passed on, for example."""
    script = Script([Response(200, {"Content-Type": "text/csv"}, b"a,b")])
    assert script.run(call(script.client(), "GET", "/v1/files/1")) == "a,b"
    script = Script([Response(200, {"Content-Type": "text/csv"}, b"a", damage="cut off"), OK])
    assert script.run(call(script.client(), "GET", "/v1/files/1")) == {"jobId": "j", "success": True}
    assert len(script.sent) == 2


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "text/csv", "application/x-ndjson", "application/pdf"]
)
def test_a_refusal_is_one_whatever_its_content_type_says(kind):
    body = b'{"success": false, "reasons": [{"code": 50000020, "message": "No."}]}'
    script = Script([Response(200, {"Content-Type": kind}, body)])
    with pytest.raises(Refused, match="50000020"):
        script.run(call(script.client(), "GET", "/v1/files/1"))


def test_a_csv_that_looks_like_a_refusal_without_a_reason_is_a_csv():
    script = Script([Response(200, {"Content-Type": "text/csv"}, b'{"success": false}')])
    assert script.run(call(script.client(), "GET", "/v1/files/1")) == '{"success": false}'


ANOTHERS = {"Zuora-Track-Id": f"af-{7:032x}"}
LATE = Response(200, ANOTHERS, b'{"status": "Completed", "success": true, "result": {"orderNumber": "O-7"}}')


def test_the_answer_to_another_request_of_ours_is_none():
    """It came late, by the same connection; the next one by another is asked again for what we asked."""

    def both(client):
        yield from call(client, "GET", "/v1/b", track_id=f"af-{7:032x}")
        return (yield from call(client, "GET", "/v1/a"))

    script = Script([OK, LATE, OK])
    assert script.run(both(script.client())) == {"jobId": "j", "success": True}
    assert len(script.sent) == 3


def test_an_order_that_is_answered_with_another_ones_answer_is_not_submitted():
    def both(client):
        yield from client.send_once(replace(POST, headers={}), f"af-{7:032x}")
        hidden = client.with_redacted(("4111111111111111",))  # an order with secrets has its own client
        return (yield from hidden.send_once(POST))

    script = Script([OK, LATE])
    parsed = script.run(both(script.client()))
    assert parsed.kind is ResponseKind.SILENCE
    assert parsed.info.messages[0].startswith("what came is the answer to another request, Track-Id af-0")


def test_an_old_page_of_what_was_asked_is_a_page():
    """A cache gives the Track-Id back of whoever asked for it first."""

    def twice(client):
        yield from call(client, "GET", "/v1/a", track_id=f"af-{7:032x}")
        return (yield from call(client, "GET", "/v1/a"))

    script = Script([OK, LATE])
    assert script.run(twice(script.client()))["status"] == "Completed"


@pytest.mark.parametrize("given_back", ["", "somebody-else", f"AF-{7:032X}", f"af-{9:032x}"])
def test_a_track_id_that_nobody_here_has_sent_says_nothing(given_back):
    script = Script([replace(LATE, headers={"Zuora-Track-Id": given_back})])
    assert script.run(call(script.client(), "GET", "/v1/a"))["status"] == "Completed"


def test_a_stored_answer_may_give_the_first_track_id_back():
    script = Script([LATE])
    assert script.run(script.client().send_once(POST)).kind is ResponseKind.OK


def test_a_track_id_of_another_key_is_in_no_stored_answer():
    """The second order of a list gets a late answer to the first one, and no job of that."""
    first, second = f"af-{7:032x}", f"af-{8:032x}"
    other = replace(POST, headers={"Idempotency-Key": "another"})

    def both(client):
        yield from client.send_once(POST, first)
        return (yield from client.send_once(other, second)), (yield from client.send_once(POST, second))

    script = Script([OK, LATE, LATE])
    anothers, stored = script.run(both(script.client()))
    assert (anothers.kind, stored.kind) == (ResponseKind.SILENCE, ResponseKind.OK)


TOO_LARGE = Response(200, {}, b"", damage="the answer is larger than 7 bytes", is_too_large=True)


@pytest.mark.parametrize(
    "ask", [lambda client: call(client, "GET", "/v1/files/1"), lambda client: client.get_job("j")]
)
def test_a_get_whose_answer_is_too_large_is_one_request_and_an_error_that_names_the_limit(ask):
    script = Script([TOO_LARGE] * 10)
    with pytest.raises(Unreadable, match="larger than 7 bytes") as caught:
        script.run(ask(script.client()))
    assert not caught.value.transient
    assert len(script.sent) == 1


def test_of_a_post_whose_answer_is_too_large_the_outcome_is_unknown():
    script = Script([TOO_LARGE])
    assert script.run(script.client().send_once(POST)).kind is ResponseKind.GATEWAY


def test_an_error_page_that_is_too_large_passes():
    script = Script([replace(TOO_LARGE, status=503), OK])
    assert script.run(call(script.client(), "GET", "/v1/files/1")) == {"jobId": "j", "success": True}


def test_a_track_id_is_refused_where_the_vendor_knows_none():
    class Store(Script):
        vendor = ElasticPath()

    store = Store([])
    with pytest.raises(InvalidInput, match="track_id: Elastic Path knows none"):
        store.run(call(store.client(), "GET", "/v2/orders", track_id="mine"))


@pytest.mark.parametrize("meaning", ONE_EACH, ids=lambda meaning: meaning.name)
def test_what_is_posted_once_is_not_repeated_and_its_answer_is_returned_good_or_bad(meaning):
    script = Script([ONE_EACH[meaning]])
    parsed = script.run(script.client().send_once(POST, "my track"))
    assert parsed.kind is meaning
    (request,) = script.sent
    assert (request.params, request.body) == (POST.params, POST.body)
    assert (request.headers.get("Idempotency-Key", ""), request.headers.get("Zuora-Track-Id", "")) == (
        "k-1",
        "my track",
    )
    assert parsed.info.track_id == "my track"
    assert script.asked == [Token()]
    assert script.clock.naps == []


def test_what_is_posted_once_and_gets_no_object_may_have_been_taken():
    """A 2xx without a JSON object is a gateway's; it names no job."""
    script = Script([answer(200, [1])])
    assert script.run(script.client().send_once(POST, "t")).kind is ResponseKind.GATEWAY


def test_a_refused_token_is_replaced_once_where_a_request_is_posted_once():
    script = Script([answer(401), OK])
    assert script.run(script.client().send_once(POST, "t")).kind is ResponseKind.OK
    assert len(set(script.headers("Authorization"))) == 2
    assert script.headers("Idempotency-Key") == ["k-1", "k-1"]
    script = Script([answer(401), answer(401)])
    assert script.run(script.client().send_once(POST, "t")).kind is ResponseKind.TOKEN
    assert script.tokens == 2


def test_an_exchange_makes_up_the_track_id_of_a_request_that_has_none():
    script = Script([OK])
    parsed = script.run(script.client().send_once(POST))
    assert [parsed.info.track_id] == script.headers("Zuora-Track-Id")
    assert re.fullmatch(r"af-[0-9a-f]{32}", parsed.info.track_id)


KINDS_OF_ERRORS = {
    ResponseKind.HELD: RateLimited,
    ResponseKind.SILENCE: Unreachable,
    ResponseKind.GATEWAY: Unreadable,
    ResponseKind.TOO_LARGE: Unreadable,
    ResponseKind.TOKEN: SignInRefused,
    ResponseKind.NOT_FOUND: NotFound,
}


@pytest.mark.parametrize("meaning", [*ResponseKind][1:], ids=lambda meaning: meaning.name)
def test_the_error_that_an_answer_amounts_to(meaning):
    parsed = ParsedResponse(meaning, ResponseInfo("POST /v1/a", "t", 400, retry_after=7.0))
    error = make_error(Zuora(), parsed, 3)
    assert type(error) is KINDS_OF_ERRORS.get(meaning, Refused)
    assert str(error).startswith(f"Zuora: {meaning.words}.")
    assert error.transient is meaning.transient
    assert (error.info, error.attempts, error.retry_after) == (parsed.info, 3, 7.0)


@pytest.mark.parametrize(
    ("asked_for", "attempt", "seconds"),
    [(None, 1, 1.0), (None, 3, 4.0), (None, 6, 30.0), (None, 99, 30.0), (3.0, 1, 3.0), (3.0, 3, 4.0)],
)
def test_the_pause_after_an_answer_is_what_was_asked_for_or_the_backoff(asked_for, attempt, seconds):
    parsed = ParsedResponse(ResponseKind.LIMITED, ResponseInfo("POST /v1/a", retry_after=asked_for))
    assert delay_before_retry(parsed, attempt, Dice(1)) == seconds


# Tokens.

REFUSED_TOKENS = {
    "401": answer(401),
    "a message": sample("message-only/401"),
    "a page": Response(401, {}, b"<html><h1>Unauthorized</h1></html>"),
    "a code": sample("token/401"),
    "a code at HTTP 200": sample("token/200"),
    "a cut-off body": Response(401, {}, b'{"mess', "cut off"),
}


@pytest.mark.parametrize("refusal", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS)
@pytest.mark.parametrize("kind", ["GET", "POST with a key", "POST without a key", "DELETE"])
def test_a_refused_token_is_replaced_once(kind, refusal):
    script = Script([refusal, OK])
    script.run(REPEATED[kind][2](script.client()))
    first, second = (f"Bearer 6447d349d8854f0d{number:016x}" for number in (1, 2))
    assert script.headers("Authorization") == [first, second]
    assert script.asked == [Token(), Token(refused=first.removeprefix("Bearer "))]
    assert script.clock.naps == []
    assert len({request.headers.get("Idempotency-Key", "") for request in script.sent}) == 1


@pytest.mark.parametrize("refusal", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS)
def test_a_fresh_token_that_is_refused_is_no_loop(refusal):
    script = Script(FOREVER(refusal))
    with pytest.raises(SignInRefused, match="Check client id, secret and environment") as caught:
        script.run(call(script.client(), "GET", "/v1/a"))
    assert len(script.sent) == 2
    assert len(script.asked) == 2
    assert not caught.value.transient


def test_there_is_one_new_sign_in_for_all_attempts_together():
    script = Script([answer(401), answer(503), answer(401)])
    with pytest.raises(SignInRefused):
        script.run(call(script.client(), "GET", "/v1/a"))
    assert script.tokens == 2


def test_a_new_sign_in_is_no_attempt():
    script = Script(itertools.chain([answer(401)], FOREVER(answer(503))))
    with pytest.raises(Unreadable) as caught:
        script.run(call(script.client(), "GET", "/v1/a"))
    assert (len(script.sent), caught.value.attempts) == (11, 10)


def test_every_attempt_asks_for_the_token_anew_because_a_pause_may_outlive_it():
    script = Script([answer(503), OK])
    script.run(call(script.client(), "GET", "/v1/a"))
    assert script.asked == [Token(), Token()]


def test_an_error_of_the_sign_in_leaves_the_flow_as_it_is():
    flow = call(Script([]).client(), "GET", "/v1/a")
    next(flow)
    with pytest.raises(SignInRefused, match="no such client"):
        flow.throw(SignInRefused("no such client"))


def test_a_sign_in_is_never_signed_in_for():
    script = Script([sample("oauth/401")])
    with pytest.raises(SignInRefused):
        script.run(script.client().sign_in())
    assert script.asked == []


# Redirects.

HOME = "https://h.example:8443/apps"
AWAY = {
    "another host": "https://evil.example/apps/v1",
    "a host that begins like ours": "https://h.example:8443.evil.example/apps/v1",
    "a user that looks like our host": "https://h.example:8443@evil.example/apps/v1",
    "another port": "https://h.example:8444/apps/v1",
    "no port": "https://h.example/apps/v1",
    "another scheme": "http://h.example:8443/apps/v1",
    "no scheme": "//evil.example/apps/v1",
    "a path outside of the base": "https://h.example:8443/other/v1",
    "an absolute path outside of the base": "/other/v1",
    "a relative path outside of the base": "../../other",
    "a path that begins like the base": "https://h.example:8443/appsecret",
    "dots": "https://h.example:8443/apps/../other",
    "encoded dots": "https://h.example:8443/apps/%2e%2E/other",
    "the base itself": "https://h.example:8443/apps",
    "a fragment": "https://h.example:8443/apps/v1#a",
    "white space": "https://h.example:8443/apps/a b",
    "a backslash": "https://h.example:8443/apps/\\evil.example",
    "no URL": "https://[::1",
    "no URL either": "//[",
    "no host that can be": "https://h℀.example/",
    "javascript": "javascript:alert(1)",
    "nowhere": "",
}


def home(*answers):
    return Script(answers, credentials=Credentials(HOME, "id", "long-secret"))


@pytest.mark.parametrize("location", AWAY.values(), ids=AWAY)
def test_a_redirect_away_from_the_base_url_is_refused_and_the_token_stays(location):
    script = home(Response(302, {"Location": location}))
    with pytest.raises(Refused, match=r"HTTP 302: a redirect to \S+ is not followed") as caught:
        script.run(call(script.client(), "GET", "/v1/a"))
    assert [str(request) for request in script.sent] == ["GET /v1/a"]
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://evil.example/a?token=b", "evil.example"),
        ("https://id:secret@evil.example", "evil.example"),
        ("/away", "nowhere"),
        ("https://[", "nowhere"),
        ("https://" + "x" * 300, "x" * 197 + "..."),
    ],
)
def test_the_error_names_the_host_and_no_more(location, host):
    script = home(Response(307, {"Location": location}))
    with pytest.raises(Refused) as caught:
        script.run(call(script.client(), "GET", "/v1/a"))
    assert caught.value.info.messages == (f"a redirect to {host} is not followed",)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("https://h.example:8443/apps/v2/b?c=d", "/v2/b?c=d"),
        ("/apps/v2/b", "/v2/b"),
        ("b", "/v1/b"),
        ("?c=d", "/v1/a?c=d"),
        ("//h.example:8443/apps/b", "/b"),
    ],
)
def test_a_get_follows_a_redirect_below_the_base_url(status, location, path):
    script = home(Response(status, {"location": location}), OK)
    body = script.run(call(script.client(**{"Zuora-Version": "341.0"}), "GET", "/v1/a", params={"x": 1}))
    assert body == {"jobId": "j", "success": True}
    assert [str(request) for request in script.sent] == ["GET /v1/a", f"GET {path}"]
    assert [request.params for request in script.sent] == [(("x", "1"),), ()]
    assert script.headers("Authorization") == [f"Bearer {script.token}"] * 2
    assert script.headers("Zuora-Version") == ["341.0"] * 2


def test_three_redirects_are_followed_and_a_fourth_is_not():
    onward = [Response(302, {"Location": f"/apps/{number}"}) for number in range(4)]
    script = home(*onward[:3], OK)
    assert script.run(call(script.client(), "GET", "/v1/a")) == {"jobId": "j", "success": True}
    script = home(*onward)
    with pytest.raises(Refused, match="is not followed"):
        script.run(call(script.client(), "GET", "/v1/a"))
    assert [request.path for request in script.sent] == ["/v1/a", "/0", "/1", "/2"]


@pytest.mark.parametrize("status", [300, 304, 305, 306, 399])
def test_no_other_status_is_a_redirect(status):
    script = home(Response(status, {"Location": "/apps/b"}))
    with pytest.raises(Refused, match=f"HTTP {status}: a redirect to nowhere is not followed"):
        script.run(call(script.client(), "GET", "/v1/a"))


@pytest.mark.parametrize(
    "kind", ["HEAD", "POST with a key", "POST without a key", "PUT", "DELETE", "sign-in"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_but_a_get_follows_a_redirect(kind, status):
    script = Script([Response(status, {"Location": f"{BASE}/v1/b"})])
    with pytest.raises(Refused, match="is not followed") as caught:
        script.run(REPEATED[kind][2](script.client()))
    assert isinstance(caught.value, SignInRefused) is (kind == "sign-in")
    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [404, 400, 200])
def test_a_not_found_after_a_redirect_is_about_another_page(status):
    """f18: the page that it was led to knows nothing of what was asked for."""
    absence = answer(status, {"success": False, "reasons": [{"code": 50000040, "message": "none"}]})
    script = home(*[Response(302, {"Location": "/apps/login"}), absence] * 10)
    with pytest.raises(Unreadable) as caught:
        script.run(call(script.client(), "GET", "/v1/a"))
    assert caught.value.transient
    assert {request.path for request in script.sent} == {"/v1/a", "/login"}
    direct = home(absence)
    with pytest.raises(NotFound):
        direct.run(call(direct.client(), "GET", "/v1/a"))


def test_a_redirect_that_leads_to_no_answer_is_asked_again_from_its_beginning():
    script = home(Response(302, {"Location": "/apps/b"}), Unreachable("reset"), OK)
    script.run(call(script.client(), "GET", "/v1/a"))
    assert [request.path for request in script.sent] == ["/v1/a", "/b", "/v1/a"]


# Headers and bodies.


@pytest.mark.parametrize("kind", ["GET", "POST with a key", "DELETE"])
def test_every_header_is_there(kind):
    script = Script([OK])
    client = script.client(**SCOPE, Zuora_Org_Ids="a,b")
    script.run(REPEATED[kind][2](client))
    (request,) = script.sent
    track_id = request.headers.get("Zuora-Track-Id", "")
    body = {"Content-Type": "application/json", **KEY} if kind == "POST with a key" else {}
    assert request.headers == {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Authorization": f"Bearer {script.token}",
        "Zuora-Entity-Ids": ENTITY,
        "Zuora-Org-Ids": "a,b",
        "Zuora-Version": "2025-08-12",
        "Zuora-Track-Id": track_id,
        **body,
    }


def test_a_sign_in_carries_no_token_and_no_scope():
    script = Script([answer(200, {"access_token": "abc"})])
    script.run(script.client(**SCOPE).sign_in())
    (request,) = script.sent
    assert set(request.headers) == {"Accept", "Accept-Encoding", "Content-Type", "Zuora-Track-Id"}


@pytest.mark.parametrize(("size", "zipped"), [(65_536, False), (65_537, True)])
def test_a_body_of_more_than_64_kib_is_zipped(size, zipped):
    document = "x" * (size - 2)
    script = Script([Unreachable("reset"), OK])
    script.run(call(script.client(), "POST", "/v1/a", json_body=document, headers=KEY))
    for request in script.sent:
        assert request.headers.get("Content-Encoding", "") == ("gzip" if zipped else "")
        assert json.loads(gzip.decompress(request.body) if zipped else request.body) == document
    assert script.sent[0] == script.sent[1]


@given(st.integers())
def test_a_track_id_is_legal_by_construction(seed):
    script = Script([OK, OK], rng=random.Random(seed))
    client = script.client()
    script.run(call(client, "GET", "/v1/a"))
    script.run(call(client, "GET", "/v1/a"))
    first, second = script.headers("Zuora-Track-Id")
    assert re.fullmatch(r"af-[0-9a-f]{32}", first)
    assert first != second


def test_a_track_id_of_the_users_own_is_sent_as_it_is():
    script = Script([OK])
    script.run(call(script.client(), "GET", "/v1/a", track_id="My X run 7 (of 9)"))
    assert script.headers("Zuora-Track-Id") == ["My X run 7 (of 9)"]


@pytest.mark.parametrize(
    ("track_id", "rule"),
    [
        ("x" * 65, "must have 1 to 64 characters, this has 65"),
        ("2024-07-01T00:00:00", "must not contain :"),
        ("a;b", "must not contain ;"),
        ('a"b', 'must not contain "'),
        ("a'b", "must not contain '"),
        ("ü", "must be printable ASCII without white space at its ends"),
        ("a\nb", "must be printable ASCII without white space at its ends"),
        (5, "must be a text, not of type int"),
    ],
    ids=repr,
)
def test_a_track_id_that_zuora_would_refuse_is_not_sent(track_id, rule):
    script = Script([])
    with pytest.raises(InvalidInput) as caught:
        script.run(call(script.client(), "GET", "/v1/a", track_id=track_id))
    assert caught.value.violations == (f"track_id: {rule}",)
    assert script.asked == []


@pytest.mark.parametrize("kind", ["GET", "POST with a key", "POST without a key"])
def test_the_track_id_is_logged_before_the_request_is_sent(kind, caplog):
    caplog.set_level(logging.DEBUG if kind == "GET" else logging.INFO)
    flow = REPEATED[kind][2](Script([]).client())
    next(flow)
    request = flow.send("token")
    assert f"{request}, Track-Id {request.headers.get('Zuora-Track-Id', '')}" in caplog.messages


def test_every_repeat_is_logged_with_its_reason(caplog):
    script = Script([sample("rate/429", Retry_After="3"), OK], rng=Dice(0))
    script.run(call(script.client(), "GET", "/v1/a"))
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage().startswith("Attempt 1 of 10, next in 3.0 s: Zuora: a limit is reached")
    assert "[70] API Rate limit exceeded" in record.getMessage()


# Secrets.

SECRET = "se+cret/of&us=20%"
TOKEN = f"6447d349d8854f0d{1:016x}"
ECHOES = {
    "a message": lambda word: answer(400, {"code": 53200020, "message": f"what is {word}?"}),
    "a message cut at its end": lambda word: answer(400, {"message": "x" * (1000 - len(word) // 2) + word}),
    "a code": lambda word: answer(400, {"code": word, "message": "a"}),
    "a request id": lambda word: answer(400, {"requestId": word, "message": "a"}),
    "a request id in a header": lambda word: answer(400, {"message": "a"}, Zuora_Request_Id=word),
    "a request id of a good answer": lambda word: answer(
        200, {"status": "Processing"}, Zuora_Request_Id=word
    ),
    "a process id": lambda word: answer(400, {"processId": word, "message": "a"}),
    "a page": lambda word: Response(400, {}, f"<html><title>{word}</title></html>".encode()),
    "damage": lambda word: Response(200, {}, b"x", f"cut off at {word}"),
    "a redirect": lambda word: Response(
        302, {"Location": f"https://{word if '/' not in word else quote(word, safe='')}.example/"}
    ),
    "an exception": lambda word: Unreachable(f"no route to {word}"),
    "a status": lambda word: answer(200, {"status": word}),
    "the errors of a job": lambda word: answer(200, {"status": "Failed", "errors": f"[40000020]: {word}"}),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize(
    "word",
    [SECRET, quote(SECRET, safe=""), quote_plus(SECRET), TOKEN],
    ids=["secret", "quoted", "form", "token"],
)
def test_a_secret_that_the_vendor_echoes_is_in_no_error_and_no_log(echo, word, caplog):
    caplog.set_level(logging.DEBUG)
    script = Script(FOREVER(echo(word)), credentials=Credentials(BASE, "id", SECRET))
    try:
        shown = repr(script.run(script.client().get_job("j")))
    except ApiError as error:
        shown = f"{error} {error!r} {vars(error)}"
    assert "***" in shown
    for text in (shown, caplog.text):
        assert word not in text
        assert word[: len(word) // 2] not in text


def test_a_secret_is_in_no_error_of_a_sign_in():
    echo = answer(400, {"message": f"client_secret={quote_plus(SECRET)} ({SECRET})"})
    script = Script([echo], credentials=Credentials(BASE, "id", SECRET))
    with pytest.raises(SignInRefused, match=r"client_secret=\*\*\* \(\*\*\*\)"):
        script.run(script.client().sign_in())


@pytest.mark.parametrize(("secret", "shown"), [("12345678", "***"), ("1234567", "1234567")])
def test_a_secret_of_eight_characters_or_more_is_hidden_in_all_of_an_answer(secret, shown):
    script = Script([answer(200, [secret])], credentials=Credentials(BASE, "id", secret))
    assert script.run(call(script.client(), "GET", "/v1/a")) == [shown]


def test_a_secret_so_short_that_it_stands_everywhere_changes_no_answer():
    script = Script([answer(200, {"jobId": "j-1"})], credentials=Credentials(BASE, "id", "j"))
    assert script.run(script.client().submit(Request("POST", "/v1/a"), "order")) == "j-1"
    script = Script([answer(400, {"message": "no j"})], credentials=Credentials(BASE, "id", "j"))
    with pytest.raises(Refused, match=r"no \*\*\*"):
        script.run(script.client().submit(Request("POST", "/v1/a"), "order"))


ACCOUNT = "DE99ACCT77123456ZZ"
ODD = "s3cr+t/Very&long=Secret'Value"


def no(**more):
    return answer(400, {"success": False, "reasons": [{"code": 53200020, "message": "No."}], **more})


CUTS = {
    "request id": lambda words: no(requestId=words),
    "process id": lambda words: no(processId=words),
    "request id in a header": lambda words: answer(400, Zuora_Request_Id=words),
    "code": lambda words: answer(400, {"reasons": [{"code": words[130:], "message": "No."}]}),
    "message": lambda words: answer(400, {"message": "z" * 800 + words}),
    "title": lambda words: Response(400, {}, b"<title>" + words.encode() + b"</title>"),
    "quoted": lambda words: answer(400, {"q": words}),
    "quoted in UTF-16": lambda words: Response(400, {}, json.dumps({"q": words}).encode("utf-16")),
    "host": lambda words: Response(302, {"Location": f"https://{words.replace(' ', '.')}/"}),
    "status of a job": lambda words: answer(200, {"status": words, "success": True}),
}


@pytest.mark.parametrize("pad", range(170, 200, 2))
@pytest.mark.parametrize("secret", [ODD, ACCOUNT])
@pytest.mark.parametrize("cut", CUTS)
def test_no_half_of_a_secret_is_told_where_words_are_cut(cut, secret, pad):
    script = Script(
        [CUTS[cut]("x" * pad + " " + secret + " y" * 999)], credentials=Credentials(BASE, "id", ODD)
    )
    client = script.client().with_redacted([ACCOUNT])
    try:
        said = script.run(client.get_job("j")).status
    except Refused as error:
        said = str(error)
    assert not any(secret[:length] in said for length in (5, 9))


BASIC = [
    b64encode(words.encode()).decode()
    for words in (f"my+id:{ODD}", f"{quote_plus('my+id')}:{quote_plus(ODD)}")
]


@pytest.mark.parametrize("basic", [*BASIC[:2], BASIC[0].rstrip("="), quote(BASIC[0])])
def test_a_secret_is_hidden_as_basic_authorization_writes_it(basic):
    script = Script([answer(400, {"message": f"Basic {basic}"})], credentials=Credentials(BASE, "my+id", ODD))
    with pytest.raises(SignInRefused, match=r"Basic \*\*\*"):
        script.run(script.client().sign_in())


def test_the_words_of_a_lost_connection_lose_secrets_too():
    script = Script([Unreachable("x" * 1990 + ACCOUNT)] * 10)
    with pytest.raises(Unreachable) as caught:
        script.run(script.client().with_redacted([ACCOUNT]).get_job("j"))
    assert "DE99" not in str(caught.value)


def test_two_clients_of_one_seed_are_alike_and_chance_is_passed_in():
    naps = [pauses(random.Random(seed)) for seed in (1, 1, 2)]
    assert naps[0] == naps[1]
    assert naps[0] != naps[2]


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        (answer(200, {"jobId": "j"}), True),
        (answer(400, {"success": False, "reasons": [{"code": 53200020, "message": "no"}]}), True),
        (answer(400, []), True),
        (Response(400, {}, b'{"success": false}', "the answer was cut off"), False),
        (Response(400, {}, b'{"success": fal'), False),
        (Response(400, {}, b""), False),
        (Response(400, {}, b"5"), False),
        (Response(403, {}, b"<title>Forbidden</title>"), False),
        (Response(302, {"Location": "https://elsewhere"}, b"{}"), False),
        (Unreachable("timeout"), False),
        (RateLimited("The limit is reached.", info=BUSY, transient=True), False),
    ],
    ids=str,
)
def test_only_an_answer_that_came_whole_and_can_be_read_is_whole(given, whole):
    script = Script([given])
    assert script.run(script.client().send_once(Request("POST", "/v1/async/orders"), "t")).whole is whole


# What an order hides.

ACCOUNT_NUMBER, CODE = "0012-3456-78", "737"
QUOTES = {
    "a message": answer(400, {"message": "account 0012345678, code 737"}),
    "a message cut at its end": answer(400, {"message": "x" * 990 + " 0012-3456-78, 737"}),
    "a code": answer(400, {"code": "0012345678", "message": "737"}),
    "ids": answer(400, {"requestId": "0012345678", "processId": "737", "message": "a"}),
    "a page": Response(400, {}, b"<title>0012 3456 78 (737)</title>"),
    "a body without reasons": answer(400, {"detail": "0012 3456 78 (737)"}),
    "a status": answer(200, {"status": "0012345678 737"}),
    "the errors of a job": answer(200, {"status": "Failed", "errors": "[40000020]: 0012345678, 737"}),
    "a message in a result": answer(
        200, {"status": "Completed", "result": {"paymentErrorMessage": "0012345678 737", "paidAmount": 5}}
    ),
    "messages below a result": answer(
        200,
        {
            "status": "Completed",
            "result": {"refunds": [{"errorMessage": "0012345678"}], "messages": [["737", "0012 3456 78"]]},
        },
    ),
    "a result that says no": answer(200, {"status": "Completed", "result": {"errors": "0012345678 737"}}),
}


@pytest.mark.parametrize("quote_", QUOTES.values(), ids=QUOTES)
def test_what_an_order_hides_is_in_no_error_no_job_and_no_log(quote_, caplog):
    caplog.set_level(logging.DEBUG)
    script = Script(FOREVER(quote_))
    client = script.client().with_redacted((ACCOUNT_NUMBER, CODE))
    try:
        shown = repr(script.run(client.get_job("j")))
    except ApiError as error:
        shown = f"{error} {error!r} {vars(error)}"
    assert "***" in shown
    for text in (shown, caplog.text):
        assert not re.search(r"0012|5678|\b737\b", text)


def test_a_client_that_hides_nothing_is_the_client_itself():
    client = Script([]).client()
    assert client.with_redacted(()) is client


def test_a_client_that_hides_something_sends_what_the_client_sends():
    script = Script([OK, OK])
    client = script.client(**SCOPE)
    for each in (client, client.with_redacted((CODE,))):
        script.run(call(each, "GET", "/v1/a", track_id="t"))
    assert script.sent[0] == script.sent[1]


class Watcher:
    """Performs the steps of a flow over a script, and notes the answers of those that run in a thread."""

    def __init__(self, script):
        self.runner = Runner(lambda _: arrive(next(script.answers)), lambda _: "token", script.clock.sleep)
        self.aside = []

    def perform(self, step):
        answer = self.runner.perform(step)
        if isinstance(step, RunInThread):
            self.aside.append(answer)
        return answer


@pytest.mark.parametrize(("size", "beside"), [(256 * 1024, False), (256 * 1024 + 1, True)])
def test_a_large_answer_is_read_beside_an_event_loop(size, beside):
    body = b'{"a": "%s"}' % (b"x" * (size - len('{"a": ""}')))
    script = Script([Response(200, {}, body)])
    watcher = Watcher(script)
    assert len(run(call(script.client(), "GET", "/v1/a"), watcher)["a"]) > 250_000
    assert bool(watcher.aside) is beside


def test_a_large_text_is_decoded_beside_an_event_loop():
    body = Response(200, {"Content-Type": "text/csv; charset=utf-16-le"}, ("x" * 200_000).encode("utf-16-le"))
    script = Script([body])
    watcher = Watcher(script)
    assert run(call(script.client(), "GET", "/v1/a"), watcher) == "x" * 200_000
    assert [parsed.body for parsed in watcher.aside] == ["x" * 200_000]


LARGE_RESULT = b'{"status": "Completed", "result": {"a": [' + b"1," * 200_000 + b"1]}}"


@pytest.mark.parametrize(("body", "beside"), [(LARGE_RESULT, 2), (b'{"status": "Completed"}', 0)])
def test_a_large_job_is_gone_over_beside_an_event_loop_too(body, beside):
    script = Script([Response(200, {}, body)])
    watcher = Watcher(script)
    assert run(script.client().get_job("j"), watcher).status == "Completed"
    assert len(watcher.aside) == beside
