"""JSON as users hand it over: what is read, what is named, and that nothing of it is quoted."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections import OrderedDict
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core import json_text
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_text import BrokenText, looks_like_path, read_json, unpack
from airflow_provider_zuora.core.json_types import to_json_types

CARD = "4111111111111111"
ORDER = {"orderNumber": "Ü-1", "customFields": {"a__c": "1e5"}}
TEXT = json.dumps(ORDER)


@pytest.mark.parametrize("around", ["", "\ufeff", "\u200b", "\ufeff\n ", "\u2060\u200e", "\xa0"])
def test_what_no_editor_shows_at_the_ends_is_no_part_of_it(around):
    assert read_json(around + TEXT + around) == ORDER
    assert read_json((around + TEXT + around).encode()) == ORDER


def test_gzip_is_known_by_its_first_bytes_and_may_have_several_members():
    half = len(TEXT) // 2
    data = gzip.compress(TEXT[:half].encode()) + gzip.compress(TEXT[half:].encode())
    assert read_json(data) == ORDER
    assert read_json(gzip.compress(TEXT.encode("utf-8-sig"))) == ORDER


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (TEXT.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (TEXT.encode("utf-16-be"), "is UTF-16 or UTF-32, or no text; save it as UTF-8"),
        (TEXT.encode("utf-16-le"), "is UTF-16 or UTF-32, or no text; save it as UTF-8"),
        (b"\xfe\xff\0{", "is UTF-16; save it as UTF-8"),
        (TEXT.encode("utf-32"), "is UTF-16; save it as UTF-8"),
        ('{"a": "ü"}'.encode("latin-1"), r"is not UTF-8 \(byte 8\)"),
        (gzip.compress(gzip.compress(b"{}")), "is gzipped twice"),
        (gzip.compress(TEXT.encode())[:-9], "is gzip, and damaged"),
        (gzip.compress(TEXT.encode())[:12] + b"\xff" * 20, "is gzip, and damaged"),
        (b"\x1f\x8bnot at all", "is gzip, and damaged"),
        (b"PK\x03\x04", "is a zip archive, not JSON"),
        (b"\x28\xb5\x2f\xfd....", "is packed by zstd; only gzip is read"),
        (b"BZh91AY", "is packed by bzip2; only gzip is read"),
        (b"\xfd7zXZ\0", "is packed by xz; only gzip is read"),
        (b"", "is empty"),
        (" \ufeff\n".encode(), "is empty"),
    ],
)
def test_bytes_that_are_no_json_in_utf_8_are_named(data, words):
    with pytest.raises(BrokenText, match=f"^{words}$"):
        read_json(data)


def test_a_bomb_is_unpacked_no_further_than_the_bound(monkeypatch):
    monkeypatch.setattr(json_text, "MAX_BYTES", 1024**2)
    bomb = gzip.compress(b" " * 64 * 1024**2)
    tracemalloc.start()
    with pytest.raises(BrokenText, match="is larger than 1 MB, unpacked; split it"):
        unpack(bomb)
    assert tracemalloc.get_traced_memory()[1] < 8 * 1024**2
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1,}', r"is no JSON: Expecting property name enclosed in double quotes \(line 1, column 9\)"),
        (
            '\ufeff{"orderNumber": "1",\n "orderDate": 2026-01-01}',
            r"is no JSON: Expecting ',' delimiter \(line 2, column 19\)",
        ),
        ('\n\n  {"a" 1}', r"is no JSON: Expecting ':' delimiter \(line 3, column 8\)"),
        ('{"a": "\\q"}', r"is no JSON: Invalid \\escape \(line 1, column 8\)"),
        ("[1] [2]", r"is no JSON: Extra data \(line 1, column 5\)"),
        ('{"a": NaN}', "holds NaN, which is no number of JSON"),
        ('{"a": [-Infinity]}', "holds -Infinity, which is no number of JSON"),
        ('{"orderDate": 1, "b": {}, "orderDate": 2}', "holds orderDate twice in one object"),
        (f'{{"{CARD}": 1, "{CARD}": 2}}', "holds a field twice in one object"),
        ('{"a": ' + "9" * 5000 + "}", "holds a number of too many digits"),
        ("[" * 100_000, "is nested too deeply"),
        ("{{ ti.xcom_pull('make') }}", r"is a template that was not rendered \(line 1, column 2\)"),
    ],
)
def test_what_is_broken_is_named_with_its_place_and_not_quoted(text, words):
    with pytest.raises(BrokenText, match=f"^{words}$") as caught:
        read_json(text)
    assert CARD not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "value",
    [
        {"cardNumber": CARD},
        ({"cardNumber": CARD},),
        [{"cardNumber": CARD}],
        OrderedDict(cardNumber=CARD),
        {"cardNumber": CARD, "b": b""},
    ],
)
def test_what_python_prints_is_called_python(value):
    with pytest.raises(
        BrokenText, match=r"^is Python, not JSON \(line 1, column \d+\): write it with \| tojson"
    ) as caught:
        read_json(repr(value))
    assert CARD not in str(caught.value)


@pytest.mark.parametrize("value", [None, True, False, Decimal(1), float("nan")])
def test_so_is_a_value_of_pythons_inside_of_what_else_is_json(value):
    with pytest.raises(BrokenText, match=r"^is Python, not JSON \(line 2, column 6\)"):
        read_json('{\n"a": ' + repr(value) + "}")


@given(st.text() | st.binary())
def test_anything_is_read_or_named(anything):
    with suppress(BrokenText):
        read_json(anything)


@pytest.mark.parametrize(
    "path",
    [
        "/data/orders.jsonl",
        "/data/2024-07-01T00:00:00+00:00/dt=2024-07-01/orders (1).jsonl",
        "/données/ordrés",
        "./orders",
        "../orders.jsonl",
        "~/orders.jsonl",
        "orders.jsonl",
        "nothing/here.NDJSON.GZ",
        "orders.json",
        "s3://conn_id@bucket/a/b-c_d.jsonl",
        "file:///tmp/orders.jsonl",
        "file:/tmp/orders",
        "s3://bucket/100%25/~x#1",
    ],
)
def test_what_looks_like_a_path(path):
    assert looks_like_path(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " /data/orders.jsonl",
        CARD,
        "orders",
        "here/orders",
        TEXT,
        "\ufeff" + TEXT,
        "\u200b/data/orders.jsonl",
        repr((ORDER,)),
        f"/{CARD}, 737",
        f"(/{CARD}.json)\n.json",
        f"cardNumber: {CARD}.json",
        f"/cardNumber: {CARD}",
        f"cardNumber={CARD} email=amy@shop.txt",
        f"Amy,{CARD},737,1/2030.txt",
        f'"{CARD}".json',
        f"<cardNumber>{CARD}</cardNumber>",
        f"https://shop/orders?card={CARD}",
        "sftp://user:password@host/orders.jsonl",
        "/" + "x" * 5000,
        "/data/\x1b[31m.jsonl",
    ],
)
def test_anything_else_is_no_path_and_may_hold_secrets(text):
    assert not looks_like_path(text)


@given(st.text(alphabet="/:@.~ abc{\n", max_size=60))
def test_looking_takes_no_time_and_finds_nothing_with_a_line_break(text):
    assert not (looks_like_path(text) and set(text) & set("\n{"))


@pytest.mark.parametrize(
    "given",
    [
        '{"card": "4111",}',
        b'{"card": "4111", "n": "\xe9"}',
        '{"card": 4111, "card": 1}',
        "[" * 10**5,
        "9" * 5000,
        "[NaN]",
    ],
    ids=lambda given: ascii(given[:20]),
)
def test_an_error_hangs_on_none_that_holds_the_text(given):
    with pytest.raises(BrokenText) as caught:
        read_json(given)
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


ROUNDED = "holds a number of more digits than a JSON number holds; round it to at most 15"


@pytest.mark.parametrize(
    "number",
    [
        "0.12345678901234567890123",
        "1234567890123456789.5",
        "0.100000000000000001",
        "1e-400",
        "1.2345678E-320",
        "1e-99999999999999999999",
        "0." + "1" * 1_000_000,
        "0." + "0" * 1_000_000 + "1",
    ],
)
def test_a_number_that_would_be_rounded_is_refused_as_a_decimal_is(number):
    with pytest.raises(BrokenText, match=ROUNDED):
        read_json(f'{{"a": {number}}}')
    if "e-9" not in number:  # which is no Decimal either
        with pytest.raises(InvalidInput, match=ROUNDED.removeprefix("holds a number of ")):
            to_json_types(Decimal(number))


@pytest.mark.parametrize("number", ["0.10000000000000001", "1.0000000000000001e+2", "249.99000000000001"])
def test_what_programs_write_of_a_double_is_that_double(number):
    assert read_json(f'{{"a": {number}}}') == {"a": float(number)}


def test_a_number_beyond_any_float_is_left_to_the_check_that_names_its_place():
    with pytest.raises(InvalidInput, match=r"\$\.a: numbers must be finite"):
        to_json_types(read_json('{"a": 1e400}'))


@pytest.mark.parametrize(
    "number",
    [
        "0.1",
        "12.50",
        "-0.0",
        "1e5",
        "2.5E-7",
        "0.30000000000000004",
        "123456789012345.5",
        "0.10" + "0" * 1_000,
        repr(5e-324),
        repr(1.7976931348623157e308),
    ],
)
def test_a_number_that_a_float_holds_is_read(number):
    assert read_json(number) == float(number)
    assert type(read_json(number)) is float


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_a_float_is_spelt_as_is_read(number):
    assert read_json(json.dumps([number])) == [number]
