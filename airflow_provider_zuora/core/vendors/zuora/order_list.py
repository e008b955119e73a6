"""Zuora's list of orders, by Object Query, and what of an order's page tells whether two are alike.

Sources: developer.zuora.com, "List orders" of Object Query (filters, ``cursor``, ``expand[]``), "Retrieve an
order". Object Query is the one list of orders whose moments name their zone: that of the moments in ``GET
/v1/orders`` nobody documents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import JobState, clean_status
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.times import read_moment, write_second
from airflow_provider_zuora.core.vendors.response_body import read_text
from airflow_provider_zuora.core.vendors.zuora.order_jobs import ORDER_STATUSES

_LIST = "/object-query/orders"
_ROWS = "99"  # of a page; Object Query gives no more
_DAY = len("2024-07-01")
_CONTENT = ("description", "category", "customFields", "subscriptions", "orderLineItems")
# What Zuora gives each order of its own (names of "Retrieve an order"): it makes no two orders unlike.
_OWN = frozenset(
    (
        *(
            "id",
            "itemNumber",
            "baseVersion",
            "newVersion",
            "newRatePlanId",
            "newRatePlanChargeId",
            "ratePlanId",
        ),
        *("chargeNumber", "subscriptionRatePlanNumber", "orderActionId", "subscriptionId"),
    )
)
_NEW = "CreateSubscription"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """
    An order as a list, or its own page, describes it.

    :param account_id: empty if only its page was read; ``account_number``: empty if the list lacks it.
    :param status: Zuora's own word.
    :param created: seconds since 1970; 0: it is unknown, because only its page was read.
    :param traits: of description and category: alike orders have the same.
    :param content: of all that its page repeats, see `digest_content`; empty: its page was not read.
    """

    order_id: str
    number: str
    account_number: str
    account_id: str
    date: str
    status: str
    created: float
    traits: str
    content: str = ""

    @property
    def state(self) -> JobState:
        """Return what its status means; an unknown word means that it is not carried out yet."""
        return ORDER_STATUSES.get(self.status.strip().lower(), (JobState.ACTIVE, ""))[0]

    @property
    def is_carried_out(self) -> bool:
        """Return whether its status is Completed."""
        return self.status.strip().lower() == "completed"


def filter_updated(since: float) -> str:
    """Return the filter for orders that were created or changed since then, in seconds since 1970."""
    return f"updateddate.GE:{write_second(since)}"


def filter_account(account_id: str, date: str) -> tuple[str, str]:
    """Return the filters for the orders of an account with an order date."""
    return f"accountid.EQ:{account_id}", f"orderdate.EQ:{date}"


def build_list_request(filters: Sequence[str], cursor: str = "") -> Request:
    """Return the GET of one page; ``nextPage`` of the page before is its cursor."""
    params = [("filter[]", each) for each in filters]
    params += [("expand[]", "account"), ("pageSize", _ROWS)]
    return Request("GET", _LIST, (*params, *([("cursor", cursor)] if cursor else [])))


def read_list(body: Mapping[str, Any], info: ResponseInfo) -> tuple[list[OrderRow], str]:
    """
    Return the orders of a page, and the cursor of the next one, empty if it is the last.

    :raises Unreadable: if it is no such page: that an order is not on it says nothing then.
    """
    rows, cursor = body.get("data"), body.get("nextPage")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable("The answer is no list of orders.", info=info, transient=True)
    return [_read_row(row, info) for row in rows], read_text(cursor) if cursor else ""


def _read_row(row: Mapping[str, Any], info: ResponseInfo) -> OrderRow:
    account = row.get("account")
    account = account if isinstance(account, dict) else {}
    number, created = read_text(row.get("orderNumber")), read_moment(read_text(row.get("createdDate")))
    if not number or created is None:
        raise Unreadable("The list has an order without a number, or without the time of it.", info=info)
    return OrderRow(
        order_id=read_text(row.get("id")) or number,
        number=number,
        account_number=read_text(account.get("accountNumber")),
        account_id=read_text(row.get("accountId")),
        date=read_text(row.get("orderDate"))[:_DAY],
        status=clean_status(row.get("status")),
        created=created,
        traits=_digest_traits(row),
    )


def read_order_row(body: Mapping[str, Any]) -> OrderRow:
    """Return an order as its own page describes it."""
    order = body["order"]
    return OrderRow(
        order_id="",
        number=read_text(order.get("orderNumber")),
        account_number=read_text(order.get("existingAccountNumber")),
        account_id="",
        date=read_text(order.get("orderDate"))[:_DAY],
        status=clean_status(order.get("status")),
        created=0.0,
        traits=_digest_traits(order),
        content=_digest(_strip({name: order.get(name) for name in _CONTENT})),
    )


def _digest_traits(order: Mapping[str, Any]) -> str:
    return _digest([order.get("description") or "", order.get("category") or ""])


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _strip(value: Any) -> Any:
    """Return the content without what is empty, and without what Zuora gives each order of its own."""
    if isinstance(value, list):
        return [_strip(each) for each in value]
    if not isinstance(value, dict):
        return value
    actions = value.get("orderActions")
    makes = (
        [each.get("type") for each in actions if isinstance(each, dict)] if isinstance(actions, list) else []
    )
    own = _OWN | {"subscriptionNumber"} if _NEW in makes or "subscribeToRatePlans" in value else _OWN
    stripped = {name: _strip(each) for name, each in value.items() if name not in own}
    return {name: each for name, each in stripped.items() if each not in (None, "", [], {})}
