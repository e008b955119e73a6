"""Share a token among the processes of one user on one host, in a file that only the client secret opens."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.session.secure_directory import (
    FileLock,
    InsecurePath,
    SecureDirectory,
    find_runtime_directory,
)

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_PURPOSE = b"airflow-provider-zuora: shared token, version 1"
_MAX_LIFETIME = 24 * 3600.0  # seconds; Zuora's tokens last an hour


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
    def for_credentials(
        cls, credentials: Credentials, entity: str = "", directory: SecureDirectory | None = None
    ) -> TokenFile:
        """
        Return the file for these credentials; nothing is read or made yet.

        :raises InsecurePath: if this machine has no place for it.
        """
        identity = json.dumps([credentials.base_url, credentials.client_id, entity, os.geteuid()])
        name = hashlib.sha256(identity.encode()).hexdigest()
        return cls(directory or find_runtime_directory(), name, credentials.client_secret)

    def read(self, now: float) -> AccessToken | None:
        """
        Return the token, None if there is none or it is too old.

        :param now: seconds on the clock of those who wrote it.
        :raises InsecurePath: if the file is not ours, damaged, or made with another client secret.
        """
        from cryptography.fernet import InvalidToken

        content = self.directory.read(f"{self.name}.token")
        if content is None:
            return None
        token, why = None, "another version of this package made it"
        try:
            found = json.loads(self.make_fernet().decrypt(content))
            token = AccessToken(str(found["token"]), float(found["expires"]))
        except InvalidToken:
            why = "it is damaged, or was made with another client secret"
        except (KeyError, TypeError, ValueError):
            pass
        if token is None:
            raise self._make_error(why)  # outside: Python's error holds what was decrypted
        if not token.expires - now <= _MAX_LIFETIME:
            raise self._make_error(f"its token claims to last longer than {_MAX_LIFETIME:.0f} s")
        return token if now < token.expires else None

    def write(self, token: AccessToken) -> None:
        """
        Leave a token to the other processes.

        :raises InsecurePath: if the directory is not ours, or the system refuses.
        """
        content = json.dumps({"token": token.token, "expires": token.expires}).encode()
        self.directory.replace(f"{self.name}.token", self.make_fernet().encrypt(content))

    def lock(self) -> FileLock:
        """Return the lock that a process holds while it signs in."""
        return self.directory.lock(f"{self.name}.lock")

    def make_fernet(self) -> Fernet:
        """Return the cipher of the file; its key is derived from the client secret."""
        from cryptography.fernet import Fernet
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        hkdf = HKDF(algorithm=SHA256(), length=32, salt=bytes.fromhex(self.name), info=_PURPOSE)
        return Fernet(base64.urlsafe_b64encode(hkdf.derive(self.secret.encode())))

    def _make_error(self, reason: str) -> InsecurePath:
        return InsecurePath(f"{self.directory.path / self.name}.token: {reason}")
