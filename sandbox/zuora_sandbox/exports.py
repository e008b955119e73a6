"""Elastic Path's export jobs, which run one at a time, the oldest first.

Source: "Get a Job" and "Create a Job" of Elastic Path's reference, and Moltin's pages on the same service.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from zuora_sandbox.filters import Row, parse_filter
from zuora_sandbox.settings import Settings

NO_RESULTS = "No results matched the supplied filter"
NEVER = "0001-01-01T00:00:00Z"
"""The time of the last update of a job that was never updated."""


@dataclass(slots=True)
class Export:
    """
    One export; times are seconds of the sandbox's clock.

    :param words: its status words while it waits, while it runs, and when it has succeeded or failed.
    :param error: why it fails, or an empty text if it does not fail.
    :param file: the CSV, or None if it has not ended or has failed.
    """

    job_id: str
    filter: str
    created: float
    starts: float
    ends: float
    words: tuple[str, ...]
    error: str = ""
    has_ended: bool = False
    rows: int = 0
    file: str | None = field(default=None, repr=False)

    def get_status(self, now: float) -> str:
        """Return the status word at this time."""
        waiting, running, succeeded, failed = self.words
        if self.has_ended:
            return failed if self.file is None else succeeded
        return waiting if now < self.starts else running

    def make_page(self, now: float, base: str) -> dict[str, Any]:
        """Return the ``data`` for GET /v2/jobs/{jobID}."""
        updated = self.ends if self.has_ended else self.starts
        page = {
            "id": self.job_id,
            "type": "job",
            "job_type": "order_export",
            "status": self.get_status(now),
            "link": {"href": ""},
            "links": {"self": f"{base}/v2/jobs/{self.job_id}"},
            "timestamps": {
                "created_at": format_time(self.created),
                "updated_at": format_time(updated) if now >= self.starts else NEVER,
            },
        }
        return page | ({"error": self.error} if self.has_ended and self.error else {})


@dataclass(slots=True)
class Exports:
    """
    The orders in Elastic Path's store and their exports.

    :param orders: the rows of the CSV, as objects; its header has all their names, in order of appearance.
    """

    orders: list[Row] = field(default_factory=list)
    jobs: dict[str, Export] = field(default_factory=dict)

    def add_job(self, job_id: str, filter_: str, now: float, settings: Settings) -> Export:
        """Add an export, which starts when all earlier ones have ended."""
        starts = max([now, *(job.ends for job in self.jobs.values())])
        ends = starts + settings.export_seconds
        words = tuple(settings.export_words)
        export = Export(job_id, filter_, now, starts, ends, words, settings.fail_exports)
        self.jobs[job_id] = export
        return export

    def end_due_jobs(self, now: float) -> None:
        """End the exports that are due."""
        for job in self.jobs.values():
            if not job.has_ended and job.ends <= now:
                self._end_job(job)

    def _end_job(self, job: Export) -> None:
        passes = parse_filter(job.filter)
        rows = [row for row in self.orders if passes(row)]
        job.has_ended, job.error = True, job.error or ("" if rows else NO_RESULTS)
        if not job.error:
            job.rows, job.file = len(rows), write_csv(rows)

    def make_ledger(self, now: float) -> list[dict[str, Any]]:
        """Return the state of every export, for the ledger."""
        return [
            {"jobId": job.job_id, "filter": job.filter, "status": job.get_status(now), "rows": job.rows}
            for job in self.jobs.values()
        ]


def write_csv(rows: list[Row]) -> str:
    """Return the rows as a CSV with a header."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, names)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def format_time(seconds: float) -> str:
    """Return a time in Elastic Path's format."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
