"""
A test fails whose lines in a submission log break the schema, or say what no line may say.

It is a plugin of pytest: after each test it reads what the test, its fixtures and its processes have left in
files, in temporary folders of pytest's, and in fsspec's store in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.submission_logs import check_files, check_memory


class WrittenLogs:
    """The temporary folders of a test run; those of one test, or module, are read until that is over."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self._over: set[Path] = set()
        self._last: set[Path] = set()
        self._module: object = None
        self._changed_at = -1

    def check(self, module: object, own: Path | None) -> None:
        """
        Check what is there now, and was not over before.

        :param module: of the test that has just run.
        :param own: the folder that only this test has.
        """
        if os.geteuid() != os.getuid():
            return  # the test is another user, for whom these are closed; the end of the run reads them
        if module is not self._module:
            self._over |= self._last
            self._module = module
        if (changed_at := self.base.stat().st_mtime_ns) != self._changed_at:  # folders have come
            self._changed_at = changed_at
            self._last = {path for path in self.base.iterdir() if path.is_dir() and not path.is_symlink()}
        for folder in self._last - self._over:
            check_files(folder)
        check_memory()
        if own is not None:
            self._over.add(own)


@pytest.fixture(scope="session", autouse=True)
def written_logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WrittenLogs]:
    """Keep what is checked after each test; check all at the end, for processes that have written later."""
    logs = WrittenLogs(tmp_path_factory.getbasetemp())
    yield logs
    check_files(logs.base)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Any:
    """Check after the body of a test, before its fixtures tidy up."""
    result = yield
    given = getattr(item, "funcargs", None) or {}
    if "written_logs" in given:
        given["written_logs"].check(item.path, given.get("tmp_path"))
    return result
