"""What is read of a body can be kept by every database, whatever came."""

from __future__ import annotations

import gc
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zuora.core.messages import Response
from airflow_provider_zuora.core.vendors.response_body import read_body

LARGE = " " * 300_000


def read(body: bytes | str):
    return read_body(Response(200, {}, body if isinstance(body, bytes) else body.encode()))


@pytest.mark.parametrize("space", ["", LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("body", "value"),
    [
        (r'{"a\u0000": ["\u0000"]}', {"a\ufffd": ["\ufffd"]}),
        (r'["\ud800", "\uDFFF\ud83d", "\ud83d\ude00"]', ["\ufffd", "\ufffd\ufffd", "\U0001f600"]),
        (r'["\\u0000", "\\\u0000", "\\\\ud800"]', ["\\u0000", "\\\ufffd", "\\\\ud800"]),
        ("[9223372036854775807, -9223372036854775808]", [2**63 - 1, -(2**63)]),
        ("[9223372036854775808, -9223372036854775809]", [str(2**63), str(-(2**63) - 1)]),
        ("[1e999, -1e999, 1.5e3]", ["1e999", "-1e999", 1500.0]),
        ("[NaN, Infinity, -Infinity]", ["NaN", "Infinity", "-Infinity"]),
        ("[" + "1" * 5000 + "]", ["1" * 5000]),
        ('{"a": {"b": [true, null]}}', {"a": {"b": [True, None]}}),
    ],
)
def test_what_no_database_keeps_is_replaced(body, value, space):
    assert read(body + space) == (value, True)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'["\xed\xa0\xbd\xed\xb8\x80"]', ["\U0001f600"]),
        (b'["\xed\xa0\xbdx"]', ["\ufffdx"]),
        ('["ü🙂"]'.encode("utf-16"), ["ü🙂"]),
        ('["ü"]'.encode("utf-32-be"), ["ü"]),
        (b'\xef\xbb\xbf["a"]', ["a"]),
    ],
    ids=repr,
)
def test_other_encodings_than_utf_8_are_read(body, value):
    assert read(body) == (value, True)


@pytest.mark.parametrize(
    "body",
    [
        b'["\0"]',
        b'["\xff"]',
        b"[",
        b"5",
        b'"a"',
        b"null",
        b" ",
        b"[" * 65 + b"]" * 65,
        b"[" * 10**5,
        b'{"a":' * 65 + b"1",
        b'{"a" 1}',
        b"[1 2]",
    ],
    ids=lambda body: repr(body[:9]),
)
@pytest.mark.parametrize("space", [b"", LARGE.encode()], ids=["small", "large"])
def test_what_cannot_be_read_is_nothing(body, space):
    assert read(body + space)[1] is False


def test_what_would_fill_the_memory_is_not_read():
    assert read("[" + "[]," * 2_000_000 + "1]")[1] is False


@pytest.mark.parametrize(
    "body", ["[" * 64 + "]" * 64, '{"a":' * 64 + "1" + "}" * 64, "[" + "[],{}," * 99 + "1]"]
)
def test_what_is_not_nested_too_deeply_is_read(body):
    assert read(body) == (json.loads(body), True)


TEXTS = st.text(st.characters(codec=None, categories=None))
VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(st.lists(VALUES), st.booleans())
@settings(derandomize=True)
def test_what_is_read_can_be_kept(value, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found, readable = read(body)
    assert readable
    text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    assert text.encode("utf-8").decode() == text
    assert "\\u0000" not in text.replace("\\\\", "")


@given(
    st.lists(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**63), 2**63 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner)
            ),
        )
    )
)
@settings(derandomize=True)
def test_all_else_is_read_as_it_is(value):
    found, readable = read(json.dumps(value))
    assert (found, readable) == (value, True)
    assert read(json.dumps(value) + LARGE) == (value, True)
    assert not any(isinstance(each, float) and math.isnan(each) for each in found)


@pytest.mark.parametrize("body", ["[1]" + LARGE, "[1" + LARGE], ids=["read", "broken"])
@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_of_cycles_is_left_as_it_was(body, collects):
    (gc.enable if collects else gc.disable)()
    try:
        read(body)
        assert gc.isenabled() is collects
    finally:
        gc.enable()
