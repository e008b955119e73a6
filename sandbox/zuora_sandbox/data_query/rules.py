"""The rules for a query; pure functions. Source: "Submit a data query" of Zuora's v1 API reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LONGEST_QUERY = 1_000_000
CHOICES = {
    "outputFormat": ("JSON", "CSV", "TSV", "DSV"),
    "compression": ("NONE", "GZIP", "ZIP"),
    "sourceData": ("LIVE", "WAREHOUSE"),
    "warehouseSize": ("xsmall",),
}
NEEDED = ("query", "outputFormat", "compression", "output")
FLAGS = ("readDeleted", "useIndexJoin")
STATUS_FILTERS = ("accepted", "in_progress", "completed", "failed", "cancelled")
"""What the list can be filtered by; ``submitted`` is none of them."""


def check_query(body: Any) -> Iterator[str]:
    """Check the body of a submit and yield what is wrong with it."""
    if not isinstance(body, dict):
        yield "The request body must be a JSON object."
        return
    given = {name: value for name, value in body.items() if value is not None}
    yield from (f"{name} is required." for name in NEEDED if not given.get(name))
    query = given.get("query", "")
    if not isinstance(query, str) or len(query) > LONGEST_QUERY:
        yield f"query must be text of at most {LONGEST_QUERY} characters."
    for name, choices in CHOICES.items():
        if name in given and given[name] not in choices:
            yield f"{name} must be one of {', '.join(choices)}."
    output = given.get("output")
    if output and (not isinstance(output, dict) or output.get("target") != "S3"):
        yield "output.target must be S3."
    yield from (
        f"{name} must be a boolean." for name in FLAGS if not isinstance(given.get(name, False), bool)
    )
    yield from _check_extras(given)


def _check_extras(given: dict[str, Any]) -> Iterator[str]:
    separator = given.get("columnSeparator")
    if separator is not None and (given.get("outputFormat") != "DSV" or not _is_character(separator)):
        yield "columnSeparator is one character, for the outputFormat DSV."
    if "warehouseSize" in given and given.get("sourceData") != "WAREHOUSE":
        yield "warehouseSize needs the sourceData WAREHOUSE."
    if "encryptionKey" in given:
        yield "encryptionKey: this sandbox encrypts no files."


def _is_character(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1 and value not in '\r\n"'


def check_list(params: dict[str, str]) -> Iterator[str]:
    """Check the parameters of a list and yield what is wrong with them."""
    if params.get("queryStatus", "failed") not in STATUS_FILTERS:
        yield f"queryStatus must be one of {', '.join(STATUS_FILTERS)}."
    size = params.get("pageSize", "20")
    if not size.isdecimal() or not 1 <= int(size) <= 1000:
        yield "pageSize must be from 1 to 1000."
