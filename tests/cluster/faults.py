"""The faults of single requests: one in twenty of a family meets each of its faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.cluster.load import UNLUCKY, quote_marker

EVERY = 20  # 5 %
PAUSE = 45  # seconds of a Retry-After for which no worker is to wait

HTML = {"headers": {"Content-Type": "text/html"}, "body": "<html>Service Unavailable</html>"}


def _refuse(status: int, code: int, message: str, **headers: str) -> dict[str, Any]:
    body = {"success": False, "reasons": [{"code": code, "message": message}]}
    return {"status": status, "body": body, "headers": headers}


GATEWAY = {"status": 503, **HTML}
LOST_TO_GATEWAY = {"when": "after", "status": 504, **HTML}
RESET = {"kind": "reset"}
LOST = {"when": "after", "kind": "reset"}
CUT = {"when": "after", "kind": "cut"}
SHORT = {"when": "after", "kind": "short"}
SILENT = {"when": "after", "kind": "hang"}
LIMITED = _refuse(429, 70, "API Rate limit exceeded for the minute", **{"Retry-After": "2"})
TEMPORARY = _refuse(500, 60000060, "An internal error; try again.")
# Lost, and its key is in progress for some seconds: the same key gets a 409 then.
IN_PROGRESS = {"when": "after", "kind": "reset", "hold_seconds": 4}
LOCKED = _refuse(400, 53200050, "Operation failed due to a lock competition, please retry later.")

ASKED = {
    "503 of a gateway": GATEWAY,
    "reset": RESET,
    "cut answer": CUT,
    "half an answer": SHORT,
    "silence": SILENT,
    "429": LIMITED,
    "500": TEMPORARY,
}
SUBMITTED = {
    "503 of a gateway, not processed": GATEWAY,
    "504 of a gateway, processed": LOST_TO_GATEWAY,
    "reset, not processed": RESET,
    "reset, processed": LOST,
    "cut answer, processed": CUT,
    "silence, processed": SILENT,
    "reset, key in progress": IN_PROGRESS,
    "429": LIMITED,
    "500": TEMPORARY,
    "lock": LOCKED,
}
# An order's body is never half an answer that looks whole: no network does that to a POST of TLS.
STARTED = {name: SUBMITTED[name] for name in ("503 of a gateway, not processed", "reset, processed", "429")}
FETCHED = {"503": GATEWAY, "reset": RESET, "cut file": CUT}
FAMILIES = (
    ("order", "POST", "/v1/async/orders", SUBMITTED),
    ("job", "GET", "/v1/async-jobs/", ASKED),
    ("query", "POST", "/query/jobs", STARTED),
    ("query's job", "GET", "/query/jobs", ASKED),
    ("file", "GET", "/data-query-files/", FETCHED),
    ("bill run", "POST", "/v1/bill-runs", STARTED),
    ("bill run's page", "GET", "/v1/bill-runs", ASKED),
    ("posting", "PUT", "/v1/bill-runs", {"reset, processed": LOST}),
)


def list_faults(pauses: int) -> Iterator[dict[str, Any]]:
    """
    Yield what is posted to the sandbox, each fault with a phase of its own.

    :param pauses: how many orders of single tasks meet a 429 with a long Retry-After.
    """
    # In lists such a pause is the worker's, which goes on with the rest of its list: here only single ones.
    for letter in "MN":
        yield {
            "name": f"order: 429, wait {PAUSE} s",
            "method": "POST",
            "path": "/v1/async/orders",
            "contains": quote_marker(f"{letter}-"),
            "skip": 1,
            "times": pauses,
            "every": 4,
            **_refuse(429, 70, "API Rate limit exceeded for the minute", **{"Retry-After": str(PAUSE)}),
        }
    for marker in UNLUCKY:
        selected = {"method": "POST", "path": "/v1/async/orders", "contains": quote_marker(marker)}
        yield selected | {"name": "order: cut answer, three in a row", "times": 3} | CUT
    for family, method, path, faults in FAMILIES:
        for phase, (name, fault) in enumerate(faults.items()):
            selected = {"method": method, "path": path, "name": f"{family}: {name}"}
            yield selected | {"skip": phase, "every": EVERY - phase, "times": None} | fault


def find_unmet(met: dict[str, int]) -> list[str]:
    """Return the names of the orders' and jobs' faults that no request has met; other families are small."""
    every = [fault["name"] for fault in list_faults(1)]
    return sorted({name for name in every if name.startswith(("order:", "job:"))} - met.keys())
