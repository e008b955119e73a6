"""Payment runs and what they collect.

Source: "Create a payment run" and the pages beside it of Zuora's v1 API reference. There are no accounts with
balances: each run picks up the receivables that its script says, so that a run too many shows as money too
much. Payments are made when the run begins; those of a slow gateway are Processing long after it has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from zuora_sandbox.payment_runs.receivables import Receivable
from zuora_sandbox.payment_runs.rules import SELECTING
from zuora_sandbox.scripts import PaymentRunScript
from zuora_sandbox.timeline import Timeline
from zuora_sandbox.times import format_plain

USER = "b243314d594646d3b2651aeedd4be47e"
FLAGS = ("collectPayment", "consolidatedPayment", "processPaymentWithClosedPM")
SHOWN_IF_GIVEN = (
    *SELECTING,
    "applyCreditBalance",
    "autoApplyCreditMemo",
    "autoApplyUnappliedPayment",
    "useCustomPaymentMethods",
    "paymentGatewayNumber",
    "advancedFilter",
    "organizationLabels",
)


@dataclass(slots=True)
class PaymentRun:
    """
    One payment run; times are seconds of the sandbox's clock.

    :param body: the body of its request, with what updates have changed.
    :param key: the idempotency key of its request.
    :param collects: whether it makes payments at all.
    :param is_deleted: whether somebody has deleted it.
    """

    run_id: str
    number: str
    body: dict[str, Any] = field(repr=False)
    key: str
    script: PaymentRunScript
    created: float
    updated: float
    timeline: Timeline
    collects: bool = True
    is_deleted: bool = False

    def get_status(self, now: float) -> str:
        """Return its word at this time."""
        return self.timeline.get_word(now)

    @property
    def is_for_all_accounts(self) -> bool:
        """Return whether nothing selects accounts; an empty ``data`` selects none, so it selects all."""
        return not any(self.body.get(name) for name in (*SELECTING, "data"))

    def list_receivables(self) -> list[Receivable]:
        """Return what it picks up: the script's receivables, one for each of its ``data`` if it has some."""
        known, asked = self.script.list_receivables(), self.body.get("data") or []
        if not asked:
            return list(known)
        usual = Receivable() if known else Receivable(status="Unprocessed")
        pairs = zip(asked, [*known[: len(asked)], *[usual] * (len(asked) - len(known))], strict=True)
        return [
            replace(
                each,
                amount=item.get("amount") or each.amount,
                currency=item.get("currency") or each.currency,
                type=item.get("documentType") or each.type,
            )
            for item, each in pairs
        ]

    def list_payments(self, now: float) -> list[tuple[Receivable, str]]:
        """Return each receivable and what its payment is now; nothing before the run has begun."""
        began = self.timeline.find_moment("Processing", now)
        if began is None:
            return []
        return [
            (each, each.get_status(now - began) if self.collects else "Unprocessed")
            for each in self.list_receivables()
        ]

    def sum_collected(self, now: float) -> dict[str, Decimal]:
        """Return what it has collected, by currency."""
        found: dict[str, Decimal] = {}
        for each, status in self.list_payments(now):
            if status == "Processed":
                found[each.currency] = found.get(each.currency, Decimal(0)) + Decimal(str(each.amount))
        return found

    def make_page(self, now: float) -> dict[str, Any]:
        """Return the fields that the answers about it have, without ``success``."""
        began = self.timeline.find_moment("Processing", now)
        ended = self.timeline.find_moment("Completed", now)
        return {
            **{name: self.body[name] for name in SHOWN_IF_GIVEN if self.body.get(name) is not None},
            **{name: bool(self.body.get(name, False)) for name in FLAGS},
            "collectPayment": self.collects,
            "completedOn": ended and format_plain(ended),
            "createdById": USER,
            "createdDate": format_plain(self.created),
            "executedOn": began and format_plain(began),
            "id": self.run_id,
            "number": self.number,
            "runDate": self.body.get("runDate"),
            "status": self.get_status(now),
            "targetDate": self.body.get("targetDate"),
            "updatedById": USER,
            "updatedDate": format_plain(max(self.updated, self.timeline.get_change(now))),
        }
