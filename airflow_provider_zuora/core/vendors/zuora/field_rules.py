"""The rules on single fields of a document, as values that a table holds; no message quotes what it found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from airflow_provider_zuora.core.json_types import REFUSED, JsonReader, Path, Violation
from airflow_provider_zuora.core.times import is_day, is_second

Rule: TypeAlias = Callable[[Any, Path], Iterator[Violation]]
_DIGITS = re.compile(r"[0-9]{1,2}")
_ID = re.compile(r"(?=[A-Za-z-]*[0-9])[0-9A-Za-z-]{1,32}")
_BATCH = re.compile(r"AllBatches|Batch[1-9][0-9]{0,2}")
_CURRENCY = re.compile(r"(?!ALL$)[A-Z]{3}")


def read_document(document: object, rules: Mapping[str, Rule]) -> tuple[dict[str, Any], list[Violation]]:
    """Return a document in plain JSON types, and the rules on its fields that it breaks."""
    reader = JsonReader()
    plain = reader.read(document)
    broken = [*reader.refused, *check_object(rules)(plain, ())]
    return (plain if isinstance(plain, dict) else {}), broken


def has(document: Mapping[str, Any], name: str) -> bool:
    """Return whether a field is there; null counts as absent."""
    return document.get(name) is not None


def check_object(rules: Mapping[str, Rule], *required: str) -> Rule:
    """Return the rule of an object whose known fields have rules; unknown ones pass."""

    def check(value: Any, path: Path) -> Iterator[Violation]:
        if value is REFUSED:
            return
        if not isinstance(value, dict):
            yield path, "must be an object"
            return
        yield from (((*path, name), "is required") for name in required if not has(value, name))
        for name, rule in rules.items():
            if has(value, name):
                yield from rule(value[name], (*path, name))

    return check


def check_list(rule: Rule, least: int = 1, most: int = 0) -> Rule:
    """Return the rule of a list of so many members; ``most`` 0: of any number."""

    def check(value: Any, path: Path) -> Iterator[Violation]:
        if not isinstance(value, list):
            yield path, "must be a list"
        elif len(value) < least or (most and len(value) > most):
            size = f"{least} to {most}" if most else f"at least {least}"
            yield path, f"must have {size} members, this has {len(value)}"
        else:
            for index, member in enumerate(value):
                yield from rule(member, (*path, index))

    return check


def _check(fits: Callable[[Any], bool], words: str) -> Rule:
    def check(value: Any, path: Path) -> Iterator[Violation]:
        if value is not REFUSED and not fits(value):
            yield path, words

    return check


def check_text(most: int = 0) -> Rule:
    """Return the rule of a text that is not blank, of at most so many characters if ``most`` is not 0."""
    limit = f" of at most {most} characters" if most else ""
    return _check(
        lambda value: (
            isinstance(value, str)
            and bool(value.strip())
            and value.isprintable()
            and (not most or len(value) <= most)
        ),
        f"must be text{limit}, in one line and not blank",
    )


def check_word(*words: str) -> Rule:
    """Return the rule of one of some words."""
    return _check(lambda value: value in words, f"must be one of {', '.join(words)}")


def check_whole(least: int, most: int) -> Rule:
    """Return the rule of a whole number."""
    return _check(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
        f"must be a whole number from {least} to {most}",
    )


def check_day_of_month(*words: str) -> Rule:
    """Return the rule of a day from 1 to 31, as text or as a number, or one of some words."""

    def fits(value: Any) -> bool:
        is_number = isinstance(value, (str, int)) and not isinstance(value, bool)
        text = str(value) if is_number else ""
        return text in words or (bool(_DIGITS.fullmatch(text)) and 1 <= int(text) <= 31)

    return _check(fits, f"must be {', '.join(('1 to 31', *words))}")


def is_date(value: object) -> bool:
    """Return whether a value is a real day, written ``2026-03-01``."""
    return isinstance(value, str) and is_day(value)


def _is_moment(value: object) -> bool:
    return isinstance(value, str) and is_second(value)  # Zuora names no zone


FLAG = _check(lambda value: isinstance(value, bool), "must be true or false")
DATE = _check(is_date, "must be a calendar date, written YYYY-MM-DD")
MOMENT = _check(_is_moment, "must be a date and time, written YYYY-MM-DD hh:mm:ss")
AMOUNT = _check(
    lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0,
    "must be a number above 0",
)
ID = _check(
    lambda value: isinstance(value, str) and bool(_ID.fullmatch(value)),
    "must be an id: letters and digits, at most 32, at least one of them a digit",
)
BATCH = _check(
    lambda value: isinstance(value, str) and bool(_BATCH.fullmatch(value)),
    "must be AllBatches or Batch1, Batch2 and so on",
)
CURRENCY = _check(
    lambda value: isinstance(value, str) and bool(_CURRENCY.fullmatch(value)),
    "must be a currency of three letters, such as USD",
)
