"""The text of every configuration file of the site. Pure: options and ports in, text out."""

from dataclasses import dataclass

from slurm_site.options import NODES, SiteOptions

FIRST_PORT = 21000  # below Linux's ephemeral range (32768…), so that no outgoing connection sits on one of ours
PORTS_PER_SITE = 8


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one instance, all on 127.0.0.1; a block of eight for each slot."""

    base: int

    @classmethod
    def of_slot(cls, slot: int) -> "Ports":
        return cls(FIRST_PORT + slot * PORTS_PER_SITE)

    @property
    def slurmctld(self) -> int:
        return self.base

    @property
    def slurmdbd(self) -> int:
        return self.base + 1

    @property
    def sshd(self) -> int:
        return self.base + 2

    def slurmd(self, node: str) -> int:
        return self.base + 3 + NODES.index(node)

    def all(self) -> list[int]:
        return [self.slurmctld, self.slurmdbd, self.sshd, *(self.slurmd(node) for node in NODES)]


def slurm_conf(options: SiteOptions, ports: Ports) -> str:
    return "\n".join(
        [
            "ClusterName=site",
            "SlurmctldHost=login(127.0.0.1)",
            f"SlurmctldPort={ports.slurmctld}",
            "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny",
            "SlurmUser=slurm",
            "AuthType=auth/munge",
            "StateSaveLocation=/var/spool/slurmctld",
            "SlurmdSpoolDir=/var/spool/slurmd/%n",
            "SlurmctldPidFile=/run/slurm/slurmctld.pid",
            "SlurmdPidFile=/run/slurm/slurmd.%n.pid",
            "MailProg=/bin/true",
            *_behaviour(options),
            *_accounting(options, ports),
            *_nodes(ports),
            *_partitions(options),
            "",
        ]
    )


def _behaviour(options: SiteOptions) -> list[str]:
    return [
        "ProctrackType=proctrack/linuxproc",
        f"TaskPlugin=task/{'cgroup' if options.memory_cgroups else 'none'}",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "SlurmdParameters=config_overrides",
        "GresTypes=gpu",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=task=1",
        # Not both: "Jobs memory is being constrained by both TaskPlugin cgroup and JobAcctGather plugin" is fatal.
        *([] if options.memory_cgroups else ["JobAcctGatherParams=OverMemoryKill"]),
        "SchedulerParameters=batch_sched_delay=0,sched_interval=10,bf_interval=5",
        f"EnforcePartLimits={'ALL' if options.enforce_part_limits else 'NO'}",
        f"MinJobAge={options.min_job_age}",
        "OverTimeLimit=0",
        "KillWait=3",
        "InactiveLimit=0",
        "MessageTimeout=10",
        "JobRequeue=1",
        *_preemption(options),
        "PropagateResourceLimits=NONE",
        "ReturnToService=2",
        "DefMemPerCPU=100",
    ]


def _preemption(options: SiteOptions) -> list[str]:
    """Each partition may have a mode of its own; GANG, which wakes what was suspended, is for all or none."""
    if not options.preemption:
        return ["PreemptType=preempt/none"]
    return ["PreemptType=preempt/partition_prio", "PreemptMode=SUSPEND,GANG", "SchedulerTimeSlice=5"]


def _accounting(options: SiteOptions, ports: Ports) -> list[str]:
    if not options.accounting:
        return []
    return [
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePort={ports.slurmdbd}",
        "AccountingStoreFlags=job_comment",
    ]


def _nodes(ports: Ports) -> list[str]:
    return [
        f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports.slurmd(node)} CPUs=8 RealMemory=4000"
        + (" Gres=gpu:2" if node == NODES[0] else "")
        for node in NODES
    ]


def _partitions(options: SiteOptions) -> list[str]:
    cancelled = " PreemptMode=CANCEL" if options.preemption else ""
    usual = [
        f"PartitionName=debug Nodes=ALL Default=YES MaxTime=60 DefaultTime=10 State=UP{cancelled}",
        f"PartitionName=short Nodes=ALL MaxTime=2 DefaultTime=1 State=UP{cancelled}",
        f"PartitionName=long Nodes=ALL MaxTime=INFINITE DefaultTime=60 State=UP{cancelled}",
    ]
    if not options.preemption:
        return usual
    return [
        *usual,
        "PartitionName=requeue Nodes=ALL MaxTime=60 DefaultTime=10 State=UP PreemptMode=REQUEUE",
        "PartitionName=suspend Nodes=ALL MaxTime=60 DefaultTime=10 State=UP PreemptMode=SUSPEND",
        "PartitionName=urgent Nodes=ALL MaxTime=60 DefaultTime=10 State=UP PriorityTier=10 PreemptMode=OFF",
    ]


def cgroup_conf(options: SiteOptions) -> str:
    if options.memory_cgroups:
        return "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainRAMSpace=yes\n"
    # Slurm 22.05 doesn't know the plugin "disabled"; where no other plugin asks for cgroups it touches none either.
    return "CgroupPlugin=cgroup/v1\n" if options.debian == "bookworm" else "CgroupPlugin=disabled\n"


def gres_conf() -> str:
    """Two GPUs without hardware. Slurm counts only those with a device file; enter.sh makes the nodes."""
    return f"NodeName={NODES[0]} Name=gpu File=/dev/nvidia[0-1]\n"


def slurmdbd_conf(ports: Ports) -> str:
    return "\n".join(
        [
            "DbdHost=localhost",
            "DbdAddr=127.0.0.1",
            f"DbdPort={ports.slurmdbd}",
            "SlurmUser=slurm",
            "AuthType=auth/munge",
            "PidFile=/run/slurm/slurmdbd.pid",
            "StorageType=accounting_storage/mysql",
            "StorageHost=localhost",
            "StorageUser=slurm",
            "StorageLoc=slurm_acct_db",
            "CommunicationParameters=NoInAddrAny",
            "",
        ]
    )


def sshd_config(options: SiteOptions, ports: Ports) -> str:
    return "\n".join(
        [
            f"Port {ports.sshd}",
            "ListenAddress 127.0.0.1",
            "HostKey /etc/ssh/ssh_host_ed25519_key",
            "PidFile none",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UseDNS no",
            f"MaxSessions {options.max_sessions}",
            f"SetEnv LANG={options.locale}",
            *_penalties(options),
            "Subsystem sftp /usr/lib/openssh/sftp-server",
            "",
        ]
    )


def _penalties(options: SiteOptions) -> list[str]:
    """OpenSSH before 9.8 bans nobody, and does not know the word."""
    return [] if options.penalties or options.debian == "bookworm" else ["PerSourcePenalties no"]


def shell_startup(options: SiteOptions) -> str:
    """~/.bashrc: Debian's bash reads it also for `ssh host command`."""
    noise = "echo 'Welcome to the cluster!'\nprintf 'Maintenance on Tuesday: \\303\\274berall \\a\\n'\nsleep 0.1\n"
    return noise if options.banner else ""
