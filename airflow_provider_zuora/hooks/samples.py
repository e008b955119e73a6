"""A sample for auditors: orders that the submission log says are at Zuora, each compared with Zuora."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.core.reconciliation.comparison import Window
from airflow_provider_zuora.core.reconciliation.report import Result
from airflow_provider_zuora.core.reconciliation.samples import compare_sample
from airflow_provider_zuora.hooks.reconciliation import read_log

if TYPE_CHECKING:
    from airflow_provider_zuora.hooks.zuora import ZuoraHook

_MARGIN = 3600.0  # seconds by which clocks may differ


@dataclass(frozen=True, slots=True)
class Sample:
    """
    Orders that were drawn, and what they were drawn from.

    :param population: orders that the log says are at Zuora, first submitted in the days.
    :param unread: lines of the log that are of another version, or form: their orders are not in it.
    :param rows: a row for each order that was drawn, by the columns of the report of a reconciliation.
    """

    population: int
    unread: int
    rows: list[dict[str, str]]


def draw_sample(hook: ZuoraHook, place: Any, first: date, last: date, *, count: int, seed: int) -> Sample:
    """
    Draw orders from a submission log, and compare each with its page at Zuora and with its job.

    An order is drawn from those that were first submitted on these days and whose lines say that Zuora has
    them: an end ``submitted``, ``found`` or ``adopted``, or a later line ``reconciled`` that says ``found``.
    The same log, days, count and seed give the same orders.

    :param hook: only reads at Zuora.
    :param place: where the log is.
    :param first: a day in UTC; ``last``: the last day, which is part of it.
    :param count: how many; all of them if there are no more.
    :raises PermanentError: if the days or the count are wrong, there is no such log, or Zuora refuses to be
        read.
    :raises TransientError: if the log or Zuora cannot be read now.
    """
    wrong = [] if first <= last else ["last: must not be before first"]
    if count < 1:
        wrong.append("count: must be 1 or more")
    hook._refuse(wrong)
    start, end = (datetime.combine(day, time(), UTC).timestamp() for day in (first, last + timedelta(days=1)))
    now = hook._settings.client.clock()
    known = read_log(place, Window(start, end, _MARGIN), now)
    there = [order for order in known.orders if order.is_there]
    drawn = random.Random(seed).sample(there, min(count, len(there)))  # noqa: S311 - others draw the same
    entries = compare_sample(known, drawn, hook._run_many, now)
    columns, *rows = Result(start, end, entries, (), 0).list_rows(names_others=False)
    return Sample(len(there), known.books.unread, [dict(zip(columns, row, strict=True)) for row in rows])
