"""What may be sent, and what may not."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.validation import (
    MOST_SECONDS,
    check_execution_timeout,
    check_flags,
    check_seconds,
    find_header_violation,
    find_method_violation,
    find_path_violation,
    find_text_violations,
    find_url_violations,
    normalize_url,
)

LOOPBACK = "host: http is refused except on loopback, use https"
NO_URL = "host: must be a URL such as https://api.example.com"
QUERY = "host: must not hold a query or a fragment"
USER = "host: must not hold a user or a password"
SPACE = "host: must not hold white space"
SCHEME = "host: must begin with https:// (two slashes), and then name the host"
PORT = "host: its port must be from 1 to 65535"
NAME = "host: must be the name or the IP address of a host"


def api(path):
    return f"host: must be a base URL without the API's own path, this ends in /{path}"


@pytest.mark.parametrize(
    "url",
    [
        "https://rest.zuora.com",
        "https://rest.zuora.com:8443/apps",
        "https://10.0.0.1",
        "http://localhost:8080",
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://127.1.2.3",
        "HTTP://LOCALHOST",
        "http://localhost.:1",
        "http://[::ffff:127.0.0.1]",
        "https://gate_way.example/zuora/",
        "https://b\u00fccher.example",
        "https://gate/gateway/zuora",
        "https://re-st.zuora.com",
        f"https://{'a' * 63}.com.",
        f"https://{'a.' * 125}com",
    ],
)
def test_a_base_url_passes(url):
    assert find_url_violations(url) == []


@pytest.mark.parametrize(
    ("url", "rules"),
    [
        ("", [NO_URL]),
        ("rest.zuora.com", [NO_URL]),
        ("ftp://rest.zuora.com", [NO_URL]),
        ("https://", [NO_URL]),
        ("https:///v1", [NO_URL]),
        ("https://:443", [NO_URL]),
        ("https://[::1", ["host: not a URL"]),
        ("https://h:port", ["host: not a URL"]),
        ("https://h:99999", ["host: not a URL"]),
        ("http://rest.zuora.com", [LOOPBACK]),
        ("http://localhost.evil.example", [LOOPBACK]),
        ("http://127.0.0.1.evil.example", [LOOPBACK]),
        ("http://0.0.0.0", [LOOPBACK]),
        ("http://[::2]", [LOOPBACK]),
        ("http://10.0.0.1", [LOOPBACK]),
        ("https://id:secret@rest.zuora.com", [USER]),
        ("https://@rest.zuora.com", [USER]),
        ("https://rest.zuora.com\\@evil.example", [USER]),
        ("https://rest.zuora.com/?a=b", [QUERY]),
        ("https://rest.zuora.com?", [QUERY]),
        ("https://rest.zuora.com/#a", [QUERY]),
        ("https://rest.zuora.com#", [QUERY]),
        ("https://rest.zuora.com ", [SPACE, NAME]),
        ("https://rest.zuora.com\n", [SPACE]),
        ("http://u@h /?#", [LOOPBACK, USER, QUERY, SPACE, NAME]),
        ("https://rest.zuora.com\\evil.example", [NAME]),
        ("https://rest%2ezuora.com", [NAME]),
        ("https://.", [NAME]),
        ("https://rest..zuora.com", [NAME]),
        ('https://"rest.zuora.com"', [NAME]),
        ("https://re\u200dst.zuora.com", [NAME]),
        ("https://fa\u00df.example", [NAME]),
        ("https://rest.zuora.com/v1", [api("v1")]),
        ("https://rest.zuora.com/V1/", [api("v1")]),
        ("https://gate/zuora/v2", [api("zuora/v2")]),
        ("https://gate/oauth", [api("oauth")]),
        ("https://gate/oauth/token", [api("oauth/token")]),
        ("https://gate/v1/orders/O-1", [api("v1/orders/o-1")]),
        ("https://gate/v1/async/orders", [api("v1/async/orders")]),
        ("https://gate/v1/subscriptions", [api("v1/subscriptions")]),
        ("https://gate/V1/catalog/products/", [api("v1/catalog/products")]),
        ("https://https:/rest.zuora.com", [SCHEME]),
        ("https://https/rest.zuora.com", [SCHEME]),
        ("https://HTTP:", [SCHEME]),
        ("https://rest.zuora.com:0", [PORT]),
        ("https://-rest.zuora.com", [NAME]),
        ("https://rest-.zuora.com", [NAME]),
        ("https://rest.-.com", [NAME]),
        (f"https://{'a' * 64}.com", [NAME]),
        ("https://" + "\u00fc" * 70 + ".com", [NAME]),
        (f"https://{'a.' * 126}com", [NAME]),
    ],
)
def test_a_base_url_is_refused_with_every_rule_that_it_breaks(url, rules):
    assert find_url_violations(url) == rules


@pytest.mark.parametrize(
    ("urls", "one"),
    [
        (
            (
                "https://rest.zuora.com",
                "HTTPS://REST.Zuora.Com",
                "https://rest.zuora.com/",
                "https://rest.zuora.com//",
                "https://rest.zuora.com.",
                "https://rest.zuora.com:443",
                "https://rest.zuora.com.:0443/",
                "https://rest.zuora.com:",
                "https://\uff52est.zuora.com",
                "https://re\u200bst.zuora.com",
            ),
            "https://rest.zuora.com",
        ),
        (("http://LOCALHOST:80", "http://localhost."), "http://localhost"),
        (("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080/"), "http://[::1]:8080"),
        (("https://B\u00dcCHER.example", "https://xn--bcher-kva.example"), "https://xn--bcher-kva.example"),
        (("https://Gate:80/Zuora/",), "https://gate:80/Zuora"),
    ],
)
def test_every_spelling_of_a_place_is_one(urls, one):
    assert {normalize_url(url) for url in (*urls, one)} == {one}


@pytest.mark.parametrize("url", ["", "HTTP://Rest.Zuora.Com", "https://U@h", "https://H?", "https://[::1"])
def test_a_url_that_breaks_a_rule_stays_as_it_is(url):
    assert normalize_url(url) == url


@given(st.text())
def test_any_text_can_be_asked_about_as_a_url(text):
    """Whatever a connection holds, the answer is words, never an exception."""
    for url in (text, f"https://{text}", f"http://[{text}]"):
        assert all(rule.startswith("host: ") for rule in find_url_violations(url))
        assert normalize_url(normalize_url(url)) == normalize_url(url)


PRINTABLE = "must be printable ASCII without white space at its ends"


@pytest.mark.parametrize("value", ["a", "a b", "~!", "x" * 2048])
def test_a_header_value_passes(value):
    assert find_header_violation(value) == ""


@pytest.mark.parametrize(
    ("value", "limit", "rule"),
    [
        ("", 10, "must have 1 to 10 characters, this has 0"),
        ("x" * 11, 10, "must have 1 to 10 characters, this has 11"),
        ("a\nb", 10, PRINTABLE),
        ("a\r\nX: y", 10, PRINTABLE),
        ("a\x00", 10, PRINTABLE),
        ("a\x7f", 10, PRINTABLE),
        ("é", 10, PRINTABLE),
        ("\ud800", 10, PRINTABLE),
        (" a", 10, PRINTABLE),
        ("a ", 10, PRINTABLE),
        (" ", 10, PRINTABLE),
        ("a:b;c:d", 10, "must not contain : ;"),
        (5, 10, "must be a text, not of type int"),
        (None, 10, "must be a text, not of type NoneType"),
        (b"a", 10, "must be a text, not of type bytes"),
    ],
    ids=repr,
)
def test_a_header_value_is_refused(value, limit, rule):
    assert find_header_violation(value, limit, ";:") == rule


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_a_method_passes(method):
    assert find_method_violation(method) == ""


@pytest.mark.parametrize("method", ["get", "TRACE", "CONNECT", "OPTIONS", "", "GET "])
def test_another_method_is_refused(method):
    assert find_method_violation(method) == "must be one of GET, HEAD, POST, PUT, PATCH, DELETE"


BELOW = "must start with one slash: it is a path below the base URL"
ENCODED = "must be percent-encoded ASCII without a fragment"
DOTS = "must not contain the segments . or .."


@pytest.mark.parametrize(
    "path", ["/", "/v1/orders/O-1", "/v1/a..b/...", "/a%2Fb", "/a?b=../c&d=//e", "/a/.b/c.", "/a//b", "/X!~"]
)
def test_a_path_passes(path):
    assert find_path_violation(path) == ""


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("", BELOW),
        ("v1", BELOW),
        ("//evil.example/v1", BELOW),
        ("https://evil.example", BELOW),
        ("@evil.example", BELOW),
        (".evil.example", BELOW),
        ("/\\evil.example", ENCODED),
        ("/a b", ENCODED),
        ("/a\n", ENCODED),
        ("/ä", ENCODED),
        ("/a#b", ENCODED),
        ('/"', ENCODED),
        ("/<a>", ENCODED),
        ("/..", DOTS),
        ("/a/../b", DOTS),
        ("/a/./b", DOTS),
        ("/a/%2e%2E/b", DOTS),
        ("/a/.%2e?b", DOTS),
        ("/a/%2e", DOTS),
    ],
)
def test_a_path_that_leads_away_is_refused(path, rule):
    assert find_path_violation(path) == rule


# Options of operators, sensors and hooks.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (Decimal("1.5"), 1.5),
        (timedelta(minutes=2), 120.0),
        (MOST_SECONDS, MOST_SECONDS),
    ],
)
def test_a_time_is_seconds_or_a_timedelta(value, seconds):
    assert check_seconds("timeout", value) == seconds


def test_no_time_at_all_is_one_where_it_may_be():
    assert check_seconds("poke_interval", 0, zero=True) == 0.0
    with pytest.raises(
        ValueError, match=r"^timeout: must be a number of seconds above 0, or a timedelta, not 0$"
    ):
        check_seconds("timeout", 0)


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.1,
        -math.inf,
        math.nan,
        Decimal("NaN"),
        Decimal("sNaN"),
        True,
        False,
        None,
        "60",
        [],
        {},
        timedelta(seconds=-1),
    ],
)
def test_what_is_no_time(value):
    with pytest.raises(ValueError, match=r"^timeout: must be a number of seconds"):
        check_seconds("timeout", value, zero=True)


@pytest.mark.parametrize(
    "value", [math.inf, 1e15, 10**400, timedelta.max, MOST_SECONDS + 1, Decimal("Infinity")]
)
def test_more_than_ten_years_is_refused_before_it_overflows_anything(value):
    with pytest.raises(
        ValueError, match=r"^timeout: must be a number of seconds of at most 315360000 \(ten years\)$"
    ):
        check_seconds("timeout", value)


def test_a_limit_of_airflows_that_is_over_before_the_task_begins_is_refused():
    for limit in (None, timedelta(0), timedelta.max):
        check_execution_timeout(limit)
    with pytest.raises(ValueError, match=r"^execution_timeout: must be 0 or above, not .*days=-1"):
        check_execution_timeout(timedelta(days=-1))


def test_a_switch_is_true_or_false_and_never_a_text():
    check_flags({"a": True, "b": False})
    with pytest.raises(
        ValueError, match="a: must be True or False, not 'False'\nc: must be True or False, not None"
    ):
        check_flags({"a": "False", "b": True, "c": None})


def test_what_is_no_text():
    assert find_text_violations({"a": None, "b": "x", "c": 5}) == ("c: must be a text, not of type int",)
