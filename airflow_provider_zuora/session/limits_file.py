"""Share an account's limits among the processes of one user on one host, in a file beside the token.

It holds numbers and no secret. Nobody waits for it: what cannot be read or written is not shared, and that is
all. The system frees the lock and the slots of a process that dies.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple
from functools import lru_cache
from pathlib import Path

from airflow_provider_zuora.core.http.host_limits import Change, HostLimits
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.session.token_file import InsecurePath, SecureDirectory

log = logging.getLogger(__name__)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Names the run of the system whose monotonic clock counts; only Linux has it."""

MOUNTS = Path("/proc/self/mountinfo")

_MAGIC = b"zlimits1"
_RECORD = struct.Struct("<8s8dI")  # magic, the eight numbers, and the CRC-32 of what is before it
_FLOCK = struct.Struct("hhqqi4x")  # C's struct flock
_FIRST_SLOT = 4096  # the byte of the file whose lock is slot 0; there need be no such byte
_LOOK_AGAIN = 60.0  # seconds; who tidies up may have removed the file meanwhile
# Another process has the lock for some microseconds, longer if it has to wait for a core meanwhile.
_PATIENCE, _FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 0.001, 0.05  # seconds
_NO_PATIENCE = 10.0  # seconds for which a process that kept the lock is not waited for again
# Locks and changes over a network take their time, and a server that is away takes all of it.
_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"}
)


class LimitsFile:
    """
    A `SharedLimits`: the record of one account, and slots for connections, in one file.

    `update` takes a lock for some microseconds, never while anything is sent; if another process keeps it,
    the update is left out. Each slot is a lock too, on one byte.
    """

    def __init__(
        self,
        directory: SecureDirectory,
        name: str,
        sleep: Callable[[float], object] = time.sleep,
        mounts: Path = MOUNTS,
    ):
        self._directory, self._name, self._sleep, self._mounts = directory, name, sleep, mounts
        self._warnings: set[str] = set()
        self._lock = threading.Lock()  # of this process's threads, while `update` runs
        self._slots_lock = threading.Lock()
        self._file: int | None = None
        self._known = (b"", HostLimits())  # the record that was read last, and what it says
        self._identity = (0, 0)
        self._slots: set[int] = set()
        self._look_again = self._hurry_until = 0.0

    @classmethod
    def for_account(
        cls, credentials: Credentials, vendor: str, directory: SecureDirectory, boot_id: Path = BOOT_ID
    ) -> LimitsFile | None:
        """Return the file of a client id, None where the system does not tell its boots apart."""
        boot = read_boot_id(boot_id)
        if not boot:
            return None
        identity = json.dumps([vendor, credentials.base_url, credentials.client_id, os.geteuid(), boot])
        return cls(directory, f"{hashlib.sha256(identity.encode()).hexdigest()}.limits")

    @property
    def path(self) -> Path:
        """Return where it is."""
        return self._directory.path / self._name

    def is_due(self, now: float) -> bool:
        """Return whether `open` is to be called, once a minute."""
        return not self._look_again - _LOOK_AGAIN <= now < self._look_again

    def open(self, now: float) -> None:
        """Open the file, again if it was removed; if that fails, go on without it for a minute."""
        with self._lock:
            if self.is_due(now):  # another thread may have opened it meanwhile
                self._open()
                self._look_again = now + _LOOK_AGAIN  # last: who need not open it may use it

    def _open(self) -> None:
        if self._file is not None and self._is_ours(self._file) and os.fstat(self._file).st_nlink:
            return
        try:
            file = self._directory.open_shared(self._name)
        except InsecurePath as problem:
            self._close()
            self._warn(str(problem), is_the_tokens_too=not str(problem).startswith(f"{self.path}: "))
            return
        kind = find_filesystem(os.fstat(file).st_dev, self._mounts)
        self._close()
        if kind in _NETWORK or kind.startswith("fuse"):
            os.close(file)
            self._warn(f"{self._directory.path}: it is on a file system of a network ({kind})")
            return
        self._file, self._identity = file, _identify(file)

    def read(self, now: float) -> HostLimits:
        """Return the limits; those of nobody if there are none, or the file is damaged."""
        file = self._file
        if file is None:
            return HostLimits()
        try:
            content = os.pread(file, _RECORD.size, 0)
            known, found = self._known
            if content == known:  # as nearly always
                return found
            limits = _unpack(content, now)
            if limits is None:  # perhaps it was written while it was read
                content = os.pread(file, _RECORD.size, 0)
                limits = _unpack(content, now)
        except OSError as error:
            self._warn(f"{self.path}: {error.strerror}")
            return HostLimits()
        if limits is None:
            self._warn(f"{self.path}: it is damaged")
            return HostLimits()
        self._known = content, limits
        return limits

    def update(self, change: Change, now: float) -> None:
        """Change the limits, unless another process keeps the lock or the disk takes nothing."""
        with self._lock:
            file = self._file
            if file is None or not self._is_ours(file) or not self._take_lock(file, now):
                return
            try:
                limits = self.read(now)
                changed = change(limits)
                if changed != limits:
                    os.pwrite(file, _pack(changed), 0)
            except OSError as error:
                self._warn(f"{self.path}: {error.strerror}")
            finally:
                with suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_UN)

    def take_slot(self, most: int) -> int | None:
        """Return a slot that is locked by now; -1, which bounds nothing, if the file is of no use."""
        with self._slots_lock:
            if self._file is None:
                return -1
            try:
                for slot in range(most):
                    if slot not in self._slots and self._lock_slot(slot):
                        self._slots.add(slot)
                        return slot
            except OSError as error:
                self._warn(f"{self.path}: it cannot be locked: {error.strerror}")
                return -1
        return None

    def give_back(self, slot: int) -> None:
        """Unlock a slot."""
        with self._slots_lock:
            if slot in self._slots and self._file is not None:
                self._slots.remove(slot)
                with suppress(OSError):
                    self._set_slot(slot, fcntl.F_UNLCK)

    def renew_after_fork(self) -> None:
        """Close the file, as a forked child does: locks and slots are the parent's."""
        self._lock, self._slots_lock = threading.Lock(), threading.Lock()
        self._close()
        self._look_again = 0.0

    def _lock_slot(self, slot: int) -> bool:
        """Return whether the slot was free; raise `OSError` where nothing can be locked."""
        try:
            self._set_slot(slot, fcntl.F_WRLCK)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):  # POSIX allows either
                return False
            raise
        return True

    def _set_slot(self, slot: int, kind: int) -> None:
        """Lock or unlock a byte; the lock belongs to what was opened here, not to all of the process."""
        wanted = _FLOCK.pack(kind, os.SEEK_SET, _FIRST_SLOT + slot, 1, 0)
        fcntl.fcntl(self._file or 0, fcntl.F_OFD_SETLK, wanted)

    def _is_ours(self, file: int) -> bool:
        """Return whether nobody has closed the file behind our back: its number may be another file's now."""
        try:
            return _identify(file) == self._identity
        except OSError:
            return False

    def _take_lock(self, file: int, now: float) -> bool:
        """Return whether the lock is taken; a process that hangs is not waited for by each request."""
        waited, pause = 0.0, _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if now < self._hurry_until:
                    return False
                if waited > _PATIENCE:
                    self._hurry_until = now + _NO_PATIENCE
                    return False
            except OSError as error:
                self._warn(f"{self.path}: it cannot be locked: {error.strerror}")
                return False
            else:
                return True
            self._sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)

    def _close(self) -> None:
        with self._slots_lock:
            file, self._file = self._file, None
            self._slots.clear()
        if file is not None and self._is_ours(file):
            os.close(file)

    def _warn(self, problem: str, *, is_the_tokens_too: bool = False) -> None:
        """Log a problem once; the token has told of one that is its own too."""
        if problem not in self._warnings:
            self._warnings.add(problem)
            level = logging.INFO if is_the_tokens_too else logging.WARNING
            log.log(level, "The vendor's limits are not shared on this host. %s", problem)

    def __del__(self) -> None:
        """Close the file when nobody uses it any more."""
        self._close()


def find_filesystem(device: int, mounts: Path) -> str:
    """Return the name of the file system that a device is mounted as, empty if that is not to be found."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    found = (line.split(" - ", 1)[1] for line in lines if line.split(" ")[2:3] == [wanted] and " - " in line)
    return next(found, "").partition(" ")[0]


def _identify(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino


@lru_cache
def read_boot_id(path: Path) -> str:
    """Return what a boot of the system is known by, empty if nothing says it."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _pack(limits: HostLimits) -> bytes:
    content = _RECORD.pack(_MAGIC, *astuple(limits), 0)[:-4]
    return content + zlib.crc32(content).to_bytes(4, "little")


def _unpack(content: bytes, now: float) -> HostLimits | None:
    """Return what a record says, None if it is damaged."""
    if not content:
        return HostLimits()  # a new file
    if len(content) != _RECORD.size:
        return None
    magic, *numbers, checksum = _RECORD.unpack(content)
    if magic != _MAGIC or zlib.crc32(content[:-4]) != checksum:
        return None
    limits = HostLimits(*numbers)
    return limits if limits.is_possible(now) else HostLimits()
