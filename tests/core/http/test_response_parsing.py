"""What the answers of any endpoint hold, and which of them are asked for again."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_zuora.core.errors import ApiError, Refused, Unreadable
from airflow_provider_zuora.core.http.generic_request import call_endpoint
from airflow_provider_zuora.core.messages import Response
from tests.core.runners import Script, answer

PAGE = b"<html><title>Down for maintenance</title></html>"
KEY = {"Idempotency-Key": "k"}
READ = ["us-ascii", "UTF_8", "latin1", "latin-1", "iso8859-1", "ISO-8859-15", "cp1252", "windows-1252"]
# Codecs of Python's that are slow or odd, names that are none, and one for each that a server makes up.
ODD = ["punycode", "idna", "utf-7", "unicode_escape", "raw_unicode_escape", "mbcs", "iso-8859-99", "x" * 99]
WRITES = ["POST", "PUT", "PATCH", "DELETE"]


JSON = ["application/json", "application/hal+json; charset=utf-8", "text/json", "text/plain", "text/html", ""]
TEXTS = ["text/csv", "Text/CSV; charset=utf-8", "application/x-ndjson", "application/xml", "text/markdown"]
OTHERS = ["application/pdf", "application/octet-stream", "image/png"]


def typed(body, kind, status=200):
    return Response(status, {"Content-Type": kind} if kind else {}, body)


def called(script, method="GET", **more):
    return script.run(call_endpoint(script.client(), method, "/v1/files/f", **more))


@pytest.mark.parametrize("method", ["GET", *WRITES])
@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 207])
@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        ("application/json", b"7", 7),
        ("application/json", b'"a"', "a"),
        ("application/json", b"true", True),
        ("application/json", b"null", None),
        ("application/json; charset=utf-8", b"\xef\xbb\xbf1.5", 1.5),
        ("application/problem+json", b"7", 7),
        ("application/json", PAGE, PAGE.decode()),
        ("application/json", b"[" * 100_000, "[" * 100_000),
        ("text/csv", b"id,name\n1,a\n", "id,name\n1,a\n"),
        ("text/csv", b"7", "7"),
        ("Text/CSV; Charset=ISO-8859-1", b"\xfc", "\xfc"),
        ("text/csv", b"\xef\xbb\xbf\xc3\xbc", "\xfc"),
        ("text/csv", b"\xfc", b"\xfc"),
        ("text/csv; charset=nonsense", b"a", b"a"),
        ('text/csv; header=present;charset = "ISO-8859-1" ', b"\xfc", "\xfc"),
        ('text/csv; name="a; charset=utf-16"; charset=latin1', b"\xfc", "\xfc"),
        ('text/csv; name="a\\"; charset=utf-16', b"ab", "ab"),
        ("csv", b"a", "a"),
        ("text/html", PAGE, PAGE.decode()),
        ("application/xml", b"<a/>", "<a/>"),
        ("application/atom+xml", b"<a/>", "<a/>"),
        ("application/x-ndjson", b'{"a": 1}\n{"a": 2}\n', '{"a": 1}\n{"a": 2}\n'),
        ("application/pdf", b"%PDF-1.7", b"%PDF-1.7"),
        ("application/octet-stream", b"7", b"7"),
        *((kind, b'{"a": 1}', {"a": 1}) for kind in JSON),
        *((kind, b"[1, 2]", [1, 2]) for kind in JSON),
        *(
            (kind, text.encode(), text)
            for kind in TEXTS
            for text in ('{"a": 1}\n', "[1, 2]", '{"success": false}')
        ),
        *((kind, body, body) for kind in OTHERS for body in (b'{"a": 1}', b"[]", b'{"success": false}')),
        ("text/csv", b" \n", " \n"),
        ("application/json", b" \r\n\t", None),
        ("application/problem+json", b"\n", None),
        ("application/pdf", b"", None),
        ("", b"7", 7),
        ("", b"id,name", b"id,name"),
        ("text/csv", b"", None),
    ],
)
def test_any_2xx_is_returned_after_one_request(method, status, kind, body, value):
    script = Script([typed(body, kind, status)])
    found = called(script, method)

    assert (found, type(found)) == (value, type(value))
    assert len(script.sent) == 1


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        *((f"text/csv; charset={name}", b"a", "a") for name in READ),
        *((f"text/csv; charset={name}", b"a", b"a") for name in ODD),
        ("text/csv; charset=utf-16-be", b"\0a\0\0", "a\ufffd"),
        ("text/csv; charset=utf-16-be", b"\xd8\0", b"\xd8\0"),
        ("text/csv", b"a\0b", "a\ufffdb"),
        ("text/csv", b"\xed\xa0\x80", b"\xed\xa0\x80"),
        ("application/octet-stream", b"a\0b", b"a\0b"),
        ("application/json", rb'"a\u0000\ud800"', "a\ufffd\ufffd"),
        ("application/json", b'"a\xed\xa0\x80"', "a\ufffd"),
        ("application/json", b"1e999", "1e999"),
        ("application/json", b"1" * 20, "1" * 20),
        ("application/json", b"[" * 65 + b"]" * 65, "[" * 65 + "]" * 65),
    ],
)
def test_what_is_returned_can_be_kept_and_costs_no_more_than_its_length(kind, body, value):
    found = called(Script([typed(body, kind)]))

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("piece", [";", 'x*0="a";', '\\"', "; a", "charset=", " ", ";x="])
def test_a_content_type_of_a_million_signs_is_read_in_a_second(piece):
    kind = 'text/plain; charset=latin1; x="' + piece * (1_000_000 // len(piece))
    began = time.perf_counter()

    assert called(Script([typed(b"\xfc", kind)])) == "\xfc"
    assert time.perf_counter() - began < 1


def test_a_head_request_has_no_content():
    assert called(Script([typed(b"", "text/csv")]), "HEAD") is None


def test_a_get_that_is_cut_off_is_asked_for_again():
    cut = Response(200, {"Content-Type": "text/csv"}, b"id,na", "the answer was cut off")
    script = Script([cut, cut, typed(b"id,name", "text/csv")])

    assert called(script) == "id,name"
    assert len(script.sent) == 3


LIMIT = {"success": False, "reasons": [{"code": 50000070, "message": "Request exceeded limit"}]}
SAID = {
    "cut off": (Response(200, {}, b'{"jobId": "', "the answer was cut off"), Unreadable),
    "a limit": (answer(200, LIMIT), Refused),
    "a lock": (answer(200, {"success": False, "reasons": [{"code": 50000050}]}), Refused),
    "a transient error": (answer(202, {"success": False, "reasons": [{"code": 50000099}]}), Refused),
    "no": (answer(200, {"success": False, "reasons": [{"code": 50000020, "message": "No"}]}), Refused),
    "no, without a reason": (answer(200, {"success": False}), Refused),
}


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("headers", [{}, KEY])
@pytest.mark.parametrize("method", WRITES)
def test_what_was_answered_2xx_is_never_sent_again(method, headers, said):
    response, kind = SAID[said]
    script = Script([response])
    with pytest.raises(kind):
        called(script, method, headers=headers if method == "POST" else {})
    assert len(script.sent) == 1


@pytest.mark.parametrize(("status", "times"), [(503, 6), (429, 6)])
def test_a_post_with_a_key_that_was_not_answered_2xx_is_sent_again(status, times):
    script = Script([answer(status)] * times)
    with pytest.raises(ApiError):
        called(script, "POST", headers=KEY)
    assert len(script.sent) == times


def test_a_token_that_is_refused_in_a_200_is_replaced():
    """So does Zuora answer a tenant whose Zuora-Version is before 2024-05-20; nothing was processed."""
    refused = answer(200, {"success": False, "reasons": [{"code": 90000011, "message": "Sign in first"}]})
    script = Script([refused, answer(200, {"a": 1})])

    assert called(script, "POST") == {"a": 1}
    assert len(script.sent) == 2


def test_a_get_that_says_no_for_a_passing_reason_is_asked_for_again():
    script = Script([answer(200, LIMIT), typed(json.dumps([1]).encode(), "application/json")])
    assert called(script) == [1]


def test_our_secrets_are_not_in_what_is_returned():
    script = Script([typed(f"a,{script_secret()}".encode(), "text/csv")])
    assert called(script) == "a,***"


def script_secret():
    return Script([]).credentials.client_secret
