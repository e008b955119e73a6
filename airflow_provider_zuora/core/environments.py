"""Which of a vendor's environments a base URL leads to, whatever its spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

_PORTS = {"https": 443, "http": 80}

Environments: TypeAlias = Mapping[str, str]
"""The base URL of each environment of a vendor, by its name."""


def find_environment(base_url: str, environments: Environments) -> str:
    """Return the name of the environment at a base URL, empty if it is none that is known."""
    place = normalize_url(base_url)
    return next((name for name, url in environments.items() if normalize_url(url) == place), "")


def normalize_url(url: str) -> str:
    """Return scheme and host of a base URL, with a port that is not the usual one."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return url.strip().casefold()
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _PORTS.get(parts.scheme)) else "")
