"""A whole database out of a backup set or a file: beside the one that is there, or in its place."""
