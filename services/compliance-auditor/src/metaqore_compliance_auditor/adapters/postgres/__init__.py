"""The logs in PostgreSQL."""
