"""The sandbox's half of Elastic Path, asked without our client."""

from __future__ import annotations

import csv
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from zuora_sandbox import Fault, Sandbox, Settings
from zuora_sandbox.filters import parse_filter

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ROWS = [
    {"id": "ep-1", "created_at": "2024-07-01T10:00:00Z", "note": "a, b"},
    {"id": "ep-2", "created_at": "2024-07-02T10:00:00Z", "total": 7},
]


def sign_in(desk, **form):
    known = desk.sandbox.settings
    given = {"client_id": known.client_id, "client_secret": known.client_secret}
    given |= {"grant_type": "client_credentials"} | form
    answer = desk.ask("POST", "/oauth/access_token", urlencode(given).encode(), Authorization=None, **FORM)
    return answer.status, desk.page(answer)


def export(desk, filter_="ge(id,ep-1)", **data):
    return desk.ask(
        "POST", "/v2/jobs", {"data": {"type": "job", "job_type": "order_export", "filter": filter_} | data}
    )


def start(desk, filter_="ge(id,ep-1)"):
    return desk.page(export(desk, filter_))["data"]["id"]


def job(desk, job_id):
    return desk.page(desk.ask("GET", f"/v2/jobs/{job_id}"))["data"]


def link(desk, job_id):
    link = urlsplit(desk.page(desk.ask("GET", f"/v2/jobs/{job_id}/file", Host="h:1"))["data"]["href"])
    assert (link.scheme, link.netloc) == ("http", "h:1")
    return link.path, parse_qsl(link.query)


def test_a_token(desk):
    status, body = sign_in(desk)
    until = int(desk.sandbox.now + 3600)

    assert (status, body.pop("access_token") in desk.sandbox.ledger()["tokens"]) == (200, True)
    assert body == {
        "expires": until,
        "expires_in": 3600,
        "identifier": "client_credentials",
        "token_type": "Bearer",
    }


@pytest.mark.parametrize(
    ("form", "status"),
    [({"grant_type": "implicit"}, 400), ({"client_id": "x"}, 401), ({"client_secret": "x"}, 401)],
)
def test_a_sign_in_that_is_refused(desk, form, status):
    answered, body = sign_in(desk, **form)

    assert (answered, body["errors"][0]["status"]) == (status, status)


def test_a_sign_in_must_be_a_form(desk):
    assert desk.ask("POST", "/oauth/access_token", {"grant_type": "client_credentials"}).status == 400


def test_an_export_runs_and_its_file_can_be_fetched(desk):
    desk.sandbox.set_exportable(ROWS)
    created = export(desk)
    page = desk.page(created)["data"]

    assert (created.status, page["status"], page["job_type"], page["link"]) == (
        202,
        "STARTED",
        "order_export",
        {"href": ""},
    )
    assert desk.ask("GET", f"/v2/jobs/{page['id']}/file").status == 422
    desk.sandbox.advance(20)
    assert job(desk, page["id"])["status"] == "SUCCESS"
    path, query = link(desk, page["id"])
    file = desk.ask("GET", path, params=query, Authorization=None)
    assert file.header("Content-Type") == "text/csv"
    assert list(csv.DictReader(file.body.decode().splitlines())) == [
        {"id": "ep-1", "created_at": "2024-07-01T10:00:00Z", "note": "a, b", "total": ""},
        {"id": "ep-2", "created_at": "2024-07-02T10:00:00Z", "note": "", "total": "7"},
    ]
    assert [row["rows"] for row in desk.sandbox.ledger()["exports"]] == [2]


def test_exports_run_one_at_a_time(desk):
    desk.sandbox.set_exportable(ROWS)
    jobs = [start(desk) for _ in range(3)]
    seen = []
    for _ in range(4):
        seen.append([job(desk, each)["status"][:2] for each in jobs])
        desk.sandbox.advance(20)

    assert seen == [["ST", "PE", "PE"], ["SU", "ST", "PE"], ["SU", "SU", "ST"], ["SU", "SU", "SU"]]
    desk.sandbox.advance(100)
    assert job(desk, start(desk))["status"] == "STARTED"  # nobody is before it any more


def test_the_rows_are_those_of_the_end(desk):
    job_id = start(desk, "eq(id,ep-3)")
    desk.sandbox.set_exportable([{"id": "ep-3"}])
    desk.sandbox.advance(20)
    desk.sandbox.set_exportable([])

    assert job(desk, job_id)["status"] == "SUCCESS"


def test_an_empty_export_fails(desk):
    job_id = start(desk)
    assert job(desk, job_id).get("error") is None
    desk.sandbox.advance(20)

    assert (job(desk, job_id)["status"], job(desk, job_id)["error"]) == (
        "FAILED",
        "No results matched the supplied filter",
    )
    assert (
        "Job status: FAILED" in desk.page(desk.ask("GET", f"/v2/jobs/{job_id}/file"))["errors"][0]["detail"]
    )


def test_a_week_later_nobody_knows_it(desk):
    desk.sandbox.set_exportable(ROWS)
    job_id = start(desk)
    desk.sandbox.advance(7 * 86_400)
    sign_in(desk)
    desk.sign_in()

    for path in (f"/v2/jobs/{job_id}", f"/v2/jobs/{job_id}/file", "/v2/jobs/never"):
        answer = desk.ask("GET", path)
        assert (answer.status, desk.page(answer)["title"]) == (404, "Resource Not Found")


@pytest.mark.parametrize("spoilt", ["Signature", "Expires", "late"])
def test_a_link_is_good_for_one_file_and_a_while(desk, spoilt):
    desk.sandbox.set_exportable(ROWS)
    job_id = start(desk)
    desk.sandbox.advance(20)
    path, query = link(desk, job_id)
    desk.sandbox.advance(301 if spoilt == "late" else 299)
    changed = [(name, value + "0" if name == spoilt else value) for name, value in query]
    answer = desk.ask("GET", path, params=changed)

    assert (answer.status, b"AccessDenied" in answer.body) == (403, True)
    assert desk.ask("GET", "/exports/never.csv", params=query).status == 403


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"filter": None}, "not readable"),
        ({"filter": "yesterday"}, "not readable"),
        ({"filter": "like(id,*1)"}, "not readable"),
        ({"job_type": "import"}, "order_export"),
        ({"type": "jobs"}, "order_export"),
    ],
)
def test_an_export_that_is_refused(desk, data, said):
    answer = export(desk, **data)

    assert answer.status == 400
    assert said in desk.page(answer)["errors"][0]["detail"]
    assert desk.sandbox.ledger()["exports"] == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"data": []}'])
def test_a_body_that_is_none(desk, body):
    assert desk.ask("POST", "/v2/jobs", body).status == 400


@pytest.mark.parametrize("token", [None, "Bearer x", "Basic x"])
def test_without_a_token(desk, token):
    answer = desk.ask("GET", "/v2/jobs/j", Authorization=token)

    assert (answer.status, desk.page(answer)["errors"][0]["title"]) == (
        401,
        "Unable to validate access token",
    )


def test_another_method(desk):
    assert desk.ask("DELETE", "/v2/jobs/j").status == 405


def test_the_shapes_that_pages_show(open_desk):
    words = ("pending", "processing", "complete", "failed")
    desk = open_desk(export_in_list=True, export_status=201, export_words=words, fail_exports="Boom")
    created = export(desk)
    (page,) = desk.page(created)["data"]
    desk.sandbox.advance(20)
    (ended,) = job(desk, page["id"])

    assert (created.status, page["status"]) == (201, "processing")
    assert (ended["status"], ended["error"]) == ("failed", "Boom")


@pytest.mark.parametrize("when", ["before", "instead", "after"])
def test_faults_strike_here_too(desk, when):
    desk.sandbox.add_fault(Fault(method="POST", path="/v2/jobs", when=when, status=503))

    assert export(desk).status == 503
    assert len(desk.sandbox.ledger()["exports"]) == (1 if when == "after" else 0)
    assert desk.sandbox.ledger()["requests"]["POST /v2/jobs"] == 1


def test_a_life_of_four_words():
    with pytest.raises(ValueError, match="export_words are 2"):
        Settings(export_words=("a", "b"))


def test_rows_over_http(desk):
    assert desk.ask("POST", "/sandbox/exportable", {"orders": ROWS}).status == 200
    assert desk.sandbox.state.exports.orders == ROWS
    for orders in ({}, [1], None):
        assert desk.ask("POST", "/sandbox/exportable", {"orders": orders}).status == 400
    desk.sandbox.reset()
    assert desk.sandbox.state.exports.orders == []


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("eq(id,ep-1)", ["ep-1"]),
        ("gt(created_at,2024-07-01T10:00:00Z)", ["ep-2"]),
        ("ge(created_at,2024-07-01):lt(created_at,2024-07-02)", ["ep-1"]),
        ("le(created_at,2024-07-02T10:00:00Z)", ["ep-1", "ep-2"]),
        ("eq(note,a, b)", ["ep-1"]),
        ("eq(note,)x)", []),
        ("eq(total,7)", ["ep-2"]),
    ],
)
def test_a_filter(text, ids):
    assert [row["id"] for row in filter(parse_filter(text), ROWS)] == ids


def test_a_sandbox_is_of_both_vendors():
    assert Sandbox().ledger()["exports"] == []
