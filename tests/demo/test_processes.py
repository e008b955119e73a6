"""A process of the stack is ended with all that it started."""

import os
import sys

import psutil
import pytest

from demo.processes import Process, StackError, end_marked, free_ports, wait_for

# Like an Airflow task: a grandchild with a process group of its own that does not listen to SIGTERM.
STUBBORN = """
import os, signal, time
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("grandchild", os.getpid(), flush=True)
    time.sleep(600)
time.sleep(600)
"""


@pytest.mark.parametrize("end", [lambda process: process.stop(grace=5), lambda process: process.kill()])
def test_what_a_process_forked_ends_with_it(tmp_path, end):
    process = Process(
        [sys.executable, "-c", STUBBORN], env=os.environ, cwd=tmp_path, log=tmp_path / "out.log"
    )
    wait_for("the grandchild", lambda: "grandchild" in process.tail(), 30)
    grandchild = psutil.Process(int(process.tail().split()[1]))
    assert process.is_running
    end(process)
    assert not process.is_running
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_what_bears_a_mark_is_ended_and_nothing_else(tmp_path):
    env = dict(os.environ)
    marked, other = (
        Process([sys.executable, "-c", STUBBORN], env=env | {"MARK": mark}, cwd=tmp_path, log=tmp_path / mark)
        for mark in ("this", "other")
    )
    wait_for("the grandchildren", lambda: "grandchild" in marked.tail() and other.tail(), 30)
    end_marked("MARK", "this")
    assert not marked.is_running
    assert other.is_running
    other.kill()


def test_waiting_ends_at_its_deadline_and_says_what_for():
    with pytest.raises(StackError, match=r"a miracle: not within 0 s"):
        wait_for("a miracle", lambda: None, 0)


def test_ports_are_different():
    assert len(set(free_ports(20))) == 20
