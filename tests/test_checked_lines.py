"""A test that writes to a submission log what may not be there fails, wherever it does; no other does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = """
import os
import time

import pytest

from airflow_provider_zuora.hooks.submission_log import make_log


def write(place, **facts):
    log = make_log([str(place)], {}, time.time)
    intent = {"kind": "order", "key": "k", "try_number": 1, "order_number": "O-1"} | facts
    for step in log.note_intents([intent]):
        step.call()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


def test_good(tmp_path, shared):
    write(tmp_path)
    write(shared)
    write("memory://log")


def test_bad_mail(tmp_path):
    write(tmp_path, order_number="jane@doe.example")


def test_bad_amount(tmp_path):
    write(tmp_path, account_number="1000.25")


def test_bad_words_of_the_vendor(tmp_path):
    write(tmp_path, job_id="Rate plan is missing")


def test_bad_kind(tmp_path):
    write(tmp_path, kind="invoice")


def test_bad_in_memory():
    write("memory://log", order_number="USD-7")


def test_bad_in_a_folder_of_the_module(shared):
    write(shared, subscription_numbers=["Acme"])


def test_bad_in_another_process(tmp_path):
    if child := os.fork():
        os.waitpid(child, 0)
        return
    write(tmp_path, order_number="4111-1111-1111-1111", account_number="Jane")
    os._exit(0)


def test_good_afterwards(tmp_path, shared):
    write(tmp_path)
    write(shared)
    write("memory://log")


def test_good_that_writes_nothing():
    pass
"""


def test_the_test_that_wrote_it_fails_and_no_other(tmp_path):
    (tmp_path / "test_lines.py").write_text(TESTS)
    path = os.pathsep.join([str(ROOT), str(ROOT / "sandbox"), os.environ.get("PYTHONPATH", "")])
    options = ("-p", "tests.checked_lines", "-p", "no:cacheprovider", "-v", f"--basetemp={tmp_path}/base")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), "test_lines.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    shutil.rmtree(tmp_path / "base")  # or this test would fail for these lines, too
    ends = dict(re.findall(r"::(\w+) (PASSED|FAILED|ERROR)", done.stdout))

    names = re.findall(r"def (test_\w+)", TESTS)
    assert ends == {name: "FAILED" if "_bad_" in name else "PASSED" for name in names}, done.stdout
    counted = re.findall(r"\d+ (?:failed|passed|errors?)", done.stdout.splitlines()[-1])
    assert counted == ["7 failed", "3 passed"], done.stdout  # and no error, at the end of all either
