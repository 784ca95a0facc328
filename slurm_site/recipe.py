"""What is in a site's root filesystem: packages, accounts, images, accounting records. A change makes a new one."""

import hashlib
import json
import platform

from slurm_site.options import PERSONS, SCRATCH, SERVICE_ACCOUNT, Debian

SLURM = ["slurm-wlm", "slurmdbd", "mariadb-server", "munge", "openssh-server"]
TOOLS = ["squashfs-tools", "squashfuse", "busybox-static", "locales", "ca-certificates"]
PYTHON: dict[Debian, str] = {
    "trixie": "python3-minimal",  # the least that a login node may have: no shutil, no tempfile, no asyncio
    "sid": "python3-minimal",
    "bookworm": "python3",  # its python3-minimal has not even json
}


def packages(debian: Debian) -> list[str]:
    return [*SLURM, *TOOLS, PYTHON[debian]]


# Written before MariaDB is installed, so that its files are small from the start: each instance copies what it writes.
# The accounting of a test is not worth an fsync.
MARIADB = """[mariadbd]
skip-networking
skip-log-bin
skip-name-resolve
performance-schema = off
innodb-log-file-size = 8M
innodb-buffer-pool-size = 64M
innodb-lock-wait-timeout = 900
innodb-flush-log-at-trx-commit = 0
innodb-doublewrite = 0
innodb-use-native-aio = 0
loose-innodb-snapshot-isolation = off
"""

OTHER_SUITES: dict[Debian, list[str]] = {"trixie": ["sid"], "bookworm": ["trixie", "sid"], "sid": ["trixie"]}
GUESTS: dict[Debian, list[str]] = {
    "trixie": ["apptainer"],
    # Apptainer needs libc 2.38 and bookworm has 2.36: libc, and what must go with it, from trixie. Slurm and sshd stay.
    "bookworm": ["apptainer", *(f"{name}/trixie" for name in ("libc6", "libc-bin", "locales", "base-files"))],
    "sid": ["apptainer"],
}
"""What a release takes from another suite; Apptainer is in sid alone."""


def apt_preferences(debian: Debian) -> str:
    """Other suites give only what is nowhere else: whatever the release itself has stays the release's."""
    pins = {"trixie": 2, "sid": 1}
    return "\n".join(
        f"Package: *\nPin: release n={suite}\nPin-Priority: {pins[suite]}\n" for suite in OTHER_SUITES[debian]
    )


SETUP = f"""
groupadd --gid 1600 hpcusers
useradd --create-home --uid 1500 --shell /bin/bash {SERVICE_ACCOUNT}
useradd --create-home --uid 1601 --shell /bin/bash --groups hpcusers {PERSONS[0]}
useradd --create-home --uid 1602 --shell /bin/bash --groups hpcusers {PERSONS[1]}
for account in {SERVICE_ACCOUNT} {" ".join(PERSONS)}; do
    usermod --password '*' $account  # sshd takes the '!' of a new account for locked
    chmod 700 /home/$account
done
localedef --inputfile=de_DE --charmap=UTF-8 de_DE.UTF-8
mkdir -p {SCRATCH} /opt/img
chmod 400 /etc/munge/munge.key
install -d -o mysql -g mysql /run/mysqld
mariadbd --user=mysql --bootstrap <<'SQL'
FLUSH PRIVILEGES;
CREATE DATABASE slurm_acct_db;
CREATE USER slurm@localhost IDENTIFIED VIA unix_socket;
GRANT ALL ON slurm_acct_db.* TO slurm@localhost;
SQL
"""
"""Run in the new root, no daemon yet.

The database is made here and not by slurmdbd: its first connection would fail, and libmariadb3 11.8.9 then forgets its
limit of columns, which mysql_init alone sets. slurmdbd (24.11.5 and 26.05.5) ended at start with "error 5027 Number of
columns in result (=1) set execeeds maxmimum allowed number of columns (=0)".
"""

IMAGES = """
cd "$(mktemp -d)"
for folder in bin etc usr/bin tmp var/tmp proc sys dev root; do mkdir -p busybox/$folder; done
echo 'root:x:0:0:root:/root:/bin/sh' >busybox/etc/passwd
echo 'root:x:0:' >busybox/etc/group
cp -a busybox noshell
cp /bin/busybox busybox/bin/busybox
for applet in $(busybox --list); do [ $applet = busybox ] || ln -s busybox busybox/bin/$applet; done
cp -a busybox entry
mkdir entry/.singularity.d noshell/.singularity.d
cat >entry/.singularity.d/runscript <<'SCRIPT'
#!/bin/sh
echo "entry point of entry.sif"
for argument in "$@"; do echo "argument: $argument"; done
env | sort
SCRIPT
cp /bin/busybox noshell/bin/cat
cp /bin/busybox noshell/bin/echo
echo '#!/bin/echo entry point of noshell.sif:' >noshell/.singularity.d/runscript
chmod 755 */.singularity.d/runscript
for image in busybox entry noshell; do apptainer --silent build /opt/img/$image.sif $image; done
rm -rf "$PWD" /root/.apptainer
"""
"""Run in the booted root: busybox whole, an entry point that shows what it was given, and an image without a shell."""

RECORDS = f"""
until sacctmgr --noheader show cluster | grep -q site; do sleep 0.1; done  # slurmctld registers it a moment after start
sacctmgr -i add account lab Description=lab Organization=lab
sacctmgr -i add user {",".join([SERVICE_ACCOUNT, *PERSONS])} Account=lab
"""
"""Run in the booted root: slurmdbd's records, so that an instance starts with a ready database."""


def name(debian: Debian) -> str:
    """Of the root filesystem's folder: the release, and a hash of all that it is made from."""
    ingredients = [packages(debian), GUESTS[debian], apt_preferences(debian), MARIADB, SETUP, IMAGES, RECORDS]
    digest = hashlib.sha256(json.dumps(ingredients).encode()).hexdigest()
    return f"{debian}-{platform.machine()}-{digest[:12]}"
