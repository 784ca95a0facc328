"""What resolvers are given: the services, and who asks."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import strawberry

from gql_gateway.api.loaders import Loaders
from gql_gateway.core.errors import LimitExceeded, Unauthenticated
from gql_gateway.core.identity import Identity
from gql_gateway.services.audit import Audit
from gql_gateway.services.changes import Changes
from gql_gateway.services.files import Files
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.runs import Runs
from gql_gateway.services.tokens import ApiTokens
from gql_gateway.services.uploads import Ticket, Uploads
from gql_gateway.services.users import Users
from gql_gateway.store.tables import ClusterStatus, Job

ENTRIES = 50_000


class Clusters(Protocol):
    """Knows how the clusters are."""

    async def statuses(self) -> Sequence[ClusterStatus]:
        """Every cluster of this gateway as it was last seen, in the order of the configuration."""

    def follow(self, name: str) -> AsyncGenerator[ClusterStatus]:
        """One of them as it is, and again each time that it differs."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the API speaks to.

    `sign_download` makes the URL at which a caller can get a job's file, `sign_archive` that of a folder as one file,
    `sign_upload` that at which an upload goes on. `subscription` counts one of a user's for as
    long as it is open, and refuses one too many.
    """

    users: Users
    jobs: Jobs
    runs: Runs
    files: Files
    uploads: Uploads
    changes: Changes
    clusters: Clusters
    sign_download: Callable[[Job, str, Identity], str]
    sign_archive: Callable[[Job, str, Identity], str]
    sign_upload: Callable[[Ticket, Identity], str]
    tokens: ApiTokens
    audit: Audit
    subscription: Callable[[str], AbstractContextManager[None]]


class Context:
    """One HTTP request, or one WebSocket connection, whose `identity` is known once it was said who asks."""

    def __init__(self, services: Services, request_id: str, identity: Identity | None = None) -> None:
        self.services = services
        self.request_id = request_id
        self.identity = identity
        self.entries = 0
        """Entries of folders in the answer to the operation that began last; see `note_entries`."""
        self.token: str | None = None
        """The token that the caller came with, to see when it ends."""
        self.connection_params: dict[str, Any] = {}
        """What a WebSocket client sent to introduce itself; Strawberry puts it here."""

    @cached_property
    def loaders(self) -> Loaders:
        """What the answer's objects refer to."""
        services = self.services
        return Loaders(services.users, services.jobs, services.tokens, services.clusters.statuses, lambda: self.caller)

    def note_entries(self, number: int) -> None:
        """Count entries of folders that go into one answer: what 200 jobs hold, each with 20,000, is no answer.

        Raises:
            LimitExceeded: there are too many together.
        """
        self.entries += number
        if self.entries > ENTRIES:
            raise LimitExceeded(f"This answer lists more than {ENTRIES} entries of folders, which is the limit.")

    @property
    def caller(self) -> Identity:
        """Who asks.

        Raises:
            Unauthenticated: nobody said so. Operations without a caller are refused before they get here.
        """
        if self.identity is None:
            raise Unauthenticated("This needs a token.")
        return self.identity


Info = strawberry.Info[Context, None]
