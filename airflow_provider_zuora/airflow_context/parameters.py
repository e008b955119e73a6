"""The names of an operator's parameters: a misspelt one, or another provider's, is answered with ours."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

# What other providers, or our own other classes, call it.
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "conn_id": ("zuora_conn_id", "elastic_path_conn_id"),
    "http_conn_id": ("zuora_conn_id", "elastic_path_conn_id"),
    "wait_for_termination": ("wait_for_completion",),
    "poke_interval": ("poll_interval",),
    "poll_interval": ("poke_interval",),
    "polling_interval": ("poll_interval", "poke_interval"),
    "polling_period_seconds": ("poll_interval", "poke_interval"),
    "check_interval": ("poll_interval", "poke_interval"),
    "waiter_delay": ("poll_interval", "poke_interval"),
}


@lru_cache
def list_parameters(operator: type) -> frozenset[str]:
    """Return the names of all parameters that an operator and its bases list."""
    signatures = (
        inspect.signature(vars(base)["__init__"]) for base in operator.__mro__ if "__init__" in vars(base)
    )
    return frozenset(name for each in signatures for name in each.parameters)


def refuse_unknown_parameters(operator: type, given: Mapping[str, Any]) -> None:
    """
    Refuse a parameter that an operator does not have and that reads like, or means, one of its own.

    Any other unknown name is left to Airflow, which refuses it without such advice.

    :raises TypeError: naming the parameter that is meant.
    """
    known = list_parameters(operator)
    for name in given:
        if name in known or name.startswith("_"):
            continue
        meant = [each for each in _SYNONYMS.get(name, ()) if each in known] or get_close_matches(
            name, known, 1
        )
        if meant:
            raise TypeError(f"{operator.__name__} has no parameter {name!r}; did you mean {meant[0]!r}?")
