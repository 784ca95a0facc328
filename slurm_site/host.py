"""The machine under the site: what its apt says about mirrors and proxies, and whether it can host a site at all."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from slurm_site.options import Debian, SiteOptions, cache_folder

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT = Path("/etc/apt")
MIRROR_VARIABLE = "GQL_GATEWAY_SITE_MIRROR"


def mirror() -> str | None:
    """The Debian mirror that this machine itself uses, if it uses one."""
    paths = [
        APT / "sources.list",
        *sorted(APT.glob("sources.list.d/*.list")),
        *sorted(APT.glob("sources.list.d/*.sources")),
    ]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in paths if path.exists())
    return os.environ.get(MIRROR_VARIABLE) or debian_archive(sources)


def debian_archive(sources: str) -> str | None:
    """The first Debian archive in the text of apt sources, one-line or deb822."""
    one_line = re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)", sources, re.MULTILINE)
    deb822 = [uri for uris in re.findall(r"^URIs:\s*(.+)$", sources, re.MULTILINE) for uri in uris.split()]
    # The distribution's archive ends in /debian; that of security updates, and other people's, have other names.
    return next((uri.rstrip("/") for uri in one_line + deb822 if uri.rstrip("/").endswith("/debian")), None)


def apt_settings() -> str:
    """How this machine's apt reaches and judges mirrors (proxies, clock checks), for the apt inside the site."""
    dump = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    wanted = re.compile(r"^Acquire::(http|https|Check-|Retries|ForceIPv)")
    return "".join(f"{line}\n" for line in dump.splitlines() if wanted.match(line))


def obstacles(options: SiteOptions, *, built: bool) -> list[str]:
    """Why this machine can't host a site, each with its remedy in one line; empty when it can."""
    if reason := _is_root():
        return [reason]  # nothing below can be found out without root
    checks: list[Callable[[], str | None]] = [_is_debian, _has_user_namespaces, _has_fuse, _can_mount_overlays]
    if not built:
        checks.append(lambda: _reaches_mirror(options.debian))
    if options.memory_cgroups:
        checks.append(_has_memory_controller)
    return [reason for check in checks if (reason := check())]


def _is_root() -> str | None:
    return None if os.geteuid() == 0 else "not root: namespaces and mounts need it; run it with sudo"


def _is_debian() -> str | None:
    if shutil.which("apt-get") and shutil.which("unshare") and shutil.which("nsenter"):
        return None
    return "no apt-get, unshare or nsenter here: use a Debian or Ubuntu machine"


def _has_user_namespaces() -> str | None:
    """Apptainer makes one for every container."""
    remedies = {
        "user/max_user_namespaces": ("0", "sysctl user.max_user_namespaces=15000"),
        "kernel/unprivileged_userns_clone": ("0", "sysctl kernel.unprivileged_userns_clone=1"),
        "kernel/apparmor_restrict_unprivileged_userns": ("1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
    }
    for name, (bad, remedy) in remedies.items():
        path = Path("/proc/sys") / name
        if path.exists() and path.read_text(encoding="ascii").strip() == bad:
            return f"users may not make user namespaces, which containers need: {remedy}"
    return None


def memory_controller() -> Path | None:
    """Where cgroup v1's memory controller is mounted on this machine, if it is."""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(where)
    return None


def _has_memory_controller() -> str | None:
    if memory_controller():
        return None
    return "no memory controller of cgroup v1 here: leave memory_cgroups off"


def _has_fuse() -> str | None:
    if "\tfuse\n" in Path("/proc/filesystems").read_text(encoding="ascii"):
        return None
    return "the kernel has no FUSE, by which containers mount images: modprobe fuse"


def _can_mount_overlays() -> str | None:
    """Tried for real: in a container without privileges, or on a cache that is an overlay itself, it fails."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="check-") as folder:
        layers = [f"{name}={folder}/{name}" for name in ("lowerdir", "upperdir", "workdir")]
        for name in ("lowerdir", "upperdir", "workdir", "root"):
            (Path(folder) / name).mkdir()
        mount = f"mount -t overlay overlay -o {','.join(layers)} {folder}/root && mknod -m 666 {folder}/root/null c 1 3"
        trial = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "sh", "-c", mount], capture_output=True, text=True, check=False
        )
    if trial.returncode == 0:
        return None
    words = trial.stderr.strip().splitlines()[-1:] or ["no reason given"]
    return (
        f"no mount, device and overlay in a namespace of one's own on {cache} ({words[0]}): use a full machine or a"
        " privileged container, and set GQL_GATEWAY_SITE_CACHE to a folder on ext4, xfs or tmpfs"
    )


def _reaches_mirror(debian: Debian) -> str | None:
    if (uri := mirror()) is None:
        return f"no Debian mirror in this machine's apt sources: set {MIRROR_VARIABLE} to one"
    try:
        with urlopen(f"{uri}/dists/{debian}/InRelease", timeout=10):
            return None
    except OSError as error:
        return f"{uri} can't be reached ({error}): the first build needs the network"
