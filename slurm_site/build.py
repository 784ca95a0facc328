"""Builds a root filesystem once: debootstrap, apt, Apptainer, one boot that makes images and accounting records."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slurm_site import host, instances, plan, recipe
from slurm_site.configs import Ports
from slurm_site.options import Debian, SiteOptions, cache_folder
from slurm_site.process import CLEAN, Place, SiteError, SiteProcess, say

APT_GET = ["apt-get", "-y", "-q", "--no-install-recommends"]


def rootfs(debian: Debian) -> Path:
    """Where it is, or will be."""
    return cache_folder() / "rootfs" / recipe.name(debian)


def ensure(debian: Debian) -> Path:
    """The finished root filesystem, built first if need be; a second builder waits for the first."""
    finished = rootfs(debian)
    if finished.exists():
        return finished
    finished.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(debian):
        if not finished.exists():
            if reasons := host.obstacles(SiteOptions(debian=debian), built=False):
                raise SiteError("this machine can't host the site: " + "; ".join(reasons))
            Builder(debian).build(finished)
    return finished


@contextmanager
def _only_one(debian: Debian) -> Iterator[None]:
    with (cache_folder() / f"{debian}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is building {debian}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Builder:
    """One build: each step says what it does and when, and leaves its output in one log."""

    def __init__(self, debian: Debian) -> None:
        self.debian = debian
        self.root = cache_folder() / "rootfs" / f".{debian}.partial"
        self.log = cache_folder() / f"build-{debian}.log"
        self.began = time.monotonic()

    def build(self, finished: Path) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        self.log.write_text("")
        self._install_debootstrap()
        self._debootstrap()
        self._configure_apt()
        self._install_packages()
        self._install_apptainer()
        self._step("making accounts and the database", self._chroot("sh", "-ec", recipe.SETUP))
        self._first_boot()
        shutil.rmtree(self.root / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(self.root / "var/lib/apt/lists", ignore_errors=True)
        self.root.rename(finished)
        self._forget_older(finished)
        self._say(f"ready: {finished}")

    def _install_debootstrap(self) -> None:
        if shutil.which("debootstrap") and host.KEYRING.exists():
            return
        self._step("reading this machine's package lists", ["apt-get", "-q", "update"])
        packages = ["debootstrap", "debian-archive-keyring"]
        self._step("installing debootstrap on this machine", [*APT_GET, "install", *packages])

    def _debootstrap(self) -> None:
        mirror = host.mirror()
        assert mirror is not None  # obstacles() looked
        extra = ["--include=ca-certificates"] if mirror.startswith("https:") else []
        signed = [f"--keyring={host.KEYRING}", "--force-check-gpg"]
        options = ["--variant=minbase", "--merged-usr", *signed, *extra]
        # The site's suites are Debian's; sid's script stands for every release that an older debootstrap can't name.
        command = ["debootstrap", *options, self.debian, str(self.root), mirror, "/usr/share/debootstrap/scripts/sid"]
        self._step(f"unpacking Debian {self.debian}", command)

    def _configure_apt(self) -> None:
        etc = self.root / "etc"
        (etc / "apt/apt.conf.d/90host").write_text(host.apt_settings())
        (etc / "apt/apt.conf.d/91site").write_text('Acquire::Languages "none";\n')
        (etc / "apt/preferences.d/site").write_text(recipe.apt_preferences(self.debian))
        (etc / "dpkg/dpkg.cfg.d/site").write_text(
            "force-unsafe-io\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/doc/*\n"
        )
        (etc / "mysql/conf.d").mkdir(parents=True)
        (etc / "mysql/conf.d/site.cnf").write_text(recipe.MARIADB)
        refuse = self.root / "usr/sbin/policy-rc.d"  # no daemon starts while packages are installed
        refuse.write_text("#!/bin/sh\nexit 101\n")
        refuse.chmod(0o755)

    def _install_packages(self) -> None:
        packages = self._chroot(*APT_GET, "install", *recipe.packages(self.debian))
        self._step("installing Slurm, MariaDB, munge, sshd", packages)

    def _install_apptainer(self) -> None:
        """Checked by apt, as all packages are, against the suite's signed index."""
        suites = recipe.OTHER_SUITES[self.debian]
        sources = "".join(f"deb {host.mirror()} {suite} main\n" for suite in suites)
        (self.root / "etc/apt/sources.list.d/other-suites.list").write_text(sources)
        self._step(f"reading the package lists of {' and '.join(suites)}", self._chroot("apt-get", "-q", "update"))
        guests = self._chroot(*APT_GET, "--allow-downgrades", "install", *recipe.GUESTS[self.debian])
        self._step("installing Apptainer", guests)

    def _first_boot(self) -> None:
        self._say("first boot: accounting records, container images")
        ports = instances.claim()
        try:
            self._boot_once(ports.ports)
        finally:
            ports.release()

    def _boot_once(self, ports: Ports) -> None:
        options = SiteOptions(debian=self.debian)
        process = SiteProcess(Place(self.root), keep=[])
        try:
            process.request("prepare", files=plan.files(options, ports), commands=plan.commands())
            waves = plan.waves(options, ports)
            process.request("boot", waves=waves)
            process.run(["sh", "-ec", recipe.RECORDS], timeout=60)
            process.run(["sh", "-ec", recipe.IMAGES], timeout=120)
            for daemon in reversed([str(daemon["name"]) for wave in waves for daemon in wave]):
                process.request("stop", name=daemon, number=15)
        finally:
            process.close()
        shutil.rmtree(self.root / "var/log/site")

    def _forget_older(self, finished: Path) -> None:
        used = {notes["rootfs"] for _, notes in instances.running()}
        for old in finished.parent.glob(f"{self.debian}-*"):
            if old != finished and str(old) not in used:
                shutil.rmtree(old)

    def _chroot(self, *command: str) -> list[str]:
        namespaces = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.root}/proc"]
        return [*namespaces, "chroot", str(self.root), *command]

    def _step(self, what: str, command: list[str]) -> None:
        self._say(what)
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        environment = CLEAN | proxies | {"DEBIAN_FRONTEND": "noninteractive"}
        with self.log.open("a") as log:
            ended = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, check=False
            )
        if ended.returncode:
            words = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise SiteError(f"{what} failed (status {ended.returncode}); {self.log} ends with:\n{words}")

    def _say(self, what: str) -> None:
        say(f"[{time.monotonic() - self.began:5.1f} s] {what}")
