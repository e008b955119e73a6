"""A script: what becomes of the queries and runs that a text picks out. It is a value.

Where an order says itself how its job goes, these have no field for it, so that the test says it beforehand.
What a script leaves out is decided by the settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from zuora_sandbox.answers import unzip_body
from zuora_sandbox.data_query.tables import MOST_ROWS, GeneratedTable, Table
from zuora_sandbox.messages import Request
from zuora_sandbox.payment_runs.receivables import Receivable


@dataclass(frozen=True, slots=True)
class Script:
    """
    What all scripts have.

    :param contains: a text that the body of the request must contain; for a query, its SQL.
    :param times: how many requests it is for; None: all of them.
    """

    contains: str = ""
    times: int | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the script for a JSON object."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class QueryScript(Script):
    """
    What becomes of a query.

    :param rows: its rows, as objects; or how many rows to generate, up to 99,999,999; None: as the setting
        ``query_rows`` says.
    :param columns: the columns of given rows, where the rows do not name them all; generated rows have
        ``id``, ``accountnumber`` and ``balance``.
    :param padding: the width of a column ``padding`` in generated rows.
    :param queue_seconds: how long it is ``accepted`` before it looks for a running place.
    :param seconds: how long it is ``in_progress``.
    :param message: the ``errorMessage`` with which it fails; empty: it does not fail.
    :param code: the ``errorCode`` then, or an empty text for a failure without one.
    :param status: the word at its end, whatever that is; empty: ``completed``, or ``failed`` with a message.
    :param remaining_retries: what is left of Zuora's own three retries.
    """

    rows: int | Sequence[Mapping[str, Any]] | None = None
    columns: Sequence[str] = ()
    padding: int = 0
    queue_seconds: float | None = None
    seconds: float | None = None
    message: str = ""
    code: str = ""
    status: str = ""
    remaining_retries: int = 3

    def __post_init__(self) -> None:
        """Check what would only show when a file is read."""
        if isinstance(self.rows, int):
            if not 0 <= self.rows <= MOST_ROWS:
                raise ValueError(f"rows is {self.rows}; up to {MOST_ROWS} can be generated")
        elif self.rows is not None and not all(isinstance(row, Mapping) for row in self.rows):
            raise TypeError("rows must be objects, or their number")

    def make_table(self, usual_rows: int) -> Table | GeneratedTable:
        """Return the rows of the result, so many generated ones if the script has none."""
        rows = usual_rows if self.rows is None else self.rows
        if isinstance(rows, int):
            return GeneratedTable(rows, self.padding)
        return Table(rows, tuple(self.columns))


@dataclass(frozen=True, slots=True)
class BillRunScript(Script):
    """
    What becomes of a bill run.

    :param queue_seconds: how long it is Pending, from its schedule on if it has one.
    :param seconds: how long it is Processing.
    :param error: its error message in Object Query; it then ends as Error.
    :param status: the word at its end, whatever that is; empty: Completed, or Error with an error message.
    :param accounts: how many accounts it was for; the same for invoices and credit memos, which it made.
    :param auto_posts: whether ``autoPost`` has an effect; if not, it stays Completed.
    :param post_seconds: how long it is PostInProgress.
    :param post_status: the word after that; whatever is not Posted has posted nothing.
    """

    queue_seconds: float | None = None
    seconds: float | None = None
    error: str = ""
    status: str = ""
    accounts: int = 1
    invoices: int = 1
    credit_memos: int = 0
    auto_posts: bool = True
    post_seconds: float | None = None
    post_status: str = "Posted"


@dataclass(frozen=True, slots=True)
class PaymentRunScript(Script):
    """
    What becomes of a payment run.

    :param queue_seconds: how long it is Pending, from its ``runDate`` on if it has one.
    :param seconds: how long it is Processing.
    :param error: its error message in Object Query; it then ends as Error.
    :param status: the word at its end, whatever that is; empty: Completed, or Error with an error message.
    :param receivables: what it picks up, and how each payment ends, even if the run fails; None: one invoice
        of 56 USD, which is paid, or nothing if the run does not end as Completed.
    """

    queue_seconds: float | None = None
    seconds: float | None = None
    error: str = ""
    status: str = ""
    receivables: Sequence[Receivable | Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        """Check the receivables."""
        self.list_receivables()

    def get_end(self) -> str:
        """Return the word at its end."""
        return self.status or ("Error" if self.error else "Completed")

    def list_receivables(self) -> list[Receivable]:
        """Return the receivables as values."""
        if self.receivables is None:
            return [Receivable()] if self.get_end() == "Completed" else []
        return [Receivable.parse(each) for each in self.receivables]


@dataclass(slots=True)
class ScriptBook:
    """The scripts of a sandbox; the one that was added last applies first."""

    scripts: list[Script] = field(default_factory=list)

    def take_script(self, kind: type[Script], asked: Request | str) -> Any:
        """Return the script that applies to a text, and count it down; or one that says nothing."""
        text = asked if isinstance(asked, str) else unzip_body(asked).decode(errors="replace")
        for place in reversed(range(len(self.scripts))):
            script = self.scripts[place]
            if type(script) is not kind or script.contains not in text:
                continue
            if script.times is not None:
                left = [replace(script, times=script.times - 1)] if script.times > 1 else []
                self.scripts[place : place + 1] = left
            return script
        return kind()
