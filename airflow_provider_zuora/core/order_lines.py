"""Orders as JSON Lines: one JSON object a line, UTF-8; blank lines count as none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from airflow_provider_zuora.core.errors import InvalidInput

_SHOWN = 100  # lines of an error


def read_lines(lines: Iterable[bytes]) -> tuple[list[Any], list[str]]:
    """
    Return what the lines hold, and how messages call each: ``line 1`` and so on.

    :raises InvalidInput: with each line that is no JSON in UTF-8; it may hold secrets and is not quoted.
    """
    orders, places, broken = [], [], []
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not text.strip():
            continue
        place = f"line {number}"
        try:
            orders.append(json.loads(text.decode()))
            places.append(place)
        except UnicodeDecodeError:
            broken.append(f"{place}: is not UTF-8")
        except (ValueError, RecursionError) as error:
            deep = isinstance(error, RecursionError)
            why = "it is nested too deeply" if deep else getattr(error, "msg", "a number has too many digits")
            broken.append(f"{place}: is no JSON object on one line ({why})")
    raise_first("The file is no JSON Lines; nothing was sent:", broken)
    return orders, places


def write_lines(orders: Iterable[Any]) -> bytes:
    """Return orders, in plain types, as `read_lines` reads them."""
    return "".join(json.dumps(order, ensure_ascii=False) + "\n" for order in orders).encode()


def raise_first(message: str, broken: Sequence[str]) -> None:
    """Raise one error with the first hundred of the lines that tell what is wrong, none for none."""
    if broken:
        more = [f"and {len(broken) - _SHOWN} more"] if len(broken) > _SHOWN else []
        raise InvalidInput(message, (*broken[:_SHOWN], *more))
