"""A real OpenID provider over HTTP, its tokens by a whole sign-in, and tokens that it never would have signed."""

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import httpx
import werkzeug.serving
from joserfc import jwt
from joserfc.jwk import RSAKey

with warnings.catch_warnings(record=True):  # authlib 1.9 warns of what it does itself
    from oidc_provider_mock import User, app

AUDIENCE = "gateway"
PROVIDERS_OWN = "ignore:get_jwt_config:DeprecationWarning"
"""What the provider is warned of by its library when it signs."""

ADA = User(
    sub="ada",
    claims={
        "email": "Ada.L@Example.ORG",
        "email_verified": True,
        "name": "Ada Lovelace",
        "realm_access": {"roles": ["scientist", "hpc-admin"]},
    },
)
EVE = User(sub="eve", claims={"email": "ada.l@example.org", "email_verified": False, "name": "Eve"})
NOBODY = User(sub="nobody", claims={"name": "No Body"})


class OpenIdProvider:
    """A provider that runs. `key` is what it signs with."""

    def __init__(self, issuer: str, application: flask.Flask) -> None:
        self.issuer = issuer
        self._application = application
        self.asked: list[str] = []
        self.withdrawn: set[str] = set()
        self.failing = False
        self._application.before_request(self._note)

    @property
    def userinfo_url(self) -> str:
        return f"{self.issuer}/userinfo"

    def _note(self) -> flask.Response | None:
        self.asked.append(flask.request.path)
        self._storage = flask.g.oidc_provider_mock_storage
        if self.failing:
            return flask.Response("upside down", 500)
        token = flask.request.headers.get("Authorization", "").removeprefix("Bearer ")
        return flask.Response("{}", 401) if token in self.withdrawn else None

    @property
    def key(self) -> RSAKey:
        httpx.get(f"{self.issuer}/jwks")
        return RSAKey.import_key(self._storage.jwk.as_dict(is_private=True))

    def sign_in(self, sub: str = "ada") -> dict[str, str]:
        """The tokens that a person gets for signing in: `access_token` is opaque, `id_token` is a JWT."""
        query = {
            "client_id": AUDIENCE,
            "redirect_uri": "http://app.example.org/",
            "response_type": "code",
            "scope": "openid profile email",
        }
        answer = httpx.post(f"{self.issuer}/oauth2/authorize", params=query, data={"sub": sub})
        (code,) = parse_qs(urlsplit(answer.headers["location"]).query)["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": query["redirect_uri"]}
        granted = httpx.post(f"{self.issuer}/oauth2/token", data=form, auth=(AUDIENCE, "secret"))
        assert granted.status_code == 200, granted.text
        tokens: dict[str, str] = granted.json()
        return tokens

    def sign(self, key: Any = None, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A JWT as the provider would make it, but for what is given; None leaves a claim out."""
        key = key or self.key
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ada", "exp": now + 300, "iat": now}
        values = {name: value for name, value in (usual | ADA.claims | claims).items() if value is not None}
        head = {"alg": "RS256", "kid": key.thumbprint()} | (header or {})
        return jwt.encode(head, values, key, algorithms=[head["alg"]])


@contextmanager
def running(port: int = 0) -> Iterator[OpenIdProvider]:
    """A provider with a key of its own; on the port of an earlier one it is that one with a new key."""
    application = app(user_claims=[ADA, EVE, NOBODY])
    application.debug = False
    server = werkzeug.serving.make_server("localhost", port, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    try:
        provider = OpenIdProvider(f"http://localhost:{server.server_port}", application)
        thread.start()
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(werkzeug.serving.WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Nothing: the tests tell."""
