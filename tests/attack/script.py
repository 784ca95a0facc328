"""run.sh: hostile values in every field that a user can fill, on their way through the API to a real node.

What is taken is looked at by `bash -n`, and run: the canaries that the values name must not appear anywhere, and the
values must arrive inside as they are. What is refused must be refused in words and with the field's name.
"""

import subprocess
from typing import Any

from tests.attack.tally import Tally
from tests.attack.world import World
from tests.client import ERRORS, JOB, Client

CANARY = "/tmp/gql-gateway-canary"
HOSTILE = [
    f"$(touch {CANARY})", f"`touch {CANARY}`", f"; touch {CANARY} ;", f"'; touch {CANARY}; '", f'"; touch {CANARY}; "',
    f"x\n#SBATCH --wrap='touch {CANARY}'\n", f"x\n\ntouch {CANARY}\n", f"x\r\ntouch {CANARY}\r\n", f"| touch {CANARY}",
    f"&& touch {CANARY} #", f"> {CANARY}", f"<(touch {CANARY})", f"x' \\\n touch {CANARY} '", "${IFS}", "*", "~root",
    "!!", "\\", "'", '"', "x y", "--bind=/:/host", "-n", "--writable", "../../etc/passwd", "%j", "\ufeff", "é\u202e",
    f"x\u2028touch {CANARY}", f"x\x85touch {CANARY}", f"x\x00touch {CANARY}", f"EOF\ntouch {CANARY}\nEOF", "", " ",
    f"${{x:-$(touch {CANARY})}}", f"$'\\n'touch {CANARY}", f"() {{ :; }}; touch {CANARY}", "\t", "x" * 9000,
]  # fmt: skip
NAMES = ["APPTAINER_BIND", "SINGULARITYENV_X", "SLURM_CONF", "SBATCH_WRAP", "PMI_FD", "A B", "A=B", "A;B", "1A", "A\nB",
         "BASH_FUNC_x%%", "A$(touch x)", "apptainer_bind", "PMIX_X"]  # fmt: skip
GOOD_NAMES = ["PATH", "LD_PRELOAD", "BASH_ENV", "ENV", "PS4", "IFS", "HOME", "PROMPT_COMMAND", "_", "SHELLOPTS"]
INTERPRETED = {"LD_PRELOAD": "/job/evil.so", "BASH_ENV": "/job/evil.sh", "ENV": "/job/evil.sh"}


def values() -> list[dict[str, object]]:
    """One createJob input for each hostile value in each field."""
    fields = ("partition", "account", "qos")
    found: list[dict[str, object]] = []
    for text in HOSTILE:
        found += [{"name": text}, {"image": text}, {"image": f"docker://{text}"}, {"image": f"/opt/img/{text}.sif"}]
        found += [{"resources": {field: text}} for field in fields]
        found += [{"command": text}, {"args": ["/bin/true", text]}, {"args": [text]}]
        found += [{"environment": [{"name": "V", "value": text}]}, {"environment": [{"name": text, "value": "v"}]}]
        found += [{"idempotencyKey": text}, {"cluster": text}]
    found += [{"environment": [{"name": name, "value": f"$(touch {CANARY})"}]} for name in NAMES]
    return found


def create(client: Client, given: dict[str, object]) -> tuple[Any, str]:
    """The job, or None and what was said against it."""
    query = f"mutation($input: CreateJobInput!) {{ createJob(input: $input) {{ job {{ {JOB} }} {ERRORS} }} }}"
    usual = {"name": "x", "image": "/opt/img/busybox.sif", "args": ["/bin/true"]}
    if "command" in given:
        del usual["args"]
    answer = client.post(query, input=usual | given).json()
    payload = (answer.get("data") or {}).get("createJob")
    if payload is None:
        return None, str([error["extensions"]["code"] for error in answer["errors"]])
    return payload["job"], str(payload["userErrors"])


def attack(world: World, tally: Tally) -> None:
    """Try every value, then run what was taken in a handful of jobs."""
    taken = []
    for given in values()[:: world.every]:
        job, said = create(world.attacker, given)
        if job is None:
            tally.hold("refused", "INTERNAL" not in said and bool(said), (given, said))
        else:
            taken.append(job)
            tally.hold("text", inert(job["script"]), (given, job["script"]))
    syntax = subprocess.run(
        ["bash", "-n"],
        check=False,
        input="\n".join(f"({job['script']}\n)" for job in taken),
        text=True,
        capture_output=True,
    )
    tally.hold("bash -n of all", syntax.returncode == 0, syntax.stderr)
    run(world, tally)
    found = world.site.run(["find", "/tmp", "/scratch", "/home", "/var/tmp", "/job", "-name", "*canary*"], check=False)
    tally.hold("no canary", not found.stdout, found.stdout)


def inert(script: str) -> bool:
    """Whether Slurm sees the gateway's directives alone: all of them stand in front, before the first command."""
    head = script.split("\n\n", 1)[0].splitlines()
    return all(line.startswith(("#!/bin/bash", "#SBATCH --")) for line in head) and CANARY not in "".join(head)


def run(world: World, tally: Tally) -> None:
    """All texts that a field takes at once, through a real sbatch, into a real container."""
    texts = [text for text in HOSTILE if all(char in "\n\t" or char.isprintable() or ord(char) > 0x9F for char in text)]
    variables = [{"name": f"V{number}", "value": text} for number, text in enumerate(texts) if len(text) <= 8192]
    variables += [{"name": name, "value": INTERPRETED.get(name, "/bin")} for name in GOOD_NAMES]
    client = world.attacker
    jobs = {
        "args": client.create_job(None, args=["/bin/busybox", "printf", "%s\\0", *texts]),
        "environment": client.create_job(None, args=["/bin/busybox", "env", "-0"], environment=variables),
        "script": client.create_job("#SBATCH --uid=0\n" + f"#SBATCH --wrap='touch {CANARY}'\ntrue"),
    }
    for path in ("evil.sh", "evil.so"):
        client.upload(jobs["environment"]["id"], "x", f"touch {CANARY}\n".encode(), path)
    for job in jobs.values():
        client.launch(job["id"])
    ended = {name: client.wait_final(job["id"], 120) for name, job in jobs.items()}
    for name, job in ended.items():
        tally.hold("run", job["state"] == "COMPLETED", (name, job["reason"], client.output(job)))
        on_disk = world.on_host(job["folder"]) / "run.sh"
        tally.hold("text on disk", on_disk.read_text() == job["script"])
    said = client.output(ended["args"])
    tally.hold("arrive as they are", said == "".join(f"{text}\0" for text in texts), said)
    seen = set(client.output(ended["environment"]).split("\0"))
    missing = [one for one in variables if one["name"].startswith("V") and f"{one['name']}={one['value']}" not in seen]
    tally.hold("variables arrive as they are", not missing, missing)
