"""A TLS server on loopback with canned answers: so little work that what is measured is the client.

It counts connections, sign-ins and requests. A job ends at its fifth poll in three dialects: Zuora's, a
resource that is 404 until it exists (for HttpSensorTrigger), and dbt Cloud's.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

POLLS = 5
ZUORA, HTTP, DBT = "/v1/async-jobs/", "/http/", "/api/v2/accounts/1/runs/"
RESULT = {"orderNumber": "O-00000001", "accountNumber": "A00000001", "status": "Completed"}
HEADERS = (
    "Content-Type: application/json; charset=utf-8\r\nZuora-Request-Id: 7c9e6679\r\nServer: Zuora App\r\n"
)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself; return the paths of it and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    own, private = folder / "certificate.pem", folder / "key.pem"
    own.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return own, private


class Desk:
    """What is answered, and what was counted."""

    def __init__(self, latency: float, polls: int):
        self.latency = latency
        self.last_poll = polls
        self.counts: Counter[str] = Counter()
        self.polls: Counter[str] = Counter()

    def answer(self, method: str, path: str) -> tuple[int, object, float]:
        """Return status, JSON body and seconds to wait before it is sent."""
        match method, path.partition("?")[0]:
            case "POST", "/counts":  # the benchmark's own, and not counted
                counts, self.counts = dict(self.counts), Counter()
                return 200, counts, 0.0
            case "POST", "/oauth/token":
                self.counts["sign_ins"] += 1
                return 200, {"access_token": "canned-token", "expires_in": 3599, "token_type": "bearer"}, 0.0
            case "POST", "/v1/async/orders":
                self.counts["submits"] += 1
                return 202, {"success": True, "jobId": f"job-{self.counts['submits']}"}, self.latency
        self.counts["polls"] += 1
        self.polls[path] += 1
        return (*_answer_poll(path, has_ended=self.polls[path] >= self.last_poll), 0.0)


def _answer_poll(path: str, *, has_ended: bool) -> tuple[int, object]:
    if path.startswith(ZUORA):
        body = {"status": "Completed", "result": RESULT} if has_ended else {"status": "Processing"}
        return 200, {"success": True, "errors": None, "result": None, **body}
    if path.startswith(DBT):
        return 200, {"status": {"code": 200}, "data": {"status": 10 if has_ended else 3, "result": RESULT}}
    if path.startswith(HTTP):
        return (200, RESULT) if has_ended else (404, {"status": "Processing"})
    return 404, None


class Door(asyncio.Protocol):
    """One connection: HTTP/1.1 as far as well-behaved clients speak it."""

    transport: asyncio.Transport

    def __init__(self, desk: Desk):
        self.desk = desk
        self.read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.desk.counts["connections"] += 1

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is whole."""
        self.read += data
        head, end, rest = self.read.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if not end or len(rest) < length:
            return
        self.read = rest[length:]
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        status, body, pause = self.desk.answer(method, path)
        content = json.dumps(body).encode()
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        answer = f"{first}{HEADERS}Content-Length: {len(content)}\r\n\r\n".encode() + content
        if pause:
            asyncio.get_running_loop().call_later(pause, self.transport.write, answer)
        else:
            self.transport.write(answer)


@asynccontextmanager
async def serve(folder: Path, latency: float, polls: int = POLLS) -> AsyncIterator[dict[str, str]]:
    """Serve until the block is left; yield URL and certificate."""
    own, private = make_certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own, private)
    desk = Desk(latency, polls)
    server = await asyncio.get_running_loop().create_server(
        lambda: Door(desk), "127.0.0.1", 0, ssl=context, backlog=4096
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield {"url": f"https://127.0.0.1:{port}", "ca_file": str(own)}


async def _main(latency: float, polls: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with serve(Path(folder), latency, polls) as where:
            print(json.dumps(where), flush=True)
            await asyncio.to_thread(sys.stdin.read)  # its starter's end is its own


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.15, help="seconds, of a submission")
    parser.add_argument("--polls", type=int, default=POLLS, help="of a job, until it has ended")
    given = parser.parse_args()
    asyncio.run(_main(given.latency, given.polls))
