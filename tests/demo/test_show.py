"""`make demo` and `make demo-query` tell what happens, end as the run ends, and leave nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from demo.processes import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

CHECKOUT = Path(__file__).parents[2]


def command(place, *options):
    return [sys.executable, "-m", "demo", "--place", str(place), *options]


def demo(place, *options, **env):
    return subprocess.run(
        command(place, *options),
        cwd=CHECKOUT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=350,
        check=False,
    )


def find_left_behind(place):
    found = psutil.process_iter(["cmdline", "environ"])
    return [each for each in found if str(place) in f"{each.info['cmdline']} {each.info['environ']}"]


def test_an_order_goes_through(tmp_path):
    done = demo(tmp_path / "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("create", "deferred", "success", "  order         zuora_order-manual__"):
        assert word in done.stdout
    assert not find_left_behind(tmp_path)


def test_a_query_goes_to_a_file_that_is_shown(tmp_path):
    done = demo(tmp_path / "demo", "--query")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Wrong" not in done.stdout
    for word in (
        "deferred",
        "success",
        "  rows     12, ",
        "  columns  id, invoicenumber",
        "  8ad0820",
        "9 more",
    ):
        assert word in done.stdout
    assert not find_left_behind(tmp_path)


def test_an_order_that_fails_is_told_and_ends_the_demo_with_1(tmp_path):
    done = demo(tmp_path / "demo", FAIL="[40000020]: Rate plan is not effective")
    assert done.returncode == 1
    _, _, log = done.stdout.partition("What the task logs say:")
    assert "40000020" in log
    assert "Rate plan is not effective" in log
    assert not find_left_behind(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_a_demo_that_was_interrupted(tmp_path, number):
    log = tmp_path / "demo" / "airflow" / "logs" / "stack" / "triggerer.log"
    with subprocess.Popen(command(tmp_path / "demo"), cwd=CHECKOUT, stdout=subprocess.DEVNULL) as process:
        wait_for("the last component's start", log.exists, 120)
        process.send_signal(number)
    assert process.returncode == 130
    assert not find_left_behind(tmp_path)
