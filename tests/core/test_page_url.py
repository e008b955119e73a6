"""The page of what was made: a pattern of the user's, with numbers and ids of the vendor's in it."""

import pytest

from airflow_provider_zuora.core.page_url import build_page_url, find_pattern_violation

ORDERS = "https://apisandbox.zuora.com/orders/{order_number}?account={account_number}"


def test_numbers_are_put_in_encoded():
    known = {"order_number": "O 1/../?#é", "account_number": "A&b=1"}

    expected = "https://apisandbox.zuora.com/orders/O%201%2F..%2F%3F%23%C3%A9?account=A%26b%3D1"
    assert build_page_url(ORDERS, known) == expected


@pytest.mark.parametrize(
    "known", [{}, {"order_number": "O-1"}, {"order_number": "O-1", "account_number": ""}]
)
def test_where_a_number_is_not_known_the_first_page_opens(known):
    assert build_page_url(ORDERS, known) == "https://apisandbox.zuora.com/"


def test_a_pattern_without_a_place_for_a_number_stays_as_it_is():
    assert build_page_url("http://127.0.0.1:8080/a", {"order_number": "O-1"}) == "http://127.0.0.1:8080/a"


@pytest.mark.parametrize(
    "pattern",
    [ORDERS, "http://localhost:1/{job_id}", "https://[::1]/", "https://x.com.:65535", "https://x.com:"],
)
def test_a_pattern_that_breaks_no_rule(pattern):
    assert find_pattern_violation(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("javascript:alert(1)", "begins with https"),
        ("ftp://a/", "begins with https"),
        ("apisandbox.zuora.com", "begins with https"),
        ("https://", "begins with https"),
        ("https://[::1/", "begins with https"),
        ("https://a/b c", "without blanks"),
        ("https://a/\u200bc", "without blanks"),
        ("https://a/" + "x" * 2000, "begins with https"),
        ("https://{order_number}.zuora.com/", "begins with https"),
        ("https://me:secret@a/", "no password"),
        *(
            (f"https://x.com:{port}/", "a port from 1 to 65535")
            for port in ("abc", 99999, 65536, 0, -1, "8o")
        ),
        *(
            (f"https://{host}/", "the name or the IP address")
            for host in (".", "..", "x..com", ".x.com", "x..")
        ),
        ("https://x..com:8443", "the name or the IP address"),
        ("https://me:secret@x.com:abc/", "no password"),
        ("https://a/{secret}", "may hold these in braces: job_id, order_number"),
        ("https://a/{order_number", "may hold these"),
        ("https://a/{{order_number}}", "may hold these"),
        ("https://a/{}", "may hold these"),
    ],
)
def test_a_pattern_that_breaks_a_rule(pattern, rule):
    assert rule in find_pattern_violation(pattern)
