"""Read and quote paths as users write them, without an error of Python's: not every text can be one."""

from __future__ import annotations

import os
import re
from pathlib import Path

IS_MISSING = "is not a path that exists"
_PASSWORD = re.compile(r"(://[^/@:]*):[^/@]*@")  # wherever a URL stands
_QUERIES = re.compile("[?#]")
# In their names these are signs like others; elsewhere a query may hold a signature.
_WITHOUT_QUERIES = frozenset(
    ("file", "local", "memory", "s3", "s3a", "s3n", "gs", "gcs", "hdfs", "ftp", "sftp", "ssh")
)
_CHAIN = re.compile("::(?=[A-Za-z][A-Za-z0-9+.-]*(?:://|::))")  # fsspec's: one file system in another one
_IPV6 = re.compile(r"\[[0-9A-Fa-f:.]*\]")
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
    """
    Return a path as logs and XComs may hold it: without the passwords and queries of URLs.

    That of sftp://me:word@host is hidden, also if it has a slash. What is no URL is returned as it is.
    """
    return "::".join(map(_hide_in_url, _CHAIN.split(_PASSWORD.sub(r"\1:***@", str(path)))))


def _hide_in_url(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    authority = rest.partition("/")[0]
    end = authority.rfind("@")
    if end < 0 and ":" in _IPV6.sub("", authority):  # a password with a slash, or a port
        end = rest.rfind("@")
    user, colon, _ = rest[: max(end, 0)].partition(":")
    if colon:
        rest = f"{user}:***{rest[end:]}"
    if not allows_queries(scheme) or not (query := _QUERIES.search(rest)):
        return f"{scheme}://{rest}"
    return f"{scheme}://{rest[: query.end()]}***"


def allows_queries(scheme: str) -> bool:
    """Return whether a URL of this scheme may have a query, behind a question mark."""
    return scheme.lower() not in _WITHOUT_QUERIES


def is_chained(path: str) -> bool:
    """Return whether a path is one of fsspec's with several URLs, such as zip://a.csv::https://host/b.zip."""
    return "://" in path and "::" in _IPV6.sub("", path)


def quote_path(text: str) -> str:
    """Return a text as an error may quote it: what cannot be printed is escaped, a long one is cut."""
    escaped = text if text.isprintable() else ascii(text)[1:-1]
    return escaped if len(escaped) <= _MAX_LENGTH else f"{escaped[:_MAX_LENGTH]}..."
