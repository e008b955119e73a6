"""A server on loopback of data queries whose files have so many bytes; the kernel sends them (sendfile).

So it outruns whoever fetches from it. Its answers are canned: a query has completed when it is first read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

GIBIBYTE = 1024**3
HEADER = b"accountnumber,name,balance,createddate\n"
ROW = b"A%08d,Subscriber of the monthly plan %07d,%05d.25,2026-07-01T09:30:00.000+00:00\n"
QUERIES = {"NONE": "5948abde-b875-4d06-ad07-c2138853d8bc", "GZIP": "5948abde-b875-4d06-ad07-c2138853d8bd"}
_AT_ONCE = 10_000  # rows


def write_files(folder: Path, size: int) -> int:
    """Write the file of each query: rows, and the same in gzip members; return the number of rows."""
    block = b"".join(ROW % (number, number, number) for number in range(_AT_ONCE))
    times = -(-(size - len(HEADER)) // len(block))
    with (folder / QUERIES["NONE"]).open("wb") as plain, (folder / QUERIES["GZIP"]).open("wb") as packed:
        for data, count in ((HEADER, 1), (block, times)):
            member = gzip.compress(data, 0)
            for _ in range(count):
                plain.write(data)
                packed.write(member)
    return times * _AT_ONCE


class FileServer(ThreadingHTTPServer):
    """Serves the files in a folder as those of queries with so many rows."""

    daemon_threads = True

    def __init__(self, folder: Path, rows: int):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.rows = folder, rows
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body, sent after its headers, waits 40 ms for their ACK
    server: FileServer

    def do_POST(self) -> None:
        """Sign in, or submit a query."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/oauth/token":
            self._send({"access_token": "canned-token", "expires_in": 3599, "token_type": "bearer"})
        else:
            job_id = QUERIES[json.loads(body)["compression"]]
            self._send({"data": {"id": job_id, "queryStatus": "accepted"}})

    def do_GET(self) -> None:
        """Send a list of queries, a query, or its file."""
        name = Path(self.path.partition("?")[0]).name
        if self.path.startswith("/files/"):
            self._send_file(self.server.folder / name)
        elif name == "jobs":
            self._send({"data": []})
        else:
            link = f"{self.server.url}/files/{name}"
            job = {"id": name, "queryStatus": "completed", "outputRows": self.server.rows, "dataFile": link}
            self._send({"data": job})

    def _begin(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def _send(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self._begin(len(content))
        self.wfile.write(content)

    def _send_file(self, path: Path) -> None:
        with path.open("rb") as file:
            size, sent = os.fstat(file.fileno()).st_size, 0
            self._begin(size)
            while sent < size:
                sent += os.sendfile(self.connection.fileno(), file.fileno(), sent, size - sent)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _main(size: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        server = FileServer(folder, write_files(folder, size))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sizes = {name: (folder / job_id).stat().st_size for name, job_id in QUERIES.items()}
        print(json.dumps({"url": server.url, "rows": server.rows, **sizes}), flush=True)
        sys.stdin.read()  # its starter's end is its own


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=GIBIBYTE, help="bytes, rounded up to whole rows")
    _main(parser.parse_args().size)
