"""A local stand-in for the parts of Zuora's API that work through jobs, for tests and demos.

`Sandbox` answers requests in memory, `serve` puts it behind HTTP on a loopback address, and the command
``zuora-sandbox`` does so from a shell. pytest finds the fixture ``zuora_sandbox`` by itself. It is our own
reading of Zuora's pages and shares no code with any client, so that it can judge one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zuora_sandbox.faults import Fault
    from zuora_sandbox.journal import MadeOrder, SeenRequest
    from zuora_sandbox.messages import Request, Response
    from zuora_sandbox.payment_runs.receivables import Receivable
    from zuora_sandbox.sandbox import Sandbox
    from zuora_sandbox.scripts import BillRunScript, OrderScript, PaymentRunScript, QueryScript
    from zuora_sandbox.server import Server, serve
    from zuora_sandbox.settings import CLIENT_ID, CLIENT_SECRET, Settings
    from zuora_sandbox.testing import ZuoraSandbox

__version__ = "0.1.0"
__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "BillRunScript",
    "Fault",
    "MadeOrder",
    "OrderScript",
    "PaymentRunScript",
    "QueryScript",
    "Receivable",
    "Request",
    "Response",
    "Sandbox",
    "SeenRequest",
    "Server",
    "Settings",
    "ZuoraSandbox",
    "serve",
]

_MODULES = {
    "CLIENT_ID": "settings",
    "CLIENT_SECRET": "settings",
    "BillRunScript": "scripts",
    "Fault": "faults",
    "MadeOrder": "journal",
    "OrderScript": "scripts",
    "PaymentRunScript": "scripts",
    "QueryScript": "scripts",
    "Receivable": "payment_runs.receivables",
    "Request": "messages",
    "Response": "messages",
    "Sandbox": "sandbox",
    "SeenRequest": "journal",
    "Server": "server",
    "Settings": "settings",
    "ZuoraSandbox": "testing",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    """Import what is asked for at its first use: each pytest of an environment imports this package."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
