"""A sandbox that knows bill runs and payment runs, as far as our tests ask for them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from zuora_sandbox import Sandbox
from zuora_sandbox.answers import make_id, make_reply, make_request_id, parse_json_body
from zuora_sandbox.messages import Request, Response

BILL_RUNS, PAYMENT_RUNS, LIST = "/v1/bill-runs", "/v1/payment-runs", "/object-query/billing-runs"


@dataclass
class Run:
    """A run; each read of it moves it on by one word, until the last one is left."""

    page: dict[str, Any]
    words: list[str]
    puts: int = 0

    @property
    def status(self) -> str:
        return self.words[0]

    def show(self) -> dict[str, Any]:
        page = {**self.page, "status": self.status, "success": True}
        if len(self.words) > 1:
            self.words.pop(0)
        return page


@dataclass
class Books:
    """What a tenant has made, and what it is to say of the next runs."""

    bill_runs: dict[str, Run] = field(default_factory=dict)
    payment_runs: dict[str, Run] = field(default_factory=dict)
    words: tuple[str, ...] = ("Pending", "Processing", "Completed")
    post_words: tuple[str, ...] = ("PostInProgress", "Posted")
    counts: dict[str, Any] = field(
        default_factory=lambda: {"numberOfInvoices": 3, "numberOfCreditMemos": 1, "numberOfAccounts": 3}
    )
    summaries: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {
                "numberOfPayments": 2,
                "numberOfErrors": 0,
                "numberOfUnprocessedReceivables": 0,
                "totalValues": [{"totalValueOfPayments": "56.10 USD", "totalValueOfErrors": "0 USD"}],
                "success": True,
            }
        ]
    )
    posted: list[dict[str, Any]] = field(default_factory=list)  # the bodies of the posts


class BillingSandbox(Sandbox):
    """A sandbox with bill runs and payment runs."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.books = Books()

    def _answer_zuora(self, request: Request, template: str, argument: str) -> Response:
        endpoint = self._find_endpoint(request)
        if endpoint is None:
            return super()._answer_zuora(request, template, argument)
        fault = self.state.take_fault(request)
        if fault is not None and fault.when == "before":
            return fault.make_answer(self.rng)
        if fault is not None and fault.when == "instead":
            told = fault.make_answer(self.rng)
            return self._process(request, template, argument, lambda *_: told)
        given = self._process(request, template, argument, lambda *_: endpoint(request))
        response = self._add_headers(request, template, given)
        return response if fault is None else fault.make_answer(self.rng, response)

    def _find_endpoint(self, request: Request) -> Any:
        head, _, tail = request.path.partition("?")[0].strip("/").partition("/")
        parts = [unquote(part) for part in (head, *tail.split("/"))]
        table = {
            ("POST", "v1", "bill-runs"): lambda sent: self._create(sent, self.books.bill_runs),
            ("POST", "v1", "payment-runs"): lambda sent: self._create(sent, self.books.payment_runs),
            ("GET", "object-query", "billing-runs"): self._list,
        }
        if found := table.get((request.method, *parts)):
            return found
        runs = {"bill-runs": self.books.bill_runs, "payment-runs": self.books.payment_runs}
        kind, name = parts[1:2], parts[2:3]
        if kind == ["billing-runs"] and request.method == "GET":
            return lambda sent: self._with(self.books.bill_runs, name[0], self._count)
        if not kind or kind[0] not in runs or not name:
            return None
        action = {
            ("GET",): lambda run: make_reply(200, run.show()),
            ("GET", "summary"): self._summarize,
            ("PUT", "post"): lambda run: self._post(run, request),
        }.get((request.method, *parts[3:]))
        return action and (lambda sent: self._with(runs[kind[0]], name[0], action))

    def _create(self, request: Request, runs: dict[str, Run]) -> Response:
        body = parse_json_body(request)
        run_id = make_id(self.rng)
        numbers = (
            {"billRunNumber": f"BR-{len(runs) + 1:08}", "autoPost": False}
            if runs is self.books.bill_runs
            else {"number": f"PR-{len(runs) + 1:08}"}
        )
        runs[run_id] = Run({**numbers, **body, "id": run_id}, list(self.books.words))
        return make_reply(200, {**runs[run_id].page, "status": self.books.words[0], "success": True})

    def _with(self, runs: dict[str, Run], name: str, action: Any) -> Response:
        run = next(
            (run for run in runs.values() if name in (run.page["id"], run.page.get("billRunNumber"))), None
        )
        return action(run) if run else self._refuse_run(404, 58730040, "There is no such run.")

    def _refuse_run(self, status: int, code: int, message: str) -> Response:
        reasons = [{"code": str(code), "message": message}]
        body = {"success": False, "reasons": reasons, "requestId": make_request_id(self.rng)}
        return make_reply(status, body)

    def _post(self, run: Run, request: Request) -> Response:
        run.puts += 1
        if run.status != "Completed":
            return self._refuse_run(400, 58730230, f"The bill run is {run.status}.")
        self.books.posted.append(json.loads(request.body))
        run.words = list(self.books.post_words)
        return make_reply(200, {**run.page, "status": "Pending", "success": True})

    def _describe(self, run: Run) -> dict[str, Any]:
        names = ("id", "billRunNumber", "name", "targetDate")
        return {name: run.page.get(name) for name in names} | {"status": run.status}

    def _count(self, run: Run) -> Response:
        return make_reply(200, self._describe(run) | self.books.counts)

    def _summarize(self, run: Run) -> Response:
        left = self.books.summaries
        return make_reply(200, left.pop(0) if len(left) > 1 else left[0])

    def _list(self, request: Request) -> Response:
        wanted = dict(request.params)["filter[]"].removeprefix("name.EQ:")
        found = [
            self._describe(run) for run in self.books.bill_runs.values() if run.page.get("name") == wanted
        ]
        return make_reply(200, {"data": found})
