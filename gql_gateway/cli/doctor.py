"""`doctor`: everything that must be right before a gateway works, one line each, with the remedy."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gql_gateway import __version__
from gql_gateway.cli.options import Config, settings_of
from gql_gateway.cluster import container, slurm, slurm_cluster
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.door import Door
from gql_gateway.cluster.files import Files
from gql_gateway.cluster.remote import Remote
from gql_gateway.cluster.ssh import Lane
from gql_gateway.core.accounts import account_of
from gql_gateway.core.errors import ClusterUnavailable, Fault, GatewayError, Refused
from gql_gateway.core.identity import canonical_email
from gql_gateway.core.ids import new_id
from gql_gateway.core.paths import user_folder
from gql_gateway.settings import ClusterSettings, Settings, SettingsError
from gql_gateway.store.database import Database
from gql_gateway.web import logs
from gql_gateway.web.app import account_login, account_rules, cluster_config, platform

_SCRIPT = "#!/bin/sh\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. Not `fatal`: the gateway works, with less."""

    good: bool
    what: str
    said: str
    remedy: str = ""
    fatal: bool = True

    def line(self) -> str:
        """For people."""
        sign = "[green]✓[/]" if self.good else "[red]✗[/]" if self.fatal else "[yellow]![/]"
        remedy = f"\n    → {self.remedy}" if self.remedy and not self.good else ""
        return f"{sign} {escape(f'{self.what}: {self.said}{remedy}')}"


User = Annotated[
    str | None,
    typer.Option(
        "--user",
        "-u",
        metavar="EMAIL",
        help="Also look at the account that the person with this address has on clusters with accounts of users.",
    ),
]


def doctor(config: Config = None, user: User = None) -> None:
    """Check the configuration, the database, SSH, Slurm and the folders, and say what to do about what is wrong.

    Ends with status 0 where a gateway would work. `!` marks what it can do without.
    """
    console = Console(highlight=False, soft_wrap=True)
    logs.configure("error", "console")  # what is warned of is found below, in other words
    try:
        settings = settings_of(config)
    except SettingsError as error:
        for fault in str(error).splitlines():
            console.print(Finding(good=False, what="configuration", said=fault).line())
        raise typer.Exit(1) from None
    if not asyncio.run(_examine(settings, user, console)):
        raise typer.Exit(1)


async def _examine(settings: Settings, user: str | None, console: Console) -> bool:
    console.print(Finding(good=True, what="configuration", said=f"complete, for gql-gateway {__version__}").line())
    findings = [await _database(settings.store.database)]
    console.print(findings[0].line())
    if settings.auth.oidc_issuer or settings.auth.userinfo_url:
        findings.append(await _platform(settings))
        console.print(findings[-1].line())
    for cluster in settings.clusters:
        async for finding in _cluster(cluster_config(cluster)):
            console.print(finding.line())
            findings.append(finding)
        if user and findings[-1].good:
            async for finding in _account(cluster, canonical_email(user)):
                console.print(finding.line())
                findings.append(finding)
    return all(finding.good or not finding.fatal for finding in findings)


async def _database(url: str) -> Finding:
    database = Database(url)
    kind = "PostgreSQL" if database.is_postgresql else "SQLite"
    try:
        current, head = await database.revision()
    except Fault as error:
        return Finding(good=False, what="database", said=str(error), remedy="See store.url, and whether it runs.")
    finally:
        await database.close()
    if current == head:
        return Finding(good=True, what="database", said=f"{kind} at revision {head}")
    remedy = "Run `gql-gateway migrate`." if database.is_postgresql else "`gql-gateway serve` brings it up to date."
    said = f"{kind} at revision {current or 'none'}, {head} is needed"
    return Finding(good=False, what="database", said=said, remedy=remedy, fatal=database.is_postgresql)


async def _platform(settings: Settings) -> Finding:
    asked = platform(settings.auth)
    what = "identity provider"
    try:
        await asked.check()
    except Fault as error:
        said = f"{error} {error.detail or ''}".strip()
        return Finding(good=False, what=what, said=said, remedy="See oidc_issuer and userinfo_url.", fatal=False)
    finally:
        await asked.close()
    return Finding(good=True, what=what, said="answers")


async def _cluster(config: ClusterConfig) -> AsyncIterator[Finding]:
    """What is found on one cluster; nothing further where it cannot be reached."""
    remote = Remote(Lane(config, "doctor", Door()), config, lambda *_: None)
    examination = _Examination(config, remote)
    try:
        connected = await examination.check("SSH and Python", examination.connects, _SSH)
        yield connected
        if connected.good:
            yield await examination.check("Slurm", examination.speaks_slurm, _SLURM)
            yield await examination.check("accounting", examination.keeps_accounts, _ACCOUNTING, fatal=False)
            yield await examination.check("container", examination.has_container, _CONTAINER, fatal=False)
            yield await examination.check("root folder", examination.owns_root, _ROOT)
    finally:
        await remote.close()


async def _account(cluster: ClusterSettings, email: str) -> AsyncIterator[Finding]:
    """What is found of a user's own account on a cluster that has such."""
    rules, login = account_rules(cluster), account_login(cluster)
    if rules is None or login is None:
        return
    config, what = cluster_config(cluster), f"{cluster.name}: account of {email}"
    remote = Remote(Lane(config, "doctor", Door()), config, lambda *_: None)
    try:
        account = rules.account(email, user_folder(email))
        uid = await Files(config, remote).uid_of(account)
        rules.check(account, uid)
    except Refused as refused:
        yield Finding(good=False, what=what, said=_said(refused), remedy=_ACCOUNTS)
        return
    finally:
        await remote.close()
    yield Finding(good=True, what=what, said=f"{account}, number {uid}")
    async for finding in _cluster(login.config(config, account)):
        yield finding


_ACCOUNTS = "See account_template and account_domains, or the line of account_table; and whether the account is there."
_SSH = "See host, port, username, private_key and known_hosts; `python` where the login node's Python is elsewhere."
_SLURM = "Set slurm_path where Slurm's commands are not in the account's PATH; see whether slurmctld runs."
_ACCOUNTING = "Without slurmdbd, the records that run.sh leaves are the second witness of how a job ended."
_CONTAINER = "See `container`. If only compute nodes have it, or a module brings it (`preamble`), this is no fault."
_ROOT = "`root` must be a folder that belongs to the service account."


class _Examination:
    """The checks of one cluster."""

    def __init__(self, config: ClusterConfig, remote: Remote) -> None:
        self._config = config
        self._remote = remote

    async def check(self, what: str, look: Callable[[], Awaitable[str]], remedy: str, *, fatal: bool = True) -> Finding:
        """Look, and put what was found into words."""
        what = f"{self._config.name}: {what}"
        try:
            return Finding(good=True, what=what, said=await look())
        except Refused as refused:
            said = _said(refused)
        except GatewayError as error:
            said = str(error)
        return Finding(good=False, what=what, said=said, remedy=remedy, fatal=fatal)

    async def connects(self) -> str:
        await self._remote.call("ping", {}, seconds=self._config.connect_timeout)
        return f"{self._config.username}@{self._config.host}:{self._config.port}, host key known, agent runs"

    async def speaks_slurm(self) -> str:
        version = slurm_cluster.read_version(await self._run(slurm_cluster.version()))
        slurm_cluster.read_ping(await self._run(slurm_cluster.ping()))
        partitions = slurm_cluster.read_partitions(await self._run(slurm_cluster.sinfo()))
        return f"{version}, partitions {', '.join(partition.name for partition in partitions)}"

    async def keeps_accounts(self) -> str:
        now = datetime.now(UTC)
        (argv,) = slurm.sacct([new_id()], now)
        if slurm.read_accounting(await self._run(argv), at=now) is None:
            raise ClusterUnavailable("This site keeps no accounts.")
        return "sacct answers"

    async def has_container(self) -> str:
        answer = await self._run(container.version_command(self._config.container))
        if answer.exit_code != 0:
            raise ClusterUnavailable(f"{self._config.container} does not run on the login node.", answer.words)
        return answer.stdout.strip()

    async def owns_root(self) -> str:
        """Make a job's folder as a user's would be made, and remove it."""
        files = Files(self._config, self._remote)
        folder = f"doctor-{new_id()}"
        if account_of(self._config.name):
            await files.make_root()
        try:
            await files.prepare(f"{folder}/job", _SCRIPT)
        finally:
            await files.remove(folder)
        return f"{self._config.root} can be written"

    async def _run(self, argv: list[str]) -> slurm.Answer:
        return await self._remote.run(argv, seconds=self._config.command_timeout)


def _said(refused: Refused) -> str:
    problem = refused.problems[0]
    return f"{problem.message} {problem.detail or ''}".strip()
