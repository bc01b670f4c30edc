"""The schema of the auditor's database, as Alembic migrations."""
