"""The directory in which Alembic looks for its environment."""
