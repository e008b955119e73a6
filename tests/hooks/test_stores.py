"""The file of a query goes to each kind of store in little memory, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
import tempfile

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_zuora.exceptions import TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from benchmarks.file_server import GIBIBYTE
from benchmarks.rounds import ROOT, serve
from tests.s3_server import BROKEN, reach_s3
from zuora_sandbox import Fault, QueryScript, Settings

MEASURED = """
import json, os, re, sys
from pathlib import Path
from airflow_provider_zuora.hooks.zuora import ZuoraHook

small, large, path, compression = sys.argv[1:]

def export(url, path):
    fields = {"conn_type": "zuora", "host": url, "login": "the-clients-id", "password": "the-clients-secret"}
    os.environ["AIRFLOW_CONN_ZUORA_DEFAULT"] = json.dumps(fields)
    return ZuoraHook().export_query("SELECT 1", path, compression=compression)

def read_memory(name):
    return 1024 * int(re.search(name + r":\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

export(small, path + ".small")  # what is imported is not what is measured
Path("/proc/self/clear_refs").write_text("5")  # from here on VmHWM is the most since here
before = read_memory("VmRSS")
found = export(large, path)
print(json.dumps([found["rows"], found["bytes"], read_memory("VmHWM") - before]))
"""


@pytest.fixture(scope="module")
def s3():
    with reach_s3() as fs:
        yield fs


@pytest.fixture(scope="module")
def servers():
    """Serve a small file and one of a gibibyte, in processes of their own."""
    with serve("benchmarks.file_server", "--size", 1) as small, serve("benchmarks.file_server") as large:
        yield small, large


@pytest.fixture(params=["local", "memory", "s3"])
def place(request, tmp_path):
    """Return a path, and what reads what lies there: None for nothing."""
    if request.param == "local":
        path = tmp_path / "exports" / "a.csv"
        return str(path), lambda: path.read_bytes() if path.exists() else None
    fs = request.getfixturevalue("s3") if request.param == "s3" else MemoryFileSystem()
    path = f"bucket/{tmp_path.name}/a.csv"

    def read():
        fs.invalidate_cache()
        return fs.cat(path) if fs.exists(path) else None

    return f"{request.param}://{path}", read


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "compression"),
    [
        ("{folder}/a.csv", "NONE"),
        ("{folder}/a.csv.gz", "GZIP"),
        ("memory://bucket/a.csv", "NONE"),
        ("s3://bucket/a.csv", "NONE"),
    ],
)
def test_a_gibibyte_takes_no_memory_but_that_of_a_file_that_is_kept_in_it(
    servers, s3, tmp_path, path, compression
):
    """Of `memory://` the file itself is in our memory: once, at the most that is used."""
    small, large = servers
    path = path.format(folder=tmp_path)
    command = [sys.executable, "-c", MEASURED, small["url"], large["url"], path, compression]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows, size, grown = map(int, done.stdout.splitlines()[-1].strip("[]").split(","))
    print(f"{size} bytes to {path}, {grown / 1024**2:.1f} MiB more than before")

    assert (rows, size) == (large["rows"], large[compression])
    assert size >= GIBIBYTE
    if path.startswith("s3:"):
        s3.invalidate_cache()
        assert s3.info(path)["size"] == size
        assert s3.list_multipart_uploads("bucket") == []
        s3.rm(path)
    grown -= size if path.startswith("memory:") else 0
    assert grown < 50 * 1024**2


AT_ONCE = Settings(query_queue_seconds=0, query_seconds=0)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Return the folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("zuora", [AT_ONCE], indirect=True)
@pytest.mark.parametrize("compression", ["NONE", "GZIP"])
@pytest.mark.parametrize("kind", ["cut", "short"])
def test_of_a_file_that_breaks_off_nothing_is_under_the_name(
    zuora, s3, place, tmp_path, temporary, compression, kind
):
    path, read = place
    zuora.sandbox.add_script(QueryScript(rows=20_000, padding=100))
    zuora.sandbox.add_fault(Fault(path="/data-query-files/", when="after", kind=kind, times=1))
    with pytest.raises(TransientError, match=r"The file.* (was cut off|is damaged): "):
        ZuoraHook().export_query("SELECT 1", path, compression=compression)
    assert read() is None
    assert list(tmp_path.rglob(".download-*")) == []
    assert list(temporary.iterdir()) == []
    assert s3.list_multipart_uploads("bucket") == []

    result = ZuoraHook().export_query("SELECT 2", path, compression=compression)
    assert len(read()) == result["bytes"]


@pytest.mark.parametrize("zuora", [AT_ONCE], indirect=True)
@pytest.mark.parametrize("before", [None, b"what was there before"])
def test_of_an_upload_that_breaks_off_nothing_is_under_the_name(zuora, s3, temporary, before):
    path = f"bucket/{BROKEN}-{before is None}.csv"
    if before:
        s3.pipe(path, before)
    zuora.sandbox.add_script(QueryScript(rows=25_000, padding=1000))
    with pytest.raises(TransientError, match=r"The store did not take the file: .*No more of this"):
        ZuoraHook().export_query("SELECT 1", f"s3://{path}")

    s3.invalidate_cache()
    assert (s3.cat(path) if s3.exists(path) else None) == before
    assert s3.list_multipart_uploads("bucket") == []
    assert list(temporary.iterdir()) == []
