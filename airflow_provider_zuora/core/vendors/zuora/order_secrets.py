"""Which values of an order are secrets, and how they stay redacted between rendering and sending."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

MOST_MASKED = 200
"""Secrets that Airflow is given to mask at most: each takes longer than the one before (2,000: minutes)."""

# Fields of creditCard and paymentMethod (Zuora's "Create an order", newAccount) that Airflow does not mask,
# in lower case; an accountNumber is a secret inside of a payment method only.
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
_SHOWN_TYPES = (str, bool, int, float, date, Decimal)  # the repr of any other may show anything
_SCALARS = frozenset({str, bool, int, float, type(None)})  # most of an order; `Mapping` is slow to ask


@dataclass(frozen=True, slots=True)
class Redacted:
    """A secret value of an order; Airflow's rendered-template page asks it to `serialize`."""

    value: Any = field(repr=False)

    def __repr__(self) -> str:
        return "***"

    serialize = __repr__


def redact(
    document: Any, mask: Callable[[str], object], is_secret: bool = False, is_payment: bool = False
) -> Any:
    """
    Return a copy with every secret value in a `Redacted`, and whatever is no JSON, a date or a Decimal.

    :param mask: called with each secret, for the logs; Airflow ignores those of fewer than five characters.
    """
    if not is_secret and type(document) in _SCALARS:
        return document
    if isinstance(document, (dict, Mapping)):
        copy = {}
        for name, value in document.items():
            word = name.lower() if isinstance(name, str) else ""
            secret = is_secret or word in _SECRETS or (is_payment and word == "accountnumber")
            copy[name] = redact(value, mask, secret, is_payment or word in _PAYMENT)
        return copy
    if isinstance(document, (list, tuple)):
        return [redact(item, mask, is_secret, is_payment) for item in document]
    if document is None or isinstance(document, Redacted):
        return document
    if is_secret:
        mask(str(document))
    elif isinstance(document, _SHOWN_TYPES):
        return document
    return Redacted(document)


def list_secrets(document: Any) -> tuple[str, ...]:
    """Return the secret values of an order as texts, each once."""
    found: list[str] = []
    redact(document, found.append)
    return tuple(dict.fromkeys(found))


def unredact(document: Any) -> Any:
    """Return a copy in which `redact` is undone."""
    if type(document) in _SCALARS:
        return document
    if isinstance(document, (dict, Mapping)):
        return {name: unredact(value) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [unredact(item) for item in document]
    return document.value if isinstance(document, Redacted) else document


def mask_secrets(document: Any, mask: Callable[[str], object]) -> int:
    """Call mask with each secret of a document, `MOST_MASKED` at most; return how many are left out."""
    found = list_secrets(unredact(document))
    for secret in found[:MOST_MASKED]:
        mask(secret)
    return max(0, len(found) - MOST_MASKED)
