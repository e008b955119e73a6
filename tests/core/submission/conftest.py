"""Both kinds of order, with and without what a task remembers by."""

from __future__ import annotations

import pytest

from tests.core.runners import Memory
from tests.core.tries import NUMBERED, ORDER


@pytest.fixture(params=[NUMBERED, ORDER], ids=["numbered", "not numbered"])
def order(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["remembered", "not remembered"])
def memory(request):
    return Memory() if request.param else None
