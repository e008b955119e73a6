"""
Whether an order is gone: Zuora does not know it, and still shows its account by the same connection.

"Unknown" is also what another tenant says, or what is said of an order that the client may not see any more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, NotFound, OutcomeUnknown, Unreadable
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.messages import ParsedResponse
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.submission.idempotency_keys import compute_account
from airflow_provider_zuora.core.submission.order_lookup import read_order
from airflow_provider_zuora.core.vendors.zuora.order_deletion import PREFIX
from airflow_provider_zuora.core.vendors.zuora.order_page import build_account_request

log = logging.getLogger(__name__)

_LONGEST = 100  # characters of an account's number that is kept, and of a moment


@dataclass(frozen=True, slots=True)
class Deletion:
    """
    An order that is to be gone, in plain texts.

    :param place: a fingerprint of the account, where alone its being gone means anything.
    :param account: the number of its account, empty if it was never seen.
    :param created: when it was made, in Zuora's words: another order may get its number later.
    """

    number: str
    place: str
    account: str = ""
    created: str = ""
    order_date: str = ""

    @property
    def account_words(self) -> str:
        """Return the account as messages have it."""
        return redact_words(self.account, WORD_LENGTH)

    @property
    def created_words(self) -> str:
        """Return when it was made, as messages have it."""
        return redact_words(self.created, WORD_LENGTH) or "an unknown time"

    @property
    def job_id(self) -> str:
        """Return the job that has ended when the order is gone."""
        return PREFIX + self.number

    def as_dict(self) -> dict[str, str]:
        """Return plain JSON, for `read`."""
        return asdict(self)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Deletion:
        """Return what `as_dict` described; what is missing is unknown."""
        return cls(**{each.name: str(values.get(each.name, "")) for each in fields(cls)})


def confirm_deletion(client: ApiClient, deletion: Deletion) -> Flow[None]:
    """
    Check that an order is gone which was there, or was said to be.

    :raises OutcomeUnknown: if Zuora does not know it, but that may mean something else.
    :raises ApiError: transient, if it is still there, or that cannot be read.
    """
    number = deletion.number
    if deletion.place != compute_account(client):
        raise OutcomeUnknown(
            f"Whether order {number} is deleted is unknown: the connection leads to another account, entity "
            "or org now than when the deletion was sent. Look for the order in the one that it was in."
        )
    page = None
    try:
        page, _ = yield from read_order(client, number)
    except NotFound:
        log.debug("Order %s is not there", number)
    if page is not None:
        found = describe_order(number, deletion.place, page)
        if not deletion.created or found.created == deletion.created:
            words = f"Order {number} was gone and is there: a retry of the task reads it again."
            raise Unreadable(words, info=page.info, transient=True)
        log.warning("Another order has the number %s now, made at %s", number, found.created_words)
    if deletion.account and (error := (yield from check_account(client, deletion))):
        if error.transient:
            raise error
        raise OutcomeUnknown(
            f"Zuora does not know order {number}, but its account {deletion.account_words}, which was "
            "there before, cannot be read either: so whether the order is deleted is unknown. Look at both. "
            f"{error}",
            info=error.info,
        )


def is_there(client: ApiClient, number: str) -> Flow[bool]:
    """Return whether Zuora shows an order; that it does not proves nothing yet."""
    try:
        yield from read_order(client, number)
    except NotFound:
        return False
    return True


def check_account(client: ApiClient, deletion: Deletion) -> Flow[ApiError | None]:
    """Return why the account of an order cannot be read, None if it can."""
    request = build_account_request({}, {"order": {"existingAccountNumber": deletion.account}})
    assert request is not None, "it is None for a document that names an account"
    try:
        page = yield from client.send(request, READ_POLICY)
    except ApiError as error:
        return error
    basic = page.body.get("basicInfo")
    number = basic.get("accountNumber") if isinstance(basic, dict) else None
    if str(number).strip().casefold() == deletion.account.strip().casefold():
        return None
    return Unreadable("The page of the account is that of another one.", info=page.info, transient=True)


def describe_order(number: str, place: str, page: ParsedResponse) -> Deletion:
    """Return what is to be gone, as the page of the order has it."""
    order = page.body["order"]
    account = order.get("existingAccountNumber")
    if not isinstance(account, str) or not 0 < len(account.strip()) <= _LONGEST:
        raise Unreadable(f"The page of order {number} names no account. Nothing was sent.", info=page.info)
    created, day = (str(order.get(name) or "") for name in ("createdDate", "orderDate"))
    return Deletion(number, place, account.strip(), created[:_LONGEST], day[:10])
