"""What a user may do with themselves: come into being, and be looked up."""

from collections.abc import Mapping, Sequence

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ErrorCode, Refused, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.services.accounts import Accounts
from gql_gateway.store import users
from gql_gateway.store.database import Database
from gql_gateway.store.kept import Kept
from gql_gateway.store.tables import User


class Users:
    """Users of this gateway."""

    def __init__(self, database: Database, clusters: Mapping[str, Cluster], accounts: Accounts) -> None:
        self._database = database
        self._clusters = clusters
        self._accounts = accounts
        self._known: Kept[User] = Kept()

    async def create(self, identity: Identity) -> User:
        """Make the caller a user, with a folder on the default cluster, or on the first one where they have an account.

        Again: the same user.

        Raises:
            Refused: NO_ACCOUNT where every cluster asks for one of the caller's own; CLUSTER_UNAVAILABLE or
                CLUSTER_TIMEOUT where the folder could not be made: calling again mends it.
        """
        await self._accounts.refresh()
        async with self._database.transaction() as session:
            user = await users.create(session, identity.email, identity.name)
            home = self._accounts.home(user)  # nobody is made a user who surely has no account
        cluster = await self._accounts.cluster(user, home)
        await cluster.make_user_folder(user.folder)
        return user

    async def cluster(self, user: User, name: str) -> Cluster:
        """A cluster as this user uses it, whose name goes into the user's jobs.

        Raises:
            Refused: NO_ACCOUNT; CLUSTER_UNAVAILABLE or CLUSTER_TIMEOUT where it has to be asked.
        """
        return await self._accounts.cluster(user, name)

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
        """Absolute path of a user's folder where `create` made it; empty where they have no account any more."""
        try:
            cluster = self._clusters[self._accounts.key(user, self._accounts.home(user))]
        except Refused:
            return ""
        return f"{cluster.config.root}/{user.folder}"
