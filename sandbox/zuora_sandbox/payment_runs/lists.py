"""GET /v1/payment-runs: filters, pages, and a sort that goes the other way than usual; pure functions.

Source: "List all payment runs" of Zuora's v1 API reference: ``-`` is ascending, ``+`` is descending.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

FILTERS = ("status", "targetDate", "createdDate", "createdById", "updatedDate", "updatedById")
SORTABLE = ("number", *FILTERS)
WORDS = ("Pending", "Processing", "Completed", "Error", "Canceled")
MOST_ROWS, USUAL_ROWS = 40, 20


def check_list(params: dict[str, str]) -> list[str]:
    """Return what is wrong with the parameters of a list."""
    found = [
        f"{name} must be a number from 1 on." for name in ("page", "pageSize") if not _is_count(params, name)
    ]
    if not found and int(params.get("pageSize", "1")) > MOST_ROWS:
        found.append(f"pageSize must be at most {MOST_ROWS}.")
    if params.get("status", WORDS[0]) not in WORDS:
        found.append(f"status must be one of {', '.join(WORDS)}.")
    terms = _list_terms(params)
    # A plus sign that was not sent as %2B arrives as a space, and so as no operator that is known.
    if len(terms) > 2 or not all(term.removeprefix("-").removeprefix("+") in SORTABLE for term in terms):
        found.append(f"sort must be at most two of {', '.join(SORTABLE)}, each after - or +.")
    return found


def _is_count(params: dict[str, str], name: str) -> bool:
    return params.get(name, "1").isdecimal() and int(params.get(name, "1")) >= 1


def _list_terms(params: dict[str, str]) -> list[str]:
    return params["sort"].split(",") if params.get("sort") else []


def make_list(pages: list[dict[str, Any]], params: dict[str, str]) -> dict[str, Any]:
    """
    Return the body for the list.

    :param pages: the pages of all runs; a date in a filter stands for the whole day.
    """
    rows = [
        page
        for page in pages
        if all(str(page[name]).startswith(params[name]) for name in FILTERS if name in params)
    ]
    rows.sort(key=lambda page: str(page["number"]), reverse=True)
    for term in reversed(_list_terms(params)):
        name = term.lstrip("-+")
        rows.sort(key=lambda page: str(page[name]), reverse=not term.startswith("-"))
    size, number = int(params.get("pageSize", USUAL_ROWS)), int(params.get("page", "1"))
    shown = {"paymentRuns": rows[(number - 1) * size : number * size]}
    if number * size >= len(rows):
        return {**shown, "success": True}
    # As in the sample: a path without /v1, which cannot be called as it stands.
    following = urlencode({**params, "page": number + 1})
    return {**shown, "nextPage": f"/payment-runs?{following}", "success": True}
