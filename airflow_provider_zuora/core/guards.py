"""What a guard allows: its limits as users write them, and what is compared with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, Literal, TypeAlias

from airflow_provider_zuora.core.environments import Environments, find_environment, normalize_url
from airflow_provider_zuora.core.errors import GuardRefused, ResponseInfo

FIELDS = ("expect_environment", "max_orders", "max_amount", "currency")
PRODUCTION, SANDBOX = "production", "sandbox"
_JINJA = ("{{", "{%")
_DIGITS = 15  # of a number that was read as a double: with more of them it may be another one
_PLAIN = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
_PRECISION = 80  # digits, in which sums of such amounts are exact
_BLANK = "is blank: what its template stands for is not there"
_AMOUNT = "must be an amount of 0 or more, as text such as '1000.50', a Decimal or a whole number"

Money: TypeAlias = tuple[Decimal, str]
"""An amount and its currency."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    One guard, as it was read; what is None, or empty, limits nothing.

    :param source: whose guard it is, for messages.
    """

    source: str = "guard"
    environment: str = ""
    max_orders: int | None = None
    max_amount: Decimal | None = None
    currency: str = ""

    @classmethod
    def of(cls, given: object, environments: Environments, source: str = "guard") -> Limits:
        """
        Return the limits of a guard: a mapping, a named tuple, or JSON text; None: there are none.

        A text that is blank, or ``None``, is what a template makes of nothing: the author wanted a limit.

        :raises ValueError: with a line for each broken rule.
        """
        fields, broken = _read_fields(given)
        values: dict[str, Any] = {"source": source}
        for name, (own, _) in _READERS.items():
            try:
                values[own] = _read_field(name, fields.get(name), environments)
            except ValueError as error:
                broken.append(f"{name}: {error}")
        if not broken and (values["max_amount"] is None) == bool(values["currency"]):
            broken.append("max_amount: needs a currency, and a currency needs a max_amount")
        if broken:
            raise ValueError("\n".join(broken))
        return cls(**values)

    def check_environment(self, base_url: str, environments: Environments) -> None:
        """Refuse a connection to another environment than the one that is expected, or to an unknown one."""
        if not self.environment:
            return
        name, place = find_environment(base_url, environments), normalize_url(base_url)
        found = {name.casefold(), place, PRODUCTION if "Production" in name else SANDBOX} if name else {place}
        if self.environment in found:
            return
        words = f"is to {name} ({place})" if name else f"is to {place}, which is no known environment"
        raise self._refuse("expect_environment", f"must be {self.environment}, and the connection {words}")

    def check_count(self, count: int, words: str) -> None:
        """Refuse so many orders, if they are too many; ``words``: what is counted."""
        if self.max_orders is not None and count > self.max_orders:
            found = "1 order" if count == 1 else f"{count} orders"
            verb = "is" if self.max_orders == 1 else "are"
            raise self._refuse("max_orders", f"{words} {found}, and {self.max_orders} {verb} allowed")

    def check_amounts(self, amounts: Iterable[Money], words: str) -> None:
        """
        Refuse amounts that come to too much together, or of which one is in another currency.

        Credits count as charges do: what moves counts, whichever way. ``words``: what comes to that.
        """
        if self.max_amount is None:
            return
        given = list(amounts)
        others = sorted({currency for _, currency in given} - {self.currency})
        if others:
            what = f"{words} amounts in {', '.join(others)}, and only {self.currency} is allowed"
            raise self._refuse("currency", what)
        total = _add_up(amount for amount, _ in given)
        if total > self.max_amount:
            most = f"{self.max_amount:f} {self.currency}"
            raise self._refuse("max_amount", f"{words} {total:f} {self.currency}, and {most} is allowed")

    def _refuse(self, field: str, words: str) -> GuardRefused:
        return GuardRefused(f"{self.source}: {field}: {words}.")


@dataclass(frozen=True, slots=True)
class Guards:
    """All guards of a submission; each of them must let it pass, so the lowest limit counts."""

    limits: tuple[Limits, ...] = ()
    environments: Environments | None = None

    @property
    def counts_orders(self) -> bool:
        """Return whether one of them limits how many orders there are."""
        return any(each.max_orders is not None for each in self.limits)

    @property
    def reads_amounts(self) -> bool:
        """Return whether one of them limits an amount."""
        return any(each.max_amount is not None for each in self.limits)

    def check_environment(self, base_url: str) -> None:
        """Refuse a connection to another environment than an expected one."""
        for each in self.limits:
            each.check_environment(base_url, self.environments or {})

    def check_count(self, count: int, words: str) -> None:
        """Refuse so many orders, if they are too many."""
        for each in self.limits:
            each.check_count(count, words)

    def check_amounts(self, amounts: Iterable[Money], words: str) -> None:
        """Refuse amounts that come to too much together, or that are in another currency."""
        given = list(amounts)
        for each in self.limits:
            each.check_amounts(given, words)

    def refuse_unread_amount(self, words: str) -> None:
        """Refuse what comes to an amount that cannot be told, if one of them limits it."""
        if self.reads_amounts:
            raise self.build_refusal("max_amount", f"what {words} cannot be told.")

    def build_refusal(
        self, field: Literal["max_orders", "max_amount"], words: str, info: ResponseInfo | None = None
    ) -> GuardRefused:
        """Return the refusal of what cannot be compared with a limit; it says whose limit that is."""
        sources = " and ".join(each.source for each in self.limits if getattr(each, field) is not None)
        return GuardRefused(f"{sources}: {field}: {words}", info=info)


NO_GUARDS = Guards()


def read_ceiling(environments: Environments, value: object) -> Limits:
    """Return the guard of a connection; raise a `ValueError` with the rules that it breaks, in one line."""
    try:
        return Limits.of(None if _is_blank(value) else value, environments, "the connection's guard")
    except ValueError as error:
        raise ValueError("; ".join(str(error).splitlines())) from None


def find_violations(given: object, environments: Environments) -> list[str]:
    """Return the rules that a guard breaks, as far as that can be told before its templates are rendered."""
    if isinstance(given, str) and _is_template(given):
        return []
    if not isinstance(given, (str, tuple, Mapping, bool, int, float, list, type(None))):
        return []  # an XCom that is pushed later
    fields, broken = _read_fields(given)
    known = {name: value for name, value in fields.items() if name in FIELDS}
    if broken or any(_is_later(value) for value in known.values()):
        for name, value in known.items():
            if not _is_later(value):
                try:
                    _read_field(name, value, environments)
                except ValueError as error:
                    broken.append(f"{name}: {error}")
        return broken
    try:
        Limits.of(given, environments)
    except ValueError as error:
        return str(error).splitlines()
    return []


def _is_template(text: str) -> bool:
    return any(mark in text for mark in _JINJA)


def _is_later(value: object) -> bool:
    """Return whether the value of a field is known when the task runs only."""
    if isinstance(value, str):
        return _is_template(value)
    return not isinstance(value, (bool, int, float, Decimal, list, Mapping, type(None)))


def _read_fields(given: object) -> tuple[Mapping[str, Any], list[str]]:
    """Return the fields of a guard, and the rules that it breaks as a whole."""
    if _is_blank(given):
        return {}, [_BLANK]
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            given = False
    if isinstance(given, tuple) and hasattr(given, "_asdict"):
        given = given._asdict()
    if given is None:
        return {}, []
    if not isinstance(given, Mapping):
        return {}, [f"must be an OrderGuard, or an object of {', '.join(FIELDS)}"]
    unknown = sorted(str(name) for name in given if name not in FIELDS)
    return given, [f"must hold {', '.join(FIELDS)}, not {name!r:.80}" for name in unknown]


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and value.strip() in ("", "None")


def _read_field(name: str, value: object, environments: Environments) -> Any:
    if _is_blank(value):
        raise ValueError(_BLANK)
    return _READERS[name][1](value, environments)


def _read_environment(value: object, environments: Environments) -> str:
    text = _read_text(value)
    if not text:
        return ""
    if "://" in text:
        return normalize_url(text)
    if (name := text.casefold()) in (PRODUCTION, SANDBOX, *map(str.casefold, environments)):
        return name
    known = ", ".join((PRODUCTION, SANDBOX, *environments))
    raise ValueError(f"must be a base URL such as https://rest.zuora.com, or one of {known}")


def _read_text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError("must be a text")
    return "" if value is None else value.strip()


def _read_count(value: object, _: Environments) -> int | None:
    if value is None:
        return None
    text = str(value).strip()
    is_whole = isinstance(value, (int, str)) and not isinstance(value, bool)
    if not (is_whole and text.isdecimal() and text.isascii() and len(text) <= _DIGITS):
        raise ValueError("must be a whole number of 0 or more")
    return int(text)


def _read_limit(value: object, _: Environments) -> Decimal | None:
    if value is None:
        return None
    amount = read_amount(value)
    if amount is None or amount < 0:
        raise ValueError(_AMOUNT)
    return amount


def _read_currency(value: object, _: Environments) -> str:
    text = _read_text(value)
    if text and not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise ValueError("must be three capital letters, such as USD")
    return text


_READERS = {
    "expect_environment": ("environment", _read_environment),
    "max_orders": ("max_orders", _read_count),
    "max_amount": ("max_amount", _read_limit),
    "currency": ("currency", _read_currency),
}


def read_amount(value: object) -> Decimal | None:
    """
    Return an amount exactly, None if it cannot be told.

    A number that JSON, or Python, holds as a double is what it is written as, if that has at most 15 digits:
    each such number has a double of its own. One with more digits may have been another one.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        return None
    text = f"{value:f}" if isinstance(value, Decimal) and value.is_finite() else str(value).strip()
    if not _PLAIN.fullmatch(text):
        return None
    amount = Decimal(text)
    is_told = not isinstance(value, float) or len(amount.as_tuple().digits) <= _DIGITS
    return amount if is_told else None


def _add_up(amounts: Iterable[Decimal]) -> Decimal:
    with localcontext() as context:
        context.prec = _PRECISION
        return sum((abs(amount) for amount in amounts), Decimal(0))
