"""Where a download goes: a path of this machine or of a store, as users write it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_zuora.airflow_context.object_storage import LOCAL_PROTOCOLS, get_file_system
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.transports.file_paths import describe_os_error, expand_home

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_zuora.transports.download import DownloadTarget


def make_target(
    target: str | PathLike[str] | ObjectStoragePath, name: str = "target", *, creates_folder: bool = False
) -> DownloadTarget:
    """
    Return the target of a download.

    :param name: of the option that holds it.
    :param creates_folder: True: a folder of this machine that is not there is made, for this user alone.
    :raises InvalidInput: if no file can be put there.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_zuora.transports.download import LocalTarget, StoredTarget, check_target

    if isinstance(target, str) and target.strip() in ("", "None"):  # what a template makes of nothing
        raise InvalidInput("Nothing was fetched.", (f"{name}: is blank",))
    try:
        if isinstance(target, str) and "://" in target:
            target = ObjectStoragePath(target)
        if isinstance(target, ObjectStoragePath) and target.protocol not in LOCAL_PROTOCOLS:
            return StoredTarget(get_file_system(target), target.path)
        path = Path(target.path if isinstance(target, ObjectStoragePath) else target)
        path = Path(expand_home(str(path)))
        if creates_folder:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_target(LocalTarget(path))
        return LocalTarget(path)
    except InvalidInput as error:
        rules = tuple(rule.replace("target:", f"{name}:", 1) for rule in error.violations)
        raise InvalidInput("Nothing was fetched.", rules) from error
    except (ImportError, TypeError, ValueError) as error:  # no path, or a store that nothing here knows
        raise InvalidInput("Nothing was fetched.", (f"{name}: {error}",)) from error
    except OSError as error:
        words = f"{name}: its folder cannot be made ({describe_os_error(error)})"
        raise InvalidInput("Nothing was fetched.", (words,)) from error
