"""A script: what becomes of the orders, queries and runs that it is for. It is a value.

What a script leaves out is decided by the settings. What an order says itself of its job (`jobs.py`) comes
before its script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from zuora_sandbox.data_query.tables import MOST_ROWS, GeneratedTable, Table
from zuora_sandbox.payment_runs.receivables import Receivable
from zuora_sandbox.values import check_fields, check_names


@dataclass(frozen=True, slots=True)
class Script:
    """
    What all scripts have.

    :param contains: a text that the body of the request must contain; for a query, its SQL.
    :param times: how many requests it is for; None: all of them.
    """

    contains: str = ""
    times: int | None = None

    def __post_init__(self) -> None:
        """Check the fields: a script without effect would let a test pass for the wrong reason."""
        check_fields(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the script for a JSON object."""
        check_names(cls, "a script", values)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class OrderScript(Script):
    """
    What becomes of the job of an order.

    :param order_number: the ``orderNumber`` in its request, exactly; empty: any order.
    :param kind: ``create`` or ``preview``.
    :param seconds: how long the job is Processing.
    :param errors: the ``errors`` with which it ends as Failed, such as ``[40000020]: Not effective.``
    :param status: the word at its end, whatever that is; empty: Completed, or Failed with errors.
    :param order_status: the status of the order that it makes.
    :param preview: the result of a preview; None: what the order comes to by the price list.
    """

    order_number: str = ""
    kind: str = "create"
    seconds: float | None = None
    errors: str = ""
    status: str = ""
    order_status: str = ""
    preview: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check the kind, too."""
        Script.__post_init__(self)  # super() knows no class that has slots
        if self.kind not in ("create", "preview"):
            raise ValueError(f"kind is {self.kind}; it can be create or preview")

    def is_for(self, kind: str, number: object) -> bool:
        """Return whether it is for the job of this kind with this order number."""
        return kind == self.kind and self.order_number in ("", number)


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
    :param code: the ``errorCode`` then, or an empty text, or None, for a failure without one.
    :param status: the word at its end, whatever that is; empty: ``completed``, or ``failed`` with a message.
    :param remaining_retries: what is left of Zuora's own three retries.
    """

    rows: int | Sequence[Mapping[str, Any]] | None = None
    columns: Sequence[str] = ()
    padding: int = 0
    queue_seconds: float | None = None
    seconds: float | None = None
    message: str = ""
    code: str | None = ""
    status: str = ""
    remaining_retries: int = 3

    def __post_init__(self) -> None:
        """Check how many rows there are, too, which would only show when a file is read."""
        Script.__post_init__(self)
        if isinstance(self.rows, int) and not 0 <= self.rows <= MOST_ROWS:
            raise ValueError(f"rows is {self.rows}; up to {MOST_ROWS} can be generated")

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
    :param amounts: of its first invoices, each further one is 56.
    :param credit_amounts: the amounts of its credit memos.
    :param currency: of all of these.
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
    amounts: Sequence[float | str] = ()
    credit_amounts: Sequence[float | str] = ()
    currency: str = "USD"

    def list_amounts(self) -> list[float | str]:
        """Return the amount of each invoice that it makes."""
        return [*self.amounts[: self.invoices], *[56.0] * (self.invoices - len(self.amounts))]


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
        """Check the receivables, too."""
        Script.__post_init__(self)
        self.list_receivables()

    def get_end(self) -> str:
        """Return the word at its end."""
        return self.status or ("Error" if self.error else "Completed")

    def list_receivables(self) -> list[Receivable]:
        """Return the receivables as values."""
        if self.receivables is None:
            return [Receivable()] if self.get_end() == "Completed" else []
        return [Receivable.parse(each) for each in self.receivables]
