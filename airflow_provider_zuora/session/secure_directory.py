"""Keep files in a directory that nobody but this user reaches, which is proved each time they are used.

A name in a temporary directory can be taken beforehand by anybody, so everything is opened without following
links, and checked through what was opened: what a path names may change between check and use.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

RUNTIME_DIR = "AIRFLOW_PROVIDER_ZUORA_RUNTIME_DIR"
"""The variable that names the directory, if it is not to be found by itself."""

_NAME = "airflow-provider-zuora"
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that somebody laid there does not block
_OTHERS_MODE = 0o077
_MAX_BYTES = 64 * 1024  # bytes


class InsecurePath(Exception):
    """A file or a directory is not private; the message names path and reason."""


@dataclass(frozen=True, slots=True)
class SecureDirectory:
    """
    A directory of this user's own with mode 0700, made if it is missing.

    All that is done in it raises `InsecurePath` if it, or the file, belongs to somebody else, is open to
    others, is a link, or cannot be used for a reason of the system's. Files are checked too, because the
    directory may have been open to others before.

    :param path: what it is in has to exist.
    """

    path: Path

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, None if there is none."""
        with self._open() as folder, _convert_os_errors(self.path / name):
            try:
                file = os.open(name, os.O_RDONLY | _FLAGS, dir_fd=folder)
            except FileNotFoundError:
                return None
            with os.fdopen(file, "rb") as opened:
                _check_private(os.fstat(file), self.path / name)
                content = opened.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise InsecurePath(f"{self.path / name}: it is larger than {_MAX_BYTES} bytes")
        return content

    def replace(self, name: str, content: bytes) -> None:
        """Replace whatever has this name by a file; who reads sees the old one or the new one."""
        spare = f"{name}.{secrets.token_hex(8)}"
        with self._open() as folder, _convert_os_errors(self.path / name):
            file = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=folder)
            try:
                with os.fdopen(file, "wb") as opened:
                    opened.write(content)
                os.replace(spare, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(FileNotFoundError):  # a signal that comes behind the move
                    os.unlink(spare, dir_fd=folder)
                raise

    def lock(self, name: str) -> FileLock:
        """Return the lock of this name, not taken yet."""
        return FileLock(self, name)

    @contextmanager
    def _open(self, flags: int = os.O_RDONLY | os.O_DIRECTORY | _FLAGS) -> Iterator[int]:
        with _convert_os_errors(self.path):
            with suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            folder = os.open(self.path, flags)
        try:
            _check_private(os.fstat(folder), self.path, stat.S_IFDIR)
            yield folder
        finally:
            os.close(folder)

    def _open_lock(self, name: str) -> int:
        with self._open() as folder, _convert_os_errors(self.path / name):
            file = os.open(name, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600, dir_fd=folder)
            try:
                _check_private(os.fstat(file), self.path / name)
            except InsecurePath:
                os.close(file)
                raise
            return file


class FileLock:
    """
    A lock among the processes of this host; the system frees it when its holder dies.

    It may be released while another thread still attempts it, as happens if a coroutine is cancelled.
    A child that is forked does not have it: it would keep it after the death of the process that took it.
    """

    def __init__(self, directory: SecureDirectory, name: str):
        self._directory = directory
        self._name = name
        self._guard = threading.Lock()
        self._file: int | None = None
        self._is_released = False

    @property
    def is_held(self) -> bool:
        """Return whether this object has the lock."""
        return self._file is not None

    def try_acquire(self) -> bool:
        """
        Take the lock and return True, or return False if another holds it or this one was released.

        :raises InsecurePath: if there can be no lock.
        """
        with self._guard, _fork_lock:
            if not self._is_released and self._file is None:
                file = self._directory._open_lock(self._name)  # noqa: SLF001 - they are one thing
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    os.close(file)
                    if not isinstance(error, BlockingIOError):
                        raise InsecurePath(
                            f"{self._directory.path / self._name}: {error.strerror}"
                        ) from error
                else:
                    self._file = file
                    _held_locks.add(self)
            return self.is_held

    def release(self) -> None:
        """Let others take the lock; it cannot be taken again through this object."""
        with self._guard, _fork_lock:
            self._is_released = True
            if self._file is not None:
                # Closing is not enough: a child that was forked by other code than Python's has it open too.
                fcntl.flock(self._file, fcntl.LOCK_UN)
                self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        _held_locks.discard(self)

    def renew_after_fork(self) -> None:
        """Let go of the parent's lock in a forked child; the parent has it still."""
        self._guard = threading.Lock()
        self._is_released = True
        self._close()


_held_locks: WeakSet[FileLock] = WeakSet()
_fork_lock = threading.RLock()
"""Held while a lock is taken or released: a fork waits, so that its child knows of all that are open."""


def _renew_after_fork() -> None:
    """Let go of the locks of the parent in a forked child."""
    global _fork_lock  # noqa: PLW0603 - the parent's threads are not here to release it
    _fork_lock = threading.RLock()
    for lock in list(_held_locks):
        lock.renew_after_fork()


os.register_at_fork(
    before=lambda: _fork_lock.acquire(),  # noqa: PLW0108 - in a child's child it is another one
    after_in_parent=lambda: _fork_lock.release(),  # noqa: PLW0108
    after_in_child=_renew_after_fork,
)


def find_runtime_directory(environ: Mapping[str, str] = os.environ) -> SecureDirectory:
    """
    Return where the processes of this user on this host find each other; nothing is made yet.

    :raises InsecurePath: if nobody has named a directory and the system has none for temporary files.
    """
    if given := environ.get(RUNTIME_DIR):
        return SecureDirectory(Path(os.path.expanduser(given)))  # noqa: PTH111 - that of Path may raise
    if session := environ.get("XDG_RUNTIME_DIR"):
        with suppress(InsecurePath, OSError):
            _check_private(os.lstat(session), Path(session), stat.S_IFDIR)
            return SecureDirectory(Path(session) / _NAME)
    try:
        folder = tempfile.gettempdir()
    except OSError as error:
        raise InsecurePath(f"{RUNTIME_DIR} is not set, and: {error.strerror}") from error
    return SecureDirectory(Path(folder) / f"{_NAME}-{os.geteuid()}")


def _check_private(found: os.stat_result, path: Path, kind: int = stat.S_IFREG) -> None:
    """Refuse what is not private; a file that was replaced after it was opened has no name, and is."""
    if stat.S_IFMT(found.st_mode) != kind:
        raise InsecurePath(f"{path}: it is no {'directory' if kind == stat.S_IFDIR else 'regular file'}")
    if found.st_uid != os.geteuid():
        raise InsecurePath(f"{path}: it belongs to user {found.st_uid}, this is user {os.geteuid()}")
    if found.st_mode & _OTHERS_MODE:
        raise InsecurePath(f"{path}: others may use it, its mode is {stat.S_IMODE(found.st_mode):04o}")
    if kind == stat.S_IFREG and found.st_nlink > 1:
        raise InsecurePath(f"{path}: it has another name too")


@contextmanager
def _convert_os_errors(path: Path) -> Iterator[None]:
    """Raise the system's errors as ours."""
    try:
        yield
    except OSError as error:
        raise InsecurePath(f"{path}: {error.strerror or type(error).__name__}") from error
