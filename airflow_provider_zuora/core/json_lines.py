"""Lists of orders as text or bytes: JSON Lines (one object a line, UTF-8), or one JSON list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_text import BrokenText, bare, decoded, first_sign, read_json, unpacked

_SHOWN = 100  # lines of an error


def read_orders(given: str | bytes) -> tuple[Any, list[str]]:
    """
    Return the orders of a text or of a file's bytes, gzipped or not, and how messages call each.

    :return: for JSON Lines the places are ``line 1`` and so on, for any other JSON there are none.
    :raises InvalidInput: with each line, or the whole, that is no JSON; it may hold secrets, none is quoted.
    """
    start = "["
    try:
        content = given if isinstance(given, str) else unpacked(given)
        start = first_sign(content)
        if start == "[" or (isinstance(content, str) and start != "{"):
            return read_json(content if isinstance(content, str) else decoded(content)), []
    except BrokenText as error:
        unlike = "" if start == "[" else "; nor does it look like a path (a pathlib.Path always is one)"
        raise InvalidInput("Nothing was sent.", (f"orders: {error}{unlike}",)) from None
    return read_lines(content.split("\n") if isinstance(content, str) else content.split(b"\n"))


def read_items(items: Sequence[Any]) -> list[Any]:
    """
    Return a list in which each text is read as JSON: what upstream tasks have pushed may be one.

    :raises InvalidInput: with each text that is no JSON.
    """
    orders, broken = [], []
    for index, item in enumerate(items):
        try:
            orders.append(read_json(item) if isinstance(item, (str, bytes)) else item)
        except BrokenText as error:
            broken.append(f"orders[{index}]: {error}")
    raise_first("Nothing was sent.", broken)
    return orders


def read_lines(lines: Iterable[str | bytes]) -> tuple[list[Any], list[str]]:
    """
    Return what the lines hold, and how messages call each: ``line 1`` and so on; blank lines count as none.

    :raises InvalidInput: with each line that is no JSON in UTF-8; it may hold secrets and is not quoted.
    """
    orders, places, broken = [], [], []
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        try:
            if bare(text := line if isinstance(line, str) else decoded(line)):
                orders.append(read_json(text))
                places.append(place)
        except BrokenText as error:
            broken.append(f"{place}: {str(error).replace('(line 1, ', '(')}")
    raise_first("The orders are no JSON Lines; nothing was sent:", broken)
    return orders, places


def write_lines(orders: Iterable[Any]) -> bytes:
    """Return orders, in plain types, as `read_lines` reads them."""
    return "".join(json.dumps(order, ensure_ascii=False) + "\n" for order in orders).encode()


def raise_first(message: str, broken: Sequence[str]) -> None:
    """Raise one error with the first hundred of the lines that tell what is wrong, none for none."""
    if broken:
        more = [f"and {len(broken) - _SHOWN} more"] if len(broken) > _SHOWN else []
        raise InvalidInput(message, (*broken[:_SHOWN], *more))
