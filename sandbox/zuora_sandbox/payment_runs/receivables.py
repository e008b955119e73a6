"""Receivables: what a payment run picks up, and what becomes of the payment for each. They are values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from zuora_sandbox.order_store import derive_id
from zuora_sandbox.values import check_fields, check_names

TYPES = ("Invoice", "DebitMemo")
STATUSES = ("Processed", "Error", "Unprocessed")


@dataclass(frozen=True, slots=True)
class Receivable:
    """
    An invoice or a debit memo, and its payment.

    :param amount: what is due.
    :param type: ``Invoice`` or ``DebitMemo``.
    :param status: how its payment ends: ``Processed``, ``Error``, or ``Unprocessed`` for no payment at all.
    :param seconds: how long its payment is Processing first, from the beginning of the run.
    :param account: the number of the account that owes it, for one of the settings; the same for `due_date`.
    :param code: the error code of a payment that ends as Error; the same for `message`.
    """

    amount: float = 56
    currency: str = "USD"
    type: str = "Invoice"
    status: str = "Processed"
    seconds: float = 0.0
    account: str = ""
    due_date: str | None = None
    code: str = "Invalid_Request_Data"
    message: str = "Payment method is closed"

    def __post_init__(self) -> None:
        """Check the fields, and their words."""
        check_fields(self)
        if self.type not in TYPES or self.status not in STATUSES:
            raise ValueError(f"a receivable is one of {TYPES}, and ends as one of {STATUSES}; this is {self}")

    @classmethod
    def parse(cls, given: Receivable | Mapping[str, Any]) -> Receivable:
        """Return the receivable for a JSON object, or the one that is given."""
        if isinstance(given, Receivable):
            return given
        check_names(cls, "a receivable", given)
        return cls(**given)

    def is_for(self, account_id: str | None, day: str) -> bool:
        """Return whether a run for an account, or for all, picks it up on a day."""
        is_owner = account_id is None or account_id == derive_id("account", self.account)
        return is_owner and (self.due_date or day) <= day

    def get_status(self, age: float) -> str:
        """Return what its payment is so long after the beginning of the run."""
        return "Processing" if age < self.seconds and self.status != "Unprocessed" else self.status


def add_up(receivables: Iterable[Receivable]) -> Decimal:
    """Return the sum of the amounts."""
    return sum((Decimal(str(each.amount)) for each in receivables), Decimal(0))


def format_amount(amount: Decimal, currency: str) -> str:
    """Return an amount as a summary has it: ``56 USD``."""
    text = f"{amount:f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {currency}"
