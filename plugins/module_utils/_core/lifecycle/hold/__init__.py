"""Keeping a set from being taken away, and letting it go, in all of its locations."""
