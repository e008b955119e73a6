"""Elastic Path's filters, as far as a sandbox supports them: ``ge(created_at,2024-07-01):eq(payment,paid)``.

Source: elasticpath.dev, "Filtering". Values are compared as texts, which is right for times in one format.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

TERM = re.compile(r"(\w+)\(([\w.]+),(.+)\)")
BETWEEN = re.compile(r"(?<=\)):(?=\w+\()")
COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}

Row = Mapping[str, Any]


def parse_filter(text: str) -> Callable[[Row], bool]:
    """
    Parse a filter and return a function that returns whether a row passes it.

    :raises ValueError: if the sandbox does not support the filter; the message says why.
    """
    terms = [TERM.fullmatch(term.strip()) for term in BETWEEN.split(text)]
    parts = [term.groups() for term in terms if term and term[1] in COMPARISONS]
    if len(parts) < len(terms):
        raise ValueError(f"the filter {text!r} is not readable; a sandbox takes {', '.join(COMPARISONS)}")
    return lambda row: all(COMPARISONS[word](str(row.get(name, "")), value) for word, name, value in parts)
