"""Locations that are folders of this host."""
