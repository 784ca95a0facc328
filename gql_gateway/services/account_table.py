"""The table of users' accounts: a file that the operator may change at any time, read again when it was."""

import asyncio
from pathlib import Path

import structlog

from gql_gateway.core.accounts import read_table

log = structlog.get_logger()

_Stamp = tuple[int, int, int]


class AccountTable:
    """Accounts by address, as the file last said where it was good.

    Raises:
        ValueError: the file cannot be used; the text says why.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp, self._accounts = _read(file)

    def __len__(self) -> int:
        return len(self._accounts)

    def account(self, email: str) -> str | None:
        """The account of an address; None where it stands in no line."""
        return self._accounts.get(email)

    async def refresh(self) -> None:
        """Read the file again where it was changed; one that cannot be used changes nothing and is logged."""
        await asyncio.to_thread(self._refresh)

    def _refresh(self) -> None:
        try:
            if (stamp := _stamp_of(self._file)) == self._stamp:
                return
            self._stamp = stamp
            self._stamp, self._accounts = _read(self._file)
        except (OSError, ValueError) as error:
            log.warning("the table of accounts cannot be used, the one before it stays", error=str(error))
        else:
            log.info("table of accounts read", accounts=len(self._accounts))


def _read(file: Path) -> tuple[_Stamp, dict[str, str]]:
    stamp = _stamp_of(file)
    try:
        return stamp, read_table(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _stamp_of(file: Path) -> _Stamp:
    status = file.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
