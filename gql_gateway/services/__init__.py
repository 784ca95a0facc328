"""What a user may do: one transaction a step, never the network inside one."""
