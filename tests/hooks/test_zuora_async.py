"""The hook's calls where an event loop runs: your own trigger, a notebook, an ``async def`` task."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_zuora.core.errors import InvalidInput, NotFound
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from tests.conftest import ORDER

ANOTHER = ORDER | {"orderNumber": "O-2"}
PREVIEW = ORDER | {"previewOptions": {"previewTypes": ["BillingDocs"], "previewThruType": "TermEnd"}}


class TestTwins:
    def test_they_do_what_the_blocking_ones_do(self, zuora):
        hook = ZuoraHook()
        job_id = hook.create_order(ORDER)

        async def trigger():
            own = ZuoraHook()
            job = await own.aget_job(job_id)
            page = await own.arequest("get", "/v1/orders/O-1", params={"a": 1}, track_id="t")
            made = await own.arequest("POST", "/v1/async/orders", json=ANOTHER, idempotency_key="k")
            return job, page, made

        job, page, made = asyncio.run(trigger())
        assert job.result == hook.get_job(job_id).result
        assert page == hook.request("GET", "/v1/orders/O-1")
        assert made == hook.request("POST", "/v1/async/orders", json=ANOTHER, idempotency_key="k")

    @pytest.mark.parametrize(
        ("arguments", "kind", "cause"),
        [
            (("GET", "/v1/orders/none"), PermanentError, NotFound),
            (("TRACE", "/v1/orders/none"), PermanentError, InvalidInput),
            (("GET", "orders"), PermanentError, InvalidInput),
        ],
    )
    def test_their_errors_are_those_of_the_blocking_ones(self, zuora, arguments, kind, cause):
        for call in (
            lambda: asyncio.run(ZuoraHook().arequest(*arguments)),
            lambda: ZuoraHook().request(*arguments),
        ):
            with pytest.raises(kind) as caught:
                call()
            assert type(caught.value.__cause__) is cause

    def test_a_body_that_cannot_be_sent_is_refused(self, zuora):
        with pytest.raises(PermanentError, match="must be a JSON value"):
            asyncio.run(ZuoraHook().arequest("POST", "/v1/x", json={"a": object()}))

    def test_a_passing_failure_passes_or_is_told(self, zuora):
        zuora.fault(method="GET", path="/v1/async-jobs/", status=503, times=None)
        with pytest.raises(TransientError):
            asyncio.run(ZuoraHook().aget_job("j"))
        assert len(zuora.naps) == 9

    def test_a_connection_that_cannot_be_used_is_airflows_error(self, zuora, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(conn_type="elastic_path"))
        with pytest.raises(PermanentError, match="conn_type"):
            asyncio.run(ZuoraHook().aget_job("j"))

    def test_many_at_once_share_one_sign_in_and_leave_no_connection(self, zuora):
        ids = [entry.job_id for entry in ZuoraHook().create_orders([ORDER], idempotency_key="k")]
        before = zuora.ledger()["signIns"]
        zuora.sandbox.revoke_tokens()

        async def trigger():
            hook = ZuoraHook()
            return await asyncio.gather(*(hook.aget_job(ids[0]) for _ in range(30)))

        assert len(asyncio.run(trigger())) == 30
        assert zuora.ledger()["signIns"] == before + 1

    def test_one_that_is_cancelled_leaves_nothing(self, zuora):
        zuora.fault(method="GET", path="/v1/async-jobs/", kind="hang", times=None)

        async def trigger():
            asking = asyncio.ensure_future(ZuoraHook().aget_job("j"))
            while not zuora.connections():  # noqa: ASYNC110 - it is the sandbox that is watched
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

        asyncio.run(trigger())
        assert zuora.connections() == []

    def test_elastic_paths_hook_has_them_too(self, store):
        hook = ElasticPathHook()
        job_id = hook.export_orders("ge(created_at,2024-07-01T00:00:00Z)")
        assert asyncio.run(ElasticPathHook().aget_job(job_id)).job_id == job_id


def test_every_blocking_call_works_where_a_loop_runs(zuora):
    async def cell():
        hook = ZuoraHook()
        one = hook.create_order(ORDER | {"orderNumber": "O-one"}, idempotency_key="k")
        many = hook.create_orders([ORDER | {"orderNumber": f"O-{n}"} for n in range(5)], idempotency_key="k")
        assert hook.wait_for_job(one).result["orderNumber"] == "O-one"
        assert "invoices" in hook.wait_for_job(hook.preview_order(PREVIEW)).result
        assert hook.get_job(one).has_ended
        assert hook.request("GET", "/v1/orders/O-one")["success"]
        return [entry.state for entry in many]

    assert asyncio.run(cell()) == ["submitted"] * 5


@pytest.mark.parametrize("option", ["timeout", "poll_interval"])
@pytest.mark.parametrize("value", ["two", float("nan"), float("inf"), -1, True, [1]])
def test_a_wait_of_no_number_of_seconds_is_refused_by_name(zuora, option, value):
    with pytest.raises(PermanentError, match=f"^Nothing was sent.\n{option}: must be a number of seconds"):
        ZuoraHook().wait_for_job("j", **{option: value})


@pytest.mark.parametrize("shared", [True, False])
def test_coroutines_of_the_hooks_of_a_process_sign_in_once(zuora, monkeypatch, shared):
    own = zuora.connection(extra={"shared_sign_in": shared})
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", own)

    def count_sign_ins():
        return sum(each["path"] == "/oauth/token" for each in zuora.ledger()["recent"])

    async def request_often(hook):
        calls = (hook.arequest("GET", "/v1/orders/none") for _ in range(50))
        await asyncio.gather(*calls, return_exceptions=True)

    first, second = ZuoraHook(), ZuoraHook()
    asyncio.run(request_often(first))
    assert count_sign_ins() == 1
    asyncio.run(request_often(second))
    assert count_sign_ins() == 1
    assert first.get_conn() is second.get_conn()
