"""What a reconciliation leaves: a short summary, a line for each order, and a table of what is to be done."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.reconciliation.findings import Entry, Finding, count_findings
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.times import write_moment, write_second

COLUMNS = (
    *("finding", "order_number", "other_numbers", "job_id", "key", "account_number", "order_date"),
    *("zuora_account_number", "zuora_order_date", "zuora_status", "zuora_created"),
    *("dag_id", "run_id", "task_id", "map_index", "submitted", "detail", "action", "value"),
)
MOST = 100
"""Orders of one finding in a summary; the report has all of them."""
_SHOWN = 10  # in a message
_NAMED = tuple(each for each in Finding if each not in (Finding.FOUND, Finding.REFUSED, Finding.REPLACED))
# How a cell begins that a spreadsheet calculates, also where another sign than the comma ends cells.
_FORMULA = re.compile(r"(^|[;,\t\r\n])(?=\s*[=+@\uff1d\uff0b\uff0d\uff20-])")


@dataclass(frozen=True, slots=True)
class Result:
    """
    What a reconciliation has found.

    :param entries: the orders of the log; ``others``: those that are not in it.
    :param listed: orders in Zuora's list.
    :param unread: lines of the log that could not be understood.
    """

    start: float
    end: float
    entries: Sequence[Entry]
    others: Sequence[Entry]
    listed: int
    unread: int = 0

    def summarize(self, *, names_others: bool) -> dict[str, Any]:
        """Return plain JSON of a bounded size: counts, and the first hundred names of each finding."""
        named = {
            str(finding): [_name(entry) for entry in found[:MOST]]
            for finding in _NAMED
            if (found := self._list(finding)) and (names_others or finding is not Finding.OTHERS)
        }
        return {
            "start": write_second(self.start),
            "end": write_second(self.end),
            "submitted": len(self.entries),
            "listed": self.listed,
            "counts": count_findings(self.entries, self.others),
            **named,
            "proposals": [_propose(entry) for entry in self._list(Finding.UNKNOWN)[:MOST]],
            "unread_lines": self.unread,
        }

    def _list(self, finding: Finding) -> list[Entry]:
        found = self.others if finding is Finding.OTHERS else self.entries
        return [entry for entry in found if entry.finding is finding]

    def list_rows(self, *, names_others: bool) -> Iterator[tuple[str, ...]]:
        """Yield the rows of the report, the names of its columns first."""
        yield COLUMNS
        for entry in (*self.entries, *(self.others if names_others else ())):
            yield tuple(map(_protect, _make_row(entry)))

    def list_proposals(self) -> list[str]:
        """Return the lines of the table of what is to be done about the orders of an unknown outcome."""
        found = [
            (_label(e), str(e.proposal.action), e.proposal.value, e.detail)
            for e in self._list(Finding.UNKNOWN)
        ]
        rows = [("order", "what to do", "value", "why"), *found[:MOST]]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            "  ".join(
                (*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])
            ).rstrip()
            for row in rows
        ]
        more = len(found) - MOST
        return [*lines, f"and {more} more, see the report"] if more > 0 else lines

    def describe_failure(self, fail_on: Collection[str]) -> tuple[str, bool]:
        """Return what is wrong, empty if nothing is, and whether a later look may find it well."""
        failing = {finding: self._list(finding) for finding in _NAMED if finding in fail_on}
        words = [_describe(finding, found) for finding, found in failing.items() if found]
        every = [entry for found in failing.values() for entry in found]
        return "; ".join(words), all(entry.heals for entry in every)


def _describe(finding: Finding, found: Sequence[Entry]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{len(found)} {finding} ({', '.join(map(_label, found[:_SHOWN]))}{more})"


def _label(entry: Entry) -> str:
    return redact_words(entry.name, WORD_LENGTH)


def _name(entry: Entry) -> str | list[str]:
    """Return what an order is called in a summary; a doubled one with the others."""
    others = [redact_words(each, WORD_LENGTH) for each in entry.others[:_SHOWN]]
    return [_label(entry), *others] if entry.finding is Finding.DOUBLED else _label(entry)


def _propose(entry: Entry) -> dict[str, str]:
    proposal = entry.proposal
    value = redact_words(proposal.value, WORD_LENGTH)
    return {"order": _label(entry), "action": str(proposal.action), "value": value}


def _make_row(entry: Entry) -> Iterable[object]:
    order, row = entry.order, entry.row
    yield str(entry.finding)
    yield entry.number
    yield " ".join(entry.others)
    yield " ".join(order.job_ids) if order else ""
    yield order.key if order else ""
    yield (order.account_number or order.account_id) if order else ""
    yield order.order_date if order else ""
    yield from (row.account_number, row.date, row.status) if row else ("", "", "")
    yield write_second(row.created) if row and row.created else ""
    yield from order.task.values() if order else ("", "", "", "")
    yield write_moment(order.first) if order else ""
    yield entry.detail
    yield str(entry.action)
    yield entry.proposal.value


def _protect(value: object) -> str:
    """Return a cell as text that no spreadsheet calculates."""
    text = redact_words("" if value is None else value, 4 * WORD_LENGTH)
    return text if text == "-1" else _FORMULA.sub(r"\1'", text)
