"""A directory and files that nobody but this user reaches, which is proved each time they are used.

A name in a temporary directory can be taken beforehand by anybody, so everything is opened without following
links, and looked at through what was opened: what a path names may change between two looks.
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
"""The variable that names the directory, where it is not to be found by itself."""

_NAME = "airflow-provider-zuora"
_SAFE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that somebody laid there does not block
_OTHERS = 0o077
_LARGEST = 64 * 1024  # bytes


class InsecurePath(Exception):
    """A file or a directory is not as a private one has to be; the message names path and reason."""


@dataclass(frozen=True, slots=True)
class SecureDirectory:
    """
    A directory of this user's own with mode 0700, made where it is missing.

    All that is done in it raises `InsecurePath` where it, or the file, belongs to somebody else, is open to
    others, is a link, or cannot be used for a reason of the system's.

    :param path: what it is in has to exist.
    """

    path: Path

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, None where there is none."""
        with self._opened() as place, _reasons(self.path / name):
            try:
                file = os.open(name, os.O_RDONLY | _SAFE, dir_fd=place)
            except FileNotFoundError:
                return None
            with os.fdopen(file, "rb") as opened:
                _check(os.fstat(file), self.path / name)
                content = opened.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise InsecurePath(f"{self.path / name}: it is larger than {_LARGEST} bytes")
        return content

    def replace(self, name: str, content: bytes) -> None:
        """Put a file in the place of whatever has this name; who reads sees the old one or the new one."""
        spare = f"{name}.{secrets.token_hex(8)}"
        with self._opened() as place, _reasons(self.path / name):
            file = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o600, dir_fd=place)
            try:
                with os.fdopen(file, "wb") as opened:
                    opened.write(content)
                os.replace(spare, name, src_dir_fd=place, dst_dir_fd=place)
            except BaseException:
                with suppress(FileNotFoundError):  # a signal that comes behind the move
                    os.unlink(spare, dir_fd=place)
                raise

    def lock(self, name: str) -> FileLock:
        """Return the lock of this name, not taken yet."""
        return FileLock(self, name)

    @contextmanager
    def _opened(self, flags: int = os.O_RDONLY | os.O_DIRECTORY | _SAFE) -> Iterator[int]:
        with _reasons(self.path):
            with suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            place = os.open(self.path, flags)
        try:
            _check(os.fstat(place), self.path, stat.S_IFDIR)
            yield place
        finally:
            os.close(place)

    def _open_lock(self, name: str) -> int:
        with self._opened() as place, _reasons(self.path / name):
            file = os.open(name, os.O_RDWR | os.O_CREAT | _SAFE, 0o600, dir_fd=place)
            try:
                _check(os.fstat(file), self.path / name)
            except InsecurePath:
                os.close(file)
                raise
            return file


class FileLock:
    """
    A lock among the processes of this host; the system frees it when its holder dies.

    It may be released while another thread still attempts it, as happens where a coroutine is cancelled.
    A child that is forked does not have it: it would keep it after the death of the process that took it.
    """

    def __init__(self, directory: SecureDirectory, name: str):
        self._directory = directory
        self._name = name
        self._guard = threading.Lock()
        self._file: int | None = None
        self._over = False

    def attempt(self) -> bool:
        """
        Take the lock and return True, or return False where another holds it or this one was released.

        :raises Unusable: where there can be no lock.
        """
        with self._guard, _FORKING:
            if not self._over and self._file is None:
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
                    _HELD.add(self)
            return self._file is not None

    def release(self) -> None:
        """Let others take the lock; it cannot be taken again through this object."""
        with self._guard, _FORKING:
            self._over = True
            if self._file is not None:
                # Closing is not enough: a child that was forked by other code than Python's has it open too.
                fcntl.flock(self._file, fcntl.LOCK_UN)
                self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        _HELD.discard(self)

    def renew(self) -> None:
        """Let go of the parent's lock in a forked child; the parent has it still."""
        self._guard = threading.Lock()
        self._over = True
        self._close()


_HELD: WeakSet[FileLock] = WeakSet()
_FORKING = threading.RLock()
"""Held while a lock is taken or released: a fork waits, so that its child knows of all that are open."""


def _renew() -> None:
    """Let go of the locks of the parent in a forked child."""
    global _FORKING  # noqa: PLW0603 - the parent's threads are not here to release it
    _FORKING = threading.RLock()
    for lock in list(_HELD):
        lock.renew()


os.register_at_fork(
    before=lambda: _FORKING.acquire(),  # noqa: PLW0108 - in a child's child it is another one
    after_in_parent=lambda: _FORKING.release(),  # noqa: PLW0108
    after_in_child=_renew,
)


def runtime_directory(environ: Mapping[str, str] = os.environ) -> SecureDirectory:
    """
    Return where the processes of this user on this host find each other; nothing is made yet.

    :raises Unusable: where nobody has named a place and the system has none for temporary files.
    """
    if given := environ.get(RUNTIME_DIR):
        return SecureDirectory(Path(os.path.expanduser(given)))  # noqa: PTH111 - that of Path may raise
    if session := environ.get("XDG_RUNTIME_DIR"):
        with suppress(InsecurePath, OSError):
            _check(os.lstat(session), Path(session), stat.S_IFDIR)
            return SecureDirectory(Path(session) / _NAME)
    try:
        place = tempfile.gettempdir()
    except OSError as error:
        raise InsecurePath(f"{RUNTIME_DIR} is not set, and: {error.strerror}") from error
    return SecureDirectory(Path(place) / f"{_NAME}-{os.geteuid()}")


def _check(found: os.stat_result, path: Path, kind: int = stat.S_IFREG) -> None:
    """Refuse what is not private; a file without a name is one that was replaced after it was opened."""
    if stat.S_IFMT(found.st_mode) != kind:
        raise InsecurePath(f"{path}: it is no {'directory' if kind == stat.S_IFDIR else 'regular file'}")
    if found.st_uid != os.geteuid():
        raise InsecurePath(f"{path}: it belongs to user {found.st_uid}, this is user {os.geteuid()}")
    if found.st_mode & _OTHERS:
        raise InsecurePath(f"{path}: others may use it, its mode is {stat.S_IMODE(found.st_mode):04o}")
    if kind == stat.S_IFREG and found.st_nlink > 1:
        raise InsecurePath(f"{path}: it has another name too")


@contextmanager
def _reasons(path: Path) -> Iterator[None]:
    """Give the system's reason in our words."""
    try:
        yield
    except OSError as error:
        raise InsecurePath(f"{path}: {error.strerror or type(error).__name__}") from error
