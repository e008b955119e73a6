"""A file comes whole or not at all, and from nowhere but where it may come from."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    Refused,
    Unreachable,
    Unreadable,
    UnsafeLink,
)
from airflow_provider_zuora.core.validation import is_public
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.download import LocalTarget, StoredTarget, _copy_chunks, download
from airflow_provider_zuora.transports.download_stream import DownloadPolicy, resolve
from tests.airflow_versions import STORES, attach
from tests.file_servers import answer, files

CSV = b'id,created_at,note\r\nep-1,2024-07-01T10:00:00Z,"a, b"\r\n'
OPEN = DownloadPolicy(allows_http=True, allows_private=True)
CONFIG = TransportConfig("https://useast.api.elasticpath.com", timeout=5)


def test_a_file_system_that_takes_no_advice_has_the_file_all_the_same():
    chunks = [bytes([number]) * 64 * 1024 for number in range(160)]  # 10 MiB: the advice comes after eight
    end, begin = os.pipe()  # it refuses all advice
    with ThreadPoolExecutor(1) as pool, os.fdopen(end, "rb") as opened, os.fdopen(begin, "wb") as out:
        found = pool.submit(opened.read)
        _copy_chunks(iter(chunks), out, 10 * 1024**2)
        out.close()
        assert found.result() == b"".join(chunks)


@pytest.fixture
def server():
    with files() as serving:
        yield serving


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    """Return where a file goes to, and what lies there: None for nothing."""
    if request.param == "local":
        path = tmp_path / "orders.csv"
        return LocalTarget(path), lambda: path.read_bytes() if path.exists() else None
    fs = MemoryFileSystem()
    fs.store.clear()
    return StoredTarget(
        fs, "/bucket/orders.csv"
    ), lambda: fs.cat("/bucket/orders.csv") if fs.exists("/bucket/orders.csv") else None


def zip_content(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def send_chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    return answer(body, length=None, Transfer_Encoding="chunked")


WHOLE = {
    "with a length": answer(CSV),
    "in chunks": send_chunked(CSV[:9], CSV[9:]),
    "with a mark": answer(b"\xef\xbb\xbf" + CSV),
    "gzip, and it says so": answer(zip_content(CSV), Content_Encoding="gzip"),
    "gzip, and it does not": answer(zip_content(CSV), Content_Type="application/gzip"),
    "gzip in two parts": answer(zip_content(CSV[:9]) + zip_content(CSV[9:])),
    "gzip in a chunk a byte": send_chunked(*(bytes([each]) for each in zip_content(CSV))),
    "gzip whose first chunk is a byte": send_chunked(zip_content(CSV)[:1], zip_content(CSV)[1:]),
    "gzip, packed twice": answer(zip_content(zip_content(CSV)), Content_Encoding="gzip"),
    "gzip by its old name": answer(zip_content(CSV), Content_Encoding=" X-Gzip "),
    "no encoding": answer(CSV, Content_Encoding=""),
    "a blank encoding": answer(CSV, Content_Encoding="identity "),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_file_comes(server, place, case):
    server.answers["/a.csv"] = WHOLE[case]
    size = download(server.url("/a.csv"), place[0], CONFIG, OPEN)
    came = place[1]()

    assert came.removeprefix(b"\xef\xbb\xbf") == CSV
    assert size == len(came)
    assert list(place[0].folder.glob(".download-*")) == []


def cut_short(body: bytes) -> bytes:
    return answer(body, length=len(body) + 1)


# What comes, the error, whether a retry may help, the words of the error.
BROKEN = {
    "cut off": (
        cut_short(CSV),
        Unreadable,
        True,
        f"cut off: {len(CSV)} of {len(CSV) + 1} bytes",
    ),
    "cut off at once": (cut_short(b""), Unreadable, True, "The file was cut off"),
    "cut off in chunks": (send_chunked(CSV, end=b""), Unreadable, True, "The file was cut off"),
    "cut off in a chunk": (send_chunked(end=b"99\r\nid,"), Unreadable, True, "The file was cut off"),
    "gzip, cut off": (answer(zip_content(CSV)[:-9]), Unreadable, True, "The file is gzip, and damaged"),
    "gzip, spoilt": (
        answer(zip_content(CSV)[:12] + b"xxxxxxxx"),
        Unreadable,
        True,
        "The file is gzip, and damaged",
    ),
    "gzip, and more": (
        answer(zip_content(CSV) + b"xxxxxxxx"),
        Unreadable,
        True,
        "The file is gzip, and damaged",
    ),
    "no length": (answer(CSV, length=None), Unreadable, False, "came without its length"),
    "empty": (answer(b""), Unreadable, False, "The file is empty"),
    "blank": (answer(b"\xef\xbb\xbf\r\n"), Unreadable, False, "The file is empty"),
    "a page": (answer(b"\n<html><title>Sorry</title>"), Unreadable, True, "no CSV but a page: Sorry"),
    "XML": (
        answer(b'<?xml version="1.0"?><Error><Code>SlowDown</Code>'),
        Unreadable,
        True,
        "a page: SlowDown",
    ),
    "JSON": (answer(b'{"errors": []}'), Unreadable, True, "no CSV but a page"),
    "a page of blanks": (answer(b"<title>" + b" " * 50_000), Unreadable, True, "no CSV but a page\\."),
    "a page that forges": (
        answer(b"<title>x\n[2026] INFO - forged\x1b[2J</title>"),
        Unreadable,
        True,
        r"a page: x\\n\[2026\] INFO - forged\\x1b\[2J",
    ),
    "gzip, packed three times": (
        answer(zip_content(zip_content(zip_content(CSV)))),
        Unreadable,
        False,
        "of another kind",
    ),
    "a page behind much that is not seen": (
        answer(b" " * 5_000 + b"\xef\xbb\xbf\xef\xbb\xbf\xc2\xa0" * 999 + b"<title>Sorry</title>"),
        Unreadable,
        True,
        "no CSV but a page: Sorry",
    ),
    "much that is not seen": (answer(b"\xe2\x80\x8b" * 200_000), Unreadable, False, "The file is empty"),
    "a JSON list": (answer(b'\n [{"error": "expired"}]'), Unreadable, True, "no CSV but a page"),
    **{
        kind: (answer(start + b"x" * 99), Unreadable, False, "of another kind")
        for kind, start in {
            "UTF-16": b"\xff\xfe<\0",
            "UTF-16 without a mark": "id,".encode("utf-16-le"),
            "UTF-16, the other way round": "{}".encode("utf-16-be"),
            "NULs": bytes(99),
            "zlib": zlib.compress(CSV),
            "zlib, fast": zlib.compress(CSV, 1),
            "zlib, small": zlib.compress(CSV, 9),
            "7z": b"7z\xbc\xaf\x27\x1c",
            "Excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "a picture": b"\x89PNG\r\n\x1a\n",
            "lz4": b"\x04\x22\x4d\x18",
            "compress": b"\x1f\x9d\x90",
            "rar": b"Rar!\x1a\x07\x00",
            "zstd": b"\x28\xb5\x2f\xfd",
            "gzip behind a mark": b"\xef\xbb\xbf\x1f\x8b",
        }.items()
    },
    "a zip": (answer(b"PK\x03\x04" + CSV), Unreadable, False, "of another kind"),
    "a PDF": (answer(b"%PDF-1.7\n"), Unreadable, False, "of another kind"),
    "a length that is none": (
        b"HTTP/1.1 200 X\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n" + CSV,
        Unreadable,
        False,
        "came without its length",
    ),
    "busy, a chunk a byte": (
        send_chunked(*(bytes([each]) for each in b"<h1>Busy</h1>")).replace(b" 200 ", b" 503 ", 1),
        Refused,
        True,
        "HTTP 503: Busy",
    ),
    "busy, and long": (answer(b"<h1>Busy</h1>" * 90_000, 503), Refused, True, "HTTP 503: Busy"),
    "a page, gzipped": (answer(zip_content(b"<html>")), Unreadable, True, "no CSV but a page"),
    "a code of its own": (
        answer(CSV, Content_Encoding="br"),
        Unreadable,
        False,
        "an encoding that was not asked for",
    ),
    "a part": (answer(CSV, 206), Refused, False, "HTTP 206"),
    "nothing": (answer(b"", 204, None), Refused, False, "HTTP 204"),
    "run out": (answer(b"<Error><Code>AccessDenied</Code>", 403), Refused, True, "HTTP 403: AccessDenied"),
    "gone": (answer(b"no page", 404), Refused, False, "HTTP 404"),
    "busy": (answer(b"<h1>Busy</h1>", 503), Refused, True, "HTTP 503: Busy"),
    "limited": (answer(b"", 429), Refused, True, "HTTP 429"),
    "a redirect to nowhere": (answer(b"", 302), Refused, False, "HTTP 302"),
    "no HTTP": (b"hello\r\n\r\n", Unreachable, True, "The file was not fetched"),
    "silence": (b"", Unreachable, True, "The file was not fetched"),
}


@pytest.mark.parametrize("before", [None, b"what was there before"])
@pytest.mark.parametrize("case", BROKEN)
def test_of_a_broken_file_nothing_is_under_the_final_name(server, place, case, before):
    if before:
        (place[0].folder / "before").write_bytes(before)
        place[0].put(place[0].folder / "before")
    server.answers["/secret.csv"], kind, transient, words = BROKEN[case]
    with pytest.raises(kind, match=words) as caught:
        download(server.url("/secret.csv?Signature=secret"), place[0], CONFIG, OPEN)

    assert type(caught.value) is kind
    assert caught.value.transient is transient
    assert place[1]() == before
    assert list(place[0].folder.glob(".download-*")) == []
    assert "secret" not in str(caught.value)


def test_blanks_before_a_file_are_no_lack_of_it(server, place):
    server.answers["/a.csv"] = answer(b"\r\n" * 2_000 + CSV)
    assert download(server.url("/a.csv"), place[0], CONFIG, OPEN) == 4_000 + len(CSV)


NAME = "0b5a7c1e-order-export.csv"
SIGNATURE = "SIGNATUREabcdef0123456789"
TOKEN = "IQoJb3JpZ2luX2VjEPz" * 40 + "//=="
QUERY = (
    f"?X-Amz-Credential=AKIAEXAMPLE%2F20240701%2Fs3&X-Amz-Signature={SIGNATURE}"
    f"&X-Amz-Security-Token={quote(TOKEN)}"
)
PARTS = {
    "the link": f"/exports/{NAME}{QUERY}",
    "the link, in HTML": f"/exports/{NAME}{QUERY}".replace("&", "&amp;"),
    "its path": f"/exports/{NAME}",
    "its name": NAME,
    "its signature": SIGNATURE,
    "its credential": "AKIAEXAMPLE%2F20240701%2Fs3",
    "its credential, decoded": "AKIAEXAMPLE/20240701/s3",
    "its token": TOKEN,
    "the beginning of its token": TOKEN[:150],
}
ECHOES = {
    "a title": lambda word: answer(b"<title>GET %s is denied</title>" % word, 403),
    "a title far ahead": lambda word: answer(b"<title>%s%s</title>" % (b"x " * 80, word), 403),
    "a code": lambda word: answer(b"<Error><Code>%s</Code>" % word, 403),
    "a page in its stead": lambda word: answer(b"<h1>%s</h1>" % word),
    "a status line": lambda word: b"HTTP/9 %s\r\n\r\n" % word,
    "a chunk": lambda word: send_chunked(CSV, end=word + b"\r\n"),
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("part", PARTS)
def test_of_a_link_no_message_holds_more_than_its_host(server, place, echo, part):
    page = ECHOES[echo](PARTS[part].encode())
    server.answers |= {"/way": answer(b"", 302, Location=f"/exports/{NAME}{QUERY}"), f"/exports/{NAME}": page}
    for link in (f"/exports/{NAME}{QUERY}", "/way?first=one"):
        with pytest.raises(ApiError, match=r"127\.0\.0\.1|no CSV but a page") as caught:
            download(server.url(link), place[0], CONFIG, OPEN)
        for secret in (NAME, SIGNATURE, "AKIAEXAMPLE", TOKEN[:19]):
            assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (answer(CSV), f"has {len(CSV)} bytes, more than"),  # known before any of it came
        (send_chunked(CSV), "is longer than"),
        (
            answer(zip_content(CSV)),
            "bytes, more than" if len(zip_content(CSV)) >= len(CSV) else "is longer than",
        ),
    ],
    ids=["length", "chunks", "gzip"],
)
def test_no_more_is_fetched_than_is_allowed(server, place, body, words):
    server.answers["/a.csv"] = body
    with pytest.raises(Unreadable, match=f"{words} max_bytes={len(CSV) - 1}"):
        download(server.url("/a.csv"), place[0], CONFIG, OPEN, len(CSV) - 1)
    assert place[1]() is None

    server.answers["/a.csv"] = body
    most = max(len(CSV), len(zip_content(CSV)))
    assert download(server.url("/a.csv"), place[0], CONFIG, OPEN, most) == len(CSV)


@pytest.mark.parametrize("most", [0, -1, 1.5, True, None, "9"])
def test_a_limit_that_is_none_is_refused(place, most):
    with pytest.raises(InvalidInput, match="max_bytes: must be a whole number"):
        download("https://127.0.0.1:1/a", place[0], CONFIG, OPEN, most)


def test_a_bomb_does_not_go_off(server, place):
    server.answers["/a.csv"] = answer(zip_content(b"a" * 50_000_000))
    with pytest.raises(Unreadable, match="longer than max_bytes=1000000"):
        download(server.url("/a.csv"), place[0], CONFIG, OPEN, 1_000_000)
    assert place[1]() is None


def test_a_file_nobody_serves(place):
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1: .*refused"):
        download("http://127.0.0.1:1/a", place[0], CONFIG, OPEN)


def test_what_is_written_has_the_rights_that_new_files_have(server, tmp_path):
    server.answers["/a.csv"] = answer(CSV)
    (tmp_path / "usual").touch()
    download(server.url("/a.csv"), LocalTarget(tmp_path / "a.csv"), CONFIG, OPEN)

    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("target", ["no/such/folder/a.csv", "."])
def test_a_target_that_cannot_be_one_is_refused_before_anything_is_asked(store, tmp_path, target):
    with pytest.raises(PermanentError, match="target: "):
        ElasticPathHook().download("j", tmp_path / target)
    assert store.asked() == []


def test_a_directory_that_is_gone_by_then_is_named(tmp_path):
    (tmp_path / "gone").mkdir()
    place = LocalTarget(tmp_path / "gone" / "a.csv")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InvalidInput, match=r"target: nothing can be written to .*gone \(FileNotFoundError: "):
        download("https://127.0.0.1:1/a", place, CONFIG, OPEN)


def test_an_upload_that_fails_is_not_repeated_by_halves(server, tmp_path):
    class Full(MemoryFileSystem):
        def put_file(self, *args, **kwargs):
            raise OSError("no room")

    server.answers["/a.csv"] = answer(CSV)
    with pytest.raises(Unreachable, match=r"The store did not take the file: .*no room") as caught:
        download(server.url("/a.csv"), StoredTarget(Full(), "/bucket/a.csv"), CONFIG, OPEN)
    assert caught.value.transient
    assert not Full().exists("/bucket/a.csv")


def test_an_upload_that_breaks_off_leaves_nothing_under_the_name(server):
    class Breaking(MemoryFileSystem):
        cachable = False

        def _open(self, path, mode="rb", **kwargs):
            file = super()._open(path, mode, **kwargs)
            if "w" in mode:
                file.write(b"half of it")
                file.write = fail
            return file

    def fail(data):
        raise OSError("the connection is gone")

    server.answers["/a.csv"] = answer(CSV)
    with pytest.raises(Unreachable, match="the connection is gone"):
        download(server.url("/a.csv"), StoredTarget(Breaking(), "/bucket/broken.csv"), CONFIG, OPEN)
    assert not MemoryFileSystem().exists("/bucket/broken.csv")


@pytest.mark.parametrize(("size", "part"), [(1, 5), (48 * 1024**3, 5), (49 * 1024**3, 6), (1024**4, 105)])
def test_an_upload_has_small_parts_and_no_more_of_them_than_s3_takes(tmp_path, size, part):
    class Parts(MemoryFileSystem):
        cachable = False

        def put_file(self, lpath, rpath, *, chunksize=50 * 1024**2, max_concurrency=None, **options):
            self.asked = (chunksize, max_concurrency, options)

    with (tmp_path / "file").open("wb") as file:
        file.truncate(size)
    fs = Parts()
    StoredTarget(fs, "/bucket/a.csv").put(tmp_path / "file")
    assert fs.asked == (part * 1024**2, 2, {})
    assert size <= part * 1024**2 * 10_000


class TestWhatIsSent:
    def test_nothing_of_the_account(self, store, server, tmp_path, monkeypatch):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password netrcs-secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        server.answers["/a.csv"] = answer(b"", 302, Location="/b.csv", Set_Cookie="c=cookies-secret; Path=/")
        server.answers["/b.csv"] = answer(CSV)
        store.fault(200, {"href": server.url("/a.csv?Signature=s%2Fs")}, path="/v2/jobs/j/file")
        ElasticPathHook().download("j", tmp_path / "orders.csv")
        (token,) = store.sandbox.ledger()["tokens"]

        assert [head.split()[1] for head in server.asked] == ["/a.csv?Signature=s%2Fs", "/b.csv"]
        for head in server.asked:
            names = {line.partition(":")[0].lower() for line in head.splitlines()[1:]}
            assert names == {"host", "user-agent", "accept", "accept-encoding"}
            assert token not in head

    def test_the_queries_of_all_links_are_hidden_before_libraries_log_them(self, server, place, caplog):
        server.answers["/a.csv"] = answer(b"", 302, Location="/b.csv?Signature=b%2f~%7e")
        server.answers["/b.csv"] = answer(CSV)
        hidden = []
        caplog.set_level("DEBUG", "urllib3")
        policy = DownloadPolicy(allows_http=True, allows_private=True, hide=hidden.append)
        download(server.url("/a.csv?Signature=a"), place[0], CONFIG, policy)
        logged = [record.getMessage() for record in caplog.records if "GET" in record.getMessage()]

        assert hidden == ["Signature=a", "Signature=b%2F~~"]
        assert [query for query in hidden if any(query in line for line in logged)] == hidden

    def test_the_link_is_in_no_log(self, store, server, tmp_path, capsys, caplog):
        caplog.set_level("DEBUG")
        server.answers["/a.csv"] = answer(CSV)
        store.fault(200, {"href": server.url("/a.csv?Signature=links-secret")}, path="/v2/jobs/j/file")
        ElasticPathHook().download("j", tmp_path / "orders.csv")
        own = [record for record in caplog.records if record.name.startswith("airflow_provider_zuora")]

        assert "links-secret" not in capsys.readouterr().out + str([each.getMessage() for each in own])


PRIVATE = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "0.0.0.0"]


class TestDownloadPolicy:
    @pytest.mark.parametrize("host", PRIVATE)
    @pytest.mark.parametrize("scheme", ["https", "http"])
    def test_a_link_to_no_public_address_is_refused(self, place, host, scheme):
        with pytest.raises(UnsafeLink, match="no public address; nothing was fetched"):
            download(f"{scheme}://{host}/a.csv?secret", place[0], CONFIG, DownloadPolicy(allows_http=True))
        assert place[1]() is None

    def test_nothing_is_connected_to_before_it_is_judged(self, server, place):
        with pytest.raises(UnsafeLink):
            download(server.url("/a.csv"), place[0], CONFIG, DownloadPolicy(allows_http=True))
        assert (server.connections, server.asked) == (0, [])

    @pytest.mark.parametrize("host", ["localhost:1", *PRIVATE])
    def test_a_redirect_to_no_public_address_is_refused(self, server, place, host):
        """The first host is trusted by its name; where it sends us is not."""
        first = DownloadPolicy(allows_http=True, hosts=frozenset({"files.test"}), resolve=to_loopback)
        server.answers["/a.csv"] = answer(b"", 302, Location=f"http://{host}/b.csv")
        with pytest.raises(UnsafeLink, match="no public address"):
            download(server.url("/a.csv", "files.test"), place[0], CONFIG, first)
        assert len(server.asked) == 1
        assert place[1]() is None

    @pytest.mark.parametrize(
        ("link", "words"),
        [
            ("http://files.test/a", r"leads to http://files\.test, not to https"),
            ("https://user:hidden@files.test/a", "holds a user"),
            ("ftp://files.test/a", "no https URL"),
            ("file:///etc/passwd", "no https URL"),
            ("//files.test/a", "no https URL"),
            ("https:///a", "no https URL"),
            ("https://[::1/a?hidden", "malformed"),
            ("https://files.test:port/a?hidden", "malformed"),
            ("https://files.test:99999/a?hidden", "malformed"),
            ("https://files.test\\@evil.test/a?hidden", "holds a user"),
            ("https://[files.test]/a?hidden", "malformed"),
            ("https://.files..test/a?hidden", "malformed"),
            ("", "no https URL"),
            ("http://files.test\x1b[2J/a", "leads to http://|malformed"),
            ("https://" + "a" * 9999 + ".test/a", "malformed|no public"),
        ],
    )
    def test_what_is_no_link_is_not_followed(self, place, link, words):
        with pytest.raises(UnsafeLink, match=words) as caught:
            download(link, place[0], CONFIG, DownloadPolicy(allows_private=True))
        assert "hidden" not in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500

    @pytest.mark.parametrize("location", ["http://[::1", "http://[v1.x]/", "http://files.test:99999/"])
    def test_a_redirect_that_is_malformed_is_not_followed(self, server, place, location):
        server.answers["/a.csv"] = answer(b"", 302, Location=location)
        with pytest.raises(UnsafeLink, match="malformed"):
            download(server.url("/a.csv"), place[0], CONFIG, OPEN)

    def test_https_does_not_lead_to_http(self, place, certificate):
        pem, tls = certificate
        with files(tls) as server:
            server.answers["/a.csv"] = answer(b"", 301, Location="http://127.0.0.1/b.csv")
            with pytest.raises(UnsafeLink, match="not to https"):
                download(
                    server.url("/a.csv"),
                    place[0],
                    TransportConfig("https://h", verify=str(pem)),
                    DownloadPolicy(allows_private=True),
                )

    @pytest.mark.parametrize(("times", "comes"), [(3, True), (4, False)])
    def test_three_redirects_are_followed(self, server, place, times, comes):
        for number in range(times):
            server.answers[f"/{number}"] = answer(b"", 307, Location=f"{number + 1}")
        server.answers[f"/{times}"] = answer(CSV)
        if comes:
            assert download(server.url("/0"), place[0], CONFIG, OPEN) == len(CSV)
        else:
            with pytest.raises(Refused, match="redirected more than 3 times"):
                download(server.url("/0"), place[0], CONFIG, OPEN)
            assert len(server.asked) == 4

    def test_a_host_is_resolved_once_and_what_was_judged_is_connected_to(self, server, place):
        asked = []

        def rebound(host, port):
            """Answer with an address that may be, and from then on with another."""
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

        server.answers["/a.csv"] = answer(CSV)
        policy = DownloadPolicy(allows_http=True, hosts=frozenset({"files.invalid"}), resolve=rebound)

        assert download(server.url("/a.csv", "files.invalid"), place[0], CONFIG, policy) == len(CSV)
        assert asked == ["files.invalid"]
        assert f"Host: files.invalid:{server.server_address[1]}" in server.asked[0]

    def test_one_address_that_is_not_public_is_enough(self, place):
        policy = DownloadPolicy(resolve=lambda host, port: ["93.184.216.34", "10.0.0.1"])
        with pytest.raises(UnsafeLink, match=r"is at 10\.0\.0\.1, no public address"):
            download("https://files.test/a", place[0], CONFIG, policy)

    def test_the_next_address_is_tried(self, server, place):
        server.answers["/a.csv"] = answer(CSV)
        policy = DownloadPolicy(
            allows_http=True, allows_private=True, resolve=lambda host, port: ["::1", "127.0.0.1"]
        )

        assert download(server.url("/a.csv", "files.test"), place[0], CONFIG, policy) == len(CSV)

    @pytest.mark.parametrize("addresses", [[], ["127.0.0.2"]])
    def test_no_address_that_answers(self, place, addresses):
        policy = DownloadPolicy(allows_http=True, allows_private=True, resolve=lambda host, port: addresses)
        with pytest.raises(Unreachable, match=r"files\.test"):
            download("http://files.test:1/a", place[0], CONFIG, policy)

    def test_the_certificate_is_for_the_name_and_not_for_the_address(self, place, certificate):
        pem, tls = certificate
        config = TransportConfig("https://h", verify=str(pem))
        with files(tls) as server:
            server.answers["/a.csv"] = answer(CSV)
            assert download(
                server.url("/a.csv"), place[0], config, DownloadPolicy(allows_private=True)
            ) == len(CSV)
            with pytest.raises(Unreachable, match=r"(?i)certificate"):
                download(server.url("/a.csv"), place[0], CONFIG, DownloadPolicy(allows_private=True))
            other = DownloadPolicy(allows_private=True, resolve=to_loopback)
            with pytest.raises(Unreachable, match=r"(?i)files\.test"):
                download(server.url("/a.csv", "files.test"), place[0], config, other)

    @pytest.mark.parametrize(
        ("base", "hosts", "expected"),
        [
            ("https://api.test", ["93.184.216.34"], (False, False)),
            ("https://api.test", ["10.0.0.1"], (False, True)),
            ("https://api.test", ["10.0.0.1", "93.184.216.34"], (False, False)),
            ("https://api.test", OSError("no such host"), (False, False)),
            ("http://127.0.0.1:8765", ["127.0.0.1"], (True, True)),
        ],
    )
    def test_what_will_do_for_the_connection_will_do_for_its_files(self, base, hosts, expected):
        def found(host, port):
            if isinstance(hosts, OSError):
                raise hosts
            return hosts

        policy = DownloadPolicy.for_vendor(base, frozenset({"cdn"}), str, found)

        assert (policy.allows_http, policy.allows_private) == expected
        assert policy.is_trusted("CDN")
        assert policy.is_trusted("elsewhere") is expected[1]

    def test_through_a_proxy_a_host_must_be_named(self, server, place):
        """A proxy is asked for the whole address; here the file server is one."""
        config = TransportConfig("https://h", proxies=(("http", server.url("")),))
        server.answers["http://files.invalid/a.csv"] = answer(CSV)
        with pytest.raises(UnsafeLink, match=r"through a proxy, its address is unknown; .*download_hosts"):
            download("http://files.invalid/a.csv", place[0], config, DownloadPolicy(allows_http=True))
        assert server.asked == []

        named = DownloadPolicy(allows_http=True, hosts=frozenset({"files.invalid"}))
        assert download("http://files.invalid/a.csv", place[0], config, named) == len(CSV)

    def test_names_are_resolved(self):
        assert "127.0.0.1" in resolve("localhost", 80)
        assert resolve("[::1]", 80) == ["::1"]


def to_loopback(host, port):
    return ["127.0.0.1"] if host == "files.test" else resolve(host, port)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("224.0.0.1", False),
        ("233.252.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("4000::1", False),
    ],
)
def test_what_is_public(address, public):
    assert is_public(address) is public


class TestHook:
    ROWS = [{"id": f"ep-{number}", "note": 'a "b", c'} for number in range(3)]  # noqa: RUF012

    def job(self, store):
        store.sandbox.set_exportable(self.ROWS)
        return ElasticPathHook().export_orders("ge(id,ep-1)")

    def read(self, text):
        import csv

        return list(csv.DictReader(text.splitlines()))

    @pytest.mark.parametrize(
        "form", [str, Path, "file://{}".format, lambda path: ObjectStoragePath(f"file://{path}")]
    )
    def test_to_a_local_path(self, store, tmp_path, form, capsys):
        target = tmp_path / "new" / "orders.csv"
        target.parent.mkdir()
        size = ElasticPathHook().download(self.job(store), form(target))

        assert self.read(target.read_text()) == self.ROWS[1:]
        assert size == target.stat().st_size
        assert list(target.parent.iterdir()) == [target]
        assert f"{size} bytes" in capsys.readouterr().out

    def test_to_a_store(self, store):
        attach("memory", MemoryFileSystem())
        size = ElasticPathHook().download(self.job(store), "memory://bucket/orders.csv")
        came = ObjectStoragePath("memory://bucket/orders.csv").read_bytes()

        assert self.read(came.decode()) == self.ROWS[1:]
        assert size == len(came)

    def test_to_a_store_that_no_provider_registers(self, store, monkeypatch):
        monkeypatch.setattr(f"{STORES}._STORE_CACHE", {})
        size = ElasticPathHook().download(self.job(store), "memory://bucket/unregistered.csv")

        assert size == len(MemoryFileSystem().cat("/bucket/unregistered.csv"))

    @pytest.mark.parametrize(
        ("target", "options", "field"),
        [
            (None, {}, "target"),
            (7, {}, "target"),
            ("foo://bucket/a.csv", {}, "target"),
            ("a.csv", {"max_bytes": "a"}, "max_bytes"),
            ("a.csv", {"max_bytes": 0}, "max_bytes"),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_asked(self, store, target, options, field):
        with pytest.raises(PermanentError, match=rf"Nothing was fetched\.\n.*{field}: "):
            ElasticPathHook().download("job", target, **options)
        assert not store.sandbox.ledger()["recent"]

    def test_a_file_that_is_not_ready_is_waited_for(self, store, tmp_path):
        early = {"errors": [{"status": "422", "detail": "Job has no file to download. Job status: STARTED"}]}
        job_id = self.job(store)
        store.fault(422, early, path=f"/v2/jobs/{job_id}/file", times=3)

        assert ElasticPathHook().download(job_id, tmp_path / "a.csv")
        assert len(store.naps) == 3

    def test_a_job_without_a_file_has_none(self, store, tmp_path):
        store.change(fail_exports="Boom")
        with pytest.raises(PermanentError, match=r"Job has no file to download\. Job status: FAILED"):
            ElasticPathHook().download(self.job(store), tmp_path / "a.csv")

    @pytest.mark.parametrize("body", [{"data": {"href": ""}}, {"data": {}}, {"data": None}, {"href": 7}])
    def test_no_link_is_an_error(self, store, tmp_path, body):
        store.fault(200, body, path="/v2/jobs/j/file")
        with pytest.raises(PermanentError, match="Elastic Path named no file of job j"):
            ElasticPathHook().download("j", tmp_path / "a.csv")

    @pytest.mark.parametrize("job_id", ["", "..", "a\nb"])
    def test_what_is_no_id_is_not_sent(self, store, tmp_path, job_id):
        with pytest.raises(PermanentError, match="job_id: "):
            ElasticPathHook().download(job_id, tmp_path / "a.csv")
        assert store.asked() == []

    def test_a_link_that_has_run_out_is_worth_a_retry(self, store, tmp_path):
        store.change(link_seconds=0)
        (tmp_path / "new").mkdir()
        with pytest.raises(TransientError, match="HTTP 403: AccessDenied"):
            ElasticPathHook().download(self.job(store), tmp_path / "new" / "a.csv")
        assert list((tmp_path / "new").iterdir()) == []

    def test_a_limit_is_handed_on(self, store, tmp_path):
        with pytest.raises(PermanentError, match="max_bytes=3"):
            ElasticPathHook().download(self.job(store), tmp_path / "a.csv", max_bytes=3)

    @pytest.mark.parametrize("given", ["https://cdn.test", "cdn.test:443", "*.test", [1], 7, {"a": 1}])
    def test_what_is_no_name_of_a_host_is_refused(self, given, monkeypatch):
        fields = {"conn_type": "elastic_path", "host": "https://h", "login": "l", "password": "p"}
        fields["extra"] = json.dumps({"download_hosts": given})
        monkeypatch.setenv("AIRFLOW_CONN_ELASTIC_PATH_DEFAULT", json.dumps(fields))
        with pytest.raises(PermanentError, match="download_hosts: must be names of hosts"):
            ElasticPathHook().get_conn()


MEASURED = """
import re, sys
from pathlib import Path
from airflow_provider_zuora.transports.download import LocalTarget, download
from airflow_provider_zuora.transports.download_stream import DownloadPolicy
from airflow_provider_zuora.transports.config import TransportConfig

POLICY = DownloadPolicy(True, True)

def fetched(path):
    return download(sys.argv[1] + path, LocalTarget(Path(sys.argv[2])), TransportConfig("https://h"), POLICY)

def peak():  # of this process; getrusage would tell that of its parent, where that is higher
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

fetched("/small.csv")  # what is imported is not what is measured
before = peak()
size = fetched("/large.csv")
print(size, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("packed", [False, True])
def test_a_gibibyte_takes_no_memory(server, tmp_path, packed):
    line, times = CSV[20:] * 20_000, 1024**3 // (len(CSV[20:]) * 20_000) + 1
    total = len(line) * times + 20

    def write(out):
        if packed:
            member = zip_content(line)
            out.write(answer(zip_content(CSV[:20]), length=len(zip_content(CSV[:20])) + len(member) * times))
            for _ in range(times):
                out.write(member)
            return
        out.write(answer(CSV[:20], length=total))
        for _ in range(times):
            out.write(line)

    server.answers |= {"/small.csv": answer(CSV), "/large.csv": write}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, server.url(""), str(tmp_path / "orders.csv")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    size, grown = map(int, done.stdout.split())
    print(f"{size} bytes, {grown / 1024**2:.1f} MiB more than before")

    assert size == total == (tmp_path / "orders.csv").stat().st_size > 1024**3
    assert grown < 50 * 1024**2
