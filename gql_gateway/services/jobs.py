"""What a user may do with jobs: create, find, clone, delete. Who may see a job is decided here, once."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Unpack

import orjson
import structlog

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.accounts import cluster_of
from gql_gateway.core.audit import AuditAction
from gql_gateway.core.errors import ErrorCode, Refused, job_not_found, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.core.ids import new_id
from gql_gateway.core.spec import JobSpec, check_spec, image_allowed
from gql_gateway.core.states import FINAL, JobState
from gql_gateway.services.audit import note
from gql_gateway.services.copies import copy_inputs
from gql_gateway.services.users import Users
from gql_gateway.store import events, jobs, listing, pages, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.events import EventPage
from gql_gateway.store.pages import Page, Part
from gql_gateway.store.tables import Job, User

log = structlog.get_logger()

JOB_ID = ("input", "jobId")
"""Where mutations name the job."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How many bytes `clone` may copy."""

    job_bytes: int = 2**40


class Jobs:
    """Jobs of this gateway. The first of `clusters` is the default one."""

    def __init__(
        self, database: Database, clusters: Mapping[str, Cluster], users: Users, limits: JobLimits | None = None
    ) -> None:
        self._database = database
        self._clusters = clusters
        self._users = users
        self._limits = limits or JobLimits()

    # -- finding ------------------------------------------------------------------------------------------------

    async def get(self, identity: Identity, job_id: str) -> Job | None:
        """The job with this id; None where it is not there or not the caller's: the two look the same."""
        owner = await self._scope(identity)
        return None if owner == "" else await listing.find(self._database, job_id, owner_id=owner)

    async def show(self, identity: Identity, job_id: str, columns: frozenset[str]) -> Job | None:
        """The same to be shown, with the attributes in `columns` alone."""
        owner = await self._scope(identity)
        return None if owner == "" else await listing.show(self._database, job_id, owner_id=owner, columns=columns)

    async def require(self, identity: Identity, job_id: str | None) -> Job:
        """The job with this id.

        Raises:
            Refused: NOT_FOUND, in the same words for what is not there and for what is not the caller's.
        """
        job = await self.get(identity, job_id) if job_id else None
        if job is None:
            raise job_not_found()
        return job

    async def many(self, identity: Identity, ids: Sequence[str]) -> Mapping[str, Job]:
        """Those of these jobs that the caller may see, by id."""
        owner = await self._scope(identity)
        async with self._database.reading() as session:
            found = await jobs.get_many(session, list(ids))
        return {job.id: job for job in found if owner is None or job.owner_id == owner}

    async def page(self, identity: Identity, part: Part, **filters: Unpack[listing.Filters]) -> Page:
        """A page of the caller's jobs; an administrator's: of everybody's."""
        return await pages.page(self._database, await self._scope(identity), part, **filters)

    async def pages(
        self, identity: Identity, owner_ids: Collection[str], part: Part, **filters: Unpack[listing.Filters]
    ) -> Mapping[str, Page]:
        """A page of the jobs of each of these users; whoever is no administrator sees their own in place of others'."""
        allowed = await self._allowed(identity, owner_ids)
        found = await pages.pages(self._database, set(allowed.values()), part, **filters)
        return {owner_id: found[shown] for owner_id, shown in allowed.items()}

    async def count_by_state(self, identity: Identity, **filters: Unpack[listing.Filters]) -> Mapping[JobState, int]:
        """Number of the jobs of `page` by state, over all pages, leaving out states without jobs."""
        owner = await self._scope(identity)
        async with self._database.reading() as session:
            return await jobs.count_by_state(session, owner_id=owner, **filters)

    async def counts_of(
        self, identity: Identity, owner_ids: Collection[str], **filters: Unpack[listing.Filters]
    ) -> Mapping[str, Mapping[JobState, int]]:
        """The same of `pages`."""
        allowed = await self._allowed(identity, owner_ids)
        async with self._database.reading() as session:
            found = await jobs.counts_of(session, set(allowed.values()), **filters)
        return {owner_id: found[shown] for owner_id, shown in allowed.items()}

    async def events(self, job_ids: Collection[str], *, first: int, after: int) -> Mapping[str, EventPage]:
        """A page of what happened to each of these jobs, which the caller was allowed to get, oldest first."""
        async with self._database.reading() as session:
            return await events.pages(session, job_ids, first=first, after=after)

    async def is_over(self, job_id: str) -> bool:
        """Whether a job has ended, or is gone altogether."""
        async with self._database.reading() as session:
            job = await jobs.get(session, job_id, owner_id=None)
        return job is None or job.state in FINAL

    def path(self, job: Job) -> str:
        """Absolute path of a job's folder on its cluster."""
        return f"{self._clusters[job.cluster].config.root}/{job.folder}"

    # -- creating -----------------------------------------------------------------------------------------------

    async def create(
        self,
        identity: Identity,
        values: dict[str, object],
        *,
        cluster: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Create a job: check every value, make its folder, write its run.sh. Nothing runs before `launch`.

        The same `idempotency_key` with the same values returns the first job.

        Raises:
            Refused: INVALID_INPUT (every field at fault), IMAGE_NOT_ALLOWED, USER_NOT_CREATED, NO_ACCOUNT,
                CONFLICT (the key was used with other values), CLUSTER_UNAVAILABLE or CLUSTER_TIMEOUT (nothing was
                created).
        """
        user = await self._users.require(identity)
        spec = check_spec(values)
        name = self._named(cluster)
        _check_image(spec, self._clusters[name])
        digest = _digest(spec, name)
        if idempotency_key and (known := await self._by_key(user, idempotency_key, digest)):
            return await self._finish(known, identity)
        chosen = await self._users.cluster(user, name)
        job = self._new(user, spec, chosen, digest, idempotency_key)
        async with self._database.transaction() as session:
            job = await jobs.add(session, job)
        if job.input_sha256 != digest:
            raise _key_conflict()
        return await self._finish(job, identity)

    async def clone(self, identity: Identity, job_id: str | None) -> Job:
        """A new job with the same parameters and the same uploaded inputs as they are now.

        Raises:
            Refused: NOT_FOUND, NO_ACCOUNT, CLUSTER_UNAVAILABLE or CLUSTER_TIMEOUT.
        """
        source = await self.require(identity, job_id)
        user = await self._users.require(identity)
        name = cluster_of(source.cluster)
        spec = JobSpec.model_validate_json(orjson.dumps(source.spec))
        _check_image(spec, self._clusters[name])
        job = self._new(user, spec, await self._users.cluster(user, name), _digest(spec, name), None)
        job.cloned_from = source.id
        async with self._database.transaction() as session:
            job = await jobs.add(session, job)
        return await self._finish(job, identity)

    def _new(self, user: User, spec: JobSpec, cluster: Cluster, digest: str, key: str | None) -> Job:
        job_id = new_id()
        folder = f"{user.folder}/{job_id}"
        script = cluster.render_script(job_id, folder, spec)
        return Job(
            id=job_id,
            owner_id=user.id,
            cluster=cluster.name,
            name=spec.name,
            spec=spec.model_dump(mode="json"),
            folder=folder,
            script=script,
            script_sha256=hashlib.sha256(script.encode()).hexdigest(),
            created_at=datetime.now(UTC),
            idempotency_key=key,
            input_sha256=digest,
        )

    async def _finish(self, job: Job, identity: Identity) -> Job:
        """Make the folder of a recorded job and let the job be seen; once more after a crash does no harm."""
        if job.prepared:
            return job
        cluster = self._clusters[job.cluster]
        await cluster.prepare_job(job.folder, job.script)
        if job.cloned_from:
            await copy_inputs(self._database, self._clusters, job, self._limits.job_bytes)
        async with self._database.transaction() as session:
            if await wishes.prepared(session, job.id):
                await events.append(session, job, previous=None, reason=None, at=job.created_at, actor=identity.email)
                action = AuditAction.CLONE_JOB if job.cloned_from else AuditAction.CREATE_JOB
                await note(session, identity, action, job, job.cloned_from)
        return await self.require(identity, job.id)

    # -- deleting -----------------------------------------------------------------------------------------------

    async def delete(self, identity: Identity, job_id: str | None) -> str:
        """Delete a job that is final or was never launched, with its folder on the cluster.

        A cluster that is away keeps the folder until it is back; the job is gone from the API at once.

        Raises:
            Refused: NOT_FOUND, INVALID_STATE.
        """
        job = await self.require(identity, job_id)
        async with self._database.transaction() as session:
            hidden = await wishes.ask_delete(session, job.id, at=datetime.now(UTC))
            if hidden:
                await note(session, identity, AuditAction.DELETE_JOB, job)
        if not hidden:
            raise refuse(ErrorCode.INVALID_STATE, f"This job is {job.state}: cancel it before deleting it.", *JOB_ID)
        log.info("job deleted", job=job.id, user=identity.email)
        try:
            await self._clusters[job.cluster].remove_job(job.folder)
        except Refused as refused:
            log.warning("folder stays until the cluster is back", job=job.id, error=str(refused))
            return job.id
        async with self._database.transaction() as session:
            await jobs.remove(session, job)
        return job.id

    # -- helpers ------------------------------------------------------------------------------------------------

    async def _scope(self, identity: Identity) -> str | None:
        """Whose jobs the caller may see: None everybody's, "" nobody's (not a user yet)."""
        if identity.is_admin:
            return None
        user = await self._users.me(identity)
        return user.id if user else ""

    async def _allowed(self, identity: Identity, owner_ids: Collection[str]) -> Mapping[str, str]:
        """Whose jobs the caller sees who asks for those of each of these users."""
        owner = await self._scope(identity)
        return {owner_id: owner_id if owner is None else owner for owner_id in owner_ids}

    async def _by_key(self, user: User, key: str, digest: str) -> Job | None:
        async with self._database.reading() as session:
            known = await jobs.by_key(session, user.id, key)
        if known and known.input_sha256 != digest:
            raise _key_conflict()
        return known

    def _named(self, name: str | None) -> str:
        if name is None:
            return next(iter(self._clusters))
        if name not in self._clusters:
            allowed = ", ".join(self._clusters)
            raise refuse(
                ErrorCode.INVALID_INPUT, "There is no such cluster.", "input", "cluster", detail=f"Clusters: {allowed}"
            )
        return name


def _key_conflict() -> Refused:
    message = "This idempotency key was used before, with other values."
    return refuse(ErrorCode.CONFLICT, message, "input", "idempotencyKey")


def _digest(spec: JobSpec, cluster: str) -> str:
    return hashlib.sha256(f"{cluster}\n{spec.model_dump_json()}".encode()).hexdigest()


def _check_image(spec: JobSpec, cluster: Cluster) -> None:
    if not image_allowed(spec.image, cluster.config.image_allow):
        allowed = ", ".join(cluster.config.image_allow)
        raise refuse(
            ErrorCode.IMAGE_NOT_ALLOWED,
            f"The cluster {cluster.name} does not allow this image.",
            "input",
            "image",
            detail=f"Allowed: {allowed}",
        )
