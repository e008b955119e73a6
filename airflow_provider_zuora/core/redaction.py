"""The words of others, redacted before they are in an error, a log line, an XCom, an event or a note.

A bounded piece of them, longer than what is shown, is read from front to back, so that no text takes longer
than its length: secrets go first, as they stand and as escapes spell them, then comes the cut.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, NewType

from airflow_provider_zuora.core.secret_search import GAP, MARK, WHOLE_WORD, Secrets, replace_matches

RedactedText = NewType("RedactedText", str)
"""Words without secrets: only this module makes them, mypy takes no other text for them."""

MESSAGE_LENGTH, WORD_LENGTH, REASONS = 2000, 200, 20
"""The most characters of a message, and of a code, an id or a status word; the most reasons of one answer."""

_CUT, _LOST = "...", "\ufffd"
_PAGE = 64 * 1024  # bytes of a page that are searched for its title
_TITLES = (b"<title", b"<h1", b"<code")  # the last one is of a store's error

_WORDS = ("message", "messages")  # how the name of a member ends that holds words
_NAMED = max(map(len, _WORDS))
_MESSAGES = 1000  # texts of one result that are shown

# A card's number in one piece, or in groups as cards are printed; an IBAN likewise. All lengths are bounded.
_CARD = re.compile(
    WHOLE_WORD.format(
        r"(?:[1-68]\d{12,18}|[1-68]\d{3}([\W_]{1,3})\d{4}\1\d{4}\1\d{1,7}"
        r"|3\d{3}([\W_]{1,3})\d{6}\2\d{4,5}|1\d{3}([\W_]{1,3})\d{5}\3\d{6})"
    ),
    re.ASCII,
)
# Issuers as ISO/IEC 7812 numbers them: how their cards begin, and how many digits these have. A timestamp of
# our years, such as that of the order ORD-20261130100005, is none of them.
_ISSUERS: tuple[tuple[str, Iterable[int]], ...] = (
    ("4", (13, 16, 19)),  # Visa
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),  # Mastercard
    ("220[0-4]", range(16, 20)),  # Mir
    ("3[47]", (15,)),  # American Express
    ("3[0689]", range(14, 20)),  # Diners Club
    ("352[89]|35[3-8]", range(16, 20)),  # JCB
    ("6[0245]|8[12]", range(16, 20)),  # Discover, UnionPay
    ("5[06-9]|6", range(13, 20)),  # Maestro
    ("1", (15,)),  # UATP
)
_ISSUED = tuple((re.compile(begin), frozenset(lengths)) for begin, lengths in _ISSUERS)
_IBAN = re.compile(
    WHOLE_WORD.format(
        r"[A-Z]{2}\d{2}(?:[0-9A-Z]{11,30}|([\W_]{1,3})[0-9A-Z]{4}(?:\1[0-9A-Z]{4}){1,6}(?:\1[0-9A-Z]{1,3})?)"
    ),
    re.ASCII,
)

_NUMBER_LENGTH = 13  # characters; what is shorter is no number of a card or an account

NO_SECRETS = Secrets()
HIDDEN = ContextVar("the secrets that redact_words removes", default=NO_SECRETS)
"""The secrets that `redact_words` removes unless it is given others; set while an answer is read."""


def find_search_length(most: int, secrets: Secrets | None = None) -> int:
    """Return how many characters have to be searched for secrets, so that `most` can be shown."""
    return most + (secrets or HIDDEN.get()).overlap


def describe_value(value: object, most: int) -> str:
    """Return the beginning of ``str(value)``, without writing all of a large value."""
    if isinstance(value, str):
        return value[:most]
    text = ""
    for part in _write_value(value, most):
        text += part
        if len(text) >= most:
            break
    return text[:most]


def _write_value(value: object, most: int) -> Iterator[str]:
    """Yield the parts of ``repr(value)``; it recurses, and an answer's JSON has few levels."""
    if isinstance(value, dict):
        for index, (name, member) in enumerate(value.items()):
            yield ", " if index else "{"
            yield from _write_value(name, most)
            yield ": "
            yield from _write_value(member, most)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield ", " if index else "["
            yield from _write_value(member, most)
        yield "]" if value else "[]"
    else:
        yield repr(value[:most] if isinstance(value, str) else value)


def redact_words(
    words: object, most: int = MESSAGE_LENGTH, secrets: Secrets | None = None, kept: str = ""
) -> RedactedText:
    """
    Return the words of others as anybody may read them: cut, without secrets, in one printable line.

    Numbers of cards and accounts are hidden in any case: a waiting task does not know what its order holds.

    :param most: characters of what is returned.
    :param secrets: None: those of `HIDDEN`.
    :param kept: control characters that are not escaped; with them there may be more lines.
    """
    secrets = secrets or HIDDEN.get()
    read = find_search_length(most, secrets)
    text = "" if words is None else describe_value(words, read + 1)
    is_long = len(text) > read
    text = secrets.redact(text[:read])
    if len(text) >= _NUMBER_LENGTH:
        text = replace_matches(_IBAN, _hide_iban, replace_matches(_CARD, _hide_card, text))
    text = make_printable(text[: -secrets.overlap] if is_long else text, kept)
    return RedactedText(text if not is_long and len(text) <= most else text[: most - len(_CUT)] + _CUT)


def redact_messages(value: Any, secrets: Secrets) -> Any:
    """
    Return JSON, not nested deeply, in which texts below members such as ``paymentErrorMessage`` are redacted.

    All else is data and stays; what does not change is not copied. Of very many texts the first are shown.
    """
    left = iter(range(_MESSAGES))

    def redact(text: str) -> str:
        return _CUT if next(left, None) is None else redact_words(text, MESSAGE_LENGTH, secrets)

    return _redact_members(value, redact, are_words=False)


def _redact_members(value: Any, redact: Callable[[str], str], *, are_words: bool) -> Any:
    if isinstance(value, str):
        new = redact(value) if are_words else value
        return value if new == value else new
    if not isinstance(value, (dict, list)):
        return value
    changed = {}
    for name, member in value.items() if isinstance(value, dict) else enumerate(value):
        inside = are_words or (isinstance(name, str) and name[-_NAMED:].lower().endswith(_WORDS))
        if isinstance(member, (dict, list)) or (inside and isinstance(member, str)):
            new = _redact_members(member, redact, are_words=inside)
            if new is not member:
                changed[name] = new
    if not changed:
        return value
    if isinstance(value, dict):
        return {**value, **changed}
    return [changed.get(index, member) for index, member in enumerate(value)]


def make_printable(text: str, kept: str = "") -> str:
    """Return a text in one line, its control characters escaped; what no database keeps becomes U+FFFD."""
    if text.isprintable():
        return text
    return "".join(char if char in kept else _show_char(char) for char in text)


def _show_char(char: str) -> str:
    if char.isprintable():
        return char
    kind = unicodedata.category(char)
    if char == "\0" or kind == "Cs":
        return _LOST
    return " " if kind == "Zs" else char.encode("unicode_escape").decode()


def read_page_title(page: bytes, secrets: Secrets | None = None) -> RedactedText:
    """Return the title of a page, its first heading, or the code of a store's error; empty if it has none."""
    head = page[:_PAGE]
    lower = head.lower()
    for tag in _TITLES:
        begin = lower.find(b">", max(lower.find(tag), 0)) + 1 if tag in lower else 0
        end = lower.find(b"<", begin)
        words = head[begin : end if end >= 0 else None].strip() if begin else b""
        if words:
            longest = 4 * find_search_length(WORD_LENGTH, secrets) + 4  # bytes: a character more than is read
            return redact_words(words[:longest].decode("utf-8", "replace"), WORD_LENGTH, secrets)
    return RedactedText("")


def _hide_card(found: re.Match[str]) -> str:
    """Return asterisks for the number of a card, by issuer and check digit (Luhn); else what was found."""
    number = GAP.sub("", found[0])
    if not any(len(number) in lengths and begin.match(number) for begin, lengths in _ISSUED):
        return found[0]
    digits = list(map(int, number))
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return found[0] if (sum(digits[-1::-2]) + sum(doubled)) % 10 else MARK


def _hide_iban(found: re.Match[str]) -> str:
    """Return asterisks for an IBAN, by its check digits (ISO 13616); else what was found."""
    text = GAP.sub("", found[0])
    return MARK if int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1 else found[0]
