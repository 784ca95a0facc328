"""The gateway's own records: SQL, and only SQL."""
