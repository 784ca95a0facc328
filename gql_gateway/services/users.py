"""What a user may do with themselves: come into being, and be looked up."""

from collections.abc import Mapping, Sequence

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ErrorCode, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.store import users
from gql_gateway.store.database import Database
from gql_gateway.store.kept import Kept
from gql_gateway.store.tables import User


class Users:
    """Users of this gateway. The first of `clusters` is the default one."""

    def __init__(self, database: Database, clusters: Mapping[str, Cluster]) -> None:
        self._database = database
        self._default = next(iter(clusters.values()))
        self._known: Kept[User] = Kept()

    async def create(self, identity: Identity) -> User:
        """Make the caller a user, with a folder on the default cluster; again: the same user.

        Raises:
            Refused: CLUSTER_UNAVAILABLE or CLUSTER_TIMEOUT where the folder could not be made; calling again mends it.
        """
        async with self._database.transaction() as session:
            user = await users.create(session, identity.email, identity.name)
        await self._default.make_user_folder(user.folder)
        return user

    async def me(self, identity: Identity) -> User | None:
        """The caller as a user; None before `create`."""
        stamp = self._database.stamp()
        if user := self._known.get(identity.email, stamp):
            return user
        user = await users.look_up(self._database, identity.email)
        if user:
            self._known.put(identity.email, stamp, user)
        return user

    async def require(self, identity: Identity) -> User:
        """The caller as a user.

        Raises:
            Refused: USER_NOT_CREATED.
        """
        if user := await self.me(identity):
            return user
        raise refuse(ErrorCode.USER_NOT_CREATED, "You are not a user here yet: call `createUser` first.")

    async def many(self, ids: Sequence[str]) -> Mapping[str, User]:
        """Users by id, for the owners of jobs that the caller may see."""
        async with self._database.reading() as session:
            return {user.id: user for user in await users.get_many(session, list(ids))}

    def path(self, user: User) -> str:
        """Absolute path of a user's folder on the default cluster."""
        return f"{self._default.config.root}/{user.folder}"
