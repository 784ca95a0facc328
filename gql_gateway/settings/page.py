"""docs/configuration.md, made from the sections: every key with its environment variable, default and meaning."""

from collections.abc import Iterator

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gql_gateway.settings.cluster import ClusterSettings
from gql_gateway.settings.load import PREFIX
from gql_gateway.settings.model import Auth, Limits, Logging, Server, Store, Watch

SECTIONS: dict[str, type[BaseModel]] = {
    "[server]": Server,
    "[store]": Store,
    "[auth]": Auth,
    "[limits]": Limits,
    "[watcher]": Watch,
    "[[clusters]]": ClusterSettings,
    "[logging]": Logging,
}
_HEAD = f"""\
# Configuration

<!-- Made by `gql-gateway settings`; change the descriptions in gql_gateway/settings/model.py. -->

`gql-gateway … --config FILE` reads one TOML file; `GQL_GATEWAY_CONFIG=FILE` names it too. Every key can be overridden
by an environment variable (lists are written as JSON there); with all of them set so, no file is needed. Relative paths
are relative to the file. An unknown key, a missing file or a bad value is an error that says which, and
`gql-gateway doctor` checks the rest: the database, the SSH connection, Slurm.

The variables of the first cluster begin with `{PREFIX}CLUSTERS__0__`, of the second with `{PREFIX}CLUSTERS__1__`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *(line for title, section in SECTIONS.items() for line in _table(title, section))])


def _table(title: str, section: type[BaseModel]) -> Iterator[str]:
    yield f"## `{title}`\n\n{section.__doc__}"
    if section.model_fields:
        yield "\n| key | default | meaning | environment variable |\n|---|---|---|---|"
    prefix = PREFIX + title.strip("[]").upper() + ("__0__" if title.startswith("[[") else "__")
    for name, field in section.model_fields.items():
        yield f"| `{name}` | {_default(field)} | {field.description} | `{prefix}{name.upper()}` |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    match value:
        case None:
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
        case str():
            return f'`"{value}"`'
        case _:
            return f"`{value}`"
