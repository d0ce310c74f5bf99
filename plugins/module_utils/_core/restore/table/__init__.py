"""One table, out of a backup set or a file, back into a database."""
