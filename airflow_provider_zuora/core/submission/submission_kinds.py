"""What the protocol must know of a kind that is submitted once, besides its `JobKind`: a row in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.submission.idempotency_keys import EQUAL
from airflow_provider_zuora.core.submission.order_lookup import build_expectation, check_result, find_order
from airflow_provider_zuora.core.submission.run_lookup import find_bill_run

Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SubmissionKind:
    """
    How a kind is found again, what its job must repeat, and how a person is asked.

    :param noun: what messages call it; ``job``: how they call the id by which it can be adopted.
    :param equal: the rule that an equal one breaks; ``several``: of ``count`` ones, none of which is this.
    :param unseen: what else may have changed if no value has.
    :param without_mark: why a document cannot be looked up, empty if it can.
    :param describe: what a person has to look for.
    :param find: looks once, by the document and the generation of its key.
    :param allows_control: True if an empty document under another key makes nothing, so that one may be sent
        to prove that an answer is stored. That is documented for no run: there nothing is ever proven.
    :param is_made_again: True if a try that remembers nothing may replace a job that has failed; else only a
        person's clear does, because part of the job may have been done.
    :param marks_content: True if the mark is that of this very content.
    :param list_numbers: what a document says by number or id, as the submission log has it.
    """

    noun: str
    job: str
    equal: str
    several: str
    unseen: str
    without_mark: Callable[[Document], str]
    describe: Callable[[Document], str]
    find: Callable[[ApiClient, Document, int], Flow[str | None]] | None = None
    check_job: Callable[[Job, Document], None] = lambda job, document: None
    allows_control: bool = False
    is_made_again: bool = False
    marks_content: bool = False
    list_numbers: Callable[[Document], Mapping[str, object]] = lambda document: {
        "account_id": document.get("accountId")
    }


def _describe_order(document: Document) -> str:
    number = document.get("orderNumber")
    new = document.get("newAccount") or {}
    names = (document.get(name) for name in ("existingAccountNumber", "existingAccountId"))
    account = next((name for name in names if name), new.get("name"))
    order = f"order {number}" if number else "an order"
    return f"{order} of account {account}, dated {document['orderDate']}"


def _list_order_numbers(document: Document) -> Mapping[str, object]:
    expected = build_expectation(document)
    subscriptions = [
        each.get("subscriptionNumber") or _find_new_number(each)
        for each in document.get("subscriptions") or ()
    ]
    return {
        "order_number": document.get("orderNumber"),
        "order_date": document.get("orderDate"),
        "account_number": expected.get("accountNumber"),
        "account_id": expected.get("accountId"),
        "subscription_numbers": [number for number in subscriptions if number],
    }


def _find_new_number(subscription: Document) -> object:
    """Return the number that an order gives to a subscription that it creates, None if it gives none."""
    made = (action.get("createSubscription") or {} for action in subscription.get("orderActions") or ())
    return next((number for each in made if (number := each.get("subscriptionNumber"))), None)


def _describe_payment_run(document: Document) -> str:
    due = document.get("targetDate")
    when = f"with the target date {due}" if due else f"that is to run at {document.get('runDate')}"
    return f"a payment run {when}"


ORDER = SubmissionKind(
    noun="order",
    job="its job id, or order:<orderNumber>,",
    equal=EQUAL,
    several=(
        "Earlier tries of this task have sent {count} orders without an orderNumber, and this "
        "is none of them. Whether it is one of them that has changed is unknown; nothing was sent. "
        "Give each order an orderNumber, or pass an idempotency_key for each, and clear the task."
    ),
    unseen="the entity, the orgs or return_ids",
    without_mark=lambda document: (
        "" if document.get("orderNumber") else ", and it has no orderNumber to look it up by"
    ),
    describe=_describe_order,
    find=lambda client, document, _: find_order(client, document),
    check_job=lambda job, document: check_result(job, build_expectation(document)),
    allows_control=True,
    is_made_again=True,
    list_numbers=_list_order_numbers,
)


def _make_run_kind(noun: str, prefix: str, **more: Any) -> SubmissionKind:
    name = noun.replace(" ", "_")
    return SubmissionKind(
        noun=noun,
        job=f"{prefix}<its id>",
        equal=f"{name}: this task has submitted an equal one; pass an idempotency_key for each",
        several=(
            f"Earlier tries of this task have sent {{count}} {noun}s, and this is none of them. Whether it "
            "is one of them that has changed is unknown; nothing was sent. Pass an idempotency_key for each, "
            "and clear the task."
        ),
        unseen="the entity or the orgs",
        **more,
    )


KINDS: Mapping[str, SubmissionKind] = {
    "order": ORDER,
    "bill run": _make_run_kind(
        "bill run",
        "bill-run:",
        without_mark=lambda _: "",
        describe=lambda document: f"a bill run with the name {document['name']!r}",
        find=find_bill_run,
        marks_content=True,
    ),
    "payment run": _make_run_kind(
        "payment run",
        "payment-run:",
        without_mark=lambda _: ", and it has no name to look it up by",
        describe=_describe_payment_run,
    ),
}
"""By the name in `Vendor.kinds`."""
