"""Which values of an order are secrets, and how they travel unseen between rendering and sending."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

MOST_MASKED = 200
"""Secrets that Airflow is given to mask at most: each costs it more than the one before (2,000: minutes)."""

# Fields of creditCard and paymentMethod (Zuora's "Create an order", newAccount) that Airflow does not know
# for secrets, in lower case; an accountNumber is one inside of a payment method only.
_SECRETS = frozenset(
    {
        "cardnumber",
        "creditcardnumber",
        "securitycode",
        "cardsecuritycode",
        "cvv",
        "bankaccountnumber",
        "achaccountnumber",
        "banktransferaccountnumber",
        "iban",
        "identitynumber",
        "tokenid",
        "secondtokenid",
        "baid",
        "preapprovalkey",
        "applepaymentdata",
        "googlepaymenttoken",
    }
)
_PAYMENT = frozenset({"creditcard", "paymentmethod"})
SECRET_NAMES = (*sorted(_SECRETS), *sorted(_PAYMENT))
"""In lower case; a JSON text in which none of them stands holds no secret."""
_SHOWN_TYPES = (str, bool, int, float, date, Decimal)  # what else there is may show anything
_SCALARS = frozenset({str, bool, int, float, type(None)})  # most of an order; `Mapping` is slow to ask


@dataclass(frozen=True, slots=True)
class Redacted:
    """A secret value of an order; Airflow's rendered-template page asks it to `serialize`."""

    value: Any = field(repr=False)

    def __repr__(self) -> str:
        """Return asterisks."""
        return "***"

    def serialize(self) -> str:
        """Return asterisks."""
        return "***"


def hide(document: Any, mask: Callable[[str], object], secret: bool = False, paying: bool = False) -> Any:
    """
    Return a copy with every secret value in a `Redacted`, and whatever is no JSON, a date or a Decimal.

    :param mask: called with each secret that is a text, to hide it in the logs too; Airflow ignores those of
        fewer than five characters (a card's security code), which is why they are hidden here.
    """
    if not secret and type(document) in _SCALARS:
        return document
    if isinstance(document, (dict, Mapping)):
        return {name: _hide_member(name, value, mask, secret, paying) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [hide(item, mask, secret, paying) for item in document]
    if document is None or isinstance(document, Redacted):
        return document
    if secret:
        mask(str(document))
        return Redacted(document)
    return document if isinstance(document, _SHOWN_TYPES) else Redacted(document)


def _hide_member(name: Any, value: Any, mask: Callable[[str], object], secret: bool, paying: bool) -> Any:
    word = name.lower() if isinstance(name, str) else ""
    secret = secret or word in _SECRETS or (paying and word == "accountnumber")
    return hide(value, mask, secret, paying or word in _PAYMENT)


def hidden_values(document: Any) -> tuple[str, ...]:
    """Return the secret values of an order as texts, so that words about it can be kept free of them."""
    found: list[str] = []
    hide(document, found.append)
    return tuple(dict.fromkeys(found))


def reveal(document: Any) -> Any:
    """Return a copy in which `hide` is undone."""
    if type(document) in _SCALARS:
        return document
    if isinstance(document, (dict, Mapping)):
        return {name: reveal(value) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [reveal(item) for item in document]
    return document.value if isinstance(document, Redacted) else document


def mask_secrets(document: Any, mask: Callable[[str], object]) -> int:
    """
    Call mask with the secrets of a document or of a list of them, each once, `MOST_MASKED` at most.

    :return: how many are left out.
    """
    found = hidden_values(reveal(document))
    for secret in found[:MOST_MASKED]:
        mask(secret)
    return max(0, len(found) - MOST_MASKED)
