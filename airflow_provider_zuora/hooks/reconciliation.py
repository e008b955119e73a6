"""Compare the submission log with what Zuora has, by a hook: it reads on both sides, and changes nothing."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.core.errors import ApiError, InvalidInput
from airflow_provider_zuora.core.reconciliation.comparison import LATER, Comparison, Window
from airflow_provider_zuora.core.reconciliation.findings import Entry, find_all
from airflow_provider_zuora.core.reconciliation.logged_orders import KIND, read_books
from airflow_provider_zuora.core.reconciliation.report import Result
from airflow_provider_zuora.core.reconciliation.zuora_orders import read_zuora
from airflow_provider_zuora.exceptions import convert_error, convert_errors
from airflow_provider_zuora.hooks.submission_log import LogStore, make_log

if TYPE_CHECKING:
    from airflow_provider_zuora.hooks.zuora import ZuoraHook
    from airflow_provider_zuora.transports.download import DownloadTarget

log = logging.getLogger(__name__)

_DAYS_BEFORE = 2
"""Days before a window on which a process may have begun that has submitted in it."""
_MISSING_LOG = (
    "submission_log: there is none to compare with; pass it, or set it in the connection, as in the tasks "
    "that submit"
)
_NEVER_WRITTEN = "nothing was ever written to %s: it must be the log of the tasks that submit"


def find_log(hook: ZuoraHook) -> Any:
    """Return where the submission log is: the hook's own, else the connection's; refuse if there is none."""
    found = hook.submission_log or hook._settings.fields["submission_log"]
    if not found:
        hook._refuse([_MISSING_LOG])
    return found


def reconcile_orders(hook: ZuoraHook, place: Any, window: Window) -> Result:
    """
    Compare the orders that were submitted in a window with those that Zuora has.

    Nothing is kept of a run that is killed: the next one begins anew, and finds the same.

    :param place: where the submission log is.
    :raises PermanentError: if there is no such log, or Zuora refuses to be read.
    :raises TransientError: if the log or Zuora cannot be read now.
    """
    now = hook._settings.client.clock()
    known = read_log(place, window, now)
    read_zuora(known, hook._run, hook._run_many)
    entries, others = find_all(known, now)
    return Result(window.start, window.end, entries, others, known.listed, known.books.unread)


def read_log(place: Any, window: Window, now: float) -> Comparison:
    """
    Read the log of the days around a window; what Zuora has is still to be read.

    :raises PermanentError: if there is no such log; ``TransientError``: if it cannot be read now.
    """
    with convert_errors():
        store = LogStore.of(place)
        books = read_books(store.read_days(*_list_days(window, now)))
        if not (books.orders or store.has_days()):
            raise InvalidInput("Nothing was compared.", (f"submission_log: {_NEVER_WRITTEN % store.name}",))
    log.info("The submission log has %d orders of the days around the window", len(books.orders))
    if books.unread:
        log.warning(
            "%d lines of the submission log are not understood: their orders are not compared", books.unread
        )
    return Comparison(books, window)


def _list_days(window: Window, now: float) -> tuple[date, date]:
    """Return the first and the last day of the log on which something of a window may stand."""
    first, last = (
        datetime.fromtimestamp(seconds, UTC).date()
        for seconds in (window.start - window.margin, min(now, window.end + LATER))
    )
    return first - timedelta(days=_DAYS_BEFORE), last


def write_report(target: DownloadTarget, rows: Iterable[Sequence[str]]) -> int:
    """Write rows as CSV to their place, whole or not at all, and return the bytes."""
    with TemporaryDirectory(prefix=".reconciliation-", dir=target.folder) as folder:
        file = Path(folder) / "file"
        with file.open("x", encoding="utf-8", newline="") as opened:
            csv.writer(opened, lineterminator="\n").writerows(rows)
        size = file.stat().st_size
        target.put(file)
    return size


def close_intents(hook: ZuoraHook, place: Any, context: Mapping[str, Any], entries: Sequence[Entry]) -> int:
    """
    Write to the log what is certain of intents without an end; return how many.

    If the log cannot be written, they stay open, and a warning says so.
    """
    client = hook._settings.client
    found = [each for each in entries if each.established and each.order and not each.order.is_closed]
    if not found:
        return 0
    try:
        own = make_log([place], context, client.clock)
        for entry in found:
            own.add_reconciled(_describe(entry) | {"secrets": client.secrets})
        hook.session.run(own.write_all())
    except ApiError as error:
        if isinstance(error, InvalidInput):
            raise convert_error(error) from error
        log.warning("The submission log could not be written, so that intents stay open: %s", error)
        return 0
    return len(found)


def _describe(entry: Entry) -> dict[str, Any]:
    order, row = entry.order, entry.row
    assert order is not None
    return {
        "kind": KIND,
        "key": order.key,
        "digest": order.digest or None,
        "order_number": row.number if row else order.order_number,
        "order_date": order.order_date or None,
        "account_number": order.account_number,
        "account_id": order.account_id,
        "outcome": entry.established,
    }
