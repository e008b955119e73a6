"""Zuora's pages of an order and of an account, to find out whether an order of ours exists.

Sources: developer.zuora.com, "Retrieve an order" and "Retrieve an account"; field names as in Zuora's SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import ORDER, Job, JobState, clean_status
from airflow_provider_zuora.core.json_types import Path, format_path
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.redaction import WORD_LENGTH, describe_value, redact_words
from airflow_provider_zuora.core.vendors.base import JobKind
from airflow_provider_zuora.core.vendors.zuora.order_jobs import (
    ORDER_STATUSES,
    UNKNOWN_STATUS,
    read_order_facts,
    read_order_result,
)
from airflow_provider_zuora.core.vendors.zuora.order_secrets import redact

_ORDERS, _ACCOUNTS = "/v1/orders/", "/v1/accounts/"
_DAY = len("2024-07-01")
_CONTENT = ("description", "category", "customFields", "subscriptions", "orderLineItems")
_WHOLE = ("period",)  # a whole number, for which Zuora takes a text of digits too
_SHOWN, _SHOWN_LENGTH = 3, 60
_NUMBER_LENGTH = 255
_DATES = "triggerDates"
_MASK_NOTHING = str  # what `redact` redacts is shown as asterisks here, and nothing else is masked


def build_order_request(number: str) -> Request:
    """Return the GET of an order by its number."""
    return Request("GET", _ORDERS + quote(number, safe=""))


def build_account_request(document: Mapping[str, Any], order: Mapping[str, Any]) -> Request | None:
    """Return the GET of a found order's account, None if its number is all that is compared."""
    if document.get("existingAccountNumber"):
        return None
    number = _read_object(order, "order").get("existingAccountNumber")
    if not number:
        raise Unreadable("The page of the order names no account.")
    return Request("GET", _ACCOUNTS + quote(describe_value(number, _NUMBER_LENGTH), safe=""))


def describe_difference(
    document: Mapping[str, Any], order: Mapping[str, Any], account: Mapping[str, Any]
) -> str:
    """
    Return in words how a found order differs from the document, empty if account and date agree.

    Case and blanks at the ends make no other account (INFERRED: Zuora answers with its own spelling). Raise
    `Unreadable` if a page is not that of an order, or of its account, but from a cache for example.
    """
    order, account = _read_object(order, "order"), _read_object(account, "basicInfo")
    number, own = order.get("existingAccountNumber"), account.get("accountNumber")
    if not (order.get("orderDate") and number):
        raise Unreadable("The page of the order lacks its date or its account.", transient=True)
    if not document.get("existingAccountNumber") and _fold(own) != _fold(number):
        raise Unreadable("The page of the account is that of another one.", transient=True)
    return "; ".join(
        f"its {what} is {_show(found)}, this one's is {_show(ours)}"
        for what, ours, found in _list_compared(document, order, account)
        if _fold(ours) != _fold(found)
    )


def _list_compared(
    document: Mapping[str, Any], order: Mapping[str, Any], account: Mapping[str, Any]
) -> Iterator[tuple[str, object, object]]:
    """Yield what is compared, in words, and its value in our document and in the order that was found."""
    if date := document.get("orderDate"):
        yield "orderDate", date, str(order.get("orderDate"))[:_DAY]
    new = document.get("newAccount") or {}
    if number := document.get("existingAccountNumber") or new.get("accountNumber"):
        yield "account", number, order.get("existingAccountNumber")
    if new:
        yield "account's name", new.get("name"), account.get("name")
    if account_id := document.get("existingAccountId"):
        yield "account's id", account_id, account.get("id")


def _fold(value: object) -> str:
    return str(value).strip().casefold()


def describe_changes(document: Mapping[str, Any], order: Mapping[str, Any]) -> str:
    """
    Return in words what a found order holds otherwise than the document, empty if nothing.

    Compared are the fields that the page has, its null and its empty custom fields included: it repeats an
    order's content, but not how it was processed, and it may add what was not asked for.
    """
    ours = {name: document[name] for name in _CONTENT if document.get(name) is not None}
    ours.setdefault("description", "")
    found = redact(_read_object(order, "order"), _MASK_NOTHING)
    changes = [
        f"{format_path(path)} is {_show(other)}, this one's is {_show(own)}"
        for path, own, other in _list_differences(redact(ours, _MASK_NOTHING), found, ())
    ]
    more = [f"and {len(changes) - _SHOWN} more"] if len(changes) > _SHOWN else []
    return "; ".join(changes[:_SHOWN] + more)


def _list_differences(ours: Any, found: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Yield path and both values if two documents differ in what both hold."""
    if isinstance(ours, dict) and isinstance(found, dict):
        closed = path[-1:] in (("customFields",), (_DATES,))  # what is not there is not set
        for name in ours:
            if ours[name] is not None and (closed or name in found):
                yield from _list_differences(ours[name], found.get(name), (*path, name))
    elif path[-1:] == (_DATES,) and None not in (dates := (_name_dates(ours), _name_dates(found))):
        yield from _list_differences(*dates, path)  # Zuora may show dates that nobody has sent
    elif isinstance(ours, list) and isinstance(found, list):
        if len(ours) != len(found):
            yield path, f"{len(ours)} of them", f"{len(found)} of them"
        for index, (own, other) in enumerate(zip(ours, found, strict=False)):
            yield from _list_differences(own, other, (*path, index))
    elif (ours or found) and not (_is_same(ours, found) or (path[-1:] == _WHOLE and str(ours) == str(found))):
        yield path, ours, found


def _name_dates(dates: Any) -> dict[str, Any] | None:
    """Return trigger dates by their names, None if they are not such a list."""
    rows = dates if isinstance(dates, list) else [dates]
    if not all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows):
        return None
    return {row["name"]: row.get("triggerDate") for row in rows}


def _show(value: Any) -> str:
    words = repr(value[:_NUMBER_LENGTH]) if isinstance(value, str) else describe_value(value, _NUMBER_LENGTH)
    return redact_words(words, _SHOWN_LENGTH)


def _is_same(ours: Any, found: Any) -> bool:
    """Return whether two values are the same; Zuora writes 25 as 25.0, and a day with its hours."""
    if bool in (type(ours), type(found)):
        return ours is found
    if isinstance(ours, (int, float)) and isinstance(found, (int, float)):
        return Decimal(str(ours)) == Decimal(str(found))
    if isinstance(ours, str) and isinstance(found, str) and len(ours) == _DAY:
        return found[:_DAY] == ours
    return bool(ours == found)


def _read_order(job_id: str, body: Mapping[str, Any], info: ResponseInfo) -> Job:
    """
    Return an order that was found by its number as the job that must have made it.

    A pending one exists: `read_order_result` decides whether that is enough. Raise `Unreadable` if the page
    holds no order, or another one than was asked for: a cache may give it.
    """
    order = _read_object(body, "order")
    number = describe_value(order.get("orderNumber") or "", _NUMBER_LENGTH)
    if not number or _fold(number) != _fold(job_id.removeprefix(ORDER)):
        wrong = f"order {redact_words(number, WORD_LENGTH)}" if number else "no order"
        raise Unreadable(f"The answer about {job_id} holds {wrong}.", info=info, transient=True)
    state, _ = ORDER_STATUSES.get(str(order.get("status")).strip().lower(), UNKNOWN_STATUS)
    subscriptions = order.get("subscriptions")
    rows = [row for row in subscriptions if isinstance(row, dict)] if isinstance(subscriptions, list) else []
    names = ("subscriptionNumber", "status")
    result = {
        "orderNumber": order["orderNumber"],
        "accountNumber": order.get("existingAccountNumber"),
        "status": order.get("status"),
        "subscriptions": [{name: row[name] for name in names if name in row} for row in rows],
        "success": state is not JobState.FAILED,
    }
    return Job(job_id, state, clean_status(order.get("status")), result=result, info=info)


def _read_object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = body.get(name)
    return member if isinstance(member, dict) else {}


NUMBERED_ORDER = JobKind(
    prefix=ORDER,
    build_status_request=build_order_request,
    states={word: state for word, (state, _) in ORDER_STATUSES.items()},
    read_job=_read_order,
    read_result=read_order_result,
    read_facts=read_order_facts,
)
