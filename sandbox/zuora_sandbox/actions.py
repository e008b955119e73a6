"""The rules for order actions; pure functions.

Source: "Create an order asynchronously" of Zuora's v1 API reference, schema of ``orderActions``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zuora_sandbox.answers import TERMS, Violation

BODIES = {
    "CreateSubscription": "createSubscription",
    "TermsAndConditions": "termsAndConditions",
    "AddProduct": "addProduct",
    "UpdateProduct": "updateProduct",
    "RemoveProduct": "removeProduct",
    "RenewSubscription": "renewSubscription",
    "CancelSubscription": "cancelSubscription",
    "OwnerTransfer": "ownerTransfer",
    "Suspend": "suspend",
    "Resume": "resume",
    "ChangePlan": "changePlan",
}
"""The action types, each with the field that holds its details."""

BODILESS = {"RenewSubscription"}
NEEDED = {
    "CancelSubscription": "cancellationPolicy",
    "Suspend": "suspendPolicy",
    "Resume": "resumePolicy",
    "ChangePlan": "newProductRatePlan",
}
TERM_TYPES = {"TERMED", "EVERGREEN"}
TRIGGERS = {"ContractEffective", "ServiceActivation", "CustomerAcceptance"}


def check_action(action: dict[str, Any]) -> Iterator[Violation]:
    """Check one order action and yield the violations."""
    kind = action.get("type")
    if kind is None:
        yield Violation(22, "Each of the orderActions needs a type.")
        return
    if kind not in BODIES:
        yield Violation(20, f"The type of an order action is {kind!r}; it must be one of {sorted(BODIES)}.")
        return
    yield from _check_triggers(action)
    body = action.get(BODIES[kind])
    if body is not None:
        yield from _check_body(kind, body)
    elif kind not in BODILESS:
        yield Violation(22, f"{BODIES[kind]} is required where the type is {kind}.")


def _check_body(kind: str, body: dict[str, Any]) -> Iterator[Violation]:
    if kind in NEEDED and not body.get(NEEDED[kind]):
        yield Violation(22, f"{BODIES[kind]}.{NEEDED[kind]} is required.")
    term = (body.get("terms") or {}).get("initialTerm") or {}
    if (term.get("termType") or "TERMED") not in TERM_TYPES:
        yield Violation(20, f"termType is {term['termType']!r}; known: {sorted(TERM_TYPES)}.", TERMS)


def _check_triggers(action: dict[str, Any]) -> Iterator[Violation]:
    for trigger in action.get("triggerDates") or []:
        if trigger.get("name") not in TRIGGERS:
            yield Violation(
                20, f"A trigger date is named {trigger.get('name')!r}; known: {sorted(TRIGGERS)}."
            )
    if len(action.get("changeReason") or "") > 255:
        yield Violation(20, "changeReason must be text of at most 255 characters.")
