"""The border: a stranger's words come in here, before an error, a log line, an XCom, an event or a note.

A bounded piece of them, longer than what is told, is read from front to back, so that no text costs more than
its length: secrets go first, as they stand and as escapes spell them, then comes the cut.
"""

from __future__ import annotations

import html
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import cached_property
from itertools import product
from typing import Any
from urllib.parse import quote, quote_plus, unquote

MESSAGE_LENGTH, WORD_LENGTH, REASONS = 2000, 200, 20
"""The most characters of a message, and of a code, an id or a status word; the most reasons of one answer."""

_MARK, _CUT, _LOST = "***", "...", "\ufffd"
_OVERLAP = 256  # characters read behind a cut, so that no half of a secret is left before it
_ESCAPE_LENGTH = 6  # characters of an escape such as \u002b, which may spell one of a secret's
_PAGE = 64 * 1024  # bytes of a page in which its title is looked for
_TITLES = (b"<title", b"<h1", b"<code")  # the last one is of a store's error

_WORDS = ("message", "messages")  # how the name of a member ends that holds words
_NAMED = max(map(len, _WORDS))
_MESSAGES = 1000  # texts of one result that are told

_ALONE = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])"
_BARE = r"(?<![0-9]){}(?![0-9])"
_BETWEEN = r"[\W_]{0,3}"  # what may stand between two letters or digits of a secret
_GAP = re.compile(r"[\W_]+", re.ASCII)
# A card's number in one piece, or in groups as cards are printed; an IBAN likewise. All lengths are bounded.
_CARD = re.compile(
    _ALONE.format(
        r"(?:[2-6]\d{12,18}|[2-6]\d{3}([\W_]{1,3})\d{4}\1\d{4}\1\d{1,7}|3\d{3}([\W_]{1,3})\d{6}\2\d{4,5})"
    ),
    re.ASCII,
)
_IBAN = re.compile(
    _ALONE.format(
        r"[A-Z]{2}\d{2}(?:[0-9A-Z]{11,30}|([\W_]{1,3})[0-9A-Z]{4}(?:\1[0-9A-Z]{4}){1,6}(?:\1[0-9A-Z]{1,3})?)"
    ),
    re.ASCII,
)

_NUMBER_LENGTH = 13  # characters; what is shorter is no number of a card or an account

_ENCODED = re.compile("%[0-9A-F]{2}")
_HEX = "[0-9a-fA-F]"
_ESCAPED = re.compile(rf"\\(?:u({_HEX}{{4}})|x({_HEX}{{2}})|U({_HEX}{{8}})|(.))", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}
_ENTITY = re.compile("&(?:#[xX][0-9a-fA-F]{1,16}|#[0-9]{1,16}|[A-Za-z][0-9A-Za-z]{1,31});?")
_ESCAPES = frozenset("\\&%")  # how escapes begin
_DEEP = 3  # times that a text may have been escaped: JSON in JSON, in a page
_FINDS = 8  # ways to escape secrets in one text; of a text with more nothing is told
_SINGLE, _DOUBLE = ("'", "&#x27;", "&#39;", "&apos;"), ('"', "&quot;", "&#34;", "&#x22;")
# What .NET's JSON escapes besides, in capitals.
_NET = {ord(char): f"\\u{ord(char):04X}" for char in "&<>'+`"}
_IN_ANY_CASE = 8  # characters; of a secret that is shorter only its own case is hidden
_SHORTEST = 3  # characters; a hidden value that is shorter is too common a word
_WITHIN = 6  # characters; a shorter one is looked for as a word of its own only
_LONGEST = 64  # characters; of a longer one its beginning is looked for, and all behind that goes


class Secrets:
    """
    What no stranger's word may hold.

    :param texts: secrets of the connection; hidden to the letter, wherever they stand, and in any case where
        they are long enough to be no word.
    :param values: hidden values of an order; they are found whatever signs stand in them, with full-width
        digits and letters too, and one of digits also if it is glued to letters (``CVV987``).
    """

    def __init__(self, texts: Iterable[str] = (), values: Iterable[str] = ()):
        self._texts = tuple(text for text in texts if text)
        self._values = tuple(value for value in values if len(value) >= _SHORTEST)
        longest = max((*map(len, self._texts), *(min(len(value), _LONGEST) for value in self._values), 0))
        self.overlap = max(_OVERLAP, _ESCAPE_LENGTH * longest)
        self._shortest = _SHORTEST if self._values else min(map(len, self._texts), default=sys.maxsize)
        self._short = tuple(text for text in self._texts if len(text) < _IN_ANY_CASE)
        self._lower = tuple({text.lower() for text in self._texts if len(text) >= _IN_ANY_CASE})

    def redact(self, text: str) -> str:
        """
        Return the text without the secrets, the very same if it holds none.

        If one is found only as JSON, a page or a URL spells it, the text is returned as read from there.
        """
        if len(text) < self._shortest:
            return text
        text = self._without(text)
        if _ESCAPES.isdisjoint(text):
            return text
        for _ in range(_FINDS):
            read = self._deciphered(text)
            if read is None:
                return text
            text = read
        return _MARK

    def _deciphered(self, text: str) -> str | None:
        """Return a text as read, without the secrets that are found in it then; None if there are none."""
        seen, texts = {text}, [text]
        for _ in range(_DEEP):
            texts = [reader(each) for each in texts for reader in _READERS]
            texts = [each for each in dict.fromkeys(texts) if each not in seen]
            seen.update(texts)
            for each in texts:
                if (found := self._without(each)) != each:
                    return found
        return None

    def _without(self, text: str) -> str:
        """Return the text without the secrets that stand in it as they are."""
        lower = text.lower() if self._lower else ""
        if any(secret in lower for secret in self._lower):
            text = self._in_any_case.sub(_MARK, text)
        for secret in self._short:
            text = text.replace(secret, _MARK)
        return _substituted(self._pattern, lambda _: _MARK, text) if self._values else text

    @cached_property
    def _in_any_case(self) -> re.Pattern[str]:
        longest_first = sorted(self._lower, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(set(self._values), key=len, reverse=True)
        return re.compile("|".join(map(_spelt, longest_first)), re.IGNORECASE)


NO_SECRETS = Secrets()
_HIDDEN = ContextVar("what no word that comes in may hold", default=NO_SECRETS)


class hiding:  # noqa: N801 - it is used as a function; a generator's own context manager takes twice the time
    """Hide secrets in all words that come in meanwhile: later they are cut, and no half of one is found."""

    __slots__ = ("_before", "_secrets")

    def __init__(self, secrets: Secrets):
        self._secrets = secrets

    def __enter__(self) -> None:
        """Begin to hide them."""
        self._before = _HIDDEN.set(self._secrets)

    def __exit__(self, *_: object) -> None:
        """Hide them no longer."""
        _HIDDEN.reset(self._before)


def window(most: int, secrets: Secrets | None = None) -> int:
    """Return of how many characters secrets have to be looked for in, so that so many can be told."""
    return most + (secrets or _HIDDEN.get()).overlap


def _unescaped(text: str) -> str:
    """Return a text that was written as JSON, or by `printable`, as it was before."""
    if "\\" not in text:
        return text
    text = _ESCAPED.sub(_escaped_char, text)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped_char(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    if not digits:
        return _CONTROLS.get(found[4], found[4])
    return chr(int(digits, 16)) if int(digits, 16) <= sys.maxunicode else _LOST


def _unpaged(text: str) -> str:
    """Return a text of a page (HTML) as it reads; Python's own takes a number of any length for a char."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


_READERS = (_unescaped, _unpaged, unquote)


def _spelt(value: str) -> str:
    """Return the pattern of a hidden value; it holds no repetition but that of the rest of a text."""
    value = _plain(value)
    if len(value) > _LONGEST:
        return f"{re.escape(value[:_LONGEST])}(?s:.*)"
    bare = _GAP.sub("", value)
    if len(bare) < _SHORTEST or not bare.isalnum():
        return re.escape(value)
    spelt = _BETWEEN.join(bare)
    if len(bare) < _WITHIN:
        spelt = (_BARE if bare.isdecimal() else _ALONE).format(spelt)
    return spelt if bare == value else f"{re.escape(value)}|{spelt}"


def _plain(text: str) -> str:
    """Return a text of the same length in which full-width letters, and digits of any script, are ASCII."""
    return text if text.isascii() else "".join(map(_plain_char, text))


def _plain_char(char: str) -> str:
    if char.isascii():
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    normal = unicodedata.normalize("NFKC", char)
    return normal if len(normal) == 1 else char


def _substituted(pattern: re.Pattern[str], told: Callable[[re.Match[str]], str], text: str) -> str:
    """Return a text in which what is found in its plain letters is replaced; the rest stays as it is."""
    if text.isascii():
        return pattern.sub(told, text)
    parts, at = [], 0
    for found in pattern.finditer(_plain(text)):
        if (said := told(found)) == _MARK:
            parts += [text[at : found.start()], said]
            at = found.end()
    return "".join((*parts, text[at:]))


def spellings(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, and as URLs, pages (HTML) and JSON spell it; each once, the longest first."""
    page, quoted = html.escape(secret, quote=False), json.dumps(secret)[1:-1]
    addresses = [quote(secret, safe=""), quote_plus(secret)]
    safe_in_net = quoted.replace('\\"', "\\u0022").translate(_NET)
    safe_in_pages = quoted
    for char in "&<>'=":
        safe_in_pages = safe_in_pages.replace(char, f"\\u{ord(char):04x}")
    every = (
        secret,
        *addresses,
        *(_ENCODED.sub(lambda found: found[0].lower(), each) for each in addresses),
        *(page.replace("'", single).replace('"', double) for single, double in product(_SINGLE, _DOUBLE)),
        quoted,
        quoted.replace("/", "\\/"),
        json.dumps(secret, ensure_ascii=False)[1:-1],
        safe_in_net,
        safe_in_pages,
        safe_in_pages.replace("\\u003d", "="),
    )
    return tuple(sorted(dict.fromkeys(every), key=len, reverse=True))


def told(value: object, most: int) -> str:
    """Return the beginning of what ``str`` would say, without writing down all of a large value."""
    if isinstance(value, str):
        return value[:most]
    parts, length = [], 0
    for part in _written(value, most):
        parts.append(part)
        length += len(part)
        if length >= most:
            break
    return "".join(parts)[:most]


def _written(value: object, most: int) -> Iterator[str]:
    """Yield what ``repr`` would say, bit by bit; a call for each level, of which foreign JSON has few."""
    if isinstance(value, dict):
        for index, (name, member) in enumerate(value.items()):
            yield ", " if index else "{"
            yield from _written(name, most)
            yield ": "
            yield from _written(member, most)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield ", " if index else "["
            yield from _written(member, most)
        yield "]" if value else "[]"
    else:
        yield repr(value[:most] if isinstance(value, str) else value)


def redact_words(words: object, most: int = MESSAGE_LENGTH, secrets: Secrets | None = None) -> str:
    """
    Return a stranger's words as others may read them: cut, without secrets, in one printable line.

    Numbers of cards and accounts are hidden even if nobody has named them: a waiting task does not know what
    the order holds that its job is about.

    :param words: a text, or what is to be told as one; None is an empty text.
    :param most: characters of what is returned.
    :param secrets: None: those of `hiding`.
    """
    secrets = secrets or _HIDDEN.get()
    read = window(most, secrets)
    text = "" if words is None else told(words, read + 1)
    long = len(text) > read
    text = secrets.redact(text[:read])
    if len(text) >= _NUMBER_LENGTH:
        text = _substituted(_IBAN, _iban, _substituted(_CARD, _card, text))
    text = printable(text[: -secrets.overlap] if long else text)
    return text if not long and len(text) <= most else text[: most - len(_CUT)] + _CUT


def redact_messages(value: Any, secrets: Secrets) -> Any:
    """
    Return JSON whose words are redacted: every text below a member such as ``paymentErrorMessage``.

    All else is data and stays; what holds nothing that changes is not copied. Of very many words the first
    are told.

    :param value: as `foreign_json` reads it: it is not nested deeply.
    """
    left = iter(range(_MESSAGES))

    def redacted(text: str) -> str:
        return _CUT if next(left, None) is None else redact_words(text, MESSAGE_LENGTH, secrets)

    return _reworded(value, redacted, are_words=False)


def _reworded(value: Any, redacted: Callable[[str], str], *, are_words: bool) -> Any:
    """Return a value with the words in it redacted, the very same if nothing changes."""
    if isinstance(value, str):
        new = redacted(value) if are_words else value
        return value if new == value else new
    if not isinstance(value, (dict, list)):
        return value
    changed = {}
    for name, member in value.items() if isinstance(value, dict) else enumerate(value):
        inside = are_words or (isinstance(name, str) and name[-_NAMED:].lower().endswith(_WORDS))
        if isinstance(member, (dict, list)) or (inside and isinstance(member, str)):
            new = _reworded(member, redacted, are_words=inside)
            if new is not member:
                changed[name] = new
    if not changed:
        return value
    if isinstance(value, dict):
        return {**value, **changed}
    return [changed.get(index, member) for index, member in enumerate(value)]


def printable(text: str) -> str:
    """Return a text in one line, its control characters escaped; what no database keeps becomes U+FFFD."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    kind = unicodedata.category(char)
    if char == "\0" or kind == "Cs":
        return _LOST
    return " " if kind == "Zs" else char.encode("unicode_escape").decode()


def page_title(page: bytes, secrets: Secrets | None = None) -> str:
    """Return the title of a page, its first heading, or the code of a store's error; empty if it has none."""
    head = page[:_PAGE]
    lower = head.lower()
    for tag in _TITLES:
        begin = lower.find(b">", max(lower.find(tag), 0)) + 1 if tag in lower else 0
        end = lower.find(b"<", begin)
        words = head[begin : end if end >= 0 else None].strip() if begin else b""
        if words:
            longest = 4 * window(WORD_LENGTH, secrets) + 4  # bytes: one character more than what is read
            return redact_words(words[:longest].decode("utf-8", "replace"), WORD_LENGTH, secrets)
    return ""


def _card(found: re.Match[str]) -> str:
    """Return asterisks for the number of a card, which its last digit tells (Luhn); else what was found."""
    digits = [int(char) for char in found[0] if char.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return found[0] if (sum(digits[-1::-2]) + sum(doubled)) % 10 else _MARK


def _iban(found: re.Match[str]) -> str:
    """Return asterisks for an IBAN, which its check digits tell (ISO 13616); else what was found."""
    text = _GAP.sub("", found[0])
    return _MARK if int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1 else found[0]
