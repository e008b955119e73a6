"""Paths that no file system takes: each door that is handed one names its option, and quotes no key."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.operators.order_file import OrderFile, check_refused_path
from airflow_provider_zuora.transports.config import CA_BUNDLES, TransportConfig
from airflow_provider_zuora.transports.download import LocalTarget, StoredTarget
from airflow_provider_zuora.transports.file_paths import (
    expand_home,
    find_path_problem,
    hide_password,
    is_chained,
    resolve_path,
)
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger

KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 200
NO_PATHS = {
    "a pasted key": KEY,
    "a name that is too long": "/tmp/" + "x" * 300,
    "a path that is too long": "/x" * 3000,
    "a NUL": "/tmp/a\0b",
    "half a surrogate pair": "/tmp/\ud800",
    "a NUL in a user": "~a\0b/c",
    "half a surrogate pair in a user": "~\ud800/c",
    "an unknown user": "~no-such-user/c",
}


@pytest.fixture
def close_folder(tmp_path):
    """Return a directory with a file, neither of which may be read."""
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "file").write_text("{}")
    folder.chmod(0)
    user = os.geteuid()
    if user == 0:  # whom no permission stops
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.chmod(0o700)


@pytest.fixture
def environ(monkeypatch):
    for name in CA_BUNDLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("given", NO_PATHS.values(), ids=NO_PATHS)
class TestWhatIsNoPathIsRefusedByName:
    def test_as_the_bundle_of_a_connection(self, environ, given):
        with pytest.raises(InvalidInput, match="\nverify: must be true, false or the path") as caught:
            TransportConfig("https://h", verify=given)
        assert "MIIE" not in str(caught.value)

    def test_as_the_file_of_orders(self, given):
        for path in (given, Path(given)):
            with pytest.raises(InvalidInput, match="\norders: ") as caught:
                OrderFile("orders", path).read()
            assert str(caught.value).isascii()
            assert len(str(caught.value)) < 500

    def test_as_the_file_of_refused_orders(self, tmp_path, given):
        (tmp_path / "orders").write_text("{}")
        for path in (given, Path(given)):
            with pytest.raises(InvalidInput, match="\nrefused_path: "):
                check_refused_path(path, tmp_path / "orders").check_writable()

    def test_as_the_target_of_a_download(self, given):
        with pytest.raises(InvalidInput, match="\ntarget: "):
            LocalTarget(Path(given))


@pytest.mark.parametrize("name", CA_BUNDLES)
@pytest.mark.parametrize("given", [KEY, "/x" * 3000, "~no-such-user/ca.pem"])
def test_a_bundle_of_the_environment_that_is_no_path_is_refused_by_its_variable(environ, name, given):
    environ.setenv(name, given)
    with pytest.raises(InvalidInput, match=f"\nverify: {name} in the environment is not a path") as caught:
        TransportConfig("https://h")
    assert "MIIE" not in str(caught.value)


def test_a_trigger_tells_of_a_pasted_bundle_by_an_event(environ, attached):
    environ.setenv("REQUESTS_CA_BUNDLE", KEY)

    async def fired():
        return [event.payload async for event in ZuoraJobTrigger(job_id="j").run()]

    [event] = asyncio.run(fired())
    assert (event["status"], event["transient"]) == ("error", False)
    assert "REQUESTS_CA_BUNDLE in the environment is not a path that can exist" in event["message"]


@pytest.fixture
def attached(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", "zuora://i:secret-of-12@rest.zuora.test")


def test_a_file_of_a_store_of_this_machine_is_refused_alike():
    with pytest.raises(InvalidInput, match=r"orders: .* \(File name too long\)"):
        OrderFile("orders", ObjectStoragePath("file:///tmp/" + "x" * 300)).read()


def test_what_may_not_be_read_is_not_called_missing(close_folder, environ):
    words = "is in a directory that may not be entered"
    with pytest.raises(InvalidInput, match=f"verify: .* {words}"):
        TransportConfig("https://h", verify=str(close_folder / "file"))
    with pytest.raises(InvalidInput, match=f"orders: {close_folder / 'file'} {words}"):
        OrderFile("orders", close_folder / "file").read()
    with pytest.raises(InvalidInput, match=r"refused_path: cannot be written to \(PermissionError: "):
        OrderFile("refused_path", close_folder / "file").check_writable()
    with pytest.raises(InvalidInput, match=f"target: .*closed.* {words}"):
        LocalTarget(close_folder / "file")


def test_without_a_home_a_tilde_is_a_name_like_others(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    user = os.getuid()
    monkeypatch.delenv("HOME")
    if user == 0:  # whom every machine knows
        os.setresuid(54321, 0, 0)
    try:
        assert (expand_home("~/a") == "~/a") == (user == 0)
        with pytest.raises(InvalidInput, match="orders: there is no file ~/nothing"):
            OrderFile("orders", "~/nothing").read()
        assert not OrderFile("refused_path", "~/nothing").is_same_as(OrderFile("orders", tmp_path))
    finally:
        os.setresuid(user, -1, -1)


def test_without_a_working_directory_paths_below_it_are_refused(monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(InvalidInput, match="target: there is no working directory"):
        LocalTarget(Path("a"))
    assert not OrderFile("refused_path", "a").is_same_as(OrderFile("orders", "b"))
    assert resolve_path(Path("a")) == "a"


def test_without_a_directory_of_temporary_files_nothing_is_asked_for_a_store(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/no/such/folder"])

    with pytest.raises(InvalidInput, match="target: a store needs a directory for temporary files here"):
        StoredTarget(MemoryFileSystem(), "/bucket/a.csv")


def test_a_download_to_a_path_that_cannot_be_is_refused_before_anything_is_asked():
    with pytest.raises(PermanentError, match=r"target: .* is not a path that can exist"):
        ElasticPathHook("no-such-connection").download("j", "/tmp/" + "x" * 300)


SHOWN = {
    "/data/a?b@c:d.csv": "/data/a?b@c:d.csv",
    "a::b@c": "a::b@c",
    "sftp://me:word@host:22/data/a.csv": "sftp://me:***@host:22/data/a.csv",
    "sftp://me@host/data/a.csv": "sftp://me@host/data/a.csv",
    "sftp://me:wo@rd@host/a": "sftp://me:***@host/a",
    "sftp://me:w:o/r?d@host/a": "sftp://me:***@host/a",
    "https://me:wo/rd@host/a": "https://me:***@host/a",
    "https://me:1/rd@host/a": "https://me:***@host/a",
    "https://me:wo/r@d@host/a": "https://me:***@host/a",
    "https://me:wo?r#d@host/a": "https://me:***@host/a",
    "https://me:a::b@host/a": "https://me:***@host/a",
    "https://host:8443/a": "https://host:8443/a",
    "https://[::1]/a@b": "https://[::1]/a@b",
    "s3://bucket/https://me:word@host/a": "s3://bucket/https://me:***@host/a",
    "https://me:word@[::1]:8443/a": "https://me:***@[::1]:8443/a",
    "https://host/a?sig=word&b=c": "https://host/a?***",
    "https://host/a#sig=word": "https://host/a#***",
    "dav+https://me:word@host/a?sig=word": "dav+https://me:***@host/a?***",
    "abfss://box@name.dfs.core.windows.net/a?sig=word": "abfss://box@name.dfs.core.windows.net/a?***",
    "s3://bucket/a?b#c.csv": "s3://bucket/a?b#c.csv",
    "simplecache::https://me:word@host/a?sig=word": "simplecache::https://me:***@host/a?***",
    "zip://a.csv::https://me:wo/rd@host/a.zip?sig=word": "zip://a.csv::https://me:***@host/a.zip?***",
    "zip://a::simplecache::sftp://me:word@host/a.zip": "zip://a::simplecache::sftp://me:***@host/a.zip",
    "tar://a?x::https://me:word@a/b?sig=word::sftp://me:word@c/d": "tar://a?***::https://me:***@a/b?***::sftp://me:***@c/d",
}


@pytest.mark.parametrize("path", SHOWN)
def test_a_path_is_shown_without_passwords_and_queries(path):
    assert hide_password(path) == SHOWN[path]


@pytest.mark.parametrize("piece", ["::", "a::", "://", ":", "@", "a:", "?", "[", "[::", "::a"])
def test_a_path_is_read_in_a_time_that_grows_as_it_does(piece):
    begun = time.process_time()
    hide_password(piece * 200_000)
    hide_password("a://" + piece * 200_000)
    is_chained("a://" + piece * 200_000)
    assert time.process_time() - begun < 10


def test_what_is_there_is_no_trouble(tmp_path):
    assert find_path_problem(tmp_path) == ""
    assert find_path_problem(tmp_path / "a") == "is not a path that exists"
