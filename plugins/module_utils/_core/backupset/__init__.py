"""A backup set: its names, its manifest and artifacts, its signature and the records beside it."""
