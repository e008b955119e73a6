"""
A line of the submission log: numbers, ids and words of closed sets; `submission_log.schema.json` is its form.

It holds no name, no amount, no personal data and no word of the vendor's. What a user may choose, an order
number for example, is redacted as in all messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from airflow_provider_zuora.core.receipt import read_word
from airflow_provider_zuora.core.redaction import NO_SECRETS
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.times import write_moment

Line: TypeAlias = dict[str, Any]

VERSION = 1
"""Of the schema. A reader that meets a higher one does not know all of what it says."""

INTENT, END, RESULT, RECONCILED = "intent", "end", "result", "reconciled"
TASK = ("dag_id", "run_id", "task_id", "map_index", "try_number")
_TEXTS = (*TASK[:3], "kind", "key", "digest", "job_id", "order_number", "order_date", "account_number")
_LISTS = ("track_ids", "subscription_numbers", "invoice_numbers")
_LONGEST = 300  # characters: Airflow's ids have up to 250, keys up to 254
_MOST = 1000  # items of a list
# A number, or a word such as INVALID_VALUE; anything else may be the vendor's words.
_CODE = re.compile(r"[0-9]{1,12}|[A-Za-z][A-Za-z_]{0,39}")


def make_line(event: str, seconds: float, facts: Mapping[str, Any]) -> Line:
    """
    Return one line.

    :param event: `INTENT`, `END`, `RESULT` or `RECONCILED`.
    :param seconds: since 1970.
    :param facts: its columns; what is missing is null, an empty list, or 0. ``secrets`` is none of them: no
        value may hold one.
    """
    secrets = facts.get("secrets", NO_SECRETS)
    line: Line = {"schema_version": VERSION, "event": event, "time": write_moment(seconds)}
    line |= {name: _read(facts.get(name), secrets) for name in (*_TEXTS, "account_id")}
    line |= {name: facts.get(name) for name in TASK[3:]}
    line |= {name: _read_all(facts.get(name), secrets) for name in _LISTS}
    outcome = facts.get("outcome")
    line["codes"] = [code for code in map(str, facts.get("codes") or ()) if _CODE.fullmatch(code)]
    return line | {"outcome": outcome and str(outcome), "unanswered": facts.get("unanswered", 0)}


def _read(value: object, secrets: Secrets) -> str | None:
    return read_word(value, secrets, _LONGEST) or None


def _read_all(values: object, secrets: Secrets) -> list[str]:
    rows = values[:_MOST] if isinstance(values, (list, tuple)) else ()
    words = (read_word(value, secrets, _LONGEST) for value in rows)
    return [word for word in words if word]


def write_lines(lines: Iterable[Line]) -> bytes:
    """Return lines as JSON Lines."""
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)


def read_lines(content: bytes) -> list[Line]:
    """
    Return the lines of a part of the log; one without its end was not written when its process was killed.

    :raises ValueError: if one of them is no JSON object.
    """
    whole = content[: content.rfind(b"\n") + 1]
    lines = [json.loads(text) for text in whole.splitlines()]
    if not all(isinstance(line, dict) for line in lines):
        raise ValueError("a line is no JSON object")
    return lines


def is_understood(line: Line) -> bool:
    """Return whether a line is of the version that this release knows, and of its form."""
    identity = line.get("job_id") if line.get("event") == RESULT else line.get("key") or line.get("job_id")
    return (
        line.get("schema_version") == VERSION
        and line.get("event") in (INTENT, END, RESULT, RECONCILED)
        and bool(line.get("kind") and identity and line.get("time"))
        and isinstance(line.get("try_number"), int)
        and isinstance(line.get("unanswered"), int)
        and all(isinstance(line.get(name), (str, type(None))) for name in (*_TEXTS, "account_id", "outcome"))
        and all(isinstance(line.get(name), list) for name in _LISTS)
        and isinstance(line.get("codes"), list)
        and all(isinstance(code, str) for code in line["codes"])
    )


def read_known_lines(content: bytes) -> list[Line]:
    """Return the lines of a part as `read_lines` does; raise a `ValueError` if one is not understood, too."""
    lines = read_lines(content)
    if not all(map(is_understood, lines)):
        raise ValueError("a line is of a version, or a form, that this release does not know")
    return lines


def find_order_keys(lines: Iterable[Line], dag_id: str | None, run_id: str | None) -> set[str]:
    """
    Return the keys of the orders that a run has sent, or is about to send, each once.

    A key whose last line says that nothing came of it does not count.
    """
    last: dict[str, Line] = {}
    # Tries follow each other, whatever the clocks of their machines say.
    for line in sorted(lines, key=lambda line: (int(line.get("try_number") or 0), str(line.get("time")))):
        is_of_run = (line.get("dag_id"), line.get("run_id")) == (dag_id, run_id)
        key, event = line.get("key"), line.get("event")
        if is_of_run and line.get("kind") == "order" and key and (event == INTENT or key in last):
            last[key] = line
    return {key for key, line in last.items() if not _is_nothing(line)}


def _is_nothing(line: Line) -> bool:
    outcome = line.get("outcome")
    return outcome == "refused" or (outcome == "open" and not line.get("unanswered"))
