"""Query jobs: they wait for one of the tenant's running places, run, and end.

Source: "Data Query" of Zuora's v1 API reference, and the table of limits in Zuora's documentation: LIVE and
WAREHOUSE have places of their own, five and fifteen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from zuora_sandbox.data_query.tables import SEPARATORS, GeneratedTable, Layout, Table
from zuora_sandbox.scripts import QueryScript
from zuora_sandbox.settings import Settings
from zuora_sandbox.times import format_iso

CANCELLABLE = ("accepted", "in_progress")
RETRIES = 3
"""How often Zuora runs a query again by itself."""

USER = {"createdBy": "514f3ea1-6716-4f44-b6e0-9a8f0cf44bd2", "createdByUserEmail": "amy@mycompany.com"}


@dataclass(slots=True)
class QueryJob:
    """
    One query job; times are seconds of the sandbox's clock.

    :param body: the body of its request.
    :param key: the idempotency key of its request.
    :param ready: when it looks for a running place.
    :param seconds: how long it runs.
    :param end: its word when it has run.
    :param status: its word now.
    :param downloads: how often its file was asked for.
    """

    job_id: str
    body: dict[str, Any] = field(repr=False)
    key: str
    script: QueryScript
    table: Table | GeneratedTable
    created: float
    ready: float
    seconds: float
    end: str
    status: str
    updated: float
    started: float = math.inf
    downloads: int = 0
    content: Any = field(default=None, repr=False)

    @property
    def source(self) -> str:
        """Return what it reads: LIVE or WAREHOUSE."""
        return str(self.body.get("sourceData") or "LIVE")

    @property
    def due(self) -> float:
        """Return when it ends, or infinity if it does not run."""
        return self.started + self.seconds if self.status == "in_progress" else math.inf

    @property
    def has_ended(self) -> bool:
        """Return whether it is neither waiting nor running."""
        return self.status not in ("submitted", *CANCELLABLE)

    @property
    def file_name(self) -> str:
        """Return the name of its file."""
        packed = {"NONE": "", "GZIP": ".gz", "ZIP": ".zip"}[self.body["compression"]]
        return f"{self.job_id}_{int(self.created * 1e6)}.{self.body['outputFormat'].lower()}{packed}"

    def change_status(self, word: str, now: float) -> None:
        """Give it another word."""
        self.status, self.updated = word, now

    def get_layout(self, settings: Settings) -> Layout:
        """Return how its rows are written."""
        form = self.body["outputFormat"]
        separator = self.body.get("columnSeparator") or SEPARATORS.get(form, "")
        return Layout(separator, settings.query_line_end, settings.query_null)

    def make_page(self, *, whole: bool, link: str = "") -> dict[str, Any]:
        """
        Return the ``data`` of an answer about it.

        :param whole: whether with the fields that the samples show after a submit alone.
        :param link: the link to its file, or an empty text.
        """
        page: dict[str, Any] = {
            "createdBy": USER["createdBy"],
            "id": self.job_id,
            "query": self.body["query"],
            "queryStatus": self.status,
            "remainingRetries": self.script.remaining_retries,
            "sourceData": self.source,
            "updatedOn": format_iso(self.updated),
            "useIndexJoin": bool(self.body.get("useIndexJoin")),
        }
        if whole:
            page |= {"retries": RETRIES, "createdOn": format_iso(self.created), **USER}
        if self.status == "completed":
            took = round((self.updated - self.started) * 1000)
            page |= {"outputRows": self.table.count, "processingTime": took}
            page |= {"dataFile": link} if link else {}
        # The fields of a failure are in no specification; two clients read them.
        shown = {"errorCode": self.script.code, "errorMessage": self.script.message}
        return page | ({name: text for name, text in shown.items() if text} if self.has_failed else {})

    @property
    def has_failed(self) -> bool:
        """Return whether it has ended by itself and not completed."""
        return self.has_ended and self.status not in ("completed", "cancelled")


@dataclass(slots=True)
class QueryJobs:
    """
    All query jobs.

    :param active: those that wait or run, the oldest first.
    :param settled: up to when they have been moved on.
    """

    jobs: dict[str, QueryJob] = field(default_factory=dict)
    active: list[QueryJob] = field(default_factory=list)
    settled: float = 0.0

    def add_job(self, job: QueryJob) -> None:
        """Add a job, which starts when it is ready and a place is free."""
        self.jobs[job.job_id] = job
        self.active.append(job)

    def is_full(self, source: str, settings: Settings) -> bool:
        """Return whether all places, running and queued, are taken for this source."""
        queued = settings.query_queued if source == "LIVE" else settings.warehouse_queued
        places = queued + _count_running_places(settings)[source]
        return sum(job.source == source for job in self.active) >= places

    def cancel_job(self, job: QueryJob, now: float) -> None:
        """Cancel a job, which gives its place away."""
        job.change_status("cancelled", now)
        self.active.remove(job)

    def settle(self, now: float, settings: Settings) -> None:
        """Start and end the jobs that are due, in the order of time."""
        while self.active:
            moment, job, word = min(self._list_events(settings), key=lambda event: event[0], default=NOTHING)
            if job is None or moment > now:
                break
            self.settled = max(self.settled, moment)
            job.change_status(word, moment)
            if word == "in_progress":
                job.started = moment
            elif job.has_ended:
                self.active.remove(job)
        self.settled = max(self.settled, now)

    def _list_events(self, settings: Settings) -> Iterator[tuple[float, QueryJob | None, str]]:
        """Yield when something happens next to each job, the job, and its word then."""
        free = _count_running_places(settings)
        for job in self.active:
            free[job.source] -= job.status == "in_progress"
        for job in self.active:
            if job.status == "in_progress":
                yield job.due, job, job.end
            elif job.status == "submitted":
                yield job.ready, job, "accepted"
            elif free[job.source] > 0:
                yield max(job.ready, self.settled), job, "in_progress"

    def make_ledger(self) -> list[dict[str, Any]]:
        """Return the state of every job, for the ledger."""
        return [
            {
                "id": job.job_id,
                "query": job.body["query"],
                "queryStatus": job.status,
                "idempotencyKey": job.key,
                "downloads": job.downloads,
            }
            for job in self.jobs.values()
        ]


def _count_running_places(settings: Settings) -> dict[str, int]:
    return {"LIVE": settings.query_running, "WAREHOUSE": settings.warehouse_running}


NOTHING: tuple[float, QueryJob | None, str] = (math.inf, None, "")
