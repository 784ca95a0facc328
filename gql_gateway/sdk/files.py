"""The files of a job: listed, sent, fetched and deleted, by the job's id."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from gql_gateway.sdk import documents, errors
from gql_gateway.sdk.archive import Archiver
from gql_gateway.sdk.download import Downloader, Version
from gql_gateway.sdk.folders import local_path, regular_files, together, whole_file
from gql_gateway.sdk.job_types import Archive, FileInfo, FileKind, Transfer
from gql_gateway.sdk.patience import Patience
from gql_gateway.sdk.upload import CountedFile, Uploader, measured
from gql_gateway.sdk.wire import Wire

Progress = Callable[[str, int, int], None]
"""Told of a transfer: the path in the job's folder, bytes moved, bytes in all."""

ArchiveProgress = Callable[[str, int, None], None]
"""Told of an archive: its name here, bytes moved, and None, since nobody knows how many there will be."""

_AT_ONCE = 4
_READ_TWICE = 8 * 2**20
"""Up to this size a file is read for its digest before it is sent: one request, where a larger one takes two."""


class Files:
    """The files of all jobs of one user at one gateway."""

    def __init__(
        self, wire: Wire, uploader: Uploader, downloader: Downloader, archiver: Archiver, patience: float
    ) -> None:
        self._wire = wire
        self._uploader = uploader
        self._downloader = downloader
        self._archiver = archiver
        self._patience = patience
        self._resumable = True

    async def entries(self, job_id: str, path: str) -> list[FileInfo]:
        """The entries of one folder."""
        job = await self._job(documents.FILES, job_id, path=path)
        if job["files"] is None:
            raise errors.FileNotFound(f"There is no folder {path!r} in this job.")
        return [FileInfo.of(entry) for entry in job["files"]]

    async def walk(self, job_id: str, path: str) -> list[FileInfo]:
        """All regular files below a folder."""
        found: list[FileInfo] = []
        for entry in await self.entries(job_id, path):
            if entry.kind is FileKind.DIRECTORY:
                found += await self.walk(job_id, entry.path)
            elif entry.kind is FileKind.FILE:
                found.append(entry)
        return found

    async def get(self, job_id: str, path: str) -> FileInfo:
        """One entry, with a fresh URL."""
        job = await self._job(documents.FILE, job_id, path=path)
        if job["file"] is None:
            raise errors.FileNotFound(f"There is no {path!r} in this job.")
        return FileInfo.of(job["file"])

    async def delete(self, job_id: str, path: str) -> str:
        """Delete a file, or a folder with all in it."""
        given = {"jobId": job_id, "path": path}
        payload = await self._wire.mutate(documents.DELETE_FILE, given, repeatable=False)
        return str(payload["deletedPath"])

    async def upload(self, job_id: str, source: Path, path: str, progress: Progress | None) -> Transfer:
        """Send one file; it appears whole or not at all."""
        report = _report(path, progress)
        size = (await asyncio.to_thread(source.stat)).st_size
        report(0, size)
        if size > _READ_TWICE and (url := await self._ticket(job_id, path, size, None)):
            sha256, verified = await self._uploader.send_unread(url, source, size, report)
            verified = verified or await self._verify(job_id, path, size, sha256)
            return Transfer(path, source, size, sha256, verified)
        size, sha256 = await measured(source)
        if url := await self._ticket(job_id, path, size, sha256):
            await self._uploader.send(url, source, size, report)
            return Transfer(path, source, size, sha256, verified=True)
        arrived = await self._send_whole(job_id, source, path, lambda sent: report(sent, size))
        return Transfer(path, source, size, sha256, await self._verify(job_id, arrived.path, size, sha256))

    async def _ticket(self, job_id: str, path: str, size: int, sha256: str | None) -> str | None:
        """The URL of a resumable upload; None: this gateway has none."""
        if not self._resumable:
            return None
        given = {"jobId": job_id, "path": path, "size": size, "sha256": sha256}
        try:
            payload = await self._wire.mutate(documents.CREATE_UPLOAD, given, repeatable=True)
        except errors.UnknownOperation:
            self._resumable = False
            return None
        return str(payload["upload"]["url"])

    async def _send_whole(self, job_id: str, source: Path, path: str, sent: Callable[[int], None]) -> FileInfo:
        """Send a file in one request, from its begin again after a cut: it appears whole or not at all."""
        patience = Patience(self._patience)
        while True:
            try:
                with CountedFile(source, sent) as file:
                    given = {"jobId": job_id, "path": path}
                    payload = await self._wire.send_file(given, file, path.rpartition("/")[2])
            except errors.ConnectionLost as loss:
                await patience.after(loss)
            else:
                return FileInfo.of(payload["file"])

    async def upload_folder(self, job_id: str, source: Path, path: str, progress: Progress | None) -> list[Transfer]:
        """Send all files below a folder, a few at once."""
        prefix = f"{path}/" if path else ""

        async def send(file: tuple[Path, str]) -> Transfer:
            return await self.upload(job_id, file[0], prefix + file[1], progress)

        return await together(send, await asyncio.to_thread(list, regular_files(source)), _AT_ONCE)

    async def download(self, job_id: str, path: str, target: Path, progress: Progress | None) -> Transfer:
        """Fetch one file; it appears whole or not at all."""

        async def locate() -> str:
            entry = await self.get(job_id, path)
            if entry.download_url is None:
                raise errors.PathNotAllowed(f"{path!r} is no regular file ({entry.kind}).")
            return entry.download_url

        async with whole_file(target) as file:
            fetch = partial(self._downloader.fetch, locate, file, _report(path, progress))
            ours, theirs = await together(_call, (fetch, partial(self._downloader.digest, locate)), 2)
            verified = _same(path, ours, theirs)
        return Transfer(path, target, ours.size, ours.sha256 or "", verified)

    async def download_folder(self, job_id: str, path: str, target: Path, progress: Progress | None) -> list[Transfer]:
        """Fetch all regular files below a folder, a few at once."""
        skip = len(path) + 1 if path else 0

        async def fetch(entry: FileInfo) -> Transfer:
            return await self.download(job_id, entry.path, local_path(target, entry.path[skip:]), progress)

        await asyncio.to_thread(target.mkdir, parents=True, exist_ok=True)
        return await together(fetch, await self.walk(job_id, path), _AT_ONCE)

    async def download_archive(self, job_id: str, path: str, target: Path, progress: ArchiveProgress | None) -> Archive:
        """Fetch a folder as one tar file; it appears whole or not at all."""
        if target.suffix.lower() != ".tar":
            raise errors.InvalidInput(f"The gateway packs folders as tar: {target.name!r} must end with .tar.")

        def moved(size: int) -> None:
            if progress:
                progress(target.name, size, None)

        async with whole_file(target) as file:
            tar = await self._archiver.fetch(partial(self._archive_url, job_id, path), file, moved)
        return Archive(path, target, tar.size, tar.files)

    async def _archive_url(self, job_id: str, path: str) -> str:
        if not path:
            return str((await self._job(documents.ARCHIVE, job_id))["archiveUrl"])
        entry = (await self._job(documents.FOLDER_ARCHIVE, job_id, path=path))["file"]
        if entry is None:
            raise errors.FileNotFound(f"There is no {path!r} in this job.")
        if entry["archiveUrl"] is None:
            raise errors.PathNotAllowed(f"{path!r} is no folder ({entry['kind']}).")
        return str(entry["archiveUrl"])

    async def _verify(self, job_id: str, path: str, size: int, sha256: str) -> bool:
        async def locate() -> str:
            return (await self.get(job_id, path)).download_url or ""

        return _same(path, Version(size, sha256, None), await self._downloader.digest(locate))

    async def _job(self, operation: str, job_id: str, **variables: str) -> dict[str, Any]:
        data = await self._wire.execute(operation, {"id": job_id, **variables})
        job: dict[str, Any] | None = data["job"]
        if job is None:
            raise no_such_job(job_id)
        return job


def no_such_job(job_id: str) -> errors.NotFound:
    """The error for a job that is not there, or not yours."""
    return errors.NotFound(f"There is no job {job_id}.")


async def _call(call: Callable[[], Awaitable[Version]]) -> Version:
    return await call()


def _report(path: str, progress: Progress | None) -> Callable[[int, int], None]:
    return (lambda done, size: progress(path, done, size)) if progress else (lambda _done, _size: None)


def _same(path: str, ours: Version, theirs: Version) -> bool:
    """Whether the cluster confirms our copy; False where it does not say, or the file has changed since.

    Raises:
        TransferFailed: it has other bytes.
    """
    changed = ours.etag is not None and ours.etag != theirs.etag
    if theirs.sha256 is None or changed:
        return False
    if theirs.sha256 != ours.sha256:
        raise errors.TransferFailed(f"{path!r} did not arrive as it was sent: its SHA-256 differs.")
    return True
