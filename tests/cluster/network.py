"""The network to the sandbox: TLS, latency, and a cut for a while."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CHUNK = 65_536


class Network:
    """
    Ports of 127.0.0.1 that speak TLS and lead to plain ones; a context manager.

    :param folder: where the certificate is written, `certificate`, which vouches for itself.
    :param latency: seconds that each piece of data takes, either way.
    """

    def __init__(self, folder: Path, latency: float) -> None:
        self.certificate = folder / "sandbox.pem"
        self.latency = latency
        self.connections = 0
        self.broken = 0
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._whole.set()
        self._open: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="network")

    def __enter__(self) -> Self:
        """Write the certificate, and begin."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        write_certificate(self.certificate)
        self._context.load_cert_chain(self.certificate)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lead_to(self, port: int) -> str:
        """Return the URL of a new port that leads to a plain one of 127.0.0.1."""
        return asyncio.run_coroutine_threadsafe(self._listen(port), self._loop).result(10)

    def cut(self, wait: Callable[[], object]) -> int:
        """
        Let nothing through, in silence, while somebody waits; then break all connections that there are.

        :return: how many those were.
        """
        before = self.broken
        self._loop.call_soon_threadsafe(self._whole.clear)
        try:
            wait()
        finally:
            asyncio.run_coroutine_threadsafe(self._restore(), self._loop).result(10)
        return self.broken - before

    async def _listen(self, target: int) -> str:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._open.add(task)
            try:
                await self._carry(reader, writer, target)
            finally:
                self._open.discard(task)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self._context, backlog=512)
        self._servers.append(server)
        return f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
        """Carry both ways until one end closes or breaks; a break at one end is one at the other."""
        self.connections += 1
        far: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            far_reader, far = await asyncio.open_connection("127.0.0.1", target)
            ways = [
                asyncio.ensure_future(self._copy(reader, far)),
                asyncio.ensure_future(self._copy(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                ended = await asyncio.gather(*ways, return_exceptions=True)
            if any(isinstance(each, OSError) for each in ended):
                writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            for end in filter(None, (writer, far)):
                end.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await asyncio.sleep(self.latency)
            await self._whole.wait()
            writer.write(data)
            await writer.drain()

    async def _restore(self) -> None:
        self.broken += len(self._open)
        await self._break_all()
        self._whole.set()

    async def _break_all(self) -> None:
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        await self._break_all()


def write_certificate(path: Path) -> None:
    """Write a key and its certificate for 127.0.0.1, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.touch(mode=0o600)
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
