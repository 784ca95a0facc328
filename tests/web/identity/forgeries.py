"""JWTs that are not good here, each in its own way, and what is said of them."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from tests.web.identity.provider import OpenIdProvider

SIGNATURE = "This token's signature is not one of the identity provider's."
ALGORITHM = "This token is signed in a way that is not taken here."
AUDIENCE_WORDS = "This token is not for this gateway: its audience is another."
NO_ADDRESS = "This token names no e-mail address: it has no claim `email`."
UNVERIFIED = "The e-mail address 'Ada.L@Example.ORG' is not verified: "
FUTURE = "This token says that it was made in the future."
Forge = Callable[[OpenIdProvider], str]


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def with_password(provider: OpenIdProvider, password: bytes) -> str:
    """Signed by HS256 with what everybody knows."""
    signed = f"{part({'alg': 'HS256', 'kid': provider.key.thumbprint()})}.{provider.sign().split('.')[1]}"
    return f"{signed}.{part(hmac.digest(password, signed.encode(), 'sha256'))}"


def another_key(provider: OpenIdProvider, key: Any, algorithm: str = "RS256") -> str:
    """Under the name of the provider's key."""
    return provider.sign(key, header={"alg": algorithm, "kid": provider.key.thumbprint()})


FORGERIES: dict[str, tuple[Forge, str]] = {
    "alg none": (lambda p: f"{part({'alg': 'none'})}.{p.sign().split('.')[1]}.", ALGORITHM),
    "alg none in capitals": (lambda p: f"{part({'alg': 'NONE'})}.{p.sign().split('.')[1]}.", ALGORITHM),
    "HS256 with the public key (PEM)": (
        lambda p: with_password(p, p.key.as_pem(private=False)),
        ALGORITHM,
    ),
    "HS256 with the public key (DER)": (
        lambda p: with_password(p, p.key.as_der(private=False)),
        ALGORITHM,
    ),
    "unknown key": (lambda p: p.sign(RSAKey.generate_key(2048), header={"kid": "another"}), SIGNATURE),
    "another key under a known name": (
        lambda p: another_key(p, RSAKey.generate_key(2048)),
        SIGNATURE,
    ),
    "key of another kind": (
        lambda p: another_key(p, ECKey.generate_key("P-256"), "ES256"),
        SIGNATURE,
    ),
    "broken signature": (lambda p: p.sign()[:-4] + "AAAA", SIGNATURE),
    "wrong issuer": (lambda p: p.sign(iss="https://evil.example.org"), "This token is from another issuer."),
    "no issuer": (lambda p: p.sign(iss=None), "This token lacks what it must have: iss."),
    "wrong audience": (lambda p: p.sign(aud="another"), AUDIENCE_WORDS),
    "wrong audiences": (
        lambda p: p.sign(aud=["x", "y"]),
        AUDIENCE_WORDS,
    ),
    "no audience": (lambda p: p.sign(aud=None), "This token lacks what it must have: aud."),
    "expired": (lambda p: p.sign(exp=int(time.time()) - 31), "This token has expired."),
    "no expiry": (lambda p: p.sign(exp=None), "This token lacks what it must have: exp."),
    "expiry that is no number": (lambda p: p.sign(exp="tomorrow"), "This token's `exp` is not valid."),
    "expiry without end": (lambda p: p.sign(exp=10**30), "This token's `exp` is no time."),
    "expiry at infinity": (lambda p: p.sign(exp=float("inf")), "This token's `exp` is not valid."),
    "not yet valid": (lambda p: p.sign(nbf=int(time.time()) + 60), "This token is not valid yet."),
    "made in the future": (
        lambda p: p.sign(iat=int(time.time()) + 60),
        "This token says that it was made in the future.",
    ),
    "no address": (lambda p: p.sign(email=None), NO_ADDRESS),
    "several addresses": (
        lambda p: p.sign(email=["a@b.org"]),
        NO_ADDRESS,
    ),
    "control character": (lambda p: p.sign(email="\x80@b.org"), "'\\x80@b.org' is no e-mail address."),
    "no address at all in it": (lambda p: p.sign(email="nobody"), "'nobody' is no e-mail address."),
    "not said to be verified": (
        lambda p: p.sign(email_verified=None),
        UNVERIFIED,
    ),
    "unverified": (lambda p: p.sign(email_verified=False), UNVERIFIED),
    "verified, but not so": (
        lambda p: p.sign(email_verified="no"),
        UNVERIFIED,
    ),
}
