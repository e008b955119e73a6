"""Read and quote paths as users write them, without an error of Python's: not every text can be one."""

from __future__ import annotations

import os
import re
from pathlib import Path

IS_MISSING = "is not a path that exists"
_PASSWORD = re.compile(r"(://[^/@:]*):[^/@]*@")
_MAX_LENGTH = 300  # characters of an error; a path may have thousands


def expand_home(path: str) -> str:
    """Return a path with the home directory for its ``~``; as it is if there is no such home."""
    try:
        return os.path.expanduser(path)  # noqa: PTH111 - that of Path raises for a user without a home
    except ValueError:  # a NUL, or half a surrogate pair, in the name of a user
        return path


def resolve_path(path: Path) -> str:
    """Return where a path leads to, whether it is there or not; as it is if none can lead there."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # such as the working directory, gone, or a NUL
        return str(path)


def find_path_problem(path: str | Path) -> str:
    """Return why a path cannot be used, without quoting it; empty if something is there."""
    try:
        os.stat(path)  # noqa: PTH116 - the same, without a Path
    except (FileNotFoundError, NotADirectoryError):
        return IS_MISSING
    except PermissionError:
        return "is in a directory that may not be entered"
    except OSError as error:
        return f"is not a path that can exist ({error.strerror})"
    except ValueError:
        return "is not a path that can exist"
    return ""


def describe_os_error(error: Exception) -> str:
    """Return an error's kind and words, in one line of bounded length."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return quote_path(f"{type(error).__name__}: {words}")


def hide_password(path: object) -> str:
    """Return a path as logs and XComs may hold it: without the password of a URL, such as sftp://me:word@host."""
    return _PASSWORD.sub(r"\1:***@", str(path))


def quote_path(text: str) -> str:
    """Return a text as an error may quote it: what cannot be printed is escaped, a long one is cut."""
    escaped = text if text.isprintable() else ascii(text)[1:-1]
    return escaped if len(escaped) <= _MAX_LENGTH else f"{escaped[:_MAX_LENGTH]}..."
