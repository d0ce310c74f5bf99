"""A new database beside the old one, filled, compared, and only then put in its place."""
