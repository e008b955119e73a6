"""A month's end on a real Airflow: billed, posted and collected once; not collected above the ceiling."""

import pytest

from demo.month_end import DAG_ID, MonthEnd
from tests.e2e.conftest import Run

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(500)]


def test_a_month_is_collected_once_and_one_above_the_ceiling_is_not(airflow, zuora):
    month_end = MonthEnd(airflow, zuora)
    run_ids = [month_end.start_first_run()]
    kept = Run(airflow, DAG_ID, run_ids[0])
    assert kept.state == "success"
    assert list(month_end.check(run_ids)) == []
    assert kept.triggers("bill")
    assert kept.triggers("collect")

    run_ids.append(month_end.start_second_run())
    passed = Run(airflow, DAG_ID, run_ids[1])
    assert passed.state == "failed"
    assert list(month_end.check(run_ids)) == []
    states = {"bill": "success", "limit": "failed", "collect": "upstream_failed", "report": "upstream_failed"}
    assert passed.tasks == states
    [said] = passed.logs_of("limit").values()  # no retry can help
    assert "100000.01 EUR (ceiling: 100000.00); nothing was collected" in said
