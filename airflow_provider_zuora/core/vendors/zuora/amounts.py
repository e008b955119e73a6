"""
Zuora's amounts: of an order's preview, of the drafts of a bill run, of what a payment run would collect.

Sources: developer.zuora.com, "Preview an order asynchronously" ("TermEnd is invalid when any subscription
included in this order is evergreen"), "Object Query", "Retrieve an account"; the models of Zuora's SDK for
the fields of invoices and memos; Knowledge Center, "Invoice" (its sourceId is the number of the bill run).
What cannot be read is an `Unreadable`: no amount is ever guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.guards import Money, read_amount
from airflow_provider_zuora.core.messages import Request

Document = Mapping[str, Any]

MOST_PAGES = 200
"""Pages of a list that are read; what has more is not read to its end, so it is unreadable."""
_STARTS = ("orderDate", "triggerDate", "specificTriggerDate")
_DAY = len("2024-07-01")
_PAGE = "50"  # rows; the SDK says at most 50, the guide 99
_NOT_IN_PREVIEW = ("newAccount", "processingOptions", "externallyManagedBy", "orderNumber")
_ACCOUNT = ("billCycleDay", "currency", "taxInfo")  # of a new account, that its preview has as well
_ADDRESS = ("city", "country", "county", "postalCode", "state", "taxRegion")  # of a contact; no name
_OWNERS = ("AccountNumber", "AccountId")  # how the fields end that name an account
_INVOICES, _CREDIT_MEMOS = "/object-query/invoices", "/object-query/credit-memos"
_DEBIT_MEMOS = "/object-query/debit-memos"
_MADE = {"invoices": (_INVOICES, "amount"), "credit_memos": (_CREDIT_MEMOS, "totalAmount")}
_FILTERS = ("batch", "billCycleDay", "currency", "paymentGatewayId", "paymentGatewayNumber", "advancedFilter")


def build_preview(order: Document) -> dict[str, Any]:
    """
    Return the preview of an order: its billing documents until the end of the term.

    A subscription that the order creates as an evergreen one has no such end: there it is a year after the
    last date that the order names.

    :raises Unreadable: if it has an evergreen subscription and another one: a preview has one end for both.
    """
    preview = {name: value for name, value in order.items() if name not in _NOT_IN_PREVIEW}
    if account := order.get("newAccount"):
        preview["previewAccountInfo"] = _describe_account(account)
    through: dict[str, Any] = {"previewThruType": "TermEnd"}
    endless = [_is_evergreen(each) for each in order.get("subscriptions") or ()]
    if any(endless) and not all(endless):
        raise Unreadable("It has an evergreen subscription besides others: a preview has one end for all.")
    if any(endless):
        end = _add_year(max(_list_starts(order))).isoformat()
        through = {"previewThruType": "SpecificDate", "specificPreviewThruDate": end}
    return preview | {"previewOptions": through | {"previewTypes": ["BillingDocs"]}}


def _is_evergreen(subscription: object) -> bool:
    return any(str(term).upper() == "EVERGREEN" for term in _find_all(subscription, "termType"))


def _list_starts(order: Document) -> Iterator[date]:
    """Yield the dates from which something of an order may be billed."""
    for value in (value for name in _STARTS for value in _find_all(order, name)):
        with suppress(ValueError):  # one that is none is for Zuora to refuse
            yield date.fromisoformat(str(value)[:_DAY])


def _describe_account(account: Document) -> dict[str, Any]:
    """Return what a preview needs of a new account: its currency, and the address that decides its taxes."""
    contact = account.get("soldToContact") or account.get("billToContact") or {}
    address = {name: contact[name] for name in _ADDRESS if contact.get(name)}
    own = {name: account[name] for name in _ACCOUNT if account.get(name) is not None}
    return own | ({"soldToContact": address} if address else {})


def _add_year(day: date) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year + 1, day=28 if is_leap_day else day.day)


def read_preview(result: object, currencies: Sequence[str], info: ResponseInfo | None) -> list[Money]:
    """
    Return what each invoice and each credit memo of a preview comes to.

    :param currencies: those of the accounts, and those that the order names; a preview names none itself.
    :raises Unreadable: if that cannot be told: there is no document, or one without an amount.
    """
    preview = result if isinstance(result, Mapping) else {}
    documents = [row for name in ("invoices", "creditMemos") for row in _read_rows(preview, name, info)]
    if not documents:
        raise Unreadable("The preview has neither an invoice nor a credit memo.", info=info)
    every = dict.fromkeys((*currencies, *(str(row["currency"]) for row in documents if row.get("currency"))))
    if not every:
        raise Unreadable("Neither the order nor its preview names an account or a currency.", info=info)
    found = []
    for row in documents:
        amount = read_amount(row.get("amount"))
        if amount is None:
            raise Unreadable("The preview has a document without an amount that can be read.", info=info)
        # Which of several currencies a document has is not told, so each of them must be allowed.
        found += [(amount, currency) for currency in every]
    return found


def _read_rows(preview: Document, name: str, info: ResponseInfo | None) -> list[Document]:
    rows = preview.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise Unreadable(f"The preview's {name} are no list of objects.", info=info)
    return rows


def list_accounts(order: Document) -> list[str]:
    """Return the number, or the id, of each account that an order names and does not create."""
    new = (order.get("newAccount") or {}).get("accountNumber")
    found = (str(value) for name, value in _walk(order) if name.endswith(_OWNERS) and value)
    return [account for account in dict.fromkeys(found) if account != new]


def list_currencies(order: Document) -> list[str]:
    """Return each currency that an order names."""
    return list(dict.fromkeys(str(value) for value in _find_all(order, "currency") if value))


def _find_all(document: object, wanted: str) -> Iterator[Any]:
    return (value for name, value in _walk(document) if name == wanted)


def _walk(document: object) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of each field of a document, at whatever depth."""
    if isinstance(document, Mapping):
        for name, value in document.items():
            yield name, value
            yield from _walk(value)
    elif isinstance(document, list):
        for item in document:
            yield from _walk(item)


def build_account_request(account: str) -> Request:
    """Return the request that reads an account by its number or id."""
    return Request("GET", f"/v1/accounts/{quote(account, safe='')}")


def read_account_currency(body: object, info: ResponseInfo) -> str:
    """Return the currency of an account, in which its documents are."""
    page = body if isinstance(body, Mapping) else {}
    billing = page.get("billingAndPayment")
    currency = billing.get("currency") if isinstance(billing, Mapping) else None
    if not isinstance(currency, str) or not currency.strip():
        raise Unreadable("The account's page has no currency.", info=info)
    return currency.strip()


def list_documents(
    number: str, counts: Mapping[str, Any], kinds: Sequence[str] = ("invoices", "credit_memos")
) -> Iterator[tuple[Request, str, int]]:
    """
    Yield the lists of what a bill run has made, the field that holds the amount, and how many rows it has.

    :param number: of the run; ``counts``: as `RunTotals.values` has them.
    :raises Unreadable: if the run does not say how many there are.
    """
    for kind in kinds:
        path, amount = _MADE[kind]
        count = counts.get(kind)
        if not isinstance(count, int):
            raise Unreadable(f"Bill run {number} does not say how many {kind.replace('_', ' ')} it has made.")
        if count:
            yield _build_list(path, f"sourceid.EQ:{number}"), amount, count


def list_receivables(account_id: str) -> list[Request]:
    """Return the lists that hold what an account owes: posted invoices and debit memos."""
    filters = (f"accountid.EQ:{account_id}", "status.EQ:Posted")
    return [_build_list(path, *filters) for path in (_INVOICES, _DEBIT_MEMOS)]


def _build_list(path: str, *filters: str) -> Request:
    pairs = [("filter[]", each) for each in filters]
    return Request("GET", path, (*pairs, ("expand[]", "account"), ("pageSize", _PAGE)))


def read_page(body: object, info: ResponseInfo) -> tuple[list[Document], str]:
    """Return the rows of one page of a list, and the cursor of the next one, empty after the last."""
    page = body if isinstance(body, Mapping) else {}
    rows, cursor = page.get("data"), page.get("nextPage")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise Unreadable("The answer is no list of documents.", info=info)
    return rows, cursor if isinstance(cursor, str) else ""


def read_row(row: Document, amount_field: str, info: ResponseInfo) -> Money:
    """Return the amount of a row and its currency, which may be its account's."""
    amount, account = read_amount(row.get(amount_field)), row.get("account")
    currency = row.get("currency") or (account.get("currency") if isinstance(account, Mapping) else None)
    if amount is None or not isinstance(currency, str) or not currency:
        raise Unreadable(f"A document of the list has no {amount_field}, or no currency.", info=info)
    return amount, currency


def is_due(row: Document, target_date: str) -> bool:
    """Return whether a document is due on a day; one that does not say counts as due."""
    due = row.get("dueDate")
    return not isinstance(due, str) or due[:10] <= target_date


def find_unreadable(run: Document) -> str:
    """
    Return why what a payment run would collect cannot be told before, empty if it can.

    Object Query lists what one account owes, and what one bill run has made. No page says how what a batch, a
    currency or a gateway selects could be read, nor what will be due when a scheduled run begins.
    """
    if run.get("runDate"):
        return "it is scheduled, and what will be due then is not known now"
    if rows := run.get("data"):
        is_told = all(isinstance(row, Mapping) and row.get("amount") is not None for row in rows)
        return "" if is_told else "not each of its data has an amount"
    given = [name for name in _FILTERS if run.get(name) is not None]
    if given or not (run.get("accountId") or run.get("billingRunId")):
        names = ", ".join(given) or "nothing but a date"
        return f"it collects by {names}, and only what accountId, billingRunId or data select can be read"
    return ""
