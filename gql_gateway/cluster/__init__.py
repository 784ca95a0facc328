"""The HPC machine, and only it."""
