"""What a submission would come to, read before it is sent: by previews and lists, which change nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, GuardRefused, TimedOut, Unreadable
from airflow_provider_zuora.core.flow import Flow, Sleep
from airflow_provider_zuora.core.guards import Guards, Money, read_amount
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.polling.run_totals import read_totals
from airflow_provider_zuora.core.polling.wait import PollOptions, PollSchedule, wait_until_done
from airflow_provider_zuora.core.submission.guarding import end_refusal, raise_refusal
from airflow_provider_zuora.core.vendors.base import CheckedDocument, RunTotals
from airflow_provider_zuora.core.vendors.zuora import amounts
from airflow_provider_zuora.core.vendors.zuora.bill_runs import BILL_RUN
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_preview

log = logging.getLogger(__name__)

_PREVIEW_SECONDS = 600.0  # that the job of a preview may take
_LISTING_SECONDS = 120.0  # in which a list may lack what a bill run has just made
_LISTING_PAUSE = 15.0
_MOST_ACCOUNTS = 100  # whose currencies are read


def read_order_amounts(client: ApiClient, order: CheckedDocument) -> Flow[list[Money]]:
    """
    Return what the documents of an order's preview come to.

    :raises InvalidInput: if the order cannot be previewed as it is.
    :raises Unreadable: if its amounts, or their currency, cannot be told.
    :raises ApiError: if the vendor refuses the preview, or could not be asked.
    """
    document = order.document
    checked = check_preview(amounts.build_preview(document))
    job_id = yield from client.submit(checked.request, "preview")
    now = client.clock()
    options = PollOptions(now, now, now + _PREVIEW_SECONDS, PollSchedule(first=1.0))
    waited = yield from wait_until_done(client, job_id, options)
    if isinstance(waited.error, TimedOut):
        raise ApiError(f"The preview is not ready: {waited.error}", transient=True)
    if waited.error is not None:
        raise waited.error
    assert waited.job is not None, "there is no error"
    currencies = amounts.list_currencies(document)
    currencies += yield from _read_currencies(client, amounts.list_accounts(document))
    return amounts.read_preview(waited.job.result, currencies, waited.job.info)


def _read_currencies(client: ApiClient, accounts: Iterable[str]) -> Flow[list[str]]:
    found: list[str] = []
    names = list(dict.fromkeys(accounts))
    if len(names) > _MOST_ACCOUNTS:
        raise Unreadable(f"It names {len(names)} accounts; the currencies of {_MOST_ACCOUNTS} are read.")
    for account in names:
        page = yield from client.send(amounts.build_account_request(account), READ_POLICY)
        found.append(amounts.read_account_currency(page.body, page.info))
    return found


def read_receivables(client: ApiClient, run: CheckedDocument) -> Flow[list[Money]]:
    """
    Return what a payment run would collect at most.

    :raises Unreadable: if that cannot be told before it runs.
    """
    document = run.document
    if why := amounts.find_unreadable(document):
        raise Unreadable(f"{why}.")
    if rows := document.get("data"):
        return (yield from _read_data(client, rows))
    day, rows = document["targetDate"], []
    if run_id := document.get("billingRunId"):
        number, counts = yield from _read_run(client, run_id)
        for request, _, count in amounts.list_documents(number, counts, ("invoices",)):
            rows += yield from _read_all(client, request, count)
    else:
        for request in amounts.list_receivables(document["accountId"]):
            rows += yield from _read_list(client, request)
    due = [amounts.read_row(row, "balance", info) for row, info in rows if amounts.is_due(row, day)]
    return [money for money in due if money[0] > 0]


def _read_data(client: ApiClient, rows: Iterable[Mapping[str, Any]]) -> Flow[list[Money]]:
    """Return the amounts that a payment run names, in the currencies that it names, or of their accounts."""
    currencies: dict[str, str] = {}
    found: list[Money] = []
    for row in rows:
        amount, currency = read_amount(row["amount"]), row.get("currency")
        account = str(row.get("accountId") or row.get("accountNumber"))
        if amount is None:
            raise Unreadable("One of the data has an amount that cannot be read.")
        if not currency:
            if account not in currencies and len(currencies) == _MOST_ACCOUNTS:
                raise Unreadable(
                    f"It names more than {_MOST_ACCOUNTS} accounts; give each of data a currency."
                )
            if account not in currencies:
                [currencies[account]] = yield from _read_currencies(client, [account])
            currency = currencies[account]
        found.append((amount, currency))
    return found


def read_drafts(client: ApiClient, run_id: str) -> Flow[list[Money]]:
    """
    Return what the invoices and the credit memos of a completed bill run come to.

    They are all there if they are as many as the run has made; a list may lack new ones for some time.

    :raises Unreadable: if they cannot be read, or are not as many.
    """
    number, counts = yield from _read_run(client, run_id)
    found: list[Money] = []
    for request, field, count in amounts.list_documents(number, counts):
        rows = yield from _read_all(client, request, count)
        found += [amounts.read_row(row, field, info) for row, info in rows]
    return found


def _read_run(client: ApiClient, run_id: str) -> Flow[tuple[str, Mapping[str, Any]]]:
    """Return the number of a bill run that has ended well, and how much it has made."""
    job = yield from client.get_job(BILL_RUN.prefix + run_id)
    page = job.result if isinstance(job.result, Mapping) else {}
    number = str(page.get("billRunNumber") or "")
    if not number:
        raise Unreadable(f"Bill run {run_id} is {job.status}, and names no number.", info=job.info)
    totals: RunTotals = yield from read_totals(client, job, _LISTING_SECONDS)
    return number, totals.values


def check_drafts(guards: Guards, client: ApiClient, run_id: str) -> Flow[None]:
    """
    Check what a completed bill run has drafted, before it is posted.

    :raises GuardRefused: if a guard refuses it, or if that cannot be told.
    """
    if not guards.reads_amounts:
        return
    try:
        found = yield from read_drafts(client, run_id)
    except ApiError as error:
        raise_refusal(guards, f"what bill run {run_id} has drafted", error)
    try:
        guards.check_amounts(found, f"bill run {run_id} has drafted")
    except GuardRefused as refusal:
        raise end_refusal(refusal, "posting") from refusal


def _read_all(client: ApiClient, request: Request, count: int) -> Flow[list[Any]]:
    """Return the rows of a list that must be so many."""
    began = client.ticks()
    while True:
        rows = yield from _read_list(client, request)
        if len(rows) == count:
            return rows
        if len(rows) > count or client.ticks() - began >= _LISTING_SECONDS:
            words = f"{request} lists {len(rows)} documents, and the bill run has made {count}."
            raise Unreadable(words)
        log.info("%s lists %d of %d documents so far; reading again", request, len(rows), count)
        yield Sleep(_LISTING_PAUSE)


def _read_list(client: ApiClient, request: Request) -> Flow[list[Any]]:
    """Return each row of a list, with the answer that it stands in."""
    found: list[Any] = []
    seen: set[str] = set()
    following = request
    while True:
        page = yield from client.send(following, READ_POLICY)
        rows, cursor = amounts.read_page(page.body, page.info)
        found += [(row, page.info) for row in rows]
        if not cursor:
            return found
        if cursor in seen or len(seen) == amounts.MOST_PAGES:
            raise Unreadable(f"{request} has too many pages, or one of them twice.", info=page.info)
        seen.add(cursor)
        following = replace(request, params=(*request.params, ("cursor", cursor)))


READERS: Mapping[str, Callable[[ApiClient, CheckedDocument], Flow[list[Money]]]] = {
    "order": read_order_amounts,
    "payment run": read_receivables,
}
"""By the name in `Vendor.kinds`. A bill run makes drafts, which are read when it is to be posted."""
