"""Where a download goes: a path of this machine or of a store, as users write it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_zuora.airflow_context.object_storage import LOCAL_PROTOCOLS, file_system_of
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.transports.download import DownloadTarget, LocalTarget, StoredTarget

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath


def make_target(target: str | PathLike[str] | ObjectStoragePath, name: str = "target") -> DownloadTarget:
    """
    Return the target of a download.

    :param name: of the option that holds it.
    :raises InvalidInput: if no file can be put there.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        if isinstance(target, str) and "://" in target:
            target = ObjectStoragePath(target)
        if not isinstance(target, ObjectStoragePath):
            return LocalTarget(Path(target))
        if target.protocol in LOCAL_PROTOCOLS:
            return LocalTarget(Path(target.path))
        return StoredTarget(file_system_of(target), target.path)
    except (ImportError, TypeError, ValueError) as error:  # no path, or a store that nothing here knows
        raise InvalidInput("Nothing was fetched.", (f"{name}: {error}",)) from error
