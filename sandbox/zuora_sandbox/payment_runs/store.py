"""All payment runs of a tenant, and what they have collected."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC
from decimal import Decimal
from typing import Any

from zuora_sandbox.payment_runs.receivables import Receivable
from zuora_sandbox.payment_runs.rules import parse_run_date
from zuora_sandbox.payment_runs.runs import PaymentRun
from zuora_sandbox.scripts import PaymentRunScript
from zuora_sandbox.settings import Settings
from zuora_sandbox.timeline import Timeline


def make_timeline(body: dict[str, Any], script: PaymentRunScript, now: float, settings: Settings) -> Timeline:
    """Return the timeline of a run that is new, or that waits and was changed; hours are those of UTC."""
    waits = settings.payment_run_queue_seconds if script.queue_seconds is None else script.queue_seconds
    if moment := parse_run_date(body.get("runDate")):
        waits += max(0.0, moment.replace(tzinfo=UTC).timestamp() - now)
    runs = settings.payment_run_seconds if script.seconds is None else script.seconds
    return Timeline(()).turn(now, (0.0, "Pending"), (waits, "Processing"), (runs, script.get_end()))


@dataclass(slots=True)
class PaymentRuns:
    """The payment runs by id; deleted ones as well."""

    runs: dict[str, PaymentRun] = field(default_factory=dict)

    def add_run(
        self,
        run_id: str,
        body: dict[str, Any],
        key: str,
        script: PaymentRunScript,
        now: float,
        settings: Settings,
    ) -> PaymentRun:
        """Add a payment run and return it; without a permission, ``collectPayment`` is ignored silently."""
        if script.receivables is None and settings.receivables:
            day = body.get("targetDate") or body["runDate"][:10]
            due = [Receivable.parse(each) for each in settings.receivables]
            script = replace(
                script, receivables=[each for each in due if each.is_for(body.get("accountId"), day)]
            )
        run = PaymentRun(
            run_id,
            f"PR-{len(self.runs) + 1:08d}",
            body,
            key,
            script,
            now,
            now,
            make_timeline(body, script, now, settings),
            collects=settings.payment_run_collects and body.get("collectPayment") is not False,
        )
        self.runs[run_id] = run
        return run

    def find_run(self, key: str) -> PaymentRun | None:
        """Return the run with this id or number, or None if it is unknown or deleted."""
        return next((run for run in self.list_runs() if key in (run.run_id, run.number)), None)

    def list_runs(self) -> list[PaymentRun]:
        """Return the runs that have not been deleted, in the order of their creation."""
        return [run for run in self.runs.values() if not run.is_deleted]

    def make_ledger(self, now: float) -> dict[str, Any]:
        """Return the state of every run and what all of them have collected, for the ledger."""
        collected: dict[str, Decimal] = {}
        for run in self.runs.values():
            for currency, amount in run.sum_collected(now).items():
                collected[currency] = collected.get(currency, Decimal(0)) + amount
        return {
            "paymentRuns": [
                {
                    "id": run.run_id,
                    "number": run.number,
                    "accountId": run.body.get("accountId"),
                    "status": run.get_status(now),
                    "isDeleted": run.is_deleted,
                    "idempotencyKey": run.key,
                    "isForAllAccounts": run.is_for_all_accounts,
                    "collected": _make_plain(run.sum_collected(now)),
                }
                for run in self.runs.values()
            ],
            "collected": _make_plain(collected),
        }


def _make_plain(amounts: dict[str, Decimal]) -> dict[str, float]:
    return {currency: float(amount) for currency, amount in amounts.items()}
