"""The file of a data query is what was asked for, or an error."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from airflow_provider_zuora.core.errors import Unreadable
from airflow_provider_zuora.core.redaction import NO_SECRETS
from airflow_provider_zuora.core.vendors.zuora.query_rules import check_query
from airflow_provider_zuora.hooks.query_file import LineCount, QueryFile, read_rows

CSV = b'accountnumber,"balance, open"\nA1,230.0\n'
JSON = b'{"accountnumber":"A1","balance":230.0}\n'
SIZE = 10_000


def zipped(data):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("rows.csv", data)
    return made.getvalue()


def encrypted():
    data = bytearray(zipped(CSV))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    return bytes(data)


def put(tmp_path, data):
    file = tmp_path / "file"
    file.write_bytes(data)
    return file


NAMES = ["accountnumber", "balance"]
GOOD = {
    "CSV": ({}, CSV, ["accountnumber", "balance, open"]),
    "CSV with a byte order mark": ({}, b"\xef\xbb\xbf" + CSV, ["accountnumber", "balance, open"]),
    "TSV": ({"output_format": "TSV"}, b"a\tb\r\n1\t2\r\n", ["a", "b"]),
    "DSV": ({"output_format": "DSV", "column_separator": "|"}, b"a|b\n", ["a", "b"]),
    "JSON": ({"output_format": "JSON"}, JSON, ["accountnumber", "balance"]),
    "gzip": ({"compression": "GZIP"}, gzip.compress(CSV), ["accountnumber", "balance, open"]),
    "gzipped JSON": (
        {"compression": "GZIP", "output_format": "JSON"},
        gzip.compress(JSON),
        ["accountnumber", "balance"],
    ),
    "ZIP": ({"compression": "ZIP"}, zipped(CSV), ["accountnumber", "balance, open"]),
    "a header alone": ({}, b"a,b\n", ["a", "b"]),
    "nothing": ({}, b"", []),
    "nothing, gzipped": ({"compression": "GZIP"}, gzip.compress(b""), []),
    "no bytes where gzip was asked for": ({"compression": "GZIP"}, b"", []),
    "an archive of nothing": ({"compression": "ZIP"}, b"PK\x05\x06" + bytes(18), []),
    "JSON with a byte order mark": (
        {"output_format": "JSON"},
        b"\xef\xbb\xbf" + JSON,
        ["accountnumber", "balance"],
    ),
    "JSON after a blank line": ({"output_format": "JSON"}, b"\n" + JSON, ["accountnumber", "balance"]),
    "a line break in a name": ({}, b'"a\nb",c\n', ["a\nb", "c"]),
    "a row too long to name columns": ({"output_format": "JSON"}, b'{"a":"' + b"x" * 2**20 + b'"}', []),
    "a name too long to be one": ({}, b'"' + b"x" * 200_000 + b'"\n', []),
    "no rows of JSON": ({"output_format": "JSON"}, b"", []),
}


@pytest.mark.parametrize(("options", "data", "columns"), GOOD.values(), ids=GOOD)
def test_the_columns_of_a_file_are_read_and_it_stays_as_it_is(tmp_path, options, data, columns):
    kind = QueryFile.of(check_query("SELECT 1", **options))
    file = kind.check(put(tmp_path, data), NO_SECRETS, SIZE)
    assert kind.read_columns(file) == columns
    assert file.read_bytes() == data


def test_a_plain_file_that_the_store_has_gzipped_is_unpacked(tmp_path):
    kind = QueryFile.of(check_query("SELECT 1"))
    file = kind.check(put(tmp_path, gzip.compress(CSV)), NO_SECRETS, SIZE)
    assert file.read_bytes() == CSV


BAD = {
    "a page of the store": ({}, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"),
    "CSV where JSON was asked for": ({"output_format": "JSON"}, CSV),
    "a plain file where gzip was asked for": ({"compression": "GZIP"}, CSV),
    "an object that is no row of CSV": ({}, b' {"message": "Forbidden"}'),
    "a page, gzipped": ({"compression": "GZIP"}, gzip.compress(b"<html>no</html>")),
    "a plain file where ZIP was asked for": ({"compression": "ZIP"}, CSV),
}


@pytest.mark.parametrize(("options", "data"), BAD.values(), ids=BAD)
def test_another_kind_of_file_is_refused_and_a_retry_may_help(tmp_path, options, data):
    kind = QueryFile.of(check_query("SELECT 1", **options))
    with pytest.raises(Unreadable, match="What came is no") as caught:
        kind.check(put(tmp_path, data), NO_SECRETS, SIZE)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({"compression": "GZIP"}, gzip.compress(CSV * 50)[:40]),
        ({"compression": "ZIP"}, b"PK\x03\x04 and then nothing"),
        ({"output_format": "JSON"}, b"{broken\n"),
        ({"compression": "ZIP"}, encrypted()),
        ({"output_format": "JSON"}, b'{"a":' * 100_000 + b"\n"),
        ({}, b"\xff\xfea,b\n"),
    ],
)
def test_a_damaged_file_is_an_error(tmp_path, options, data):
    kind = QueryFile.of(check_query("SELECT 1", **options))
    with pytest.raises(Unreadable, match="damaged"):
        kind.read_columns(put(tmp_path, data))


CUT = {
    "CSV": ({}, b"a\n1\n2\n", 2),
    "CSV without a line end": ({}, b"a\n1\n2", 2),
    "line breaks in a value": ({}, b'a\n"1\n2\n3"\n', 1),
    "JSON": ({"output_format": "JSON"}, b'{"a":1}\n{"a":2}\n', 2),
    "gzip": ({"compression": "GZIP"}, gzip.compress(b"a\n1\n2\n"), 2),
    "ZIP": ({"compression": "ZIP"}, zipped(b"a\n1\n2\n"), 2),
    "nothing": ({}, b"", 0),
}


@pytest.mark.parametrize(("options", "data", "rows"), CUT.values(), ids=CUT)
def test_a_file_with_fewer_lines_than_rows_was_cut_off(tmp_path, options, data, rows):
    kind = QueryFile.of(check_query("SELECT 1", **options))
    file = put(tmp_path, data)
    kind.check_rows(kind.count_lines(file), rows)
    kind.check_rows(kind.count_lines(file), None)  # Zuora did not say
    with pytest.raises(Unreadable, match="was cut off: it has at most"):
        kind.check_rows(kind.count_lines(file), rows + 5)


@pytest.mark.parametrize("rows", [1, 2, None])
def test_json_that_ends_within_a_row_was_cut_off(tmp_path, rows):
    kind = QueryFile.of(check_query("SELECT 1", output_format="JSON"))
    kind.check_rows(kind.count_lines(put(tmp_path, b'{"a":1}\n{"a":2} \n\n')), rows)
    with pytest.raises(Unreadable, match="cut off within its last row"):
        kind.check_rows(kind.count_lines(put(tmp_path, b'{"a":1}\n{"a":')), rows)


@pytest.mark.parametrize("size", [1, 3, 5000])
@pytest.mark.parametrize("width", [0, 1, 300])
@pytest.mark.parametrize("end", [b"", b"\n", b"}\n\n", b"}\r\n \n"])
def test_the_lines_of_parts_are_those_of_the_whole(size, width, end):
    data = (b"x" * width + b"\r\n") * 40 + end
    count = LineCount()
    for start in range(0, len(data), size):
        count.add(data[start : start + size])
    assert count.lines == data.count(b"\n")
    assert count.last == data[-1:]
    assert count.last_visible == data.rstrip()[-1:]


def test_a_row_with_two_values_of_one_name_is_an_error_and_none_is_lost():
    rows = read_rows(io.BytesIO(b'{"id": "i-1", "id": "a-9"}\n'))
    with pytest.raises(Unreadable, match=r"Line 1 .* has two values of one name. Give each column an alias"):
        next(rows)


def test_a_packed_file_that_was_cut_off_is_damaged(tmp_path):
    kind = QueryFile.of(check_query("SELECT 1", compression="GZIP"))
    with pytest.raises(Unreadable, match="damaged"):
        kind.check_rows(kind.count_lines(put(tmp_path, gzip.compress(CSV * 50)[:-9])), 1)


def test_rows_are_dicts_and_what_no_database_keeps_is_replaced():
    rows = read_rows(io.BytesIO(JSON + b"\n" + b'{"name": "a\\u0000b", "deep": {"x": [1]}}'))
    assert list(rows) == [{"accountnumber": "A1", "balance": 230.0}, {"name": "a\ufffdb", "deep": {"x": [1]}}]


@pytest.mark.parametrize("line", [b"[1]", b"5", b"{", b"\xff", b"[" * 100_000])
def test_a_line_that_is_no_row_is_an_error_with_its_number(line):
    rows = read_rows(io.BytesIO(b'{"a": 1}\n' + line))
    assert next(rows) == {"a": 1}
    with pytest.raises(Unreadable, match="Line 2 of the query's file"):
        next(rows)
