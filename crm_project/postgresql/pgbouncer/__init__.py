"""Django's backend for a PostgreSQL that is reached through PgBouncer."""
