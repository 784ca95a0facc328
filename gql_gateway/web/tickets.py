"""Signed URLs of uploads: a capability to fill one file of one job, from several requests, until it expires."""

import time
from collections.abc import Sequence

from itsdangerous import BadSignature

from gql_gateway.cluster.parts import Part
from gql_gateway.core.errors import Fault, Forbidden
from gql_gateway.core.identity import Identity, Role
from gql_gateway.core.paths import parse_writable
from gql_gateway.services.uploads import Ticket
from gql_gateway.web.signing import UrlSerializer

_SALT = "gql-gateway uploads 1"


class UploadExpired(Fault):
    """The time of an upload is over."""

    code = "NOT_FOUND"
    status = 410


class TicketSigner:
    """Makes and reads URLs of uploads. The first of `keys` signs, all are accepted."""

    def __init__(self, keys: Sequence[str], base_url: str) -> None:
        self._serializer = UrlSerializer(keys, _SALT)
        self._base_url = base_url

    def url(self, ticket: Ticket, identity: Identity) -> str:
        """The URL of an upload, which needs no token."""
        part = ticket.part
        what = [part.part_id, str(part.path), part.size, part.sha256, part.overwrite]
        signed = self._serializer.dumps([ticket.job_id, identity.email, identity.role, ticket.expires, *what])
        return f"{self._base_url}/uploads/{signed}"

    def read(self, signed: str) -> tuple[Identity, Ticket]:
        """On whose behalf an upload is, and what it is.

        Raises:
            Forbidden: it was not signed here.
            UploadExpired: its time is over.
        """
        try:
            job_id, email, role, expires, part_id, path, size, sha256, overwrite = self._serializer.loads(signed)
        except BadSignature:
            raise Forbidden("This URL was not signed by this gateway, or was changed.") from None
        if expires <= time.time():
            raise UploadExpired("The time of this upload is over: begin a new one.")
        identity = Identity(email=email, name=email, role=Role(role), credential="signed-url")
        return identity, Ticket(job_id, Part(part_id, parse_writable(path), size, sha256, overwrite), expires)
