"""
The submission log in tests: kept in memory, and each line that any test writes is checked.

A line is held against the schema that the package has, and against what it may not say. `checked_lines` does
so after each test with what the test has left in files and stores.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
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
AUTHORS = ("dag_id", "run_id", "task_id")
"""Members whose words are those of the authors of DAGs."""
RATE_PLAN = b"8ad081dd9096ef9501909b40bb4e74a4"
# What orders, answers and connections of the tests hold, and no line may: names, secrets, the vendor's words.
FORBIDDEN = re.compile(
    r"Jane|Doe\b|Acme|@|example|Installation|Month.?end|effective|lock.?competition|secret|Invalid(?!_)|Bearer"
    r"|Told to say so|amount|Services|Sandbox__c|firstName|\*\*\* \*\*\*",
    re.IGNORECASE,
)
CURRENCY = re.compile(r"(?<![A-Za-z])(USD|EUR|GBP|JPY|CAD)(?![A-Za-z])")
AMOUNT = re.compile(r"(?<![\w.])-?\d[\d,]*\.\d{1,2}(?![\w.])")
CARD = re.compile(r"(?<![0-9A-Za-z])\d(?:[ -]?\d){12,18}(?![0-9A-Za-z])")
IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,3})?(?![0-9A-Za-z])")
BLANK = re.compile(r"\s")  # a sentence has some, and no number or id of the tests has
# What differs in each line: hashes, ids made by chance, the time. The schema, and the patterns above, find
# the same in a line with zeros in place of hashes and ids, and without the time.
_HEX = re.compile(rb"[0-9a-f]{32,}+")
_TIME = re.compile(rb'"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",')
_seen: set[str | int] = set()


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
    assert RATE_PLAN.decode() not in json.dumps(line), line
    for name, value in line.items():
        if name not in (*AUTHORS, "time", "kind"):  # the schema lists all that the last two may be
            for word in value if isinstance(value, list) else [value]:
                assert not (found := find_forbidden(str(word))), (found, name, line)


def find_forbidden(word: str) -> str:
    """Return what a value of a line says that it may not; empty: nothing."""
    for pattern in (FORBIDDEN, CURRENCY, AMOUNT, CARD, IBAN, BLANK):
        if found := pattern.search(word):
            return repr(found[0])
    return ""


def check_content(content: bytes) -> int:
    """
    Check each line of a part of a log, and return how many there are.

    Explorers write millions: of those that differ in times, hashes and ids by chance alone, one is checked.
    """
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    for text in lines:
        assert RATE_PLAN not in text, text
        form = hash(_TIME.sub(b"", _HEX.sub(lambda found: b"0" * len(found[0]), text), count=1))
        if form not in _seen:
            check_line(json.loads(text))
            _seen.add(form)
    return len(lines)


def check_files(folder: Path) -> int:
    """Check each line of the logs below a folder that no check has seen, and return how many there are."""
    return _check_new({str(path): path.read_bytes for path in folder.rglob("*.jsonl")})


def check_memory() -> int:
    """Do the same with the logs in fsspec's store in memory."""
    memory = sys.modules.get("fsspec.implementations.memory")
    files = memory.MemoryFileSystem.store if memory else {}
    return _check_new({f"memory:/{name}": file.getvalue for name, file in files.items()})


def check_store(fs: Any, prefix: str) -> int:
    """Do the same with the logs below a prefix of a store."""
    fs.invalidate_cache()
    return _check_new({f"store/{name}": partial(fs.cat_file, name) for name in fs.find(prefix)})


def _check_new(parts: Mapping[str, Callable[[], bytes]]) -> int:
    count = 0
    for name, read in parts.items():
        if FOLDER.search(name) and name not in _seen:
            _seen.add(name)
            count += check_content(read())
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
        check_content(content)
        self.intents |= {line["key"] for line in read_lines(content) if line["event"] == "intent"}

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
