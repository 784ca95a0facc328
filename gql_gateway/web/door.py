"""The door: who asks, how often they may, and until when what they opened stays open."""

from collections.abc import Sequence
from dataclasses import dataclass

from gql_gateway.api.context import Context
from gql_gateway.core.errors import Unauthenticated
from gql_gateway.core.identity import Identity
from gql_gateway.web.auth import Authenticator, TokenSource, bearer
from gql_gateway.web.rates import Allowance
from gql_gateway.web.vigil import Vigil


@dataclass(frozen=True, slots=True)
class DoorOptions:
    """How often the tokens of open streams are looked at, and what one user may ask for."""

    revocation_seconds: float = 5.0
    requests_per_minute: int = 60_000
    subscriptions: int = 5000


class Door:
    """Lets callers in by the tokens that `sources` know."""

    def __init__(self, sources: Sequence[TokenSource], options: DoorOptions | None = None) -> None:
        options = options or DoorOptions()
        self._authenticator = Authenticator(sources)
        self.vigil = Vigil(sources, options.revocation_seconds)
        self.allowance = Allowance(options.requests_per_minute, options.subscriptions)

    async def enter(self, context: Context, authorization: str | None) -> None:
        """Note in the context who asks; nobody, where there is no `Authorization`.

        Raises:
            Unauthenticated: no source takes the token.
            Unavailable: who could say whose it is does not answer.
        """
        if authorization is not None:
            context.identity = await self._authenticator.authenticate(authorization)
            context.token = bearer(authorization)

    async def caller(self, authorization: str | None) -> Identity:
        """Who asks, outside of GraphQL; counts as one request.

        Raises:
            Unauthenticated: nobody said so, or no source takes the token.
            RateExceeded: too many requests in the last minute.
            Unavailable: as `enter`.
        """
        identity = await self._authenticator.authenticate(authorization)
        if identity is None:
            raise Unauthenticated("This needs a token: `Authorization: Bearer …`.")
        await self.allowance.request(identity.email)
        return identity
