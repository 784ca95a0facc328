"""A GraphQL gateway between web applications and Slurm clusters."""

__version__ = "0.1.0"
