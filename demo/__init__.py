"""A scientist's day on a real Slurm cluster on this machine, through the public API."""
