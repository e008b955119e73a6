"""A sandbox that is really served, and an account, that live by a clock of the test's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Zuora
from tests.core.runners import Clock
from tests.one_airflow import serve_zuora


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def zuora(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zuora]:
    with serve_zuora(clock, monkeypatch) as zuora:
        yield zuora
