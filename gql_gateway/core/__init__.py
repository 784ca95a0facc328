"""Words of the gateway, without I/O: states, specifications, paths and errors."""
