"""The pytest plugin: the fixture ``zuora_sandbox``.

Every pytest of an environment imports this module, so it imports nothing before a test asks for a sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zuora_sandbox.testing import ZuoraSandbox

RUNTIME_DIR = "AIRFLOW__ZUORA__RUNTIME_DIRECTORY"
"""The variable that says where the processes of a host share a token; no test must leave one there."""


@pytest.fixture
def zuora_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZuoraSandbox]:
    """A Zuora of this test's own; the connections zuora_default and elastic_path_default lead to it."""
    from zuora_sandbox.sandbox import Sandbox  # noqa: PLC0415
    from zuora_sandbox.server import serve  # noqa: PLC0415
    from zuora_sandbox.testing import INSTANT, ZuoraSandbox  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as environment, serve(Sandbox(INSTANT)) as server:
        environment.setenv(RUNTIME_DIR, str(tmp_path_factory.mktemp("zuora-sandbox")))
        sandbox = ZuoraSandbox(server, environment.setenv)
        yield sandbox
    if not sandbox.allows_unused_answers and (unused := sandbox.describe_unused()):
        pytest.fail(unused, pytrace=False)
