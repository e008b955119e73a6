"""The one form in which a document is sent, and what has none."""

from __future__ import annotations

import enum
import json
from collections import OrderedDict
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pendulum
import pytest

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_types import to_json_types


def violations(document: object) -> tuple[str, ...]:
    with pytest.raises(InvalidInput) as caught:
        to_json_types(document)
    return caught.value.violations


class Text(enum.StrEnum):
    YEAR = "Year"


class Word(str, enum.Enum):  # noqa: UP042 - its str() is "Word.DAY", which must not be sent
    DAY = "Day"


class Number(enum.IntEnum):
    TWELVE = 12


class NotATime(datetime):
    """Acts as pandas.NaT, a datetime that spells itself so."""

    def isoformat(self, *_: object) -> str:
        return "NaT"


PLAIN = [
    (None, "null"),
    (True, "true"),
    ("ü€", '"ü€"'),
    (date(2024, 7, 1), '"2024-07-01"'),
    (datetime(2024, 7, 1, 12, 30, tzinfo=UTC), '"2024-07-01T12:30:00+00:00"'),
    (pendulum.datetime(2024, 7, 1, tz="Europe/Berlin"), '"2024-07-01T00:00:00+02:00"'),
    (pendulum.date(2024, 7, 1), '"2024-07-01"'),
    (Decimal("19.99"), "19.99"),
    (Decimal("25.00"), "25"),
    (Decimal(-25), "-25"),
    (Decimal("0.1"), "0.1"),
    (Decimal("1E+20"), "1e+20"),
    (25.0, "25.0"),
    (-(2**63), "-9223372036854775808"),
    ((1, (2, [])), "[1, [2, []]]"),
    (MappingProxyType({"b": OrderedDict(a=1)}), '{"b": {"a": 1}}'),
    ({Text.YEAR: Text.YEAR, Word.DAY: [Word.DAY, Number.TWELVE]}, '{"Year": "Year", "Day": ["Day", 12]}'),
]


@pytest.mark.parametrize(("document", "text"), PLAIN)
def test_the_normal_form(document, text):
    assert json.dumps(to_json_types(document), ensure_ascii=False) == text


NOT_PLAIN = [
    (float("-inf"), "$: numbers must be finite, not NaN or infinity"),
    ([Decimal("NaN")], "$[0]: numbers must be finite, not NaN or infinity"),
    ([Decimal("sNaN")], "$[0]: numbers must be finite, not NaN or infinity"),
    (
        {"a": Decimal("0.12345678901234567890")},
        "$.a: more digits than a JSON number holds; round it to at most 15",
    ),
    ({"a": Decimal("1E+400")}, "$.a: more digits than a JSON number holds; round it to at most 15"),
    ({"a b": {1, 2}}, '$["a b"]: must be a JSON value, a date or a Decimal, not of type set'),
    ({"a\n": b"x"}, '$["a\\n"]: must be a JSON value, a date or a Decimal, not of type bytes'),
    ({"a": {7: 1, 8: 2}}, "$.a: a field name must be text, not of type int"),
    ({"a": {"\ud800": 1}}, "$.a: a field name must be whole text, not half a surrogate pair"),
    ({"a": "\udfff"}, "$.a: must be whole text, not half a surrogate pair"),
    ({"a": 10**5000}, "$.a: whole numbers must fit 64 bits"),
    ({"a": NotATime(1970, 1, 1, tzinfo=UTC)}, "$.a: must be a date, not NaT"),
]


@pytest.mark.parametrize(("document", "line"), NOT_PLAIN)
def test_what_json_cannot_carry_is_refused(document, line):
    assert violations(document) == (line,)


def test_all_that_json_cannot_carry_is_reported_at_once():
    with pytest.raises(InvalidInput) as caught:
        to_json_types([float("nan"), object(), 1])
    assert str(caught.value).startswith(
        "Invalid JSON document: 2 rules are broken, nothing was sent.\n$[0]: "
    )
    assert len(caught.value.violations) == 2


def test_a_document_that_contains_itself_is_refused():
    looped: dict[str, Any] = {"a": [1]}
    looped["a"] += [looped, looped]
    assert violations(looped) == ("$.a[1]: must not contain itself", "$.a[2]: must not contain itself")
    shared = {"x": 1}
    assert to_json_types([shared, shared]) == [shared, shared]


def test_sixty_four_levels_pass():
    deep: list[Any] = []
    for _ in range(63):
        deep = [deep]
    assert to_json_types([deep]) == [deep]
    assert violations([[deep]]) == ("$" + "[0]" * 65 + ": at most 64 levels of nesting",)
