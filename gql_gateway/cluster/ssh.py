"""Lanes: one long-lived SSH connection each, opened when needed, the host key always verified.

What asyncssh does not say by itself and was seen (2.24, against OpenSSH 9.2 and 10.6): a server with MaxSessions 10
refuses channels from six at once on, with ChannelOpenError 2, since it frees a slot after the client saw it close; a
retry is safe, for the command never started. OpenSSH from 9.8 on locks an address out after a few failed logins, so
all lanes of a cluster, whoever uses it, connect one at a time, with growing waits.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import asyncssh
import structlog

from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.door import Door, file_of
from gql_gateway.cluster.use import Use
from gql_gateway.core.errors import ClusterUnavailable

log = structlog.get_logger()

# With aes128-gcm and this window a copy ran at 612 up and 885 down MiB/s, scp at 401 and 492 on the same link; with
# asyncssh's own 2 MiB and chacha20, 254 and 483.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr")
WINDOW = 8 * 2**20
KEEPALIVES = 3
CHANNEL_TRIES = 8

Process = asyncssh.SSHClientProcess[bytes]

# Below this it tells every command and every channel, which the journal does better.
asyncssh.set_log_level("WARNING")


class Lane:
    """One connection, used for one purpose; at most half of the server's MaxSessions channels on it at once."""

    def __init__(self, config: ClusterConfig, name: str, door: Door) -> None:
        self.name = name
        self._config = config
        self._door = door
        self._connection: asyncssh.SSHClientConnection | None = None
        self._slots = asyncio.Semaphore(config.channels)
        self.use = Use()
        self._log = log.bind(cluster=config.name, lane=name)

    @property
    def busy(self) -> bool:
        """Whether every channel is in use."""
        return self._slots.locked()

    @asynccontextmanager
    async def process(self, command: str) -> AsyncIterator[Process]:
        """Run a command on a channel of its own, killed at the end.

        Raises:
            ClusterUnavailable: it was not started.
        """
        with self.use.taken():
            async with self._slots:
                process = await self._start(command)
                try:
                    yield process
                finally:
                    process.close()

    def drop(self) -> None:
        """Give up a connection whose peer no longer answers, at once."""
        if self._connection:
            self._connection.abort()
            self._connection = None

    async def rest(self) -> None:
        """Close the connection unless it is in use; the next process connects again."""
        if self.use.idle:
            await self.close()

    async def close(self) -> None:
        """Close the connection, politely but not for long."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()
            try:
                async with asyncio.timeout(2):
                    await connection.wait_closed()
            except TimeoutError:
                connection.abort()

    async def _start(self, command: str) -> Process:
        for attempt in range(CHANNEL_TRIES):
            connection = await self._connected()
            try:
                async with asyncio.timeout(self._config.connect_timeout):
                    return await connection.create_process(command, encoding=None, window=WINDOW)
            except TimeoutError:
                self.drop()
                raise ClusterUnavailable(f"{self._address} no longer answers.") from None
            except (asyncssh.Error, OSError) as error:
                self._log.info("channel refused", attempt=attempt, error=str(error))
                await asyncio.sleep(0.01 * 2**attempt)
        raise ClusterUnavailable(
            f"{self._address} opens no more sessions.",
            f"Set max_sessions of cluster {self._config.name!r} to the server's MaxSessions.",
        )

    async def _connected(self) -> asyncssh.SSHClientConnection:
        if self._connection is None or self._connection.is_closed():
            async with self._door.host.lock:
                if self._connection is None or self._connection.is_closed():
                    self._door.check()
                    self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        started = monotonic()
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                connection = await self._log_in()
        except (OSError, asyncssh.Error, ValueError) as error:
            words = explain(error, self._config)
            self._door.failed(error, words)
            self._log.warning("no connection", error=words)
            raise ClusterUnavailable(words) from error
        self._door.opened()
        self._log.info("connected", seconds=round(monotonic() - started, 3))
        return connection

    async def _log_in(self) -> asyncssh.SSHClientConnection:
        """Log in with one key and nothing from the account that runs the gateway: no agent, no ~/.ssh."""
        config = self._config
        keys = await asyncio.to_thread(asyncssh.load_keypairs, str(config.private_key))
        known = await asyncio.to_thread(asyncssh.read_known_hosts, str(config.known_hosts))
        return await asyncssh.connect(
            config.host,
            config.port,
            username=config.username,
            client_keys=keys,
            known_hosts=known,
            config=None,
            agent_path=None,
            preferred_auth="publickey",
            encryption_algs=CIPHERS,
            keepalive_interval=config.keepalive_seconds,
            keepalive_count_max=KEEPALIVES,
        )

    @property
    def _address(self) -> str:
        return f"{self._config.host}:{self._config.port}"


def explain(error: Exception, config: ClusterConfig) -> str:
    """Why there is no connection, and what to do about it."""
    address, key, known = f"{config.host}:{config.port}", config.private_key.name, config.known_hosts.name
    match error:
        case asyncssh.HostKeyNotVerifiable():
            words = (
                f"The host key of {address} is not in {known}: another machine answers, or its key changed. Ask its "
                f"administrator for the right one (`ssh-keyscan -p {config.port} {config.host}` shows what answers)."
            )
        case asyncssh.PermissionDenied():
            words = (
                f"{address} refuses the key {key} for {config.username}: its public half must stand in that account's "
                "authorized_keys, and the account must not be locked."
            )
        case TimeoutError():
            words = f"{address} did not answer within {config.connect_timeout:g} s."
        case OSError() if file := file_of(error):
            words = f"The file {file} cannot be read: {error.strerror}."
        case asyncssh.KeyImportError() | asyncssh.KeyEncryptionError():
            words = f"The private key {key} cannot be used: {error}."
        case ValueError():
            words = f"The known hosts in {known} cannot be read: {error}."
        case _:
            words = f"{address} cannot be reached: {error or type(error).__name__}."
    return words
