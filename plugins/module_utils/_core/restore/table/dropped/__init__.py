"""A table that is gone, brought back with all that belonged to it and went with it."""
