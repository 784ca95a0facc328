"""One gateway for one user: what every job and the gateway itself share. For one event loop."""

import httpx

from gql_gateway.sdk.archive import Archiver
from gql_gateway.sdk.bulk import Bulk
from gql_gateway.sdk.config import find_token, find_url
from gql_gateway.sdk.download import Downloader
from gql_gateway.sdk.files import Files
from gql_gateway.sdk.upload import Uploader
from gql_gateway.sdk.wire import HEADERS, Token, Wire


class Connection:
    """GraphQL and transfers, opened when they are needed. `patience`: seconds without progress that streams bear."""

    def __init__(self, url: str | None, token: Token, patience: float, timeout: float) -> None:
        self.url = find_url(url)
        self.patience = patience
        self.wire = Wire(self.url, token if callable(token) else find_token(token), timeout)
        trusted = httpx.create_ssl_context()
        self._http = httpx.AsyncClient(timeout=timeout, headers=HEADERS, verify=trusted)
        self._bulk = Bulk(timeout, trusted)
        uploader = Uploader(self._http, self._bulk, patience)
        downloader = Downloader(self._http, self._bulk, patience)
        self.files = Files(self.wire, uploader, downloader, Archiver(self._bulk, patience), patience)

    async def close(self) -> None:
        """Close all connections."""
        await self.wire.close()
        await self._http.aclose()
        self._bulk.close()
