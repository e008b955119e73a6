"""The rows that a query gives, and how they are written: CSV, TSV, DSV, or JSON Lines.

Source: "Data Query" of Zuora's documentation. JSON means JSON Lines, an object a line. Quotes, line ends and
the text for null are documented nowhere: quotes where CSV needs them, and two settings.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zuora_sandbox.data_query.contents import PlainContent, RowsContent
from zuora_sandbox.messages import Content

SEPARATORS = {"CSV": ",", "TSV": "\t", "DSV": "|"}
"""The separators by format; that of DSV is for a request without ``columnSeparator``, which is our choice."""

MOST_ROWS = 99_999_999
"""The most generated rows: their numbers have eight digits, so that all rows have one width."""


@dataclass(frozen=True, slots=True)
class Layout:
    """
    How rows are written.

    :param separator: what stands between columns, or an empty text for JSON Lines.
    :param null: the text for null; JSON has a null of its own.
    """

    separator: str
    line_end: str = "\n"
    null: str = ""

    def write_row(self, columns: Sequence[str], values: Sequence[Any]) -> bytes:
        """Return the bytes of a row."""
        if not self.separator:
            row = json.dumps(
                dict(zip(columns, values, strict=True)), ensure_ascii=False, separators=(",", ":")
            )
            return (row + self.line_end).encode()
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.separator, lineterminator=self.line_end)
        writer.writerow([self._write_value(each) for each in values])
        return text.getvalue().encode()

    def _write_value(self, value: Any) -> Any:
        if value is None:
            return self.null
        return str(value).lower() if isinstance(value, bool) else value

    def write_header(self, columns: Sequence[str]) -> bytes:
        """Return the bytes of the header; JSON Lines have none."""
        return self.write_row(columns, columns) if self.separator and columns else b""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that somebody gave; without columns, these are the names in them, in order of appearance."""

    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    columns: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Return how many rows there are."""
        return len(self.rows)

    def make_content(self, layout: Layout) -> Content:
        """Return the file."""
        names = self.columns or tuple(dict.fromkeys(name for row in self.rows for name in row))
        written = (layout.write_row(names, [row.get(name) for name in names]) for row in self.rows)
        return PlainContent(layout.write_header(names) + b"".join(written))


@dataclass(frozen=True, slots=True)
class GeneratedTable:
    """
    Rows that are made as they are read, the same each time, and all of one width.

    :param padding: the width of one more column, ``padding``, or 0 for none: wide rows make large files fast.
    """

    count: int
    padding: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return ("id", "accountnumber", "balance", *(("padding",) if self.padding else ()))

    def make_content(self, layout: Layout) -> Content:
        """Return the file."""
        template = self._make_template(layout)
        return RowsContent(
            layout.write_header(self.columns),
            self.count,
            lambda index: template % (index, index, 100_000 + index % 900_000),
        )

    def _make_template(self, layout: Layout) -> bytes:
        """Return the bytes of a row with places for its numbers: writing each anew takes much longer."""
        values = ("00000000-0000-4000-8000-000000000000", "A00000000", 100_000.25, "x" * self.padding)
        columns = self.columns
        row = layout.write_row(columns, values[: len(columns)]).replace(b"%", b"%%")
        row = row.replace(b"0" * 12, b"%012d").replace(b"A00000000", b"A%08d")
        return row.replace(b"100000.25", b"%d.25")
