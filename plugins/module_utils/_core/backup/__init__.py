"""One database becomes one backup set in every location, in one pass over its data."""
