"""Private files and locks, against whatever somebody may have laid in their place."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from airflow_provider_zuora.session.token_file import (
    FileLock,
    InsecurePath,
    SecureDirectory,
    find_runtime_directory,
)

HELD = """
from pathlib import Path
from airflow_provider_zuora.session.token_file import FileLock, SecureDirectory
lock = FileLock(SecureDirectory(Path({path!r})), "lock")
print(lock.try_acquire(), flush=True)
input()
"""


@pytest.fixture
def place(tmp_path):
    return SecureDirectory(tmp_path / "own")


@pytest.fixture
def hold(place):
    """Return a process that holds the lock of this place."""
    script = HELD.format(path=str(place.path))
    process = subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True)
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.communicate()


def names(path):
    return [each.name for each in path.iterdir()]


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def test_what_is_written_is_read_and_is_for_this_user_only(place):
    assert place.read("file") is None
    place.replace("file", b"one")
    place.replace("file", b"two")

    assert place.read("file") == b"two"
    assert (mode(place.path), mode(place.path / "file")) == (0o700, 0o600)
    assert names(place.path) == ["file"]


def test_a_signal_that_comes_behind_the_move_of_a_file_gets_through(place):
    """Airflow's execution_timeout, say: it was lost amid the tidying up."""

    class Late(BaseException):
        pass

    def raise_late(_, event, function):
        if event == "c_return" and function is os.replace:
            sys.setprofile(None)
            raise Late

    sys.setprofile(raise_late)
    with pytest.raises(Late):
        place.replace("file", b"one")

    assert place.read("file") == b"one"


@pytest.mark.parametrize("use", ["read", "replace", "lock"])
class TestADirectoryThatIsNotPrivate:
    def used(self, place, use):
        with pytest.raises(InsecurePath) as caught:
            {
                "read": lambda: place.read("file"),
                "replace": lambda: place.replace("file", b"x"),
                "lock": FileLock(place, "lock").try_acquire,
            }[use]()
        assert str(place.path) in str(caught.value)
        return str(caught.value).removeprefix(f"{place.path}: ")

    def test_a_link(self, place, tmp_path, use):
        (tmp_path / "real").mkdir(mode=0o700)
        place.path.symlink_to(tmp_path / "real")

        assert self.used(place, use) in ("Not a directory", "Too many levels of symbolic links")
        assert names(tmp_path / "real") == []

    @pytest.mark.parametrize("bit", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
    def test_one_that_is_open_to_others(self, place, use, bit):
        place.path.mkdir()
        place.path.chmod(0o700 | bit)

        assert self.used(place, use) == f"others may use it, its mode is {0o700 | bit:04o}"
        assert names(place.path) == []

    def test_one_of_another_user(self, place, use, monkeypatch):
        place.path.mkdir(mode=0o700)
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)

        assert self.used(place, use) == f"it belongs to user {me}, this is user {me + 1}"

    def test_a_file(self, place, use):
        place.path.write_text("")

        assert self.used(place, use) == "Not a directory"

    def test_one_that_cannot_be_made(self, tmp_path, use):
        assert self.used(SecureDirectory(tmp_path / "no" / "own"), use) == "No such file or directory"


class TestAFileThatIsNotPrivate:
    def refused(self, place, name="file"):
        with pytest.raises(InsecurePath) as caught:
            place.read(name)
        with pytest.raises(InsecurePath) as locking:
            FileLock(place, name).try_acquire()
        return str(caught.value).removeprefix(f"{place.path / name}: ") + " | " + str(locking.value)

    @pytest.fixture(autouse=True)
    def made(self, place):
        place.replace("file", b"content")

    def replaced(self, place):
        place.replace("file", b"new")
        return place.read("file") == b"new" and mode(place.path / "file") == 0o600

    @pytest.mark.parametrize("bit", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
    def test_one_that_is_open_to_others(self, place, bit):
        (place.path / "file").chmod(0o600 | bit)

        assert self.refused(place).startswith(f"others may use it, its mode is {0o600 | bit:04o}")
        assert self.replaced(place)

    def test_a_link(self, place, tmp_path):
        (tmp_path / "elsewhere").write_bytes(b"theirs")
        (tmp_path / "elsewhere").chmod(0o600)
        (place.path / "file").unlink()
        (place.path / "file").symlink_to(tmp_path / "elsewhere")

        assert self.refused(place).startswith("Too many levels of symbolic links")
        assert self.replaced(place)
        assert (tmp_path / "elsewhere").read_bytes() == b"theirs"

    def test_one_with_two_names(self, place, tmp_path):
        os.link(place.path / "file", tmp_path / "other")

        assert self.refused(place).startswith("it has another name too")
        assert self.replaced(place)
        assert (tmp_path / "other").read_bytes() == b"content"

    def test_a_pipe(self, place):
        (place.path / "file").unlink()
        os.mkfifo(place.path / "file", 0o600)

        assert self.refused(place).startswith("it is no regular file")
        assert self.replaced(place)

    def test_a_directory_which_is_left_where_it_is(self, place):
        (place.path / "file").unlink()
        (place.path / "file").mkdir(mode=0o700)

        assert "irectory" in self.refused(place)
        with pytest.raises(InsecurePath, match="Is a directory"):
            place.replace("file", b"new")
        assert names(place.path) == ["file"]

    def test_one_of_another_user(self, place, monkeypatch):
        me, fstat = os.geteuid(), os.fstat

        def theirs(file):
            found = fstat(file)
            values = [*found]
            values[stat.ST_UID] = me + 1 if stat.S_ISREG(found.st_mode) else me
            return os.stat_result(values)

        monkeypatch.setattr(os, "fstat", theirs)

        assert self.refused(place).startswith(f"it belongs to user {me + 1}, this is user {me}")

    def test_one_that_is_too_large(self, place):
        place.replace("file", bytes(64 * 1024))
        assert len(place.read("file")) == 64 * 1024
        place.replace("file", bytes(64 * 1024 + 1))

        with pytest.raises(InsecurePath, match="it is larger than 65536 bytes"):
            place.read("file")


def test_a_file_that_is_replaced_while_it_is_read_is_good_still(place, monkeypatch):
    place.replace("file", b"old")
    fstat = os.fstat

    def replaced_first(file):
        if stat.S_ISREG(fstat(file).st_mode):
            monkeypatch.undo()
            place.replace("file", b"new")
        return fstat(file)

    monkeypatch.setattr(os, "fstat", replaced_first)

    assert place.read("file") == b"old"
    assert place.read("file") == b"new"


FORKS_BESIDE_A_THREAD = """
import faulthandler
import os
import sys
import threading
from pathlib import Path

import psutil

from airflow_provider_zuora.session.token_file import FileLock, SecureDirectory

place = SecureDirectory(Path(sys.argv[1]))
over = threading.Event()


def take():
    while not over.is_set():
        lock = FileLock(place, "lock")
        lock.try_acquire()
        lock.release()


thread = threading.Thread(target=take)
thread.start()
kept = []
for _ in range(30):
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(60, exit=True)
        opened = psutil.Process().open_files()
        os._exit(any(each.path.endswith("/lock") for each in opened))
    kept.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
over.set()
thread.join()
print(f"{len(kept)} children, with a lock: {sum(kept)}")
"""


class TestLock:
    def test_one_holds_it_and_then_another(self, place):
        one, other = FileLock(place, "lock"), FileLock(place, "lock")

        assert [one.try_acquire(), one.try_acquire(), other.try_acquire()] == [True, True, False]
        one.release()
        assert [one.try_acquire(), other.try_acquire()] == [False, True]
        other.release()
        assert mode(place.path / "lock") == 0o600

    def test_locks_of_other_names_are_other_locks(self, place):
        locks = [FileLock(place, "a"), FileLock(place, "b")]

        assert [each.try_acquire() for each in locks] == [True, True]
        for each in locks:
            each.release()
            each.release()

    def test_a_killed_process_holds_nothing(self, place, hold):
        lock = FileLock(place, "lock")
        assert not lock.try_acquire()
        hold.kill()
        hold.wait()

        assert lock.try_acquire()
        lock.release()

    def test_a_forked_child_does_not_hold_on_to_it(self, place):
        one, other = FileLock(place, "lock"), FileLock(place, "lock")
        assert one.try_acquire()
        done, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(tell)
            os.read(done, 1)
            os._exit(0)
        os.close(done)
        one.release()
        taken = other.try_acquire()
        os.close(tell)
        os.waitpid(child, 0)
        other.release()

        assert taken

    def test_a_forked_child_has_nothing_and_takes_nothing_from_its_parent(self, place):
        """The child lives on; the parent still has its lock, and frees it by its death."""
        one, other = FileLock(place, "lock"), FileLock(place, "lock")
        assert one.try_acquire()
        done, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(tell, bytes([one.try_acquire(), other.try_acquire()]))
            os._exit(0)
        held = os.read(done, 2)
        os.waitpid(child, 0)
        assert tuple(map(bool, held)) == (False, False)
        assert not other.try_acquire(), "the parent's lock is where it was"
        one.release()
        assert other.try_acquire()
        other.release()

    def test_a_holder_that_is_killed_frees_it_though_its_child_lives_on(self, place):
        held, tell = os.pipe()
        parent = os.fork()
        if parent == 0:
            FileLock(place, "lock").try_acquire()
            lock = FileLock(place, "another")
            lock.try_acquire()
            if os.fork() == 0:
                os.write(tell, str(os.getpid()).encode())
            time.sleep(60)
            os._exit(0)
        child = int(os.read(held, 20))
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        free = FileLock(place, "another")
        try:
            assert free.try_acquire()
        finally:
            free.release()
            os.kill(child, signal.SIGKILL)

    def test_a_fork_beside_a_thread_that_takes_locks(self, place):
        """
        Whatever moment the fork meets, the child has no lock of its parent's open.

        In a process of its own: what measures this one's coverage need not survive a fork beside a thread.
        """
        quiet = "-Wignore:This process:DeprecationWarning"  # Python 3.12 warns of such forks
        command = [sys.executable, quiet, "-c", FORKS_BESIDE_A_THREAD, str(place.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("30 children, with a lock: 0\n", "")

    def test_one_that_is_released_before_its_attempt_is_never_held(self, place):
        late, other = FileLock(place, "lock"), FileLock(place, "lock")
        late.release()
        thread = threading.Thread(target=late.try_acquire)
        thread.start()
        thread.join()

        assert other.try_acquire()
        other.release()

    def test_a_system_without_such_locks(self, place, monkeypatch):
        def without(file, operation):
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(fcntl, "flock", without)

        with pytest.raises(InsecurePath, match="lock: Function not implemented"):
            FileLock(place, "lock").try_acquire()

    def test_no_file_is_left_open(self, place, tmp_path):
        lock, other = FileLock(place, "lock"), FileLock(place, "lock")
        before = names(Path("/proc/self/fd"))
        place.replace("file", b"x")
        place.read("file")
        lock.try_acquire()
        other.try_acquire()
        lock.release()
        (place.path / "lock").chmod(0o644)
        with pytest.raises(InsecurePath):
            other.try_acquire()

        assert names(Path("/proc/self/fd")) == before


class TestTheRuntimeDirectory:
    TEMPORARY = Path(tempfile.gettempdir()) / f"airflow-provider-zuora-{os.geteuid()}"

    def test_is_the_one_that_is_given(self, tmp_path):
        environ = {"XDG_RUNTIME_DIR": str(tmp_path)}

        assert find_runtime_directory(str(tmp_path / "own"), environ).path == tmp_path / "own"
        assert find_runtime_directory("~/own", environ).path == Path("~/own").expanduser()

    def test_is_in_that_of_the_session(self, tmp_path):
        tmp_path.chmod(0o700)

        found = find_runtime_directory(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
        assert found.path == tmp_path / "airflow-provider-zuora"

    @pytest.mark.parametrize("unfit", ["missing", "open", "link"])
    def test_is_not_in_one_that_is_unfit(self, tmp_path, unfit):
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o750)
        (tmp_path / "private").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "private")

        found = find_runtime_directory(environ={"XDG_RUNTIME_DIR": str(tmp_path / unfit)})
        assert found.path == self.TEMPORARY

    def test_is_else_with_the_temporary_files(self):
        assert find_runtime_directory("", {"XDG_RUNTIME_DIR": ""}).path == self.TEMPORARY

    def test_is_never_the_real_one_in_a_test(self, runtime_dir):
        assert find_runtime_directory().path == runtime_dir
        assert re.search("pytest", str(runtime_dir))
