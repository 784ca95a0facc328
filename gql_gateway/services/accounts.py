"""Which account on a cluster a user uses: the one that all share, or one of their own.

An account of a user's own is named by rules that the operator makes. Then the cluster is asked whether it is there and
is a person's: an address such as daemon@ must not get a system's account.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.accounts import key_of, spelled
from gql_gateway.core.errors import ErrorCode, Refused, refuse
from gql_gateway.services.account_table import AccountTable
from gql_gateway.store.tables import User

KNOWN_SECONDS = 600.0
"""How long it is believed that an account is there: what the cluster does with one that is gone, it says itself."""

NOBODY = 65534
"""The number of the account `nobody`, which is no person's and stands above them."""


@dataclass(frozen=True, slots=True)
class AccountRules:
    """Whose account is whose on one cluster: by a `template` for addresses of `domains`, or by a `table`.

    `denied` are never used, nor is one whose number on the cluster is below `least_uid`.
    """

    cluster: str
    least_uid: int
    denied: frozenset[str]
    template: str = ""
    domains: frozenset[str] = frozenset()
    table: AccountTable | None = None

    def account(self, email: str, folder: str) -> str:
        """The account of a user.

        Raises:
            Refused: NO_ACCOUNT.
        """
        name = self._in_table(email) if self.table else self._spelled(email, folder)
        if name in self.denied:
            raise self.none(f"The account {name} is not for users.")
        return name

    def check(self, account: str, uid: int | None) -> None:
        """Let pass what the cluster says of an account.

        Raises:
            Refused: NO_ACCOUNT.
        """
        if uid is None:
            raise self.none(f"The cluster knows no account {account}.")
        if uid < self.least_uid or uid == NOBODY:
            raise self.none(f"The account {account} is not for users.")

    def none(self, why: str) -> Refused:
        """The refusal of a user without an account."""
        message = f"You have no account on the cluster {self.cluster}, which takes users with one of their own."
        return refuse(ErrorCode.NO_ACCOUNT, message, detail=f"{why} Ask the operators of the cluster.")

    def _in_table(self, email: str) -> str:
        if name := self.table and self.table.account(email):
            return name
        raise self.none(f"Nobody has entered {email} in the table of users' accounts.")

    def _spelled(self, email: str, folder: str) -> str:
        domain = email.rpartition("@")[2]
        if domain not in self.domains:
            own = ", ".join(sorted(self.domains))
            raise self.none(f"Addresses at {domain} stand for no account there, those at {own} do.")
        if name := spelled(self.template, email, folder):
            return name
        raise self.none(f"The address {email} does not spell the name of an account ({self.template}).")


class Accounts:
    """The accounts of all users. `rules` by the name of the cluster; one without is used through the shared account.

    The first of `clusters` is the default one.
    """

    def __init__(self, clusters: Mapping[str, Cluster], rules: Mapping[str, AccountRules]) -> None:
        self._clusters = clusters
        self._rules = rules
        self._known: dict[str, float] = {}

    async def refresh(self) -> None:
        """Have the rules as the operator wants them now."""
        for rules in self._rules.values():
            if rules.table:
                await rules.table.refresh()

    def key(self, user: User, cluster: str) -> str:
        """The name under which a user's jobs on a cluster are kept: the cluster's, or `cluster@account`.

        Raises:
            Refused: NO_ACCOUNT, by the rules alone.
        """
        rules = self._rules.get(cluster)
        return key_of(cluster, rules.account(user.email, user.folder)) if rules else cluster

    def home(self, user: User) -> str:
        """The first cluster on which a user has an account, by the rules alone.

        Raises:
            Refused: NO_ACCOUNT on any, with the reason that the default cluster has.
        """
        reasons: list[Refused] = []
        for name in self._clusters:
            try:
                self.key(user, name)
            except Refused as refused:
                reasons.append(refused)
            else:
                return name
        raise reasons[0]

    async def cluster(self, user: User, cluster: str) -> Cluster:
        """A cluster as a user uses it, with its root folder there.

        Raises:
            Refused: NO_ACCOUNT; CLUSTER_UNAVAILABLE or CLUSTER_TIMEOUT where it has to be asked.
        """
        await self.refresh()
        rules = self._rules.get(cluster)
        key = self.key(user, cluster)
        found = self._clusters[key]
        if rules and self._known.get(key, 0.0) < time.monotonic():
            # By the shared account's connection: a login that is refused counts against everybody who comes from here.
            rules.check(found.config.username, await self._clusters[cluster].uid_of(found.config.username))
            await found.make_root()
            self._known[key] = time.monotonic() + KNOWN_SECONDS
        return found
