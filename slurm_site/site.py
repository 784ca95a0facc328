"""The handle of a running site: what tests and the demo hold in their hands."""

import json
import secrets
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from slurm_site import build, host, instances, plan
from slurm_site.options import IMAGE, NODES, SCRATCH, SERVICE_ACCOUNT, SiteOptions
from slurm_site.process import Place, SiteError, SiteProcess


class SlurmSite:
    """A real Slurm cluster that listens on 127.0.0.1 and lives as long as this process, at most until `close`.

    Daemons are named slurmctld, slurmdbd, mariadbd, munged, sshd and slurmd:c1 to slurmd:c4.
    """

    host = "127.0.0.1"
    username = SERVICE_ACCOUNT
    root = f"{SCRATCH}/{SERVICE_ACCOUNT}"
    image = IMAGE

    def __init__(self, options: SiteOptions | None = None) -> None:
        """Boot it, in about a second; the very first time build it, in about one minute.

        SiteError says what stands in the way.
        """
        self.options = options or SiteOptions()
        lower = build.ensure(self.options.debian)
        if reasons := host.obstacles(self.options, built=True):
            raise SiteError("this machine can't host the site: " + "; ".join(reasons))
        self._instance = instances.claim()
        # Another path for each site that has this place and its ports: a gateway that outlived its own site would read
        # the new key, and come in.
        keys = self._instance.folder / f"keys-{secrets.token_hex(4)}"
        keys.mkdir(mode=0o700)
        self.private_key = keys / "id_ed25519"
        self.known_hosts = keys / "known_hosts"
        try:
            self._process = SiteProcess(self._place(lower), keep=[self._instance.lock])
        except BaseException:
            self._instance.release()
            raise
        try:
            self._boot(lower)
        except BaseException:
            self.close()
            raise

    def _place(self, lower: Path) -> Place:
        cgroup = self._instance.cgroup if self.options.memory_cgroups else None
        return Place(lower, self._instance.folder, self.options.scratch_size, cgroup)

    def _boot(self, lower: Path) -> None:
        notes = {"pid": self.pid, "port": self.port, "debian": self.options.debian, "rootfs": str(lower)}
        (self._instance.folder / "site.json").write_text(json.dumps(notes))
        self._process.request("prepare", files=plan.files(self.options, self._instance.ports), commands=plan.commands())
        self._take_keys()
        self._process.request("boot", waves=plan.waves(self.options, self._instance.ports))
        self.wait_ready()

    def _take_keys(self) -> None:
        key = self.rootfs / plan.CLIENT_KEY.lstrip("/")
        self.private_key.touch(mode=0o600)
        self.private_key.write_text(key.read_text())
        key.unlink()
        host_key = (self.rootfs / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
        self.known_hosts.write_text(f"[{self.host}]:{self.port} {host_key}")

    @property
    def port(self) -> int:
        """Of sshd."""
        return self._instance.ports.sshd

    @property
    def pid(self) -> int:
        """Of the site's process 1, as the host counts."""
        return self._process.pid

    @property
    def rootfs(self) -> Path:
        """The site's / as the host sees it. Absolute symbolic links inside lead out of it."""
        return self._process.root

    def run(
        self,
        argv: list[str],
        *,
        user: str = "root",
        input: str | None = None,  # noqa: A002 - the name that subprocess.run has
        check: bool = True,
        timeout: float = 30,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` inside, in `user`'s home; killed after `timeout` seconds."""
        return self._process.run(argv, user=user, input=input, check=check, timeout=timeout)

    def wait_ready(self, seconds: float = 30) -> None:
        """Until every node is idle or at work, and the accounting answers if there is one."""
        end = time.monotonic() + seconds
        while (missing := self._missing()) is not None:
            if time.monotonic() > end:
                raise SiteError(f"the cluster is not ready after {seconds} s: {missing}")
            time.sleep(0.05)

    def _missing(self) -> str | None:
        if failures := self._process.request("failures"):
            raise SiteError("\n".join(failures))
        nodes = self.run(["sinfo", "--noheader", "--Node", "--partition=debug", "--format=%T"], check=False)
        up = [state for state in nodes.stdout.split() if state in {"idle", "mixed", "allocated", "completing"}]
        if len(up) < len(NODES):
            return f"nodes: {nodes.stdout or nodes.stderr}"
        if self.options.accounting:
            records = self.run(["sacct", "--noheader"], check=False)
            return records.stderr or None
        return None

    def start(self, daemon: str) -> None:
        """Start a stopped daemon and wait until it listens."""
        self._process.request("start", name=daemon)

    def stop(self, daemon: str, *, signal: int = signal.SIGTERM, sessions: bool = False) -> None:
        """End a daemon and wait until it is gone. sshd leaves its sessions, unless `sessions` says to drop them too."""
        self._process.request("stop", name=daemon, number=signal)
        if sessions:
            self.kill_ssh_sessions()

    def freeze(self, daemon: str) -> None:
        """Have a daemon keep its connections and answer nothing; sshd with all its sessions, like a hung login node."""
        self._process.request("kill", name=daemon, number=signal.SIGSTOP)
        if daemon == "sshd":
            self.freeze_ssh_sessions()

    def thaw(self, daemon: str) -> None:
        self._process.request("kill", name=daemon, number=signal.SIGCONT)
        if daemon == "sshd":
            self.thaw_ssh_sessions()

    def kill_ssh_sessions(self) -> None:
        """Cut every SSH connection; the listener stays and takes new ones."""
        self._process.request("kill_sessions", number=signal.SIGKILL)

    def freeze_ssh_sessions(self) -> list[int]:
        """Have every SSH connection take what comes and pass nothing on; the listener takes new ones.

        Returns:
            The process ids of those that are frozen, as the site counts them.
        """
        frozen: list[int] = self._process.request("kill_sessions", number=signal.SIGSTOP)
        return frozen

    def thaw_ssh_sessions(self) -> None:
        self._process.request("kill_sessions", number=signal.SIGCONT)

    def close(self) -> None:
        """End everything and delete the instance; the keys too."""
        self._process.close()
        self._instance.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
