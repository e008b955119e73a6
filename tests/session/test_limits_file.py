"""The file in which the processes of a host share a vendor's limits: two objects play two processes."""

from __future__ import annotations

import fcntl
import logging
import os
import random
from functools import partial
from itertools import pairwise

import pytest

from airflow_provider_zuora.core.errors import RateLimited
from airflow_provider_zuora.core.flow import RunInThread
from airflow_provider_zuora.core.http.host_limits import HostLimits, Turn, add_cool_down
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import Credentials, Request
from airflow_provider_zuora.session.limits_file import LimitsFile, find_filesystem, read_boot_id
from airflow_provider_zuora.session.token_file import SecureDirectory
from tests.core.runners import Clock, answer

NOW = 1000.0
CREDENTIALS = Credentials("https://rest.zuora.com", "the-client-id", "s3cret-s3cret")
GET = Request("GET", "/v1/async-jobs/j")


@pytest.fixture
def directory(tmp_path):
    return SecureDirectory(tmp_path / "own")


@pytest.fixture
def naps():
    return []


@pytest.fixture
def share(directory, naps):
    """Return what opens the file as another process does."""

    def opened(name="a.limits"):
        file = LimitsFile(directory, name, naps.append)
        file.open(NOW)
        return file

    return opened


def quiet_until(file, until):
    file.update(partial(add_cool_down, until=until), NOW)


@pytest.fixture
def problems(caplog):
    """Return the level of each problem that was logged, and its words."""
    caplog.set_level(logging.DEBUG)
    begin = "The vendor's limits are not shared on this host. "
    return lambda: [
        (each.levelname, each.getMessage().removeprefix(begin))
        for each in caplog.records
        if each.getMessage().startswith(begin)
    ]


def test_what_one_process_learns_the_others_read(share, problems):
    one, other = share(), share()
    assert other.read(NOW) == HostLimits()
    quiet_until(one, NOW + 30)
    quiet_until(one, NOW + 20)

    assert other.read(NOW) == HostLimits(cool_down_until=NOW + 30)
    assert share().read(NOW) == HostLimits(cool_down_until=NOW + 30)
    assert problems() == []


def test_the_file_is_the_users_alone_and_its_name_tells_nothing(directory, share):
    made = LimitsFile.for_account(CREDENTIALS, "zuora", directory)
    made.open(NOW)

    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.suffix == ".limits"
    assert not any(word in str(made.path) for word in ("client", "s3cret", "zuora.com"))
    names = {
        LimitsFile.for_account(*each, directory).path
        for each in (
            (CREDENTIALS, "zuora"),
            (CREDENTIALS, "elastic_path"),
            (Credentials(CREDENTIALS.base_url, "another-id", "s3cret-s3cret"), "zuora"),
            (Credentials("https://rest.test.zuora.com", "the-client-id", "s3cret-s3cret"), "zuora"),
        )
    }
    assert len(names) == 4
    again = Credentials(CREDENTIALS.base_url, CREDENTIALS.client_id, "another-secret")
    assert LimitsFile.for_account(again, "zuora", directory).path == made.path


def test_a_system_that_does_not_tell_its_boots_apart_shares_nothing(tmp_path, directory):
    assert read_boot_id(tmp_path / "none") == ""
    assert LimitsFile.for_account(CREDENTIALS, "zuora", directory, boot_id=tmp_path / "none") is None
    (tmp_path / "boot").write_text("one\n")
    one = LimitsFile.for_account(CREDENTIALS, "zuora", directory, boot_id=tmp_path / "boot")
    assert one.path != LimitsFile.for_account(CREDENTIALS, "zuora", directory).path, "its clock began anew"


@pytest.mark.parametrize(
    "content", [b"x", b"\0" * 76, b"zlimits1" + b"\0" * 68, os.urandom(76), b"zlimits1" * 100]
)
def test_a_damaged_file_costs_one_warning_and_is_mended(share, problems, content):
    one, other = share(), share()
    one.path.write_bytes(content)
    for _ in range(3):
        assert one.read(NOW) == HostLimits()
    assert problems() == [("WARNING", f"{one.path}: it is damaged")]

    quiet_until(other, NOW + 30)
    assert one.read(NOW) == HostLimits(cool_down_until=NOW + 30)


def test_a_moment_that_cannot_be_is_not_believed(share):
    one = share()
    quiet_until(one, NOW + 1e9)
    assert one.read(NOW) == HostLimits()
    quiet_until(one, NOW + 30)
    assert one.read(NOW).cool_down_until == NOW + 30


def spoil_by_mode(path):
    path.chmod(0o666)


def spoil_by_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def spoil_by_directory(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [spoil_by_mode, spoil_by_link, spoil_by_directory])
def test_a_file_that_others_may_have_laid_there_is_not_used(share, problems, spoil):
    spoil(share().path)
    one = share()
    quiet_until(one, NOW + 30)

    assert one.read(NOW) == HostLimits()
    assert [level for level, _ in problems()] == ["WARNING"]
    assert str(one.path) in problems()[0][1]


def test_a_directory_that_is_of_no_use_is_told_of_by_the_token(tmp_path, problems):
    """It has the same problem, and warns of it."""
    one = LimitsFile(SecureDirectory(tmp_path / "missing" / "own"), "a.limits")
    one.open(NOW)
    one.open(NOW + 60)

    assert problems() == [("INFO", f"{tmp_path}/missing/own: No such file or directory")]
    assert one.read(NOW) == HostLimits()
    assert one.take_slot(1) == -1, "it bounds nothing"
    one.give_back(-1)


def test_it_is_looked_for_again_each_minute(share, directory):
    one = share()
    assert [one.is_due(NOW + seconds) for seconds in (0, 59, 60, -1e6)] == [False, False, True, True]
    one.path.unlink()
    two = share()
    quiet_until(two, NOW + 90)
    assert one.read(NOW) == HostLimits()
    one.open(NOW + 60)
    assert one.read(NOW) == HostLimits(cool_down_until=NOW + 90)


def test_a_process_that_hangs_is_waited_for_once_in_a_while(share, naps):
    one, other = share(), share()
    with other.path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        quiet_until(one, NOW + 30)
        assert 2 < sum(naps) < 2.1
        naps.clear()
        quiet_until(one, NOW + 30)
        assert naps == []
        one.update(partial(add_cool_down, until=NOW + 30), NOW + 11)
        assert 2 < sum(naps) < 2.1
    assert other.read(NOW) == HostLimits()
    quiet_until(one, NOW + 30)
    assert other.read(NOW) == HostLimits(NOW + 30)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")  # noqa: PTH110
def test_a_full_disk_costs_one_warning(share, problems):
    one = share()
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, one._file)  # as if the disk had no room from now on
    one._identity = (os.fstat(full).st_dev, os.fstat(full).st_ino)
    os.close(full)
    quiet_until(one, NOW + 30)
    quiet_until(one, NOW + 30)

    assert problems()[-1] == ("WARNING", f"{one.path}: No space left on device")
    assert len(problems()) == 2, "/dev/full holds zeros, which are damaged"


def test_a_file_system_that_locks_nothing_costs_one_warning_and_bounds_nothing(share, problems):
    one = share()
    path = os.open(one.path, os.O_PATH)
    os.dup2(path, one._file)  # what it leads to is the same file, and cannot be locked
    os.close(path)
    quiet_until(one, NOW + 30)
    slots = [one.take_slot(1) for _ in range(3)]
    for slot in slots:
        one.give_back(slot)

    assert slots == [-1] * 3
    assert ("WARNING", f"{one.path}: it cannot be locked: Bad file descriptor") in problems()
    assert len(problems()) <= 2, "nor can it be read"


def test_a_file_that_somebody_has_closed_behind_its_back_is_not_written_to(share, tmp_path):
    """As programs do that become daemons; the number may be another file's by then."""
    one = share()
    number = one._file
    os.close(number)
    quiet_until(one, NOW + 30)
    assert one.read(NOW) == HostLimits()
    victim = os.open(tmp_path / "victim", os.O_RDWR | os.O_CREAT)
    os.dup2(victim, number)
    quiet_until(one, NOW + 30)
    one.open(NOW + 60)
    assert (tmp_path / "victim").read_bytes() == b""
    os.close(victim)
    os.close(number)
    quiet_until(one, NOW + 30)
    assert one.read(NOW) == HostLimits(cool_down_until=NOW + 30)


def test_a_forked_child_opens_it_anew(share):
    one, other = share(), share()
    assert one.take_slot(1) == 0
    one.renew_after_fork()
    assert one.is_due(NOW)
    assert one.read(NOW) == HostLimits()
    one.open(NOW)
    quiet_until(other, NOW + 30)
    assert one.read(NOW) == HostLimits(cool_down_until=NOW + 30)


def test_a_network_is_no_place_for_it(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n36 22 0:45 / /mnt rw,relatime shared:1 - nfs4 server:/x rw\n"
    )
    assert find_filesystem(os.makedev(0, 45), mounts) == "nfs4"
    assert find_filesystem(os.makedev(8, 1), mounts) == "ext4"
    assert find_filesystem(os.makedev(9, 9), mounts) == ""
    assert find_filesystem(os.makedev(8, 1), tmp_path / "none") == ""


@pytest.mark.parametrize(("kind", "shared"), [("tmpfs", True), ("nfs4", False), ("fuse.sshfs", False)])
def test_a_file_on_a_network_is_not_used(directory, tmp_path, problems, kind, shared):
    device = os.stat(tmp_path).st_dev  # noqa: PTH116
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 1 {os.major(device)}:{os.minor(device)} / / rw - {kind} x rw\n")
    one = LimitsFile(directory, "a.limits", mounts=mounts)
    one.open(NOW)
    quiet_until(one, NOW + 30)

    assert (one.read(NOW) != HostLimits()) == shared
    told = f"{directory.path}: it is on a file system of a network ({kind})"
    assert problems() == ([] if shared else [("WARNING", told)])


# Slots.


def test_each_slot_is_one_requests(share):
    one, other = share(), share()
    assert [one.take_slot(3), other.take_slot(3), one.take_slot(3)] == [0, 1, 2]
    assert (one.take_slot(3), other.take_slot(3)) == (None, None)
    one.give_back(0)
    assert other.take_slot(3) == 0
    del other
    assert one.take_slot(3) == 0, "the system frees those of a process that ends"


# By the limiter.


class Process:
    """A rate limiter with the file, and a clock that all share."""

    def __init__(self, clock, file, chance=0.0):
        self.clock = clock
        self.limiter = RateLimiter(random.Random(1))
        self.limiter._rng.uniform = lambda low, high: low + chance * (high - low)
        self.limiter.shared = file

    def start(self, turn=None):
        """Return the waits of a request before it starts."""
        waits = []
        for step in self.limiter.acquire(GET, self.clock, turn):
            if isinstance(step, RunInThread):
                step.call()
            else:
                waits.append(step)
                self.clock.sleep(step)
        return waits

    def end(self, response, turn=None):
        if tell := self.limiter.release(response, self.clock(), turn):
            tell()


@pytest.fixture
def processes(directory):
    clock = Clock()
    return [Process(clock, LimitsFile(directory, "a.limits")) for _ in range(3)]


def window(left, reset=50, status=200, most=600, **others):
    limits = {"RateLimit_Limit": f"{most}, {most};w=60", "RateLimit_Remaining": str(left)}
    return answer(status, **limits, RateLimit_Reset=str(reset), **others)


def test_a_retry_after_of_one_process_quiets_all(processes, caplog):
    caplog.set_level(logging.INFO)
    one, other, third = processes
    assert (one.start(), other.start()) == ([], [])
    one.end(answer(429, Retry_After="30"))
    assert other.start() == [30]
    assert third.start() == []
    assert caplog.messages == [
        "HTTP 429: this host sends the account nothing for 30 s",
        "Another process was asked to wait: this host sends the account nothing for 30 s",
    ]


def test_a_long_retry_after_of_one_process_is_an_error_in_the_others(processes):
    one, other, _ = processes
    one.start()
    one.end(answer(503, Retry_After="120"))
    with pytest.raises(RateLimited, match="cools down for 120 s"):
        other.start()


def test_who_waits_hears_of_a_cool_down_that_begins_meanwhile(processes):
    one, other, _ = processes
    one.start()
    one.end(answer(429, Retry_After="10"))
    turn = other.limiter.acquire(GET, other.clock)
    opening = next(turn)
    opening.call()
    assert next(turn) == 10
    other.clock.sleep(5)
    one.limiter._cool_down_until = 0.0
    one.end(answer(429, Retry_After="30"))
    other.clock.sleep(5)
    assert next(turn) == 25
    assert next(turn, None) is None


def test_the_last_tenth_is_spread_over_all(processes):
    one, other, third = processes
    one.start()
    one.end(window(46, reset=39))
    begun = []
    for process in (other, third, one, other):
        process.start()
        begun.append(process.clock())
    assert [after - before for before, after in pairwise(begun)] == pytest.approx([1.0] * 3)


def test_a_window_that_is_spent_is_waited_for_by_all(processes):
    one, other, _ = processes
    one.start()
    one.end(window(7, reset=49))
    assert other.start() == []
    assert one.start() == [50]
    assert other.start() == []


def test_where_plenty_is_left_nothing_is_written(processes, directory):
    one, other, _ = processes
    for process in (one, other):
        process.start()
        process.end(window(49_000, most=50_000))
    assert (directory.path / "a.limits").read_bytes() == b""


def test_a_slot_is_waited_for_and_given_back(processes):
    one, other, _ = processes
    held, wanted = Turn(1), Turn(1)
    assert one.start(held) == []
    turn = other.limiter.acquire(GET, other.clock, wanted)
    next(turn).call()
    assert next(turn) > 0
    one.end(answer(200), held)
    other.clock.sleep(1)
    assert next(turn, None) is None
    assert wanted.slot == 0


def test_a_slot_that_is_never_free_is_an_error_after_a_minute(processes):
    one, other, _ = processes
    one.start(Turn(1))
    before, wanted = other.clock(), Turn(1)
    with pytest.raises(RateLimited, match="the 1 connections of this host were in use for 60 s"):
        other.start(wanted)
    assert 60 <= other.clock() - before < 62
    other.end(None, wanted)
    assert other.limiter._under_way == other.limiter._waiting == 0


def test_a_forked_child_shares_on(processes):
    one, other, _ = processes
    one.start()
    one.limiter.renew_lock()
    one.start()
    one.end(answer(429, Retry_After="30"))
    assert other.start() == [30]
