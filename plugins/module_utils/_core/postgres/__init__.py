"""Everything that is known of PostgreSQL servers and their client programs."""
