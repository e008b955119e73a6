"""Check a data query against what Zuora documents, before it is sent."""

from __future__ import annotations

from typing import Any

from airflow_provider_zuora.core.errors import raise_first

FORMATS, COMPRESSIONS = ("CSV", "TSV", "DSV", "JSON"), ("NONE", "GZIP", "ZIP")
SOURCES = ("LIVE", "WAREHOUSE")
LONGEST = 1_000_000  # characters of a query ("Zuora Data Query": limits)


def _is_separator(value: object) -> bool:
    if not isinstance(value, str) or len(value) != 1 or has_half_pair(value):
        return False
    return (value.isprintable() or value == "\t") and value not in "\"'"


def has_half_pair(text: str) -> bool:
    """Return whether a text cannot be encoded, because it holds half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def check_query(
    query: object,
    *,
    output_format: object = "CSV",
    compression: object = "NONE",
    column_separator: object = None,
    source_data: object = "LIVE",
    read_deleted: object = False,
) -> dict[str, Any]:
    """
    Return the body of ``POST /query/jobs``.

    :raises InvalidInput: with a line for each broken rule; nothing is sent.
    """
    enums = {
        "output_format": (output_format, FORMATS),
        "compression": (compression, COMPRESSIONS),
        "source_data": (source_data, SOURCES),
    }
    broken = [
        f"{name}: must be one of {', '.join(allowed)}, not {value!r:.40}"
        for name, (value, allowed) in enums.items()
        if value not in allowed
    ]
    if not isinstance(query, str) or not query.strip():
        broken.append("query: must be a text, and not a blank one")
    elif has_half_pair(query):
        broken.append("query: holds half of a surrogate pair, which is no character")
    elif len(query) > LONGEST:
        broken.append(f"query: has {len(query):,} characters, and Zuora takes {LONGEST:,}")
    if not isinstance(read_deleted, bool):
        broken.append(f"read_deleted: must be True or False, not {read_deleted!r:.40}")
    if (column_separator is None) == (output_format == "DSV"):
        broken.append('column_separator: goes with output_format="DSV", which needs it, and with no other')
    elif column_separator is not None and not _is_separator(column_separator):
        broken.append("column_separator: must be one printable character, and no quote")
    raise_first("Nothing was sent.", broken)
    document = {"query": query, "outputFormat": output_format, "compression": compression}
    document |= {"columnSeparator": column_separator} if column_separator else {}
    document |= {"sourceData": source_data} if source_data != "LIVE" else {}
    return document | ({"readDeleted": True} if read_deleted else {})
