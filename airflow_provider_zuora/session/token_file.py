"""The file in which the processes of one user on one host share a token; only the client secret opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_zuora.core.http.client import AccessToken
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.session.secure_directory import (
    FileLock,
    InsecurePath,
    SecureDirectory,
    runtime_directory,
)

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_PURPOSE = b"airflow-provider-zuora: shared token, version 1"
_LONGEST = 24 * 3600.0  # seconds; Zuora's tokens last an hour


@dataclass(frozen=True, slots=True)
class TokenFile:
    """
    One token of one client id, at one URL, for one entity and one user of this host.

    :param name: says all of that, hashed.
    """

    directory: SecureDirectory
    name: str
    secret: str = field(repr=False)

    @classmethod
    def of(
        cls, credentials: Credentials, entity: str = "", directory: SecureDirectory | None = None
    ) -> TokenFile:
        """
        Return the file for these credentials; nothing is read or made yet.

        :raises Unusable: where this machine has no place for it.
        """
        identity = json.dumps([credentials.base_url, credentials.client_id, entity, os.geteuid()])
        name = hashlib.sha256(identity.encode()).hexdigest()
        return cls(directory or runtime_directory(), name, credentials.client_secret)

    def read(self, now: float) -> AccessToken | None:
        """
        Return the token, None where there is none or it is too old.

        :param now: seconds on the clock of those who wrote it.
        :raises Unusable: where the file is not ours, damaged, or made with another client secret.
        """
        from cryptography.fernet import InvalidToken

        content = self.directory.read(f"{self.name}.token")
        if content is None:
            return None
        grant, why = None, "another version of this package made it"
        try:
            found = json.loads(self._fernet().decrypt(content))
            grant = AccessToken(str(found["token"]), float(found["expires"]))
        except InvalidToken:
            why = "it is damaged, or was made with another client secret"
        except (KeyError, TypeError, ValueError):
            pass
        if grant is None:
            raise self._unusable(why)  # outside: Python's error holds what was decrypted
        if not grant.expires - now <= _LONGEST:
            raise self._unusable(f"its token claims to last longer than {_LONGEST:.0f} s")
        return grant if now < grant.expires else None

    def write(self, grant: AccessToken) -> None:
        """
        Leave a token to the other processes.

        :raises Unusable: where the directory is not ours, or the system refuses.
        """
        content = json.dumps({"token": grant.token, "expires": grant.expires}).encode()
        self.directory.replace(f"{self.name}.token", self._fernet().encrypt(content))

    def lock(self) -> FileLock:
        """Return the lock that a process holds while it signs in."""
        return self.directory.lock(f"{self.name}.lock")

    def _fernet(self) -> Fernet:
        from cryptography.fernet import Fernet
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        hkdf = HKDF(algorithm=SHA256(), length=32, salt=bytes.fromhex(self.name), info=_PURPOSE)
        return Fernet(base64.urlsafe_b64encode(hkdf.derive(self.secret.encode())))

    def _unusable(self, reason: str) -> InsecurePath:
        return InsecurePath(f"{self.directory.path / self.name}.token: {reason}")
