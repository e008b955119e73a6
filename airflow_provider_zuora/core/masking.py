"""Which values of an order are secrets, and how they travel unseen between rendering and sending."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Hidden:
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
    Return a copy with every secret value in a `Hidden`.

    :param mask: called with each secret that is a text, to hide it in the logs too; Airflow ignores those of
        fewer than five characters (a card's security code), which is why they are hidden here.
    """
    if isinstance(document, Mapping):
        return {name: _hide_member(name, value, mask, secret, paying) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [hide(item, mask, secret, paying) for item in document]
    if not secret or document is None or isinstance(document, Hidden):
        return document
    mask(str(document))
    return Hidden(document)


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
    if isinstance(document, Mapping):
        return {name: reveal(value) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [reveal(item) for item in document]
    return document.value if isinstance(document, Hidden) else document
