"""A secret that every process on one store shares, for a gateway that was given none."""

import secrets

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store import dialect
from gql_gateway.store.tables import Mark

_PARTS = tuple(f"signing key {number}" for number in range(4))
_BITS = 63
"""What fits into a mark."""


async def shared(session: AsyncSession) -> str:
    """The secret: 252 random bits, made by whoever asks first, the same for all that ask at once."""
    for name in _PARTS:
        row = Mark(name=name, value=secrets.randbits(_BITS))
        await session.exec(dialect.insert(session, row).on_conflict_do_nothing())
    rows = await session.exec(select(Mark).where(col(Mark.name).in_(_PARTS)).order_by(col(Mark.name)))
    return "".join(f"{row.value:016x}" for row in rows)
