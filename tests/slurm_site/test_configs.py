"""The site's configuration files, as text."""

from slurm_site import SiteOptions, recipe
from slurm_site.configs import FIRST_PORT, Ports, cgroup_conf, slurm_conf, sshd_config
from slurm_site.instances import SLOTS
from slurm_site.options import RELEASES

PORTS = Ports.of_slot(3)


def test_no_two_sites_share_a_port_and_none_is_ephemeral() -> None:
    ports = [port for slot in range(SLOTS) for port in Ports.of_slot(slot).all()]
    assert len(set(ports)) == len(ports)
    assert min(ports) == FIRST_PORT
    assert max(ports) < 32768


def test_without_accounting_slurm_knows_no_database() -> None:
    assert f"AccountingStoragePort={PORTS.slurmdbd}" in slurm_conf(SiteOptions(), PORTS)
    assert "AccountingStorage" not in slurm_conf(SiteOptions(accounting=False), PORTS)


def test_memory_has_one_guard_and_never_two() -> None:
    gathered, kernel = SiteOptions(), SiteOptions(memory_cgroups=True)
    assert "OverMemoryKill" in slurm_conf(gathered, PORTS)
    assert "task/cgroup" not in slurm_conf(gathered, PORTS)
    assert "OverMemoryKill" not in slurm_conf(kernel, PORTS)
    assert "task/cgroup" in slurm_conf(kernel, PORTS)
    assert "ConstrainRAMSpace=yes" in cgroup_conf(kernel)


def test_options_reach_the_daemons() -> None:
    options = SiteOptions(max_sessions=3, locale="de_DE.UTF-8", min_job_age=2, enforce_part_limits=False)
    assert "MaxSessions 3\n" in sshd_config(options, PORTS)
    assert "SetEnv LANG=de_DE.UTF-8\n" in sshd_config(options, PORTS)
    assert "MinJobAge=2\n" in slurm_conf(options, PORTS)
    assert "EnforcePartLimits=NO\n" in slurm_conf(options, PORTS)
    assert "PerSourcePenalties no\n" in sshd_config(SiteOptions(penalties=False), PORTS)
    assert "PerSourcePenalties" not in sshd_config(SiteOptions(penalties=False, debian="bookworm"), PORTS)
    assert "PerSourcePenalties" not in sshd_config(SiteOptions(), PORTS)


def test_only_where_it_is_wished_is_a_job_preempted() -> None:
    usual, preempting = slurm_conf(SiteOptions(), PORTS), slurm_conf(SiteOptions(preemption=True), PORTS)
    assert "PreemptType=preempt/none\n" in usual
    assert "PriorityTier" not in usual
    assert "PreemptType=preempt/partition_prio\n" in preempting
    modes = [
        line.rpartition("PreemptMode=")[2] for line in preempting.splitlines() if line.startswith("PartitionName=")
    ]
    assert modes == ["CANCEL", "CANCEL", "CANCEL", "REQUEUE", "SUSPEND", "OFF"]


def test_each_release_has_a_root_filesystem_of_its_own() -> None:
    assert len({recipe.name(release) for release in RELEASES}) == len(RELEASES)
