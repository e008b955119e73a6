"""S3, as moto has it, on 127.0.0.1: `python -m tests.s3_server`. So what it keeps is not in our memory.

It prints its URL, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.submission_logs import check_store

ROOT = Path(__file__).parent.parent
BROKEN = "breaks-off"
"""Of a key with this word in it the third part is refused."""
_REFUSAL = b"<Error><Code>AccessDenied</Code><Message>No more of this</Message></Error>"


@contextmanager
def serve_s3() -> Iterator[str]:
    """Serve in a process of its own until the block is left; yield the URL."""
    command = [sys.executable, "-m", "tests.s3_server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()


@contextmanager
def reach_s3() -> Iterator[Any]:
    """Yield a file system of an S3 that has one bucket, and that the environment leads to."""
    from fsspec.asyn import sync
    from s3fs import S3FileSystem

    with serve_s3() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "of-no-account")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("FSSPEC_S3", '{"config_kwargs": {"read_timeout": 500}}')  # moto copies what S3 does not
        fs = S3FileSystem()
        fs.mkdir("bucket")
        yield fs
        check_store(fs, "bucket")
        sync(fs.loop, _cancel_others)  # s3fs leaves the other parts of an upload that breaks off
        S3FileSystem.close_session(fs.loop, fs.s3)
        S3FileSystem.clear_instance_cache()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _main() -> None:
    from moto.server import create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: Any) -> None:
            pass

    s3 = create_backend_app("s3")

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        if BROKEN in environ["PATH_INFO"] and "partNumber=3" in environ["QUERY_STRING"]:
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            start_response("403 Forbidden", [("Content-Length", str(len(_REFUSAL)))])
            return [_REFUSAL]
        return s3(environ, start_response)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps(f"http://127.0.0.1:{server.server_port}"), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _main()
