"""Reading the configuration: one TOML file, overridden by environment variables, checked as a whole.

`GQL_GATEWAY__SERVER__PORT=8001` overrides `port` of `[server]`, `GQL_GATEWAY__CLUSTERS__0__HOST` the first cluster's
`host`. Lists are written as JSON there, and an empty variable counts as none. Relative paths are relative to the file
(without one, to the working folder).
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gql_gateway.core.errors import GatewayError
from gql_gateway.settings.model import Settings

CONFIG_VARIABLE = "GQL_GATEWAY_CONFIG"
PREFIX = "GQL_GATEWAY__"

Tree = dict[str, Any]


class SettingsError(GatewayError):
    """The configuration cannot be used; the text has one line for each fault, naming where it stands."""


def load(file: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read `file` (None: what GQL_GATEWAY_CONFIG names, if anything) and the environment.

    Raises:
        SettingsError: with every fault at once.
    """
    if file is None and environ.get(CONFIG_VARIABLE):
        file = Path(environ[CONFIG_VARIABLE])
    overrides = _from_environment(environ)
    values = _merge(_from_file(file) if file else {}, overrides)
    values["clusters"] = _as_list(values.get("clusters", []))
    try:
        return Settings.model_validate(values, context={"base": file.absolute().parent if file else Path.cwd()})
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item, file, environ) for item in error.errors())) from None


def _from_file(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> Tree:
    tree: Tree = {}
    for name in sorted(environ):
        if name.startswith(PREFIX) and environ[name]:
            *folders, key = name.removeprefix(PREFIX).lower().split("__")
            branch = tree
            for folder in folders:
                branch = branch.setdefault(folder, {})
                if not isinstance(branch, dict):
                    raise SettingsError(f"environment variable {name}: another variable sets {folder} as a whole.")
            branch[key] = environ[name]
    return tree


def _merge(below: Any, above: Any) -> Any:
    """`above` over `below`; numbered keys above reach into a list below, and `x_file` above takes the place of `x`."""
    if not isinstance(above, dict):
        return above
    if not isinstance(below, dict):
        below = {str(index): item for index, item in enumerate(below if isinstance(below, list) else ())}
    replaced = {key.removesuffix("_file") for key in above} | {f"{key}_file" for key in above}
    merged = {key: value for key, value in below.items() if key in above or key not in replaced}
    return merged | {key: _merge(merged.get(key), value) for key, value in above.items()}


def _as_list(value: Any) -> Any:
    """The clusters as a list, where environment variables made a table with numbered keys of them."""
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return value


def _explain(error: ErrorDetails, file: Path | None, environ: Mapping[str, str]) -> str:
    place = error["loc"]
    variable = PREFIX + "__".join(str(part).upper() for part in place)
    given = [name for name in environ if name == variable or (place and name.startswith(f"{variable}__"))]
    if error["type"] != "missing" and given:
        return f"environment variable {given[0]}: {_words(error)}"
    return f"{file or 'environment'}: {_dotted(place)}: {_words(error)}".replace(": : ", ": ")


def _dotted(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _words(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            return _unknown(error["loc"])
        case "missing":
            return "is missing."
        case _:
            message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
            return f"{message}."


def _unknown(place: tuple[str | int, ...]) -> str:
    known = list(_section(place[:-1]).model_fields)
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"unknown key.{hint} Known here: {', '.join(known) or 'none yet'}."


def _section(place: tuple[str | int, ...]) -> type[BaseModel]:
    """The section at a place such as ("clusters", 0)."""
    section: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, str):
            section = next(_models(section.model_fields[part].annotation))
    return section


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
