"""pyeventsourcing with its PostgreSQL recorder: the same generations, read from its log."""
