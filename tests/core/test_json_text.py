"""JSON as users hand it over: what is read, what is named, and that nothing of it is quoted."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections import OrderedDict
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_text import (
    BrokenText,
    is_path_text,
    read_items,
    read_json,
    read_lines,
    read_orders,
    unpack,
    write_lines,
)
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


def test_a_bomb_is_unpacked_no_further_than_the_bound():
    bomb = gzip.compress(b" " * 64 * 1024**2)
    tracemalloc.start()
    with pytest.raises(BrokenText, match="is larger than 1 MB, unpacked; split it"):
        unpack(bomb, most=1024**2)
    assert tracemalloc.get_traced_memory()[1] < 8 * 1024**2
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"a": 1,}',  # the second are the words of Python 3.13
            r"is no JSON: (Expecting property name.*, column 9\)|Illegal trailing comma.*, column 8\))",
        ),
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
    assert is_path_text(path)


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
    assert not is_path_text(text)


@given(st.text(alphabet="/:@.~ abc{\n", max_size=60))
def test_looking_takes_no_time_and_finds_nothing_with_a_line_break(text):
    assert not (is_path_text(text) and set(text) & set("\n{"))


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


# Lists of orders: JSON Lines, or one JSON list.


def test_a_number_of_too_many_digits_is_named_by_its_line():
    with pytest.raises(InvalidInput, match=r"line 1: holds a number of too many digits"):
        read_lines([b'{"a": ' + b"9" * 5000 + b"}"])


def test_one_order_a_line():
    orders, labels = read_lines(io.BytesIO(b'{"a": 1}\n\n  \r\n{"b": "\xc3\xbc"}\r\n{"c": 2}'))

    assert orders == [{"a": 1}, {"b": "ü"}, {"c": 2}]
    assert labels == ["line 1", "line 4", "line 5"]


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert read_lines([b'\xef\xbb\xbf{"a": 1}\n']) == ([{"a": 1}], ["line 1"])


def test_an_empty_file_holds_no_orders():
    assert read_lines([]) == ([], [])


def test_what_was_written_is_read_again():
    orders = [{"a": 'ü"\n'}, {"b": [1, 2.5, None]}]

    assert read_lines(io.BytesIO(write_lines(orders)))[0] == orders


def test_each_broken_line_is_named_and_none_is_quoted():
    with pytest.raises(InvalidInput) as caught:
        read_lines([b'{"a": 1}\n', b'{"cvv": 987,\n', b'"\xff"\n', b"[" * 100_000])

    assert caught.value.violations == (
        "line 2: is no JSON: Expecting property name enclosed in double quotes (column 13)",
        "line 3: is not UTF-8 (byte 2)",
        "line 4: is nested too deeply",
    )
    assert "987" not in str(caught.value)


def test_no_more_than_a_hundred_broken_lines_are_named():
    with pytest.raises(InvalidInput) as caught:
        read_lines([b"?\n"] * 1000)

    assert len(caught.value.violations) == 101
    assert caught.value.violations[-1] == "and 900 more"


def test_a_list_may_hold_json_texts_and_each_broken_one_is_named():
    assert read_items(['\ufeff{"a": 1}', {"b": 2}, b'{"c": 3}', 4]) == [{"a": 1}, {"b": 2}, {"c": 3}, 4]
    with pytest.raises(InvalidInput) as caught:
        read_items(["{}", "{'cvv': 987}", "7,"])
    assert [line.partition(":")[0] for line in caught.value.violations] == ["orders[1]", "orders[2]"]
    assert "987" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "orders: is empty; nor does it look like a path (a pathlib.Path always is one)"),
        ("sales", "orders: is no JSON: Expecting value (line 1, column 1); nor does it look like a path"),
        ("[1, 2", "orders: is no JSON: Expecting ',' delimiter (line 1, column 6)"),
        (b"[1, 2", "orders: is no JSON: Expecting ',' delimiter (line 1, column 6)"),
        (b"PK\x03\x04", "orders: is a zip archive, not JSON"),
        ("{}\n{'cvv': 987}", "line 2: is Python, not JSON (column 2)"),
        (b"cvv,987", "line 1: is no JSON: Expecting value (column 1)"),
        ("\ud83d", "orders: is no JSON: Expecting value (line 1, column 1)"),
    ],
)
def test_what_is_no_list_says_so_with_its_place(given, words):
    with pytest.raises(InvalidInput) as caught:
        read_orders(given)
    assert caught.value.violations[0].startswith(words)
    assert "987" not in str(caught.value)


def test_a_file_with_a_list_and_a_text_with_lines_are_read_too():
    assert read_orders(b" \n\xef\xbb\xbf[1, 2]") == ([1, 2], [])
    assert read_orders('{"a": 1}\n\n\ufeff{"a": 2}') == ([{"a": 1}, {"a": 2}], ["line 1", "line 3"])
    assert read_orders("5") == (5, []), "for others to refuse"
    assert read_orders(b"") == ([], [])


def test_half_a_surrogate_pair_in_a_text_stays_what_it_is_for_the_check_of_orders_to_refuse():
    """A file that was read with surrogateescape: no order of it may be sent with other letters."""
    assert read_orders('{"a": "M\udcfcller"}\n{"b": 1}') == (
        [{"a": "M\udcfcller"}, {"b": 1}],
        ["line 1", "line 2"],
    )


@pytest.mark.parametrize(
    "before", ["\ufeff" + "\n" * 64, "\ufeff" + " " * 5000, "\xa0" * 60, "\n" * 9000 + "\ufeff"]
)
@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_list_is_a_list_whatever_is_not_seen_before_it(before, kind):
    assert read_orders(kind(f'{before}[{{"a": 1}},\n {{"b": 2}}]')) == ([{"a": 1}, {"b": 2}], [])
    assert read_orders(kind(f'{before}{{"a": 1}}'))[0] == [{"a": 1}]
