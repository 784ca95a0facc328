"""The one part that submits to Slurm and records what Slurm says."""
