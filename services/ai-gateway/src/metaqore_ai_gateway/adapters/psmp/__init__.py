"""PSMP in PostgreSQL."""
