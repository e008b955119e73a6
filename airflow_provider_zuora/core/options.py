"""Options of operators, sensors and hooks, checked before anything is sent; errors name option and rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

MOST_SECONDS = 10 * 365 * 86400.0
"""Ten years; what is much longer ends beyond the year 9999, which neither Python nor a database knows."""


def check_seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Return a number of seconds, or a timedelta, as seconds; raise a ValueError for anything else."""
    least = "0 or above" if zero else "above 0"
    seconds = math.nan
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:  # a whole number beyond any float
            seconds = math.inf
        except ValueError:  # a signalling NaN
            pass
    if math.isnan(seconds) or seconds < 0 or (seconds == 0 and not zero):
        raise ValueError(f"{name}: must be a number of seconds {least}, or a timedelta, not {value!r:.80}")
    if seconds > MOST_SECONDS:
        raise ValueError(f"{name}: must be a number of seconds of at most {MOST_SECONDS:.0f} (ten years)")
    return seconds


def check_execution_timeout(limit: timedelta | None) -> None:
    """Refuse a negative timeout: Airflow accepts it, and the order would be sent."""
    if limit is not None and limit < timedelta(0):
        raise ValueError(f"execution_timeout: must be 0 or above, not {limit!r:.80}")


def find_flag_violations(flags: Mapping[str, object]) -> tuple[str, ...]:
    """Return a line for each option that is neither True nor False: the text "False" counts as True."""
    return tuple(
        f"{name}: must be True or False, not {value!r:.80}"
        for name, value in flags.items()
        if not isinstance(value, bool)
    )


def check_flags(flags: Mapping[str, object]) -> None:
    """Raise a ValueError with a line for each of `find_flag_violations`."""
    if wrong := find_flag_violations(flags):
        raise ValueError("\n".join(wrong))


def find_text_violations(texts: Mapping[str, object]) -> tuple[str, ...]:
    """Return a line for each option that is neither a text nor None."""
    return tuple(
        f"{name}: must be a text, not of type {type(value).__name__}"
        for name, value in texts.items()
        if value is not None and not isinstance(value, str)
    )
