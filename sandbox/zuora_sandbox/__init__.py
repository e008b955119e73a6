"""A stand-in for Zuora, for demos and tests.

`sandbox.Sandbox` answers requests in memory, `server.serve` puts it behind HTTP on a loopback address, and
``python -m zuora_sandbox`` does so from a shell. It is our own second reading of Zuora's
pages: it shares no path, limit or status word with the client that it is meant to judge.
"""

__version__ = "0.1.0"
