"""Orders as JSON Lines."""

from __future__ import annotations

import io

import pytest

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_text import read_items, read_lines, read_orders, write_lines


def test_a_number_of_too_many_digits_is_named_by_its_line():
    with pytest.raises(InvalidInput, match=r"line 1: holds a number of too many digits"):
        read_lines([b'{"a": ' + b"9" * 5000 + b"}"])


def test_one_order_a_line():
    orders, places = read_lines(io.BytesIO(b'{"a": 1}\n\n  \r\n{"b": "\xc3\xbc"}\r\n{"c": 2}'))

    assert orders == [{"a": 1}, {"b": "ü"}, {"c": 2}]
    assert places == ["line 1", "line 4", "line 5"]


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
