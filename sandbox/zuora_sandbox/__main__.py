"""The command ``zuora-sandbox``, or ``python -m zuora_sandbox``: serve a sandbox until it is told to end.

With a command after ``--`` it runs that, with Airflow connections to the sandbox in its environment, and ends
with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from argparse import BooleanOptionalAction
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from zuora_sandbox.sandbox import Sandbox
from zuora_sandbox.server import Server, open_server
from zuora_sandbox.settings import CLIENT_ID, CLIENT_SECRET, Settings

HELP = {
    "token_seconds": "how long a bearer token is valid",
    "job_seconds": "how long a job says Processing",
    "job_memory_seconds": "how long an ended job can be read",
    "create_status": "HTTP status of an accepted create: 200, or 202 as before October 2025",
    "fail_jobs": 'the errors text of every create job, for example "[40000020]: Not effective."',
    "fail_results": "the errors in the result of every create job, which completes and makes no order",
    "job_lag_seconds": "how long after its creation a job cannot be read",
    "order_status": "status of the orders that are made, for example Pending",
    "order_seconds": "after how long the status of an order changes",
    "order_next_status": "the status that it changes to",
    "duplicate_order_numbers": "refuse a taken order number, or accept it",
    "subscriptions_per_call": "how many subscriptions, or actions, an order may have",
    "unknown_category": "category of the error for an unknown order or job: 20 or 40",
    "unknown_status": "the HTTP status of that error; 0: as the Zuora-Version defines it",
    "other_payload": "the answer to another body under a known key: stored or 422",
    "replay_request_id": "the request id of a stored answer that comes back: stored, new or none",
    "stores_server_errors": "store an endpoint's 5xx or 429 under its key",
    "request_id": "the request id of every answer; empty: a new one for each answer; none: no answer has one",
    "zuora_version": "the tenant's Zuora-Version; errors before 2024-05-20 are HTTP 200",
    "requests_per_minute": "calls per minute before HTTP 429",
    "rate_retry_after": "send Retry-After with such a 429",
    "concurrent_requests": "calls at the same time before HTTP 429",
    "sign_ins_per_minute": "sign-ins per minute before HTTP 429",
    "busy_seconds": "Retry-After if there are too many calls at the same time",
    "answer_seconds": "how long an answer takes",
    "export_seconds": "how long an export of Elastic Path runs; one runs at a time",
    "fail_exports": "the error of every export, for example Boom",
    "query_queue_seconds": "how long a data query waits before it looks for a running place",
    "query_seconds": "how long a data query runs",
    "query_rows": "how many rows a data query gives",
    "query_running": "how many data queries run at the same time",
    "query_queued": "how many more may wait before a submit fails",
    "query_honours_key": "an idempotency key means something to Data Query",
    "bill_run_seconds": "how long a bill run is Processing",
    "bill_run_post_seconds": "how long a bill run is PostInProgress",
    "payment_run_seconds": "how long a payment run is Processing",
    "query_link_seconds": "how long the link to the file of a data query is valid",
}


PAIRS = (
    ("--account", "NUMBER=CURRENCY", "an account that is there, and its currency, for example A00000097=USD"),
    ("--price", "PLAN=AMOUNT", "the price of a rate plan in a preview, by id or number; * is all others"),
)
"""The options that can be given several times; together they are the settings ``accounts`` and ``prices``."""


def _read_pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} must have a = between the two")
    return name, value


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with an option for each setting in `HELP`."""
    options = argparse.ArgumentParser(
        prog="zuora-sandbox",
        description="Serve a stand-in for Zuora's asynchronous orders on a loopback address.",
        epilog=f"It knows the client id {CLIENT_ID} with the secret {CLIENT_SECRET}.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    options.add_argument("--host", default="127.0.0.1", help="a loopback address")
    options.add_argument("--port", type=int, default=8765, help="0, or a COMMAND: a free one")
    options.add_argument("--file-port", type=int, default=0, help="the port of result files; 0: a free one")
    defaults = Settings()
    for each in fields(Settings):
        if each.name in HELP:
            default = getattr(defaults, each.name)
            flag = f"--{each.name.replace('_', '-')}"
            kind: dict[str, Any] = (
                {"action": BooleanOptionalAction} if isinstance(default, bool) else {"type": type(default)}
            )
            options.add_argument(flag, default=default, help=HELP[each.name], **kind)
    for flag, metavar, what in PAIRS:
        options.add_argument(
            flag,
            metavar=metavar,
            action="append",
            default=argparse.SUPPRESS,
            type=_read_pair,
            help=f"{what}; again for more",
        )
    words = "after --: is run with Airflow connections to the sandbox in its environment, and ends it"
    options.add_argument("command", metavar="COMMAND", nargs="*", help=words)
    return options


def list_connections(server: Server) -> dict[str, str]:
    """Return the environment variables in which Airflow finds connections to a sandbox."""
    known = server.sandbox.settings
    own = {"host": server.url, "login": known.client_id, "password": known.client_secret}
    return {
        f"AIRFLOW_CONN_{kind.upper()}_DEFAULT": json.dumps({"conn_type": kind} | own)
        for kind in ("zuora", "elastic_path")
    }


async def serve_until_stopped(server: Server, command: Sequence[str] = ()) -> int:
    """Serve, print the address in one line, and stop at SIGINT or SIGTERM, or when the command has ended."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server.run():
        known = server.sandbox.settings.client_id
        print(f"Sandbox: {server.url} client id {known}, its secret: see --help", flush=True)
        if command:
            return await run_command(command, list_connections(server), stop)
        await stop.wait()
    return 0


async def run_command(command: Sequence[str], environment: Mapping[str, str], stop: asyncio.Event) -> int:
    """Run a command and return its exit status; when told to stop, end the command first."""
    try:
        process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment)
    except OSError as error:
        print(f"zuora-sandbox: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127
    ended, told = asyncio.ensure_future(process.wait()), asyncio.ensure_future(stop.wait())
    await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if process.returncode is None:
        process.terminate()
    status = await ended
    return status if status >= 0 else 128 - status  # as shells show a signal


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run the command line, and exit with the status of its command.

    Exit with a message and status 2 if the host or the port cannot be served.
    """
    options = make_parser()
    given = vars(options.parse_args(arguments))
    command = given.pop("command")
    if command and given["port"] == options.get_default("port"):
        given["port"] = 0  # nobody has to know it
    given |= {f"{name}s": dict(given.pop(name, ())) for name in ("account", "price")}
    try:
        places = [given.pop(name) for name in ("host", "port", "file_port")]
        server = open_server(Sandbox(Settings(**given)), *places)
    except (ValueError, OSError) as error:
        options.error(str(error))
    sys.exit(asyncio.run(serve_until_stopped(server, command)))


if __name__ == "__main__":
    main()
