"""Bill runs and what they make.

Source: "Create a bill run" of Zuora's v1 API reference, and "Bill run status types" of its documentation.
That autoPost leads from Completed over PostInProgress to Posted is our reading. Hours are those of UTC.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from zuora_sandbox.scripts import BillRunScript
from zuora_sandbox.settings import Settings
from zuora_sandbox.timeline import Timeline
from zuora_sandbox.times import format_offset, format_plain

USER = "ff808081298c6e5401298c7274a40005"
ALWAYS_SHOWN = (
    "batches",
    "billCycleDay",
    "billRunFilters",
    "chargeTypeToExclude",
    "name",
    "schedule",
    "targetDate",
)
FLAGS = ("autoEmail", "autoPost", "autoRenewal", "noEmailForZeroAmountInvoice")
SHOWN_IF_GIVEN = (
    "billRunType",
    "includeSubscriptions",
    "includeOrderLineItems",
    "organizationLabels",
    "invoiceDateMonthOffset",
    "invoiceDateDayOfMonth",
    "targetDateMonthOffset",
    "targetDateDayOfMonth",
)
HAS_RUN = ("Completed", "PostInProgress", "Posted", "Error")


@dataclass(slots=True)
class BillRun:
    """
    One bill run; times are seconds of the sandbox's clock.

    :param body: the body of its request, with what updates have changed.
    :param key: the idempotency key of its request.
    :param posts: how often somebody had it posted; the same for `cancels` and `emails`.
    """

    run_id: str
    number: str
    body: dict[str, Any] = field(repr=False)
    key: str
    script: BillRunScript
    created: float
    updated: float
    timeline: Timeline
    posts: int = 0
    cancels: int = 0
    emails: int = 0

    def get_status(self, now: float) -> str:
        """Return its word at this time, or an empty text if it has been removed."""
        return self.timeline.get_word(now)

    def make_page(self, now: float) -> dict[str, Any]:
        """Return the fields that the answers about it have, without ``success``."""
        body = self.body
        updated = format_plain(max(self.updated, self.timeline.get_change(now)))
        day = body.get("billCycleDay")
        start = get_start(body.get("schedule"))
        return {
            **{name: body.get(name) for name in ALWAYS_SHOWN},
            **{name: bool(body.get(name)) for name in FLAGS},
            **{name: body[name] for name in SHOWN_IF_GIVEN if body.get(name) is not None},
            # A text when it is sent, and a number in the sample of an answer.
            "billCycleDay": int(day) if day and day.isdecimal() else day,
            "billRunNumber": self.number,
            "createdById": USER,
            "createdDate": format_plain(self.created),
            "id": self.run_id,
            "invoiceDate": body.get("invoiceDate") or format_plain(self.created)[:10],
            "invoiceDateOffset": None,
            "scheduledExecutionTime": None if start is None else format_plain(start),
            "status": self.get_status(now),
            "targetDate": body.get("targetDate") or (body.get("schedule") or {}).get("repeatFrom"),
            "targetDateOffset": None,
            "updatedById": USER,
            "updatedDate": updated,
        }

    def make_row(self, now: float) -> dict[str, Any]:
        """Return its row of Object Query, which alone has its counts and its error."""
        page, script = self.make_page(now), self.script
        word = page["status"]
        began, posted = (self.timeline.find_moment(each, now) for each in ("Processing", "Posted"))
        ended = next(
            (at for each in ("Completed", "Error") if (at := self.timeline.find_moment(each, now))), None
        )
        counts = {
            "numberOfAccounts": script.accounts,
            "numberOfInvoices": script.invoices,
            "numberOfCreditMemos": max(script.credit_memos, len(script.credit_amounts)),
        }
        same = ("id", "name", "status", "targetDate", "invoiceDate", "createdById", "updatedById", *FLAGS)
        return {
            **{name: page[name] for name in same},
            "billingRunNumber": self.number,
            "createdDate": format_offset(self.created),
            "updatedDate": format_offset(max(self.updated, self.timeline.get_change(now))),
            "batches": ",".join(self.body.get("batches") or []) or None,
            "repeatType": (self.body.get("schedule") or {}).get("repeatType"),
            "executedDate": began and format_offset(began),
            "startDate": began and format_offset(began),
            "endDate": ended and format_offset(ended),
            "postedDate": posted and format_offset(posted),
            "totalTime": round((ended - began) * 1000) if ended and began else None,
            "invoicesEmailed": bool(self.emails) or (bool(posted) and page["autoEmail"]),
            "errorMessage": script.error or None if ended else None,
            **(counts if word in HAS_RUN else dict.fromkeys(counts, 0)),
        }


def get_start(schedule: dict[str, Any] | None) -> float | None:
    """Return when a scheduled run begins, or None without a schedule."""
    if not schedule:
        return None
    day = datetime.fromisoformat(schedule["repeatFrom"]).replace(tzinfo=UTC)
    return (day + timedelta(hours=schedule["runTime"])).timestamp()


def find_next_day(schedule: dict[str, Any] | None) -> str:
    """Return the next day of a schedule that repeats, or an empty text if there is none."""
    if not schedule or schedule["repeatType"] == "None":
        return ""
    day = date.fromisoformat(schedule["repeatFrom"])
    if schedule["repeatType"] == "Monthly":
        year, month = divmod(day.year * 12 + day.month, 12)
        following = date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    else:
        following = day + timedelta(days=1 if schedule["repeatType"] == "Daily" else 7)
    last = schedule.get("repeatTo") or ""
    return "" if last and following.isoformat() > last else following.isoformat()


def make_timeline(body: dict[str, Any], script: BillRunScript, now: float, settings: Settings) -> Timeline:
    """Return the timeline of a new bill run, or of one that waits and was changed."""
    start = get_start(body.get("schedule"))
    waits = settings.bill_run_queue_seconds if script.queue_seconds is None else script.queue_seconds
    if start is not None:
        waits += max(0.0, start - now)
    runs = settings.bill_run_seconds if script.seconds is None else script.seconds
    end = script.status or ("Error" if script.error else "Completed")
    steps = [(0.0, "Pending"), (waits, "Processing"), (runs, end)]
    if body.get("autoPost") and end == "Completed" and script.auto_posts:
        steps += [(settings.bill_run_auto_post_lag_seconds, "PostInProgress"), plan_posting(script, settings)]
    return Timeline(()).turn(now, *steps)


def plan_posting(script: BillRunScript, settings: Settings) -> tuple[float, str]:
    """Return how long posting takes, and the word then."""
    seconds = settings.bill_run_post_seconds if script.post_seconds is None else script.post_seconds
    return seconds, script.post_status


@dataclass(slots=True)
class BillRuns:
    """All bill runs, by id; removed ones as well."""

    runs: dict[str, BillRun] = field(default_factory=dict)

    def add_run(
        self,
        run_id: str,
        body: dict[str, Any],
        key: str,
        script: BillRunScript,
        now: float,
        settings: Settings,
    ) -> BillRun:
        """Add a bill run and return it."""
        number = f"BR-{len(self.runs) + 1:08d}"
        timeline = make_timeline(body, script, now, settings)
        run = BillRun(run_id, number, body, key, script, now, now, timeline)
        self.runs[run_id] = run
        return run

    def find_run(self, key: str, now: float, *, by_number: bool) -> BillRun | None:
        """Return the run with this id, or this number too, or None if it is unknown or removed."""
        run = self.runs.get(key)
        if run is None and by_number:
            run = next((each for each in self.runs.values() if each.number == key), None)
        return run if run is not None and run.get_status(now) else None

    def list_runs(self, now: float) -> list[BillRun]:
        """Return the runs that have not been removed, in the order of their creation."""
        return [run for run in self.runs.values() if run.get_status(now)]

    def make_ledger(self, now: float) -> list[dict[str, Any]]:
        """Return the state of every run, for the ledger; a removed one has an empty status."""
        return [
            {
                "id": run.run_id,
                "billRunNumber": run.number,
                "name": run.body.get("name"),
                "status": run.get_status(now),
                "idempotencyKey": run.key,
                "posts": run.posts,
                "cancels": run.cancels,
                "emails": run.emails,
                "isPosted": run.timeline.find_moment("Posted", now) is not None,
            }
            for run in self.runs.values()
        ]
