"""Finds secrets in a text, as they stand and as escapes, pages and URLs spell them.

No pattern takes more time than the length of a text: all repetitions in them are bounded.
"""

from __future__ import annotations

import html
import json
import re
import sys
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from itertools import product
from urllib.parse import quote, quote_plus, unquote

MARK = "***"
"""Replaces what is hidden."""

_OVERLAP = 256  # characters read behind a cut, so that no half of a secret is left before it
_ESCAPE_LENGTH = 6  # characters of an escape such as \u002b, which may spell one of a secret's

WHOLE_WORD = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])"
_WHOLE_NUMBER = r"(?<![0-9]){}(?![0-9])"
_BETWEEN = r"[\W_]{0,3}"  # what may stand between two letters or digits of a secret
GAP = re.compile(r"[\W_]+", re.ASCII)

_ENCODED = re.compile("%[0-9A-F]{2}")
_HEX = "[0-9a-fA-F]"
_ESCAPED = re.compile(rf"\\(?:u({_HEX}{{4}})|x({_HEX}{{2}})|U({_HEX}{{8}})|(.))", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}
_ENTITY = re.compile("&(?:#[xX][0-9a-fA-F]{1,16}|#[0-9]{1,16}|[A-Za-z][0-9A-Za-z]{1,31});?")
_ESCAPES = frozenset("\\&%")  # how escapes begin
_DEEP = 3  # times that a text may have been escaped: JSON in JSON, in a page
_FINDS = 8  # ways to escape secrets in one text; a text with more is hidden as a whole
_LOST = "\ufffd"
_SINGLE, _DOUBLE = ("'", "&#x27;", "&#39;", "&apos;"), ('"', "&quot;", "&#34;", "&#x22;")
_NET = {ord(char): f"\\u{ord(char):04X}" for char in "&<>'+`"}  # of .NET, in capitals
_SPELT_ALIKE = re.compile(r"[0-9A-Za-z._~-]*")  # URLs, pages and JSON spell these as they are
_LIKE_ID = re.compile("[0-9a-f-]{1,36}")  # what a request id may hold
_IN_BODIES = 8  # characters; a shorter secret is no reason to change what an answer holds
_IN_ANY_CASE = 8  # characters; of a secret that is shorter only its own case is hidden
_SHORTEST = 3  # characters; a hidden value that is shorter is too common a word
_WITHIN = 6  # characters; a shorter one is hidden as a word of its own only
_LONGEST = 64  # characters; of a longer one its beginning is searched for, and all behind that goes
_ACCOUNTS = 16  # whose secrets are spelt once; as many sessions outlive their hooks


class Secrets:
    """
    What no words of others may hold.

    :param texts: secrets of the connection; hidden to the letter, long ones in upper or lower case too.
    :param values: hidden values of an order; they are found whatever signs stand in them, with full-width
        digits and letters too, and one of digits also if it is glued to letters (``CVV987``).
    :ivar in_bytes: the texts that are long enough to be removed from a body.
    :ivar like_ids: the texts that a request id could hold.
    :ivar has_values: whether there are values that are long enough to be hidden.
    """

    def __init__(self, texts: Iterable[str] = (), values: Iterable[str] = ()):
        self._texts = tuple(text for text in texts if text)
        self._values = tuple(value for value in values if len(value) >= _SHORTEST)
        longest = max((*map(len, self._texts), *(min(len(value), _LONGEST) for value in self._values), 0))
        self.overlap = max(_OVERLAP, _ESCAPE_LENGTH * longest)
        self._shortest = _SHORTEST if self._values else min(map(len, self._texts), default=sys.maxsize)
        self._short = tuple(text for text in self._texts if len(text) < _IN_ANY_CASE)
        self._lower = tuple({text.lower() for text in self._texts if len(text) >= _IN_ANY_CASE})
        long = (text for text in self._texts if len(text) >= _IN_BODIES)
        self.in_bytes = tuple([text.encode("utf-8", "surrogatepass") for text in long])
        self.like_ids = tuple([text for text in self._texts if _LIKE_ID.fullmatch(text)])
        self.has_values = bool(self._values)

    def redact(self, text: str) -> str:
        """Return the text without secrets, the very same if there are none, unescaped if one is escaped."""
        if len(text) < self._shortest:
            return text
        text = self._remove(text)
        if _ESCAPES.isdisjoint(text):
            return text
        for _ in range(_FINDS):
            read = self._remove_escaped(text)
            if read is None:
                return text
            text = read
        return MARK

    def _remove_escaped(self, text: str) -> str | None:
        """Return a text unescaped, without the secrets that are found in it then; None if there are none."""
        seen, texts = {text}, [text]
        for _ in range(_DEEP):
            texts = [reader(each) for each in texts for reader in _READERS]
            texts = [each for each in dict.fromkeys(texts) if each not in seen]
            seen.update(texts)
            for each in texts:
                if (found := self._remove(each)) != each:
                    return found
        return None

    def _remove(self, text: str) -> str:
        """Return the text without the secrets that stand in it as they are."""
        lower = text.lower() if self._lower else ""
        if any(secret in lower for secret in self._lower):
            text = self._in_any_case.sub(MARK, text)
        for secret in self._short:
            text = text.replace(secret, MARK)
        return replace_matches(self._pattern, lambda _: MARK, text) if self._values else text

    @cached_property
    def _in_any_case(self) -> re.Pattern[str]:
        longest_first = sorted(self._lower, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(set(self._values), key=len, reverse=True)
        return re.compile("|".join(map(_make_pattern, longest_first)), re.IGNORECASE)


def _unescape(text: str) -> str:
    """Return a text as it was before JSON, or `make_printable`, escaped it."""
    if "\\" not in text:
        return text
    text = _ESCAPED.sub(_unescape_char, text)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescape_char(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    if not digits:
        return _CONTROLS.get(found[4], found[4])
    return chr(int(digits, 16)) if int(digits, 16) <= sys.maxunicode else _LOST


def _unescape_page(text: str) -> str:
    """Return the text of a page (HTML); Python's own takes a number of any length for a character."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


_READERS = (_unescape, _unescape_page, unquote)


def _make_pattern(value: str) -> str:
    """Return the pattern of a hidden value; it holds no repetition but that of the rest of a text."""
    value = _to_ascii(value)
    if len(value) > _LONGEST:
        return f"{re.escape(value[:_LONGEST])}(?s:.*)"
    bare = GAP.sub("", value)
    if len(bare) < _SHORTEST or not bare.isalnum():
        return re.escape(value)
    spelt = _BETWEEN.join(bare)
    if len(bare) < _WITHIN:
        spelt = (_WHOLE_NUMBER if bare.isdecimal() else WHOLE_WORD).format(spelt)
    return spelt if bare == value else f"{re.escape(value)}|{spelt}"


def _to_ascii(text: str) -> str:
    """Return a text of the same length in which full-width letters, and digits of any script, are ASCII."""
    return text if text.isascii() else "".join(map(_char_to_ascii, text))


def _char_to_ascii(char: str) -> str:
    if char.isascii():
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    normal = unicodedata.normalize("NFKC", char)
    return normal if len(normal) == 1 else char


def replace_matches(pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace what a pattern finds in a text whose letters and digits are made ASCII; the rest stays."""
    if text.isascii():
        return pattern.sub(replacement, text)
    parts, at = [], 0
    for found in pattern.finditer(_to_ascii(text)):
        if (new := replacement(found)) == MARK:
            parts += [text[at : found.start()], new]
            at = found.end()
    return "".join((*parts, text[at:]))


def make_secrets(credentials: tuple[str, str], hidden: tuple[str, ...], token: str) -> Secrets:
    """Return what no answer may hold: a client's secret, values of an order, and a token or ""."""
    return Secrets((*_spell_credentials(credentials), *spell_secret(token)), hidden)


@lru_cache(_ACCOUNTS)
def _spell_credentials(credentials: tuple[str, str]) -> tuple[str, ...]:
    """Return the spellings of the client secret, and of it beside the client id as HTTP's Basic has them."""
    secrets = [credentials[1]]
    for words in {":".join(credentials), ":".join(map(quote_plus, credentials))}:
        basic = b64encode(words.encode("utf-8", "surrogatepass")).decode().rstrip("=")
        secrets += {basic, basic.translate({ord("+"): "-", ord("/"): "_"})}
    return tuple(text for secret in secrets for text in spell_secret(secret))


def spell_secret(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, and as URLs, pages (HTML) and JSON spell it; each once, the longest first."""
    if _SPELT_ALIKE.fullmatch(secret):
        return (secret,)
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
