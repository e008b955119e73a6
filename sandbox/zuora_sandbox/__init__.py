"""A local stand-in for the parts of Zuora's API that work through jobs, for tests and demos.

`Sandbox` answers requests in memory, `serve` puts it behind HTTP on a loopback address, and the command
``zuora-sandbox`` does so from a shell. It is our own reading of Zuora's pages and shares no code with any
client, so that it can judge one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zuora_sandbox.faults import Fault
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.payment_runs.receivables import Receivable
from zuora_sandbox.sandbox import Sandbox
from zuora_sandbox.scripts import BillRunScript, PaymentRunScript, QueryScript
from zuora_sandbox.settings import CLIENT_ID, CLIENT_SECRET, Settings

__version__ = "0.1.0"
__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "BillRunScript",
    "Fault",
    "PaymentRunScript",
    "QueryScript",
    "Receivable",
    "Request",
    "Response",
    "Sandbox",
    "Server",
    "Settings",
    "serve",
]

if TYPE_CHECKING:
    from zuora_sandbox.server import Server, serve
else:

    def __getattr__(name: str) -> object:
        """Import the server at its first use: it needs aiohttp, and a sandbox in memory does not."""
        if name in ("Server", "serve"):
            from zuora_sandbox import server  # noqa: PLC0415 - see above

            return getattr(server, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
