"""What Alembic runs to migrate: the connection and the transaction are those of `metaqore_mesh.database.migrations`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
