"""One contract for both transports, against served answers; and what only sockets can show."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import json
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from airflow_provider_zuora import __version__
from airflow_provider_zuora.core.errors import InvalidInput, Unreachable
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.gzip_body import MAX_BODY, TOO_LARGE
from tests.transports.unlimited import open_async, open_blocking
from zuora_sandbox import CLIENT_SECRET


def blocking(config: TransportConfig, *requests: Request) -> list[Response]:
    transport = open_blocking(config)
    try:
        return [transport.send(request) for request in requests]
    finally:
        transport.close()


def awaiting(config: TransportConfig, *requests: Request) -> list[Response]:
    async def all_of_them():
        transport = await open_async(config)
        try:
            return [await transport.send(request) for request in requests]
        finally:
            await transport.close()

    return asyncio.run(all_of_them())


both = pytest.mark.parametrize("send", [blocking, awaiting])


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, or as the path says; notes the connections and the cookies."""

    protocol_version = "HTTP/1.1"
    ports: set[int]
    cookies: list[str | None]

    def answer(self) -> None:
        self.ports.add(self.client_address[1])
        self.cookies.append(self.headers.get("Cookie"))
        length = int(self.headers.get("Content-Length") or 0)
        getattr(self, "at_" + self.path.split("?")[0].strip("/"), self.echo)(self.rfile.read(length))

    do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

    def echo(self, body: bytes) -> None:
        answer = {
            "line": self.requestline,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("latin-1"),
        }
        self.say(200, json.dumps(answer).encode(), {"Set-Cookie": "session=1; Path=/"})

    def say(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def at_zipped(self, body: bytes) -> None:
        self.say(200, gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"})

    def at_bomb(self, body: bytes) -> None:
        self.say(200, gzip.compress(bytes(MAX_BODY + 1), 1), {"Content-Encoding": "gzip"})

    def at_flood(self, body: bytes) -> None:
        with suppress(OSError):
            self.say(200, bytes(MAX_BODY + 1), {})

    def at_nogzip(self, body: bytes) -> None:
        self.say(200, b"this is not gzip", {"Content-Encoding": "gzip"})

    def at_cut(self, body: bytes) -> None:
        self.say(200, b'{"jobId": ', {"Zuora-Request-Id": "r"}, length=1000)
        self.close_connection = True

    def at_away(self, body: bytes) -> None:
        self.say(302, b"", {"Location": "/elsewhere"})

    def at_stall(self, body: bytes) -> None:
        self.say(200, b"x", {}, length=10)
        self.server.stalled.wait(20)  # type: ignore[attr-defined]

    def at_silent(self, body: bytes) -> None:
        self.server.stalled.wait(20)  # type: ignore[attr-defined]

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def echoing(context: ssl.SSLContext | None = None) -> Iterator[tuple[str, type[Echo]]]:
    handler = type("Handler", (Echo,), {"ports": set(), "cookies": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.stalled = threading.Event()  # type: ignore[attr-defined]
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}", handler
        finally:
            server.stalled.set()  # type: ignore[attr-defined]
            server.shutdown()


@pytest.fixture
def echo() -> Iterator[tuple[str, type[Echo]]]:
    with echoing() as served:
        yield served


@both
def test_a_request_arrives_as_it_is(send, echo):
    request = Request(
        "POST",
        "/v1/a%2Fb",
        params=(("returnIds", "true"), ("q", "a b&c")),
        headers={"Authorization": "Bearer t", "Accept-Encoding": "gzip", "Idempotency-Key": "k"},
        body=b'{"x": "\xc3\xa9"}',
    )
    (response,) = send(TransportConfig(echo[0]), request)
    received = json.loads(response.body)

    assert received["line"] == "POST /v1/a%2Fb?returnIds=true&q=a+b%26c HTTP/1.1"
    assert received["body"].encode("latin-1") == request.body
    expected = {
        "authorization": "Bearer t",
        "accept-encoding": "gzip",
        "idempotency-key": "k",
        "user-agent": f"airflow-provider-zuora/{__version__}",
        "content-length": str(len(request.body)),
    }
    assert expected.items() <= received["headers"].items()


@both
def test_a_query_in_the_path_is_kept(send, echo):
    (response,) = send(TransportConfig(echo[0]), Request("GET", "/v1/x?page=2", params=(("a", "b"),)))

    assert json.loads(response.body)["line"] == "GET /v1/x?page=2&a=b HTTP/1.1"


@both
def test_connections_are_used_again_and_cookies_are_not(send, echo):
    send(TransportConfig(echo[0]), *[Request("GET", "/x")] * 3)

    assert len(echo[1].ports) == 1
    assert echo[1].cookies == [None] * 3


@both
def test_netrc_is_not_read(send, echo, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    signed, bare = send(
        TransportConfig(echo[0]),
        Request("GET", "/x", headers={"Authorization": "Bearer t"}),
        Request("GET", "/x"),
    )

    assert json.loads(signed.body)["headers"]["authorization"] == "Bearer t"
    assert "authorization" not in json.loads(bare.body)["headers"]


@both
def test_a_gzipped_answer_is_unpacked(send, echo):
    (response,) = send(
        TransportConfig(echo[0]), Request("GET", "/zipped", headers={"Accept-Encoding": "gzip"})
    )

    assert response.body == b'{"a": 1}'
    assert response.damage == ""


@both
def test_a_cut_off_answer_keeps_its_status_and_headers(send, echo):
    (response,) = send(TransportConfig(echo[0]), Request("GET", "/cut"))

    assert (response.status, response.headers.get("zuora-request-id", "")) == (200, "r")
    assert response.damage.startswith("the answer was cut off: ")


@both
def test_an_answer_that_is_not_the_gzip_it_says_is_damaged(send, echo):
    (response,) = send(TransportConfig(echo[0]), Request("GET", "/nogzip"))

    assert response.status == 200
    assert response.damage


@both
@pytest.mark.parametrize("path", ["/bomb", "/flood"])
def test_the_size_of_an_answer_is_bounded_after_unpacking_too(send, echo, path):
    (response,) = send(TransportConfig(echo[0]), Request("GET", path))

    assert response.damage == TOO_LARGE
    assert response.is_too_large
    assert response.body == b""


@both
def test_no_redirect_is_followed(send, echo):
    (response,) = send(TransportConfig(echo[0]), Request("GET", "/away"))

    assert (response.status, response.headers.get("location", "")) == (302, "/elsewhere")


@both
def test_an_answer_that_stalls_is_cut_off(send, echo):
    (response,) = send(TransportConfig(echo[0], timeout=0.2), Request("GET", "/stall"))

    assert "cut off" in response.damage


@both
@pytest.mark.parametrize("path", ["/silent", "/reset", "/refused"])
def test_no_answer_is_unreachable(send, echo, path, zuora):
    zuora.fault(path="/reset", kind="reset")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{unused.getsockname()[1]}"
    url = {"/silent": echo[0], "/reset": zuora.url, "/refused": refused}[path]

    with pytest.raises(Unreachable) as caught:
        send(
            TransportConfig(url, timeout=0.2),
            Request("POST", path, headers={"Authorization": "Bearer t0ken"}),
        )
    assert "t0ken" not in str(caught.value)
    assert str(caught.value).startswith(url.removeprefix("http://") + ": ")
    assert "0x" not in str(caught.value)


@both
def test_a_secret_in_the_body_is_in_no_error(send):
    request = Request("POST", "/oauth/token", body=CLIENT_SECRET.encode())
    with pytest.raises(Unreachable) as caught:
        send(TransportConfig("http://127.0.0.1:1", timeout=1), request)

    assert CLIENT_SECRET not in str(caught.value) + repr(request)


class TestTls:
    @both
    def test_a_certificate_nobody_vouches_for_is_refused(self, send, certificate):
        with echoing(certificate[1]) as (url, _), pytest.raises(Unreachable, match=r"(?i)certificate"):
            send(TransportConfig(url), Request("GET", "/x"))

    @both
    def test_a_bundle_vouches_for_it(self, send, certificate):
        with echoing(certificate[1]) as (url, _):
            (response,) = send(TransportConfig(url, verify=str(certificate[0])), Request("GET", "/x"))
        assert response.status == 200

    @both
    def test_the_bundle_of_the_environment_does_too(self, send, certificate, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        with echoing(certificate[1]) as (url, _):
            (response,) = send(TransportConfig(url), Request("GET", "/x"))
        assert response.status == 200

    @both
    def test_verification_can_be_turned_off(self, send, certificate):
        with echoing(certificate[1]) as (url, _):
            (response,) = send(TransportConfig(url, verify=False), Request("GET", "/x"))
        assert response.status == 200

    def test_a_bundle_of_the_environment_that_is_missing_is_refused(self, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
        with pytest.raises(InvalidInput, match="verify: REQUESTS_CA_BUNDLE"):
            TransportConfig("https://h")

    @both
    def test_a_bundle_that_is_gone_by_now_is_an_error_of_ours(self, send, tmp_path):
        bundle = tmp_path / "bundle.pem"
        bundle.touch()
        config = TransportConfig("https://127.0.0.1:1", timeout=1, verify=str(bundle))
        bundle.unlink()
        with pytest.raises((InvalidInput, Unreachable)):
            send(config, Request("GET", "/x"))

    @both
    def test_a_bundle_without_certificates_is_an_error_of_ours(self, send):
        with pytest.raises((InvalidInput, Unreachable)):
            send(TransportConfig("https://127.0.0.1:1", timeout=1, verify=__file__), Request("GET", "/x"))

    def test_a_folder_of_certificates_is_taken(self, tmp_path):
        assert (
            TransportConfig("https://h", verify=str(tmp_path)).make_ssl_context().verify_mode
            == ssl.CERT_REQUIRED
        )


class TestProxies:
    @both
    @pytest.mark.parametrize("given", ["connection", "environment"])
    def test_a_proxy_is_asked(self, send, echo, given, monkeypatch):
        """A proxy is asked for the whole address; here the echo is one."""
        proxies = (("http", echo[0]),) if given == "connection" else ()
        monkeypatch.setenv("http_proxy", echo[0] if given == "environment" else "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "" if given == "environment" else "*")
        (response,) = send(TransportConfig("http://zuora.invalid", proxies=proxies), Request("GET", "/x"))

        assert json.loads(response.body)["line"] == "GET http://zuora.invalid/x HTTP/1.1"

    @both
    def test_no_proxy_is_honoured(self, send, echo, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")

        assert send(TransportConfig(echo[0]), Request("GET", "/x"))[0].status == 200

    def test_a_proxy_for_another_scheme_is_none(self):
        assert TransportConfig("https://h", proxies=(("http", "http://p"),)).proxy == ""

    @both
    @pytest.mark.parametrize("way", ["connection", "environment"])
    def test_a_proxys_password_is_in_no_error(self, send, echo, way, monkeypatch):
        """The echo answers CONNECT with an error, as a proxy does that wants another password."""
        proxy = echo[0].replace("//", "//bob:hunter22@")
        monkeypatch.setenv("https_proxy", proxy if way == "environment" else "")
        monkeypatch.setenv("no_proxy", "")
        config = TransportConfig(
            "https://zuora.invalid", proxies=(("https", proxy),) if way == "connection" else ()
        )
        with pytest.raises(Unreachable) as caught:
            send(config, Request("GET", "/x"))

        assert "hunter22" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__context__ is None

    @both
    @pytest.mark.parametrize("proxy", ["http://bob:hunter22@proxy:notaport", "bob:hunter22@127.0.0.1:1"])
    def test_a_proxy_of_the_environment_that_cannot_be_used_is_no_answer(self, send, proxy, monkeypatch):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises((InvalidInput, Unreachable)) as caught:
            send(TransportConfig("http://zuora.invalid", timeout=1), Request("GET", "/x"))

        assert "hunter22" not in "".join(traceback.format_exception(caught.value))

    def test_a_proxys_password_is_in_no_repr(self):
        assert "hidden" not in repr(TransportConfig("https://h", proxies=(("https", "http://u:hidden@p"),)))


def test_a_ca_bundle_that_is_not_there_is_refused():
    with pytest.raises(InvalidInput, match="verify: must be"):
        TransportConfig("https://h", verify="/no/such/file")


@contextmanager
def saying(*parts: bytes, forever: bytes = b"", is_over: bool = True) -> Iterator[str]:
    """Serve an answer in these parts, and then one part again and again, or nothing, until nobody listens."""
    over = threading.Event()

    def answer(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.recv(65536)
            peer.sendall(b"".join(parts))
            while forever and not over.wait(0.01 if len(forever) < 9 else 0):
                peer.sendall(forever)
            if not is_over:
                over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def live() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=live, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


OK = b"HTTP/1.1 200 OK\r\n"


@both
@pytest.mark.parametrize(
    ("parts", "forever"),
    [
        ((), b"x"),
        ((OK,), b"x"),
        ((OK, b"Content-Length: 100000\r\n\r\n"), b"x"),
        ((OK, b"Transfer-Encoding: chunked\r\n\r\n"), b"1\r\nx\r\n"),
        ((OK, b"\r\n"), b"x"),
        ((), b"HTTP/1.1 100 Continue\r\n\r\n"),
        ((), b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        ((OK,), b"X-Header: value\r\n"),
        ((OK, b"Transfer-Encoding: chunked\r\n\r\n"), b"1" * 999),
        ((OK, b"Transfer-Encoding: chunked\r\n\r\n0\r\n"), b"X-Trailer: value\r\n"),
        ((OK, b"Transfer-Encoding: chunked\r\n\r\n5;"), b"a"),
        ((OK, b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"), b"X: y\r\n"),
    ],
    ids=[
        "line",
        "header",
        "body",
        "chunks",
        "no length",
        "100",
        "103",
        "headers",
        "chunk size",
        "trailers",
        "dripping extension",
        "dripping trailers",
    ],
)
def test_an_answer_that_never_ends_is_given_up(send, parts, forever):
    """Each byte comes in time; all of it takes no longer than three times that."""
    with saying(*parts, forever=forever) as url:
        try:
            (response,) = send(TransportConfig(url, timeout=0.2), Request("GET", "/x"))
        except Unreachable:
            return
    assert response.damage


@pytest.mark.parametrize("busy", [0, 0.5])
def test_a_request_that_does_not_begin_can_be_cancelled(busy):
    """Whether the time is up too or not; and nothing is left behind."""

    async def cancelled():
        transport = await open_async(TransportConfig(url, timeout=0.1))
        task = asyncio.create_task(transport.send(Request("GET", "/x")))
        while not transport.is_busy:  # noqa: ASYNC110 - it is the transport that is watched
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.31 if busy else 0, task.cancel)
        time.sleep(busy)  # noqa: ASYNC251 - the loop is late, so that both come at one time
        with pytest.raises(asyncio.CancelledError):
            await task
        is_busy = transport.is_busy
        await transport.close()
        return is_busy, task.cancelling()

    with saying(OK, is_over=False) as url:
        assert asyncio.run(cancelled()) == (False, 1)


def test_an_answer_that_does_not_end_in_time_leaves_its_task_as_it_was():
    async def late():
        transport = await open_async(TransportConfig(url, timeout=0.1))
        with pytest.raises(Unreachable, match=r"it took longer than 0 s in all"):
            await transport.send(Request("GET", "/x"))
        await asyncio.sleep(0)
        assert not transport.is_busy
        await transport.close()
        return asyncio.current_task().cancelling()

    with saying(OK, forever=b"x") as url:
        assert asyncio.run(late()) == 0


@pytest.mark.parametrize("parts", [(), (OK,)])
def test_a_silence_ends_a_request_long_before_its_time_is_up(parts):
    async def waited():
        transport = await open_async(TransportConfig(url, timeout=0.4))
        with pytest.raises(Unreachable, match="TimeoutError: nothing came for 0 s"):
            await transport.send(Request("GET", "/x"))
        await transport.close()

    with saying(*parts, is_over=False) as url:
        asyncio.run(waited())


@pytest.mark.filterwarnings("ignore:Sending a large body")
def test_a_silence_begins_when_the_request_is_sent():
    """However long the other side takes to read it: only all of the time ends one that is not read."""

    async def waited():
        transport = await open_async(TransportConfig(url, timeout=0.3))
        with pytest.raises(Unreachable, match=r"it took longer than 1 s in all"):
            await transport.send(Request("POST", "/x", body=bytes(16 << 20)))
        listener.close()  # resets the connection, which still has most of it to send
        await transport.close()
        await asyncio.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        asyncio.run(waited())


@both
def test_interim_answers_are_not_the_answer(send):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    with saying(interim * 2, OK, b"Content-Length: 2\r\n\r\n{}") as url:
        (response,) = send(TransportConfig(url), Request("GET", "/x"))

    assert (response.status, response.body, response.damage) == (200, b"{}", "")


@both
def test_a_header_that_comes_twice_is_one(send):
    with saying(OK, b"Retry-After: 5\r\nretry-after: 120\r\nContent-Length: 2\r\n\r\n{}") as url:
        (response,) = send(TransportConfig(url), Request("GET", "/x"))

    assert response.headers.get("retry-after", "") == "5, 120"


@both
@pytest.mark.parametrize("encodings", [(b"gzip", b"gzip"), (b"gzip, gzip",), (b"deflate",), (b"br",)])
def test_a_body_in_another_encoding_than_gzip_once_is_damaged(send, encodings):
    headers = b"".join(b"Content-Encoding: %s\r\n" % each for each in encodings)
    with saying(OK, headers, b"Content-Length: 2\r\n\r\n{}") as url:
        (response,) = send(TransportConfig(url), Request("GET", "/x"))

    assert response.damage.startswith("the answer came in an encoding that was not asked for: ")


@both
def test_a_large_gzipped_answer_is_unpacked(send):
    body = json.dumps([str(number) for number in range(9999)]).encode()
    packed = gzip.compress(body)
    assert len(packed) > 4096
    headers = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with saying(OK, headers, packed) as url:
        (response,) = send(TransportConfig(url), Request("GET", "/x"))

    assert (response.body, response.damage) == (body, "")


@both
@pytest.mark.parametrize(
    "line", [b"a:" * 4000, b"(Caused by " * 700, b"< object at 0x" * 500, b"a:b@" * 2000]
)
def test_a_first_line_of_any_length_gives_a_short_error(send, line):
    with saying(line + b"\r\n\r\n") as url, pytest.raises(Unreachable) as caught:
        send(TransportConfig(url), Request("GET", "/x"))

    assert len(str(caught.value)) < 700


@both
@pytest.mark.parametrize("content", ["", "no certificate"])
def test_certificates_that_cannot_be_read_are_named_by_their_variable(send, content, tmp_path, monkeypatch):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(content)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(bundle))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(InvalidInput, match="verify: CURL_CA_BUNDLE in the environment holds no certificates"):
        send(TransportConfig("https://127.0.0.1:1", timeout=1), Request("GET", "/x"))


def test_the_words_of_an_error_hold_no_user_of_a_proxy():
    config = TransportConfig("https://h", proxies=(("https", "http://bob:hun'ter%4022@p"),))
    words = config.describe_error(
        OSError("to http://bob:hun'ter%4022@p, hun'ter@22, and http://al:so@q/x failed")
    )

    assert words == "h: OSError: to http://***@p, ***, and http://***@q/x failed"


@both
@pytest.mark.parametrize(
    "lines",
    [
        b"no colon, card quartz\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 9000) for n in range(9)),
        b"Set-Cookie: card quartz/\xe4" + b"y" * 999 + b"=1\r\n",
        b"Set-Cookie: card quartz/" + b"y" * 999 + b"\r\nSet-Cookie: a=" + b"quartz" * 999 + b"\r\n",
        b" card quartz\r\n",
        b"Content-Type: multipart/mixed; boundary=quartz\r\n",
        b"Content-Type: multipart/mixed\r\nX quartz\r\n",
        b"Transfer-Encoding: chunked\r\nX: quartz\r\n",
    ],
    ids=["no colon", "cookie", "cookies", "blank", "multipart", "multipart without a colon", "chunked"],
)
def test_no_library_writes_what_a_server_says_into_the_log(send, lines, caplog):
    caplog.set_level("INFO")
    with saying(OK, lines, b"Content-Length: 2\r\n\r\n{}") as url, suppress(Unreachable):
        send(TransportConfig(url, timeout=2), Request("GET", "/x"))

    assert "quartz" not in caplog.text
    assert len(caplog.text) < 500


def test_one_session_serves_several_threads(echo):
    transport = open_blocking(TransportConfig(echo[0], max_connections=2))
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(transport.send(Request("GET", "/x")).status))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    transport.close()

    assert statuses == [200] * 8
    assert len(echo[1].ports) <= 2


def test_the_loop_has_no_more_connections_than_allowed(echo):
    async def many():
        transport = await open_async(TransportConfig(echo[0], max_connections=3))
        answers = await asyncio.gather(*(transport.send(Request("GET", "/x")) for _ in range(20)))
        await transport.close()
        return [answer.status for answer in answers]

    assert asyncio.run(many()) == [200] * 20
    assert len(echo[1].ports) <= 3
