"""Writes the synchronous client from the asynchronous one: `python gql_gateway/sdk/generate.py`.

Every public method of an asynchronous class becomes one that runs it in a portal: same name, arguments and words.
"""

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

_HERE = Path(__file__).parent
_HEADER = """\"\"\"{title}

Generated from {source} by generate.py: change that and run `python gql_gateway/sdk/generate.py`.
\"\"\"

"""
_WORDS = {
    ", asynchronously:": ":",
    "AsyncHpcGateway": "HpcGateway",
    "AsyncJob": "Job",
    "async with ": "with ",
    "async for ": "for ",
    "await ": "",
    "Use it in one event loop, as a context manager:": "Any thread may use it, also where an event loop runs already "
    "(a notebook). Use it as a context manager:",
    "Progress callbacks are told": "Progress callbacks run in a thread of the client's own. They are told",
}
_GATEWAY_ENDS = '''
    def __enter__(self) -> "HpcGateway":  # noqa: PYI034 - Self begins with Python 3.11
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. Jobs go on."""
        if self._portal.close.alive:
            self._portal.call(self._async.close())
            self._portal.close()
'''
_JOB_BEGINS = """
    def __init__(self, portal: Portal, job: AsyncJob) -> None:
        self._portal = portal
        self._async = job

    def __repr__(self) -> str:
        return repr(self._async).replace("Async", "", 1)
"""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MANY = 10
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def generate(name: str) -> str:
    """The text of one synchronous module, `job` or `gateway`."""
    source = _HERE / f"async_{name}.py"
    module = ast.parse(source.read_text())
    (cls,) = (node for node in module.body if isinstance(node, ast.ClassDef))
    title = _reworded(ast.get_docstring(module) or "")
    parts = [_HEADER.format(title=title, source=source.name), _imports(module, name), _class_head(cls, name)]
    parts += [_method(node) for node in cls.body if isinstance(node, _FUNCTIONS) and _is_public(node)]
    return _formatted("\n".join(parts))


def _imports(module: ast.Module, name: str) -> str:
    """The source's imports, which ruff thins out, and what the portal needs."""
    lines = [ast.unparse(node) for node in module.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    lines += ["from collections.abc import Iterator", "from gql_gateway.sdk.portal import Portal"]
    lines += [
        "from gql_gateway.sdk.async_job import AsyncJob, LocalPath"
        if name == "job"
        else "from gql_gateway.sdk.async_gateway import AsyncHpcGateway\nfrom gql_gateway.sdk.job import Job"
    ]
    return "\n".join(lines) + "\n"


def _class_head(cls: ast.ClassDef, name: str) -> str:
    head = f"class {_reworded(cls.name)}:\n{_docstring(cls, 4)}"
    if name == "job":
        return head + _JOB_BEGINS
    (init,) = (node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    return (
        f"{head}\n    def __init__({ast.unparse(init.args)}) -> None:\n"
        f"        self._async = AsyncHpcGateway({_passed_on(init)})\n        self._portal = Portal()\n{_GATEWAY_ENDS}"
    )


def _is_public(node: _Function) -> bool:
    return not node.name.startswith("_") and node.name != "close"


def _method(node: _Function) -> str:
    """One method: a property is read, a generator is iterated, a coroutine is run; a job is wrapped."""
    returned = ast.unparse(node.returns) if node.returns else ""
    many = len(node.args.args) + len(node.args.kwonlyargs) > _MANY
    call = f"self._async.{node.name}({'**given' if many else _passed_on(node)})"
    if node.decorator_list:
        body = f"return self._async.{node.name}"
    elif found := re.fullmatch(r"AsyncGenerator\[(.*), None\]", returned):
        body = _generator(found[1], f"self._portal.iterate({call})")
        returned = f"Iterator[{found[1]}]"
    else:
        body = f"return {_wrapped(returned, f'self._portal.call({call})')}"
    if many:
        body = f'given = dict(locals())\n        del given["self"]\n        {body}'
    decorator = "    @property\n" if node.decorator_list else ""
    signature = f"    def {node.name}({ast.unparse(node.args)}) -> {returned.replace('Async', '')}:\n"
    return f"{decorator}{signature}{_docstring(node, 8)}        {body}\n"


def _generator(kind: str, items: str) -> str:
    wrapped = _wrapped(kind, "item")
    return f"yield from {items}" if wrapped == "item" else f"for item in {items}:\n            yield {wrapped}"


def _wrapped(kind: str, value: str) -> str:
    return f"Job(self._portal, {value})" if kind.strip("'") == "AsyncJob" else value


def _passed_on(node: _Function) -> str:
    """The arguments as the asynchronous method is given them, positional ones by position."""
    arguments = [argument.arg for argument in node.args.args[1:]]
    arguments += [f"{argument.arg}={argument.arg}" for argument in node.args.kwonlyargs]
    return ", ".join(arguments + ([f"**{node.args.kwarg.arg}"] if node.args.kwarg else []))


def _docstring(node: ast.ClassDef | _Function, indent: int) -> str:
    text = _reworded(ast.get_docstring(node) or "")
    width = 120 - indent
    lines = [" " * indent + part for line in text.split("\n") for part in textwrap.wrap(line, width) or [""]]
    end = "\n" + " " * indent if len(lines) > 1 else ""
    body = "\n".join(line.rstrip() for line in lines).lstrip()
    return f'{" " * indent}"""{body}{end}"""\n'


def _reworded(text: str) -> str:
    for old, new in _WORDS.items():
        text = text.replace(old, new)
    return text


def _formatted(text: str) -> str:
    """As the house's tools want it; they also drop imports that nothing uses."""
    for command in (["check", "--quiet", "--fix-only", "--select", "I,F401,UP"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(_HERE / "generated.py"), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    for module_name in ("job", "gateway"):
        (_HERE / f"{module_name}.py").write_text(generate(module_name))
