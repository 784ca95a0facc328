"""Who asks: the words of an authenticated caller, wherever its token came from."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gql_gateway.core.errors import ErrorCode, refuse

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,255}")


class Role(StrEnum):
    """What a caller may do beyond their own things."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller.

    `email` is the key of a user: the part behind `@` in lower case. `credential` names the token without revealing
    it (for logs and revocation); `expires_at` is when it stops working (None: never).
    """

    email: str
    name: str
    role: Role = Role.USER
    credential: str = ""
    expires_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        """Whether this caller may see and cancel everybody's jobs."""
        return self.role is Role.ADMIN


def canonical_email(email: str) -> str:
    """The address as the key of a user: the part behind `@` in lower case.

    Raises:
        Refused: INVALID_INPUT.
    """
    # No half surrogate pairs and other characters that a database refuses.
    if not (_EMAIL.fullmatch(email) and email.isprintable()):
        raise refuse(ErrorCode.INVALID_INPUT, f"{email!r} is no e-mail address.", "email")
    local, _, domain = email.rpartition("@")
    return f"{local}@{domain.lower()}"
