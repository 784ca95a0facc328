"""Blocking HTTP for the bytes of files, carried by `urllib3`; any number of threads may use it."""

import ssl
from collections.abc import Iterable, Mapping
from functools import partial
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
import urllib3

from gql_gateway.sdk.answers import lost
from gql_gateway.sdk.wire import HEADERS

Lost = urllib3.exceptions.HTTPError


class Bulk:
    """Keeps connections for the next file; `timeout` in seconds without a byte."""

    def __init__(self, timeout: float, trusted: ssl.SSLContext) -> None:
        self._timeout = urllib3.Timeout(connect=timeout, read=timeout)
        self._trusted = trusted
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """The head of an answer; its body is still to be read, or to be closed.

        Raises:
            ConnectionLost: there was none.
        """
        try:
            return self._pool(url).request(
                method,
                url,
                headers={**HEADERS, **headers},
                body=body,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except Lost as error:
            raise lost(error) from error

    def close(self) -> None:
        """Close the connections that are kept."""
        for pool in self._pools.values():
            pool.clear()

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections to a host, or to the proxy that the environment names for it."""
        split = urlsplit(url)
        proxies = getproxies()
        proxy = proxies.get(split.scheme) or proxies.get("all")
        if proxy and proxy_bypass(split.netloc):
            proxy = None
        if proxy not in self._pools:
            made = partial(urllib3.ProxyManager, proxy) if proxy else urllib3.PoolManager
            self._pools.setdefault(proxy, made(maxsize=4, ssl_context=self._trusted))
        return self._pools[proxy]


def whole(response: urllib3.BaseHTTPResponse, method: str, url: str) -> httpx.Response:
    """An answer with its small body, as what the rest of the client reads.

    Raises:
        ConnectionLost: it ended too early.
    """
    try:
        content = response.data
    except Lost as error:
        raise lost(error) from error
    headers = list(response.headers.items())
    return httpx.Response(response.status, headers=headers, content=content, request=httpx.Request(method, url))
