"""Files of orders: under whatever name, one file is one file; what is written is the owner's alone."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.operators.order_file import OrderFile


def file(given, option="orders"):
    return OrderFile(option, given)


@pytest.fixture
def orders(tmp_path):
    (tmp_path / "deep").mkdir()
    path = tmp_path / "orders.jsonl"
    path.write_text("{}\n")
    return path


NAMES = {
    "itself": str,
    "a path object": Path,
    "a detour": lambda path: f"{path.parent}/deep/../././/{path.name}",
    "a URL": lambda path: f"file://{path}",
    "a URL of this host": lambda path: f"file://localhost{path}",
    "a short URL": lambda path: f"FILE:{path}",
    "another scheme": lambda path: f"local://{path}",
    "a slash at its end": lambda path: f"{path}/",
    "from here": os.path.relpath,
    "an object of Airflow's": lambda path: ObjectStoragePath(f"file://{path}"),
    "another of Airflow's": lambda path: ObjectStoragePath(str(path)),
}


@pytest.mark.parametrize("name", NAMES)
def test_one_file_under_two_names_is_one(orders, name):
    assert file(NAMES[name](orders)).is_same_as(file(str(orders)))
    assert file(str(orders)).is_same_as(file(NAMES[name](orders)))


def test_links_lead_to_the_same_file(orders, tmp_path):
    (tmp_path / "soft").symlink_to(orders)
    (tmp_path / "hard").hardlink_to(orders)
    (tmp_path / "folder").symlink_to(tmp_path / "deep")
    for name in ("soft", "hard", "folder/../orders.jsonl"):
        assert file(str(tmp_path / name)).is_same_as(file(orders))
    assert not file(str(tmp_path / "other")).is_same_as(file(orders))


def test_names_of_a_file_that_is_not_there_yet_are_compared_too(tmp_path):
    (tmp_path / "soft").symlink_to(tmp_path / "new.jsonl")
    assert file(str(tmp_path / "soft")).is_same_as(file(f"file://{tmp_path}/./new.jsonl"))


@pytest.mark.parametrize(
    "other",
    [
        "memory://bucket/orders.jsonl",
        "memory://conn@bucket/orders.jsonl",
        "memory://bucket/a/../orders.jsonl",
        "memory://bucket//orders.jsonl/",
        "memory://bucket/ORDERS.jsonl",
        "memory://bucket/%6frders.jsonl",
    ],
)
def test_one_object_of_a_store_under_two_names_is_one(other):
    assert file("memory://bucket/orders.jsonl").is_same_as(file(other))
    assert not file("memory://bucket/other.jsonl").is_same_as(file(other))
    assert not file("/bucket/orders.jsonl").is_same_as(file(other))
    assert not file(other).is_same_as(file("/bucket/orders.jsonl"))


def test_a_home_is_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "orders.jsonl").write_text("x")
    assert file("~/orders.jsonl").read() == b"x"


def test_a_relative_path_is_one_from_here_on_every_airflow(orders, monkeypatch):
    monkeypatch.chdir(orders.parent)
    assert file("orders.jsonl").read() == file("./orders.jsonl").read() == b"{}\n"


@pytest.mark.parametrize("name", ["nothing", "deep", "pipe"])
def test_what_is_no_file_is_not_waited_for(orders, name):
    os.mkfifo(orders.parent / "pipe")
    with pytest.raises(InvalidInput, match=f"orders: there is no file .*{name}"):
        file(str(orders.parent / name)).read()
    with pytest.raises(InvalidInput, match="orders: there is no file memory://bucket/nothing"):
        file("memory://bucket/nothing").read()


class Closed(MemoryFileSystem):
    """A store that lets nobody in; root may open any file of this machine."""

    def open(self, *_, **__):
        raise PermissionError(errno.EACCES, "no")


class Broken(MemoryFileSystem):
    """A store, or a disk, that fails while it is read."""

    def open(self, *_, **__):
        raise OSError(errno.EIO, "Input/output error")


class Place:
    """A path object of a store."""

    protocol, path, fs = "closed", "b/x", Closed()

    def __str__(self):
        return "closed://b/x"


def test_what_nobody_may_read_and_what_nobody_knows():
    with pytest.raises(InvalidInput, match="orders: the file closed://b/x may not be read"):
        file(Place()).read()
    with pytest.raises(InvalidInput, match=r"orders: .*s4"):
        file("s4://bucket/x").read()


def test_what_cannot_be_read_is_named_by_its_option():
    place = Place()
    place.fs = Broken()
    with pytest.raises(
        InvalidInput, match=r"orders: the file closed://b/x could not be read \(OSError: .*output"
    ):
        file(place).read()


def test_preparing_makes_the_owners_file_and_leaves_what_is_there(orders):
    new = orders.parent / "new.jsonl"
    orders.chmod(0o644)
    for path in (new, orders):
        file(str(path)).check_writable()
        assert path.stat().st_mode & 0o777 == 0o600
    assert (new.read_text(), orders.read_text()) == ("", "{}\n")
    assert file(str(orders)).write(b"a") == ""
    assert orders.read_text() == "a"


@pytest.mark.parametrize("name", ["deep", "deep/", "no/folder.jsonl", "new.jsonl/", "pipe", "orders.jsonl/x"])
def test_a_place_that_is_none_is_refused_beforehand(orders, name):
    os.mkfifo(orders.parent / "pipe")
    with pytest.raises(InvalidInput, match="refused_path: cannot be written to"):
        file(f"{orders.parent}/{name}", "refused_path").check_writable()


def test_so_is_one_in_a_store():
    store = MemoryFileSystem()
    store.makedirs("/bucket/folder", exist_ok=True)
    file("memory://bucket/new.jsonl").check_writable()
    assert store.cat("/bucket/new.jsonl") == b""
    assert file("memory://bucket/new.jsonl").write(b"a") == ""
    file("memory://bucket/new.jsonl").check_writable()
    assert file("memory://bucket/new.jsonl").read() == b"a"
    for name in ("memory://bucket/folder", "memory://bucket/folder/", "s4://bucket/x"):
        with pytest.raises(InvalidInput, match="orders: cannot be written to"):
            file(name).check_writable()


def test_what_cannot_be_written_at_the_end_is_told(tmp_path):
    place = file(str(tmp_path / "gone" / "refused.jsonl"), "refused_path")
    (tmp_path / "gone").mkdir()
    place.check_writable()
    (tmp_path / "gone" / "refused.jsonl").unlink()
    (tmp_path / "gone").rmdir()
    assert place.write(b"a").startswith(f"refused_path: {place} could not be written (FileNotFoundError: ")


def test_a_packed_file_comes_as_it_is(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(b"{}"))
    assert gzip.decompress(file(tmp_path / "a").read()) == b"{}"
