"""Under which accounts a cluster has jobs. It costs a few looks into an index for each account, not for each job."""

from collections.abc import Iterable

from sqlalchemy import CTE, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.accounts import account_of, cluster_of
from gql_gateway.core.states import ACTIVE
from gql_gateway.store.tables import Job


async def used(session: AsyncSession, cluster: str) -> list[str]:
    """The key of every account under which a cluster has jobs."""
    keys = _keys()
    return _of(cluster, await session.exec(select(keys.c.key).where(keys.c.key.is_not(None))))


async def busy(session: AsyncSession, cluster: str) -> list[str]:
    """The keys of those with work for the watcher: jobs launched and not ended, or to be asked what they used."""
    keys = _keys()
    wanted = (
        select(Job.cluster).where(col(Job.cluster) == keys.c.key, work).exists()
        for work in (col(Job.state).in_(ACTIVE), col(Job.usage_due).is_(True))
    )
    return _of(cluster, await session.exec(select(keys.c.key).where(or_(*wanted))))


def _keys() -> CTE:
    """Every cluster's name and key that jobs have, each found behind the one before, and a NULL behind the last."""
    keys = select(func.min(Job.cluster).label("key")).cte("keys", recursive=True)
    following = select(func.min(Job.cluster)).where(col(Job.cluster) > keys.c.key).scalar_subquery()
    return keys.union_all(select(following).where(keys.c.key.is_not(None)))


def _of(cluster: str, keys: Iterable[str]) -> list[str]:
    return [key for key in keys if account_of(key) and cluster_of(key) == cluster]
