"""The files of data queries: what is in them, their links, and the origin that serves them."""

import gzip
import io
import json
import zipfile
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Fault, QueryScript, Request, Sandbox, Settings, serve

QUERY = {"query": "SELECT 1", "outputFormat": "CSV", "compression": "NONE", "output": {"target": "S3"}}
ROWS = [{"accountnumber": "A00253588", "balance": 230.0}, {"accountnumber": 'a "b", ä', "balance": None}]

JSON_OF_NULL = '{"accountnumber":"a \\"b\\", ä","balance":null}\n'


def complete(desk, script=None, **content):
    """Return the page of a query a minute later."""
    desk.sandbox.add_script(script or QueryScript(rows=ROWS))
    job_id = desk.page(desk.ask("POST", "/query/jobs", QUERY | content))["data"]["id"]
    desk.time[0] += 60
    return desk.page(desk.ask("GET", f"/query/jobs/{job_id}"))["data"]


def fetch(desk, link, method="GET", **headers):
    parts = urlsplit(link)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return desk.sandbox.send_file(Request(method, parts.path, tuple(parse_qsl(parts.query)), named))


def code(response):
    assert response.header("Content-Type") == "application/xml"
    return response.read().partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


class TestAFile:
    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ({}, 'accountnumber,balance\nA00253588,230.0\n"a ""b"", ä",\n'),
            ({"outputFormat": "TSV"}, 'accountnumber\tbalance\nA00253588\t230.0\n"a ""b"", ä"\t\n'),
            (
                {"outputFormat": "DSV", "columnSeparator": ";"},
                'accountnumber;balance\nA00253588;230.0\n"a ""b"", ä";\n',
            ),
            (
                {"outputFormat": "JSON"},
                '{"accountnumber":"A00253588","balance":230.0}\n' + JSON_OF_NULL,
            ),
        ],
    )
    def test_has_the_rows_as_the_query_asked_for(self, desk, content, text):
        response = fetch(desk, complete(desk, **content)["dataFile"])
        assert (response.status, response.read().decode(), response.size) == (200, text, len(text.encode()))

    def test_is_packed_as_the_query_asked_for(self, desk):
        plain = fetch(desk, complete(desk)["dataFile"]).read()
        packed = fetch(desk, complete(desk, compression="GZIP")["dataFile"])
        assert gzip.decompress(packed.read()) == plain
        assert (packed.size, packed.header("Content-Encoding")) == (len(packed.read()), "")
        packed = fetch(desk, complete(desk, compression="ZIP")["dataFile"])
        with zipfile.ZipFile(io.BytesIO(packed.read())) as archive:
            (name,) = archive.namelist()
            assert (name[-4:], archive.read(name), packed.size) == (".csv", plain, len(packed.read()))

    def test_may_say_that_it_is_encoded(self, open_desk):
        desk = open_desk(query_encoding_header=True)
        response = fetch(desk, complete(desk, compression="GZIP")["dataFile"])
        assert response.header("Content-Encoding") == "gzip"

    def test_may_have_other_line_ends_and_nulls(self, open_desk):
        desk = open_desk(query_line_end="\r\n", query_null="NULL")
        script = QueryScript(rows=[{"a": None, "b": True}])
        assert fetch(desk, complete(desk, script)["dataFile"]).read() == b"a,b\r\nNULL,true\r\n"

    @pytest.mark.parametrize("form", ["CSV", "JSON", "TSV", "DSV"])
    @pytest.mark.parametrize("padding", [0, 50_000])
    def test_can_be_generated_and_read_from_any_place(self, desk, form, padding):
        page = complete(desk, QueryScript(rows=50, padding=padding), outputFormat=form)
        response = fetch(desk, page["dataFile"])
        whole = response.read()
        assert (page["outputRows"], len(whole)) == (50, response.size)
        assert len(whole.splitlines()) == 50 + (form != "JSON")
        for start in (0, 1, 30, 200, len(whole) // 2, len(whole) - 1, len(whole)):
            assert b"".join(response.content.iterate(start)) == whole[start:], start
        if form == "JSON":
            last = json.loads(whole.splitlines()[-1])
            assert (last["accountnumber"], last["balance"]) == ("A00000049", 100_049.25)

    @pytest.mark.parametrize(
        ("setting", "form", "text"),
        [("header", "CSV", b"a,b\n"), ("header", "JSON", b""), ("zero", "CSV", b""), ("none", "CSV", None)],
    )
    def test_of_no_rows(self, open_desk, setting, form, text):
        desk = open_desk(query_empty_file=setting)
        page = complete(desk, QueryScript(rows=[], columns=["a", "b"]), outputFormat=form)
        assert (page["queryStatus"], page["outputRows"]) == ("completed", 0)
        assert ("dataFile" in page) == (text is not None)
        assert text is None or fetch(desk, page["dataFile"]).read() == text


class TestALink:
    def test_leads_to_another_origin(self, desk):
        link = complete(desk)["dataFile"]
        assert link.startswith("https://files.sandbox.invalid/data-query-files/")
        assert "X-Amz-Security-Token=" in link

    def test_refuses_a_token(self, desk):
        answer = fetch(desk, complete(desk)["dataFile"], Authorization="Bearer x")
        assert (answer.status, code(answer)) == (400, "InvalidArgument")
        assert desk.sandbox.ledger()["exposedTokens"] == 1

    def test_expires_and_another_is_signed(self, desk):
        page = complete(desk)
        desk.sandbox.advance(3600)
        answer = fetch(desk, page["dataFile"])
        assert (answer.status, code(answer)) == (403, "AccessDenied")
        assert b"Request has expired" in answer.read()
        desk.sign_in()
        renewed = desk.page(desk.ask("GET", f"/query/jobs/{page['id']}"))["data"]["dataFile"]
        assert fetch(desk, renewed).status == 200

    def test_may_be_signed_once_only(self, open_desk):
        desk = open_desk(query_renews_links=False, query_link_seconds=100, query_expired_status=400)
        page = complete(desk)
        desk.time[0] += 60
        again = desk.page(desk.ask("GET", f"/query/jobs/{page['id']}"))["data"]["dataFile"]
        assert fetch(desk, again).status == 400

    def test_may_lead_elsewhere(self, open_desk):
        desk = open_desk(query_files_url="http://localhost:1")
        assert complete(desk)["dataFile"].startswith("http://localhost:1/")

    @pytest.mark.parametrize("change", [("X-Amz-Expires=3600", "X-Amz-Expires=9999"), (".csv", ".tsv")])
    def test_cannot_be_changed(self, desk, change):
        answer = fetch(desk, complete(desk)["dataFile"].replace(*change))
        assert (answer.status, code(answer)) == (403, "SignatureDoesNotMatch")

    def test_is_for_get(self, desk):
        assert fetch(desk, complete(desk)["dataFile"], "HEAD").status == 403

    def test_needs_its_query(self, desk):
        answer = fetch(desk, complete(desk)["dataFile"].partition("?")[0])
        assert (answer.status, code(answer)) == (403, "AccessDenied")

    def test_outlives_its_file(self, open_desk):
        desk = open_desk(query_memory_seconds=100)
        link = complete(desk)["dataFile"]
        desk.time[0] += 60
        answer = fetch(desk, link)
        assert (answer.status, code(answer)) == (404, "NoSuchKey")

    def test_is_counted(self, desk):
        fetch(desk, complete(desk)["dataFile"])
        assert [row["downloads"] for row in desk.sandbox.ledger()["queries"]] == [1]


class TestARange:
    @pytest.mark.parametrize("packing", ["NONE", "GZIP", "ZIP"])
    @pytest.mark.parametrize(
        ("wanted", "start", "stop"), [("0-9", 0, 10), ("5-", 5, None), ("-7", -7, None), ("3-99999", 3, None)]
    )
    def test_is_a_part(self, desk, packing, wanted, start, stop):
        link = complete(desk, compression=packing)["dataFile"]
        whole = fetch(desk, link).read()
        part = fetch(desk, link, Range=f"bytes={wanted}")
        assert (part.status, part.read(), part.size) == (206, whole[start:stop], len(whole[start:stop]))
        first = start % len(whole)
        assert part.header("Content-Range") == f"bytes {first}-{first + part.size - 1}/{len(whole)}"

    def test_beyond_the_end(self, desk):
        part = fetch(desk, complete(desk)["dataFile"], Range="bytes=1000-")
        assert (part.status, code(part) or "416") == (416, "InvalidRange")

    @pytest.mark.parametrize("wanted", ["bytes=-", "bytes=0-1,3-4", "rows=1-2"])
    def test_that_is_not_understood_is_the_whole(self, desk, wanted):
        assert fetch(desk, complete(desk)["dataFile"], Range=wanted).status == 200

    def test_of_a_file_that_has_changed(self, desk):
        link = complete(desk)["dataFile"]
        tag = fetch(desk, link).header("ETag")
        assert fetch(desk, link, Range="bytes=1-", If_Range=tag).status == 206
        assert fetch(desk, link, Range="bytes=1-", If_Range='"x"').status == 200


@pytest.mark.parametrize("kind", ["short", "unsized"])
@pytest.mark.parametrize("when", ["before", "instead"])
def test_a_wrong_length_is_that_of_a_real_answer(kind, when):
    with pytest.raises(ValueError, match="when='after'"):
        Fault(kind=kind, when=when)


class TestServed:
    """Over HTTP, on a port of its own."""

    @pytest.fixture
    def sandbox(self):
        return Sandbox(Settings(query_queue_seconds=0, query_seconds=0))

    @pytest.fixture
    def server(self, sandbox):
        with serve(sandbox) as server:
            yield server

    @pytest.fixture
    def link(self, server):
        """Return a function that submits a query and returns the link to its file."""
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
        token = requests.post(f"{server.url}/oauth/token", data=form, timeout=9).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}

        def make(script, **content):
            server.sandbox.add_script(script)
            url = f"{server.url}/query/jobs"
            job = requests.post(url, json=QUERY | content, headers=headers, timeout=9).json()["data"]
            return requests.get(f"{url}/{job['id']}", headers=headers, timeout=9).json()["data"]["dataFile"]

        return make

    def test_it_comes_from_another_port(self, server, link):
        found = link(QueryScript(rows=ROWS))
        assert found.startswith(f"{server.files_url}/")
        assert server.files_url != server.url
        assert server.sandbox.ledger()["filesUrl"] == server.files_url
        answer = requests.get(found, timeout=9)
        assert answer.text.splitlines()[0] == "accountnumber,balance"
        assert answer.headers["Content-Length"] == str(len(answer.content))
        assert requests.get(found, headers={"Authorization": "Bearer x"}, timeout=9).status_code == 400

    @pytest.mark.parametrize("packing", ["NONE", "GZIP", "ZIP"])
    def test_a_large_file_is_streamed(self, link, packing):
        found = link(QueryScript(rows=20_000, padding=1000), compression=packing)
        with requests.get(found, timeout=60, stream=True) as answer:
            received = sum(map(len, answer.iter_content(1 << 16)))
            assert received == int(answer.headers["Content-Length"])
        assert (received > 20_000_000) == (packing == "NONE")

    def test_it_breaks_off(self, server, link):
        found = link(QueryScript(rows=1000))
        server.sandbox.add_fault(Fault(path="/data-query-files/", when="after", kind="cut"))
        with pytest.raises(requests.RequestException):
            requests.get(found, timeout=9)
        assert requests.get(found, timeout=9).status_code == 200

    def test_it_is_short_without_a_sign(self, server, link):
        found = link(QueryScript(rows=1000))
        whole = requests.get(found, timeout=9).content
        server.sandbox.add_fault(Fault(path="/data-query-files/", when="after", kind="short"))
        assert requests.get(found, timeout=9).content == whole[: len(whole) // 2]

    def test_it_has_no_length(self, server, link):
        found = link(QueryScript(rows=1000))
        server.sandbox.add_fault(Fault(path="/data-query-files/", when="after", kind="unsized"))
        answer = requests.get(found, timeout=9)
        assert "Content-Length" not in answer.headers
        assert len(answer.text.splitlines()) == 1001

    def test_it_redirects(self, server, link):
        found = link(QueryScript(rows=1))
        away = {"Location": "http://127.0.0.1:1/"}
        server.sandbox.add_fault(Fault(path="/data-query-files/", status=307, headers=away))
        answer = requests.get(found, timeout=9, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (307, away["Location"])

    def test_the_port_of_the_files_may_be_taken(self, server, sandbox):
        port = int(server.files_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), serve(Sandbox(), file_port=port):
            pass
