"""Signed URLs: a capability to read or write one file, or read one folder, of one job for one user, until it expires.

What is signed is the whole permission, so a URL is good for nothing else: another method, path, job or time needs
another signature. The caller's rights are looked up again when it is used.
"""

import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import itsdangerous
import orjson
from itsdangerous import BadSignature, URLSafeSerializer
from itsdangerous.encoding import base64_encode

from gql_gateway.core.errors import Forbidden
from gql_gateway.core.identity import Identity, Role

_SALT = "gql-gateway files 1"


class Access(StrEnum):
    """What a signed URL permits."""

    READ = "r"
    WRITE = "w"
    ARCHIVE = "a"


@dataclass(frozen=True, slots=True)
class Permission:
    """What one URL is good for. `expires` in seconds since 1970."""

    access: Access
    job_id: str
    path: str
    email: str
    role: Role
    expires: int

    @property
    def identity(self) -> Identity:
        """On whose behalf the URL acts."""
        return Identity(email=self.email, name=self.email, role=self.role, credential="signed-url")


class UrlSerializer(URLSafeSerializer):
    """Signed JSON for URLs, made fast: a folder's listing has one for each entry.

    itsdangerous (2.2) derives its key anew for each text, and tries whether zlib makes it shorter, which it does not.
    What it made is still read, whatever its key and form.
    """

    def __init__(self, keys: Sequence[str], salt: str) -> None:
        # It takes the oldest key first and signs with the last.
        super().__init__(list(reversed(keys)), salt=salt, signer=_Signer)
        self._ready = self.make_signer()

    def dumps(self, obj: Any, salt: str | bytes | None = None) -> str:  # noqa: ARG002 - the salt is one and the same
        """The signed text of a value."""
        return self._ready.sign(base64_encode(orjson.dumps(obj))).decode()


class _Signer(itsdangerous.Signer):
    """Derives each of its keys once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._derive = cache(super().derive_key)

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """The key that a secret makes."""
        return self._derive(secret_key)


class Signer:
    """Makes and checks signed URLs. The first of `keys` signs, all are accepted."""

    def __init__(self, keys: Sequence[str], base_url: str, lifetime: int) -> None:
        self._serializer = UrlSerializer(keys, _SALT)
        self._base_url = base_url
        self._lifetime = lifetime

    def download_url(self, job_id: str, path: str, identity: Identity) -> str:
        """A URL for GET and HEAD of a file."""
        return self._url(Access.READ, job_id, path, identity)

    def archive_url(self, job_id: str, path: str, identity: Identity) -> str:
        """A URL for GET of a folder as one file; the path is empty for the job's own."""
        return self._url(Access.ARCHIVE, job_id, path, identity)

    def upload_url(self, job_id: str, path: str, identity: Identity) -> str:
        """A URL for one PUT of a file."""
        return self._url(Access.WRITE, job_id, path, identity)

    def check(self, signed: str, access: Access) -> Permission:
        """The permission that a URL carries.

        Raises:
            Forbidden: it was changed, signed by another key, has expired, or is for another method.
        """
        try:
            kind, job_id, path, email, role, expires = self._serializer.loads(signed)
        except BadSignature:
            raise Forbidden("This URL was not signed by this gateway, or was changed.") from None
        permission = Permission(Access(kind), job_id, path, email, Role(role), expires)
        if permission.expires <= time.time():
            raise Forbidden("This URL has expired: ask for a new one.")
        if permission.access is not access:
            raise Forbidden("This URL is good for another method.")
        return permission

    def _url(self, access: Access, job_id: str, path: str, identity: Identity) -> str:
        expires = int(time.time()) + self._lifetime
        signed = self._serializer.dumps([access, job_id, path, identity.email, identity.role, expires])
        return f"{self._base_url}/{'archives' if access is Access.ARCHIVE else 'files'}/{signed}"


def kept_key(file: Path) -> str:
    """The key kept in `file`, made on first use; only the owner can read it.

    Two processes that start together agree: a finished file is linked to the name, which only one of them can do.
    """
    if not file.exists():
        made = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(32))
        with suppress(FileExistsError):
            file.hardlink_to(made)
        made.unlink()
    return file.read_text().strip()
