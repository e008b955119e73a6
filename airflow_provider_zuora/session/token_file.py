"""Share a token among the processes of one user on one host, in a file that only this user and secret open.

Anybody can take a name in a temporary directory beforehand, so everything is opened without following links,
and what was opened is checked: what a path names may change between check and use.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import secrets
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.messages import Credentials

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_NAME = "airflow-provider-zuora"
_PURPOSE = b"airflow-provider-zuora: shared token, version 1"
_MAX_LIFETIME = 24 * 3600.0  # seconds; Zuora's tokens last an hour
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that somebody laid there does not block
_NO_ATIME = getattr(os, "O_NOATIME", 0)  # reading writes nothing then
_OTHERS_MODE = 0o077
_MAX_BYTES = 64 * 1024  # bytes


class InsecurePath(Exception):
    """A file or a directory is not private; the message names path and reason."""


@dataclass(frozen=True, slots=True)
class SecureDirectory:
    """
    A directory of this user's own with mode 0700, made if it is missing; its parent has to exist.

    Each method raises `InsecurePath` if it, or the file, belongs to somebody else, is open to others, is a
    link, or cannot be used. Files are checked too: the directory may have been open to others before.
    """

    path: Path

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, None if there is none."""
        with self._open(name) as folder:
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
        """Replace whatever has this name by a file; a reader sees the old one or the new one."""
        spare = f"{name}.{secrets.token_hex(8)}"
        with self._open(name) as folder:
            file = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=folder)
            try:
                with os.fdopen(file, "wb") as opened:
                    opened.write(content)
                os.replace(spare, name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):  # it has the other name by now
                    os.unlink(spare, dir_fd=folder)

    def open_shared(self, name: str) -> int:
        """Return the descriptor of a file that all processes read and write; it is made if it is missing."""
        with self._open(name) as folder:
            return self._open_file(name, folder, _NO_ATIME)

    def open_locked(self, name: str) -> int | None:
        """Return the descriptor of a file that is locked by now, None if another process has locked it."""
        with self._open(name) as folder:
            file = self._open_file(name, folder)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(file)
                if isinstance(error, BlockingIOError):
                    return None
                raise
            return file

    def _open_file(self, name: str, folder: int, flags: int = 0) -> int:
        file = os.open(name, os.O_RDWR | os.O_CREAT | _FLAGS | flags, 0o600, dir_fd=folder)
        try:
            _check_private(os.fstat(file), self.path / name)
        except InsecurePath:
            os.close(file)
            raise
        return file

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        """Open the directory; while it is open, the system's errors are about the file of this name."""
        subject = self.path
        try:
            with suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
            subject = self.path / name
            try:
                _check_private(os.fstat(folder), self.path, stat.S_IFDIR)
                yield folder
            finally:
                os.close(folder)
        except OSError as error:
            raise InsecurePath(f"{subject}: {error.strerror or type(error).__name__}") from error


def find_runtime_directory(given: str = "", environ: Mapping[str, str] = os.environ) -> SecureDirectory:
    """
    Return where the processes of this user on this host find each other; nothing is made yet.

    :param given: the path that the user has chosen, empty for none.
    :raises InsecurePath: if none is given and the system has none for temporary files.
    """
    if given:
        return SecureDirectory(Path(os.path.expanduser(given)))  # noqa: PTH111 - that of Path may raise
    if session := environ.get("XDG_RUNTIME_DIR"):
        with suppress(InsecurePath, OSError):
            _check_private(os.lstat(session), Path(session), stat.S_IFDIR)
            return SecureDirectory(Path(session) / _NAME)
    try:
        folder = tempfile.gettempdir()
    except OSError as error:
        raise InsecurePath(f"runtime_directory is not set, and: {error.strerror}") from error
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


class FileLock:
    """
    A lock among the processes of this host; the system frees it when its holder dies.

    It may be released while another thread still attempts it, as happens if a coroutine is cancelled.
    A forked child does not have it: it would keep it after the death of the process that took it.
    """

    def __init__(self, directory: SecureDirectory, name: str):
        self._directory = directory
        self._name = name
        self._file: int | None = None
        self._is_released = False

    def try_acquire(self) -> bool:
        """Try to take the lock; return whether this object has it, which it has never after its release."""
        with _fork_lock:
            if not self._is_released and self._file is None:
                self._file = self._directory.open_locked(self._name)
                if self._file is not None:
                    _held_locks.add(self)
            return self._file is not None

    def release(self) -> None:
        """Let others take the lock; it cannot be taken again through this object."""
        with _fork_lock:
            if self._file is not None:
                # Closing is not enough: a child that was forked by other code than Python's has it open too.
                fcntl.flock(self._file, fcntl.LOCK_UN)
            self.abandon()

    def abandon(self) -> None:
        """Close the file and no more, as a forked child does: the parent still has the lock."""
        self._is_released = True
        if self._file is not None:
            os.close(self._file)
            self._file = None
        _held_locks.discard(self)


_held_locks: set[FileLock] = set()
_fork_lock = threading.RLock()  # held while a lock is taken or released: a fork waits, to know all locks


def _renew_after_fork() -> None:
    """Let go of the parent's locks in a forked child."""
    global _fork_lock  # noqa: PLW0603 - the parent's threads are not here to release it
    _fork_lock = threading.RLock()
    for lock in list(_held_locks):
        lock.abandon()


os.register_at_fork(
    before=lambda: _fork_lock.acquire(),  # noqa: PLW0108 - in a child's child it is another one
    after_in_parent=lambda: _fork_lock.release(),  # noqa: PLW0108
    after_in_child=_renew_after_fork,
)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """One token of one client id at one URL, for one entity and one user of this host: hashed, its name."""

    directory: SecureDirectory
    name: str
    secret: str = field(repr=False)

    @classmethod
    def for_credentials(
        cls, credentials: Credentials, entity: str = "", directory: SecureDirectory | None = None
    ) -> TokenFile:
        """Return the file for these credentials; nothing is made yet. Raises as `find_runtime_directory`."""
        identity = json.dumps([credentials.base_url, credentials.client_id, entity, os.geteuid()])
        name = hashlib.sha256(identity.encode()).hexdigest()
        return cls(directory or find_runtime_directory(), name, credentials.client_secret)

    def read(self, now: float) -> AccessToken | None:
        """
        Return the token, None if there is none or it is too old.

        :param now: seconds since the epoch, as the token's end is.
        :raises InsecurePath: if the file is not private, damaged, or made with another client secret.
        """
        from cryptography.fernet import InvalidToken

        content = self.directory.read(f"{self.name}.token")
        if content is None:
            return None
        token, reason = None, "another version of this package made it"
        try:
            found = json.loads(self.make_fernet().decrypt(content))
            token = AccessToken(str(found["token"]), float(found["expires"]))
        except InvalidToken:
            reason = "it is damaged, or was made with another client secret"
        except (KeyError, TypeError, ValueError):
            pass
        if token is not None and not token.expires - now <= _MAX_LIFETIME:
            token, reason = None, f"its token claims to last longer than {_MAX_LIFETIME:.0f} s"
        if token is None:  # raised here, because Python's error holds what was decrypted
            raise InsecurePath(f"{self.directory.path / self.name}.token: {reason}")
        return token if now < token.expires else None

    def write(self, token: AccessToken) -> None:
        """Leave a token to the other processes; an `InsecurePath` if the directory is of no use."""
        content = json.dumps({"token": token.token, "expires": token.expires}).encode()
        self.directory.replace(f"{self.name}.token", self.make_fernet().encrypt(content))

    def lock(self) -> FileLock:
        """Return the lock that a process holds while it signs in."""
        return FileLock(self.directory, f"{self.name}.lock")

    def make_fernet(self) -> Fernet:
        """Return the cipher of the file; its key is derived from the client secret."""
        from cryptography.fernet import Fernet
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        hkdf = HKDF(algorithm=SHA256(), length=32, salt=bytes.fromhex(self.name), info=_PURPOSE)
        return Fernet(base64.urlsafe_b64encode(hkdf.derive(self.secret.encode())))
