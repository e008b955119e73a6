"""Paths in stores, resolved in one place: Airflow's own stores first, then those that fsspec knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

LOCAL_PROTOCOLS = ("", "file", "local")


def get_file_system(path: ObjectStoragePath) -> Any:
    """Return the file system of a path: Airflow's, or fsspec's if no provider registers its protocol."""
    try:
        return path.fs
    except ValueError:
        from fsspec.core import url_to_fs

        return url_to_fs(str(path))[0]
