"""The submission log in tests: kept in memory; each line that any test writes is held against the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.submission.log_lines import read_lines
from airflow_provider_zuora.core.submission.submission_log import SubmissionLog

Line = dict[str, Any]
NAME = "submission_log.schema.json"
FOLDER = re.compile(r"/\d{4}-\d{2}-\d{2}/[^/]+/[^/]+/[^/]+\.try\d+\.\w+\.\d{5}\.jsonl$")
# What orders, answers and connections of the tests hold, and no line may: names, secrets, the vendor's words.
FORBIDDEN = re.compile(
    r"Jane|Doe|Acme|@|4111[ -]?1111|example|Installation|Month end|effective|lock competition|secret|Invalid"
    r"|Bearer|8ad081dd9096ef9501909b40bb4e74a4|Told to say so|amount|USD|EUR|\*\*\* \*\*\*",
    re.IGNORECASE,
)
_seen: set[str] = set()


@cache
def load_validator() -> Draft202012Validator:
    """Return what checks a line against the schema that the package has."""
    text = resources.files("airflow_provider_zuora.core.submission").joinpath(NAME).read_text("utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check_line(line: Line) -> None:
    """Raise a `ValidationError`, or an AssertionError, if a line is none, or says what it may not."""
    load_validator().validate(line)
    # The names of dags, runs and tasks are their authors'.
    said = json.dumps(
        {name: value for name, value in line.items() if name not in ("dag_id", "run_id", "task_id")}
    )
    assert not (found := FORBIDDEN.search(said)), (found, line)


def check_files(folder: Path) -> int:
    """Check each line of the logs below a folder that no check has seen, and return how many there are."""
    count = 0
    for path in folder.rglob("*.jsonl"):
        if FOLDER.search(str(path)) and str(path) not in _seen:
            _seen.add(str(path))
            for line in read_lines(path.read_bytes()):
                check_line(line)
                count += 1
    return count


class LogInMemory:
    """The parts that the processes of all tries have written."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.intents: set[str | None] = set()
        self.is_open = False

    def open(self, number: int, clock: Callable[[], float]) -> SubmissionLog:
        """Return the log of one process of a try."""
        self.is_open = True
        names = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1}
        return SubmissionLog(self._write, {**names, "try_number": number}, clock)

    def _write(self, _: int, content: bytes) -> None:
        self.parts.append(content)
        lines = read_lines(content)
        check_new(lines)
        self.intents |= {line["key"] for line in lines if line["event"] == "intent"}

    @property
    def lines(self) -> list[Line]:
        """All lines, in the order in which they were written."""
        return [line for part in self.parts for line in read_lines(part)]

    def check_has_intent(self, request: Request) -> None:
        """Fail if what is sent is not logged; an empty order, sent to prove something, need not be."""
        key = request.headers["Idempotency-Key"]
        if not self.is_open:
            return
        assert key in self.intents or (key.startswith("control-") and request.body == b"{}"), "sent unlogged"


def check_new(lines: Iterable[Line]) -> None:
    """Check lines, one of each form: explorers write millions."""
    for line in lines:
        words = ("event", "kind", "outcome", "try_number", "unanswered", "order_number")
        empty = tuple(name for name, value in line.items() if not value)
        form = repr(([line[word] for word in words], empty, line["codes"], sorted(line)))
        if form not in _seen:
            _seen.add(form)
            check_line(line)
