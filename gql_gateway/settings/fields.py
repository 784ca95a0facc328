"""Kinds of values in the configuration, each checked with words that an operator understands."""

import json
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo

from gql_gateway.core.accounts import NAME, PLACE, read_table

DATABASES = ("sqlite+aiosqlite:///FILE", "postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE")
KEY_CHARACTERS = 32

_SAFE_FOLDER = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_SQLITE = "sqlite+aiosqlite:///"


def _located(path: Path, info: ValidationInfo) -> Path:
    """The path as seen from the configuration file's folder."""
    return Path(info.context["base"] if info.context else ".", path.expanduser())


def _existing(path: Path, info: ValidationInfo) -> Path:
    located = _located(path, info)
    if not located.is_file():
        raise ValueError(f"there is no file {located}")
    try:
        located.open("rb").close()
    except OSError as error:
        raise ValueError(f"{located} cannot be read: {error.strerror}") from None
    return located


def _database(url: SecretStr, info: ValidationInfo) -> SecretStr:
    text = url.get_secret_value()
    if text.startswith("postgresql+asyncpg://") and urlsplit(text).path.strip("/"):
        return url
    file = text.removeprefix(_SQLITE)
    if file in {"", ":memory:", text}:
        raise ValueError(f"must be {' or '.join(DATABASES)}")
    located = _located(Path(file), info).absolute()
    if not located.parent.is_dir():
        raise ValueError(f"there is no folder {located.parent}")
    return SecretStr(f"{_SQLITE}{located}")


def _folder_on_cluster(path: str) -> str:
    if not _SAFE_FOLDER.fullmatch(path):
        raise ValueError("must be an absolute path of letters, digits and . _ - without '..', such as /scratch/hpcgw")
    return path


def _account_folder(path: str) -> str:
    if "{account}" not in path:
        raise ValueError("must hold {account}: two accounts cannot share a folder")
    _folder_on_cluster(path.replace("{account}", "account"))
    return path


def _account_key(path: str, info: ValidationInfo) -> str:
    return str(_located(Path(path), info))


def _account_table(path: Path, info: ValidationInfo) -> Path:
    located = _existing(path, info)
    try:
        read_table(located.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{located}: {error}") from None
    return located


def _template(text: str) -> str:
    if len(PLACE.findall(text)) != 1 or not NAME.fullmatch(PLACE.sub("x", text)):
        raise ValueError("must be the name of an account with {local} or {folder} in it")
    return text


def _domains(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _DOMAIN.fullmatch(name):
            raise ValueError(f"{name!r} is not what stands behind @ in an e-mail address")
    return tuple(name.lower() for name in names)


def _public_url(url: str) -> str:
    split = urlsplit(url)
    if split.scheme not in {"http", "https"} or not split.hostname or split.query or split.fragment:
        raise ValueError("must be http://HOST[:PORT] or https://HOST[:PORT], perhaps with a path")
    return url.rstrip("/")


def _provider_url(url: str) -> str:
    split = urlsplit(url)
    if split.scheme == "https" and split.hostname and not split.fragment:
        return url
    if split.scheme == "http" and split.hostname in {"127.0.0.1", "::1", "localhost"} and not split.fragment:
        return url
    raise ValueError("must be https://HOST[/PATH]: tokens travel there; http is for this machine alone")


def _words_of_claims(names: tuple[str, ...]) -> tuple[str, ...]:
    if any(not name or name != name.strip() or " " in name for name in names):
        raise ValueError("must be words without spaces")
    return names


def _origin(url: str) -> str:
    split = urlsplit(url)
    if url != f"{split.scheme}://{split.netloc}" or split.scheme not in {"http", "https"} or not split.hostname:
        raise ValueError(f"{url!r} must be an origin such as https://app.example.org, without a path")
    return url


def _long_enough(keys: SecretStr) -> SecretStr:
    lengths = [len(key) for key in keys.get_secret_value().split()]
    if not lengths or min(lengths) < KEY_CHARACTERS:
        raise ValueError(f"each key must have at least {KEY_CHARACTERS} characters")
    return keys


def _list(value: Any) -> Any:
    """A list written as text, as environment variables hold it."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be a JSON list such as ["docker://*"]') from None


ExistingFile = Annotated[Path, AfterValidator(_existing)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
SigningKeys = Annotated[SecretStr, AfterValidator(_long_enough)]
ClusterFolder = Annotated[str, AfterValidator(_folder_on_cluster)]
AccountFolder = Annotated[str, AfterValidator(_account_folder)]
AccountKey = Annotated[str, AfterValidator(_account_key)]
AccountTable = Annotated[Path, AfterValidator(_account_table)]
AccountTemplate = Annotated[str, AfterValidator(_template)]
ProviderUrl = Annotated[str, AfterValidator(_provider_url)]
RoleNames = Annotated[tuple[str, ...], BeforeValidator(_list), AfterValidator(_words_of_claims)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Domains = Annotated[tuple[str, ...], BeforeValidator(_list), AfterValidator(_domains)]
Words = Annotated[tuple[str, ...], BeforeValidator(_list)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_list)]
