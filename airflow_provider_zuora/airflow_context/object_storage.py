"""Paths in stores, resolved in one place: Airflow's own stores first, then those that fsspec knows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.transports.file_paths import expand_home

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

LOCAL_PROTOCOLS = ("", "file", "local")
_LOCAL_URL = re.compile(r"(?:file|local):(?://localhost(?=/)|//)?", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def get_file_system(path: ObjectStoragePath) -> Any:
    """Return the file system of a path: Airflow's, or fsspec's if no provider registers its protocol."""
    try:
        return path.fs
    except ValueError:
        from fsspec.core import url_to_fs

        return url_to_fs(str(path))[0]


def find_local_path(path: Any) -> Path | None:
    """Return the path on this machine, None if it is in a store, of a text or of a path object."""
    if hasattr(path, "protocol"):
        return Path(expand_home(path.path)) if path.protocol in LOCAL_PROTOCOLS else None
    if isinstance(path, str):
        local = _LOCAL_URL.match(path)
        if _URL.match(path) and not local:
            return None
        path = path[local.end() :] if local else path
    return Path(expand_home(os.fsdecode(path)))
