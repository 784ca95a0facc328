"""What process 1 is told at boot: which files to write, which commands to run first, which daemons to start. Pure."""

from dataclasses import asdict, dataclass

from slurm_site import configs
from slurm_site.configs import Ports
from slurm_site.options import NODES, PERSONS, SCRATCH, SERVICE_ACCOUNT, SiteOptions

CLIENT_KEY = "/root/client_key"
MYSQL_SOCKET = "/run/mysqld/mysqld.sock"
MYSQL_PID = "/run/mysqld/mysqld.pid"
ACCOUNTS = (SERVICE_ACCOUNT, *PERSONS)


@dataclass(frozen=True, slots=True)
class Daemon:
    """One daemon; `listens` is the UNIX socket or the port that accepts when it is up."""

    name: str
    argv: list[str]
    listens: str | int
    environment: dict[str, str]


def files(options: SiteOptions, ports: Ports) -> list[tuple[str, str, int]]:
    """Path, text and mode of each."""
    startup = configs.shell_startup(options)
    return [
        ("/etc/hosts", "127.0.0.1 localhost login\n", 0o644),
        ("/etc/hostname", "login\n", 0o644),
        ("/etc/default/locale", f"LANG={options.locale}\n", 0o644),
        ("/etc/slurm/slurm.conf", configs.slurm_conf(options, ports), 0o644),
        ("/etc/slurm/cgroup.conf", configs.cgroup_conf(options), 0o644),
        ("/etc/slurm/gres.conf", configs.gres_conf(), 0o644),
        ("/etc/slurm/slurmdbd.conf", configs.slurmdbd_conf(ports), 0o600),
        ("/etc/ssh/sshd_config", configs.sshd_config(options, ports), 0o644),
        *((f"/home/{account}/.bashrc", startup, 0o644) for account in ACCOUNTS),
    ]


def commands() -> list[list[str]]:
    """Folders on the fresh /run and /scratch, and this instance's keys."""
    folders = [
        *(("munge", "755", "/run/munge"), ("mysql", "755", "/run/mysqld"), ("root", "755", "/run/sshd")),
        *(("slurm", "755", "/run/slurm"), ("slurm", "700", "/var/spool/slurmctld")),
        *(("root", "755", f"/var/spool/slurmd/{node}") for node in NODES),
        *((account, "700", f"{SCRATCH}/{account}") for account in ACCOUNTS),
        *((account, "700", f"/home/{account}/.ssh") for account in ACCOUNTS),
    ]
    script = [
        *(f"install -d -o {owner} -g $(id -g {owner}) -m {mode} {folder}" for owner, mode, folder in folders),
        "ln -sfn mysqld /run/mariadbd",  # where MariaDB 12 (sid) and its client library look for the socket
        "chown slurm: /etc/slurm/slurmdbd.conf",
        f"rm -f /etc/ssh/ssh_host_* {CLIENT_KEY}*",
        "ssh-keygen -q -t ed25519 -N '' -C site -f /etc/ssh/ssh_host_ed25519_key",
        f"ssh-keygen -q -t ed25519 -N '' -C gateway -f {CLIENT_KEY}",
        *(f"install -o {a} -m 600 {CLIENT_KEY}.pub /home/{a}/.ssh/authorized_keys" for a in ACCOUNTS),
    ]
    return [["/bin/sh", "-ec", "\n".join(script)]]


def waves(options: SiteOptions, ports: Ports) -> list[list[dict[str, object]]]:
    """The daemons in the order of what needs what; those of one wave start side by side."""
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": options.locale}

    def daemon(name: str, command: str, listens: str | int) -> dict[str, object]:
        return asdict(Daemon(name, command.split(), listens, environment))

    as_munge = "/usr/bin/setpriv --reuid=munge --regid=munge --init-groups"
    munged = daemon("munged", f"{as_munge} /usr/sbin/munged --foreground", "/run/munge/munge.socket.2")
    sshd = daemon("sshd", "/usr/sbin/sshd -D -e", ports.sshd)
    mariadbd = daemon(
        "mariadbd", f"/usr/sbin/mariadbd --user=mysql --socket={MYSQL_SOCKET} --pid-file={MYSQL_PID}", MYSQL_SOCKET
    )
    slurmdbd = daemon("slurmdbd", "/usr/sbin/slurmdbd -D", ports.slurmdbd)
    slurmctld = daemon("slurmctld", "/usr/sbin/slurmctld -D", ports.slurmctld)
    slurmds = [daemon(f"slurmd:{node}", f"/usr/sbin/slurmd -D -N {node}", ports.slurmd(node)) for node in NODES]
    if options.accounting:
        return [[munged, mariadbd, sshd], [slurmdbd], [slurmctld, *slurmds]]
    return [[munged, sshd], [slurmctld, *slurmds]]
