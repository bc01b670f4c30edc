"""PostgreSQL: pools, migrations, an inbox and an outbox."""
