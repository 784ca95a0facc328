"""Identity: whoever comes with a token that is not good here, and whoever stays when theirs has ended.

A gateway of its own takes JWTs of a real OpenID provider, over HTTP, beside its own tokens. Every forgery is tried as a
request and on a WebSocket; a good token between them shows that the door is one.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
from joserfc.jwk import RSAKey
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from demo.gateway import GatewayProcess
from tests.attack.tally import Tally
from tests.attack.world import World
from tests.client import Client, mint
from tests.web.identity.forgeries import FORGERIES
from tests.web.identity.provider import AUDIENCE, OpenIdProvider, running

AUTH = """
[auth]
oidc_issuer = "{issuer}"
oidc_audience = "{audience}"
oidc_leeway_seconds = 1
oidc_keys_seconds = 0.5
revocation_seconds = 0.5
roles_claim = "realm_access.roles"
"""
CREATE = "mutation { createUser { user { email } } }"
WATCH = "subscription { jobStateChanged { cursor } }"
GONE = {4401, 4403}
SECONDS = 20


def attack(world: World, tally: Tally) -> None:
    """Forge, stay too long, come from elsewhere, and ask for more than one's role gives."""
    with ExitStack() as stack:
        with running() as provider:
            gateway = stack.enter_context(guarded(world, provider))
            known = provider.sign()
            admitted(tally, gateway, known)
            for case, (forge, words) in FORGERIES.items():
                refused(tally, gateway, case, forge(provider), words)
            admitted(tally, gateway, known)
            ends_with_its_token(tally, gateway, provider)
            other_pages(tally, gateway, known)
            roles(tally, gateway, provider)
            unknown = provider.sign(RSAKey.generate_key(2048), header={"kid": "another"})
        if world.every == 1:
            late_hello(tally, gateway)
        away(tally, gateway, known, unknown)
        with running(int(provider.issuer.rpartition(":")[2])) as successor:
            changed_key(tally, gateway, known, successor)


@contextmanager
def guarded(world: World, provider: OpenIdProvider) -> Iterator[GatewayProcess]:
    """A gateway that believes this provider."""
    folder = world.folder / "identity"
    folder.mkdir(exist_ok=True)
    more = AUTH.format(issuer=provider.issuer, audience=AUDIENCE)
    with GatewayProcess(world.site, folder, more=more, cluster="poll_seconds = 2") as gateway:
        yield gateway


def ask(gateway: GatewayProcess, token: str, query: str = CREATE) -> httpx.Response:
    with Client(gateway.url, token) as client:
        return client.post(query)


@contextmanager
def socket(gateway: GatewayProcess, token: str | None, origin: str | None = None) -> Iterator[ClientConnection]:
    """A WebSocket that has said hello with this token, or nothing yet."""
    url = f"{gateway.url.replace('http', 'ws', 1)}/graphql"
    protocol, page = Subprotocol("graphql-transport-ws"), Origin(origin) if origin else None
    with connect(url, subprotocols=[protocol], origin=page, proxy=None) as one:
        if token is not None:
            one.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
        yield one


def watching(one: ClientConnection) -> bool:
    """Whether a subscription begins."""
    if json.loads(one.recv(SECONDS))["type"] != "connection_ack":
        return False
    one.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": WATCH}}))
    return True


def closed(one: ClientConnection) -> int | None:
    """The code with which the gateway closes a connection; None where it does not in time."""
    try:
        while True:
            one.recv(SECONDS)
    except ConnectionClosed:
        return one.close_code
    except TimeoutError:
        return None


def admitted(tally: Tally, gateway: GatewayProcess, token: str) -> None:
    """A good token opens both doors: else all refusals would mean nothing."""
    said = ask(gateway, token)
    tally.hold("a good token", '"ada.l@' in said.text.lower(), said.text)
    with socket(gateway, token) as one:
        tally.hold("a good token", watching(one))


def refused(tally: Tally, gateway: GatewayProcess, case: str, token: str, words: str) -> None:
    said = ask(gateway, token)
    held = said.status_code == 401 and '"data"' not in said.text and '"UNAUTHENTICATED"' in said.text
    tally.hold("a forged token", held and json.dumps(words)[1:-1] in said.text, (case, said.text))
    with socket(gateway, token) as one:
        tally.hold("a forged token on a socket", closed(one) in GONE, case)


def ends_with_its_token(tally: Tally, gateway: GatewayProcess, provider: OpenIdProvider) -> None:
    """A socket stays for as long as its token is good: one that expires, and one that is revoked."""
    with socket(gateway, provider.sign(exp=int(time.time()) + 2)) as one:
        tally.hold("a token that expires", watching(one) and closed(one) == 4403, one.close_code)
    with Client(gateway.url, mint(gateway, "ada.l@example.org")) as client:
        secret = client.mutate("createToken", "CreateTokenInput", "secret token { id }", name="y")
        with socket(gateway, secret["secret"]) as one:
            watches = watching(one)
            client.done("revokeToken", "RevokeTokenInput", "revokedTokenId", id=secret["token"]["id"])
            tally.hold("a token that is revoked", watches and closed(one) == 4403, one.close_code)
        said = ask(gateway, secret["secret"])
        tally.hold("a token that is revoked", said.status_code == 401, said.text)


def other_pages(tally: Tally, gateway: GatewayProcess, token: str) -> None:
    """Pages of other origins: no socket, no answer that a script may read, no form."""
    for origin in ("https://evil.example", "null", f"{gateway.url}.evil.example", "http://127.0.0.1:1"):
        try:
            with socket(gateway, token, origin) as one:
                tally.hold("another origin's socket", held=False, seen=(origin, one))
        except InvalidStatus as error:
            tally.hold("another origin's socket", error.response.status_code == 403, error)
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
        answer = httpx.options(f"{gateway.url}/graphql", headers=asked)
        tally.hold("another origin's script", "access-control-allow-origin" not in answer.headers, answer.headers)
    parts = {"operations": (None, json.dumps({"query": CREATE})), "map": (None, "{}")}
    answer = httpx.post(f"{gateway.url}/graphql", files=parts, headers={"Cookie": f"token={token}"})
    tally.hold("another origin's form", answer.status_code == 400 and "needs one of the headers" in answer.text, answer)


def roles(tally: Tally, gateway: GatewayProcess, provider: OpenIdProvider) -> None:
    """Nobody is an administrator by what a token says, unless the configuration says which role that is."""
    for claim in ("hpc-admin", "admin", "ADMIN", ""):
        token = provider.sign(realm_access={"roles": [claim]}, role="ADMIN", roles=["admin"])
        said = ask(gateway, token, "{ auditEntries { nodes { at } } }").text
        tally.hold("an administrator's list", '"FORBIDDEN"' in said and '"nodes"' not in said, (claim, said))
        made = ask(gateway, token, 'mutation { createToken(input: {name: "x", role: ADMIN}) { secret } }').text
        tally.hold("an administrator's token", "gqlgw_" not in made, (claim, made))


def late_hello(tally: Tally, gateway: GatewayProcess) -> None:
    """Somebody who connects and says nothing."""
    with socket(gateway, None) as one:
        tally.hold("no hello", closed(one) == 4408, one.close_code)


def away(tally: Tally, gateway: GatewayProcess, known: str, unknown: str) -> None:
    """While the provider is away, nobody new comes in, and nobody is told that a token is bad."""
    said = ask(gateway, unknown)
    tally.hold("provider away", said.status_code == 503 and '"data"' not in said.text, said.text)
    with socket(gateway, unknown) as one:
        tally.hold("provider away", closed(one) == 1013, one.close_code)
    admitted(tally, gateway, known)


def changed_key(tally: Tally, gateway: GatewayProcess, old: str, provider: OpenIdProvider) -> None:
    """The provider comes back with another key: its new tokens are good, soon, and its old ones never again."""
    token, deadline = provider.sign(), time.monotonic() + SECONDS
    while (said := ask(gateway, token)).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    tally.hold("a changed key", said.status_code == 200, said.text)
    refused(tally, gateway, "signed with the key that was changed", old, "signature is not one of")
