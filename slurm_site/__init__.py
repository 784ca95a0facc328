"""A real Slurm cluster on one Debian machine, for tests and the demo: no Docker, no systemd, gone when its owner is."""

from slurm_site.options import SiteOptions as SiteOptions
from slurm_site.process import SiteError as SiteError
from slurm_site.site import SlurmSite as SlurmSite
