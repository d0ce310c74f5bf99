"""A table filled beside the old one and put in its place, with all that belongs to it."""
