"""Zuora's orders and accounts as pages that can be read, to find out whether an order of ours exists.

Sources: developer.zuora.com, "Retrieve an order" and "Retrieve an account"; field names as in Zuora's SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import Answer, Unreadable
from airflow_provider_zuora.core.jobs import ORDER, Job, JobState
from airflow_provider_zuora.core.masking import hide
from airflow_provider_zuora.core.plain import Path, spell
from airflow_provider_zuora.core.wire import Request

_ORDERS, _ACCOUNTS = "/v1/orders/", "/v1/accounts/"
_DAY = len("2024-07-01")
_CONTENT = ("description", "category", "customFields", "subscriptions", "orderLineItems")
_WHOLE = ("period",)  # a whole number, for which Zuora takes a text of digits too
_SHOWN = 3
_NOBODY = str  # masks for nobody: what `hide` hides is shown as asterisks here


def order_request(number: str) -> Request:
    """Return the GET of an order by its number."""
    return Request("GET", _ORDERS + quote(number, safe=""))


def account_request(document: Mapping[str, Any], order: Mapping[str, Any]) -> Request | None:
    """Return the GET of a found order's account, None where its number is all that has to be known of it."""
    if document.get("existingAccountNumber"):
        return None
    return Request("GET", _ACCOUNTS + quote(str(_order(order).get("existingAccountNumber")), safe=""))


def difference(document: Mapping[str, Any], order: Mapping[str, Any], account: Mapping[str, Any]) -> str:
    """Return in words what tells a found order from the document, empty where account and date agree."""
    told = [
        f"its {what} is {found!r}, this one's is {ours!r}"
        for what, ours, found in _compared(document, _order(order), _object(account, "basicInfo"))
        if str(ours) != str(found)
    ]
    return "; ".join(told)


def changes(document: Mapping[str, Any], order: Mapping[str, Any]) -> str:
    """
    Return in words what the document says otherwise than a found order, empty where nothing is.

    Compared is what the page has a place for, its null and its empty custom fields included: it repeats an
    order's content, but not how it was processed, and it may add what was not asked for.
    """
    ours = {name: document[name] for name in _CONTENT if document.get(name) is not None}
    ours.setdefault("description", "")
    told = [
        f"{spell(path)} is {found!r:.60}, this one's is {own!r:.60}"
        for path, own, found in _unlike(hide(ours, _NOBODY), hide(_order(order), _NOBODY), ())
    ]
    more = [f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
    return "; ".join(told[:_SHOWN] + more)


def _unlike(ours: Any, found: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Yield path and both values where two documents differ in what both hold."""
    if isinstance(ours, dict) and isinstance(found, dict):
        closed = path[-1:] == ("customFields",)  # a field that is not there is not set
        for name in ours:
            if ours[name] is not None and (closed or name in found):
                yield from _unlike(ours[name], found.get(name), (*path, name))
    elif isinstance(ours, list) and isinstance(found, list):
        if len(ours) != len(found):
            yield path, f"{len(ours)} of them", f"{len(found)} of them"
        for index, (own, other) in enumerate(zip(ours, found, strict=False)):
            yield from _unlike(own, other, (*path, index))
    elif (ours or found) and not (_same(ours, found) or (path[-1:] == _WHOLE and str(ours) == str(found))):
        yield path, ours, found


def _same(ours: Any, found: Any) -> bool:
    """Say whether two values are the same one; Zuora writes 25 as 25.0, and a day with its hours."""
    if bool in (type(ours), type(found)):
        return ours is found
    if isinstance(ours, (int, float)) and isinstance(found, (int, float)):
        return Decimal(str(ours)) == Decimal(str(found))
    if isinstance(ours, str) and isinstance(found, str) and len(ours) == _DAY:
        return found[:_DAY] == ours
    return bool(ours == found)


def read_order(job_id: str, body: Mapping[str, Any], answer: Answer) -> Job:
    """
    Return an order that was found by its number as the job that must have made it.

    Its result has those fields of a job's result that the page of an order tells.
    """
    order = _order(body)
    if not order.get("orderNumber"):
        raise Unreadable(f"The answer about {job_id} holds no order.", answer=answer)
    subscriptions = order.get("subscriptions")
    rows = [row for row in subscriptions if isinstance(row, dict)] if isinstance(subscriptions, list) else []
    names = ("subscriptionNumber", "status")
    result = {
        "orderNumber": order["orderNumber"],
        "accountNumber": order.get("existingAccountNumber"),
        "status": order.get("status"),
        "subscriptions": [{name: row[name] for name in names if name in row} for row in rows],
        "success": True,
    }
    return Job(job_id, JobState.SUCCEEDED, str(order.get("status") or "found"), result=result, answer=answer)


def order_number(job_id: str) -> str:
    """Return the number that an id ``order:<number>`` holds, an empty text where it is a job's id."""
    return job_id.removeprefix(ORDER) if job_id.startswith(ORDER) else ""


def _order(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return _object(body, "order")


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = body.get(name)
    return member if isinstance(member, dict) else {}


def _compared(
    document: Mapping[str, Any], order: Mapping[str, Any], account: Mapping[str, Any]
) -> Iterator[tuple[str, object, object]]:
    """Yield what is compared, in words, and its value in our document and in the order that was found."""
    yield "orderDate", document.get("orderDate"), str(order.get("orderDate"))[:_DAY]
    new = document.get("newAccount") or {}
    if number := document.get("existingAccountNumber") or new.get("accountNumber"):
        yield "account", number, order.get("existingAccountNumber")
    if new:
        yield "account's name", new.get("name"), account.get("name")
    if account_id := document.get("existingAccountId"):
        yield "account's id", account_id, account.get("id")
